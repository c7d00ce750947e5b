"""Runs that claims pass over: those of a flow that is paused or archived, and those that found a limit full.

A claim that comes to such a run marks it, and with it others that wait behind it for the same; they leave the claim's
index by that. Whoever takes the obstacle away lets them go again. So a claim costs the same whether one run waits or
ten thousand do.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace.core.states import StateType
from headrace.server import dispatch, queues, tables
from headrace.web.handlers import Call

_runs = tables.flow_runs
_flows = tables.flows

#: So many runs of a queue are looked at for others that wait for the same.
WINDOW = 500
#: When so many are let go at once, all agents that wait are woken, and not one for each run.
MANY = 50

#: The literals let both databases see that the claim's partial index will do.
CLAIMABLE = sa.text("flow_runs.state_type = 'Scheduled' AND flow_runs.waits_for IS NULL")
#: Of a flow whose runs do not start.
CLOSED = sa.or_(_flows.c.paused, _flows.c.archived_at.is_not(None))

_head = (
    sa.select(_runs.c.id, _runs.c.flow_id, _runs.c.slots)
    .where(CLAIMABLE, _runs.c.queue_id == sa.bindparam("queue"), _runs.c.not_before <= sa.bindparam("moment"))
    .order_by(_runs.c.not_before)
    .limit(WINDOW)
)
# Shared: nobody opens the flow before its runs are marked, and who opens it then finds them.
_closed = (
    sa.select(_flows.c.id)
    .where(_flows.c.id.in_(sa.bindparam("flows", expanding=True)), CLOSED)
    .order_by(_flows.c.id)
    .with_for_update(read=True)
)
_untaken = (
    sa.select(_runs.c.id)
    .where(CLAIMABLE, _runs.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_runs.c.id)
    .with_for_update(skip_locked=True)
)
_mark = sa.update(_runs).where(_runs.c.id.in_(_untaken.scalar_subquery()))
_mark_by_flow = _mark.values(waits_for=_runs.c.flow_id)
_mark_for = _mark.values(waits_for=sa.bindparam("what", type_=_runs.c.waits_for.type))
_release_all = sa.update(_runs).where(_runs.c.waits_for == sa.bindparam("what")).values(waits_for=None)
_first = (
    sa.select(_runs.c.id)
    .where(
        _runs.c.waits_for == sa.bindparam("what"),
        _runs.c.waits_for.is_not(None),
        _runs.c.state_type == StateType.SCHEDULED.value,
    )
    .order_by(_runs.c.priority.desc(), _runs.c.not_before)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
_release_some = (
    sa.update(_runs)
    .where(_runs.c.id.in_(_first.scalar_subquery()))
    .values(waits_for=None)
    .returning(_runs.c.id, _runs.c.queue_id)
)


def park_closed(call: Call[Any], queue_id: int) -> None:
    """Marks the runs at the head of this queue whose flows are paused or archived."""
    head = _at_head(call, queue_id)
    flows = sorted({row.flow_id for row in head})
    closed = set(call.connection.execute(_closed, {"flows": flows}).scalars())
    if ids := [row.id for row in head if row.flow_id in closed]:
        call.connection.execute(_mark_by_flow, {"ids": ids})


def park_behind(call: Call[Any], run: sa.Row[Any], limit: sa.Row[Any]) -> None:
    """Marks a run that found a limit full, and those behind it in its queue that would find it full too.

    The caller holds the limit's row, so that nobody frees a slot meanwhile.
    """
    ids = [
        row.id
        for row in _at_head(call, run.queue_id)
        if limit.flow_id in (None, row.flow_id) and row.slots >= run.slots
    ]
    call.connection.execute(_mark_for, {"ids": ids, "what": limit.id})


def _at_head(call: Call[Any], queue_id: int) -> Sequence[Any]:
    return call.connection.execute(_head, {"queue": queue_id, "moment": call.now}).all()


def release(call: Call[Any], what: UUID, most: int | None = None) -> None:
    """Lets runs go that wait for this flow or limit, all or the first `most`, and wakes agents for them."""
    hub = call.service.part(dispatch.Dispatch)
    if most is None:
        if call.connection.execute(_release_all, {"what": what}).rowcount:
            call.after_commit(hub.wake_all)
        return
    released = call.connection.execute(_release_some, {"what": what, "most": most}).all()
    if len(released) > MANY:
        call.after_commit(hub.wake_all)
        return
    known = {
        queue_id: queues.read(call.connection, queue_id) for queue_id in {row.queue_id for row in released}
    }
    for row in released:
        call.after_commit(partial(hub.offer, row.id, known[row.queue_id]))
