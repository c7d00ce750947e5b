"""Late runs: those that were due a while ago and that nobody has taken. They are shown; a flow may want them cancelled.

A flow says itself from when on its runs count as late, and after how long they are not worth starting any more; it
counts whatever they wait for.
"""

import dataclasses
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core import reasons
from headrace.core.moves import Actor
from headrace.core.states import State, StateType
from headrace.server import moves, tables
from headrace.web.handlers import SYSTEM, Call

_runs = tables.flow_runs
_flows = tables.flows

#: Late runs that are cancelled in one look.
PAGE = 200

# As text, for the partial index.
_scheduled = sa.text("flow_runs.state_type = 'Scheduled'")
_outdated = (
    _flows.c.cancel_late_seconds.is_not(None),
    _runs.c.started_at.is_(None),
    _runs.c.backfill_id.is_(None),
)
_stale = (
    sa.select(_runs.c.id)
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .where(_scheduled, *_outdated, _runs.c.due_at <= sa.bindparam("moment"))
    .where(tables.later(_runs.c.due_at, _flows.c.cancel_late_seconds) <= sa.bindparam("moment"))
    .order_by(_runs.c.due_at)
    .limit(PAGE)
)
_policy = sa.select(_flows.c.cancel_late_seconds).where(_flows.c.id == sa.bindparam("flow"))


def condition(call: Call[Any]) -> sa.ColumnElement[bool]:
    """That a run is late, for statements over runs and their flows."""
    after = sa.func.coalesce(_flows.c.late_after_seconds, call.service.settings.late_seconds)
    # the first two spare the arithmetic of what is not even due
    return sa.and_(
        _scheduled, _runs.c.not_before < call.now, tables.later(_runs.c.not_before, after) < call.now
    )


def is_late(call: Call[Any], row: Any) -> bool:
    """Of a row with a run's columns and its flow's `late_after_seconds`."""
    if row.state_type != StateType.SCHEDULED.value:
        return False
    own = row.late_after_seconds
    after = call.service.settings.late_seconds if own is None else own
    return call.now - row.not_before > timedelta(seconds=after)


def outdated(call: Call[Any]) -> list[UUID]:
    """Runs that are not worth starting any more, as their flows say."""
    return list(call.connection.execute(_stale, {"moment": call.now}).scalars())


def cancel(call: Call[Any], run_id: UUID) -> bool:
    """Cancels one that is still so late. False when it is not."""
    try:
        row = moves.load(call, run_id)
    except errors.NotFound:
        return False
    after = call.connection.execute(_policy, {"flow": row.flow_id}).scalar()
    waits = row.state_type == StateType.SCHEDULED.value and row.started_at is None
    if after is None or not waits or call.now < row.not_before + timedelta(seconds=after):
        return False
    why = reasons.because("late_cancelled", seconds=after)
    state = State(StateType.CANCELLED, "Cancelled", call.now, why.sentence, code=why.code)
    moves.move(dataclasses.replace(call, caller=SYSTEM), row, state, Actor.SCHEDULER)
    return True
