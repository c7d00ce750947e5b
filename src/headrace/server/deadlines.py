"""What ends when its time is over: pauses that nobody has ended, and runs whose processes do not keep their time-out.

A run's supervisor ends it at its time-out. The server does so some time later, where the supervisor lives on and has not:
one that is not heard of at all is lost, which is decided elsewhere.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core import leases, reasons
from headrace.core.moves import Actor
from headrace.core.states import State, StateType
from headrace.server import moves, tables
from headrace.web.handlers import Call

_runs = tables.flow_runs

#: Runs that are ended in one look.
PAGE = 200

_pauses = (
    sa.select(_runs.c.id)
    .where(_runs.c.pause_ends_at <= sa.bindparam("moment"))
    .order_by(_runs.c.pause_ends_at)
    .limit(PAGE)
)
# The first condition is the partial index's, as text; the lease says that somebody is there who has not kept it.
_running = (
    sa.select(_runs.c.id)
    .where(sa.text("flow_runs.state_type = 'Running' AND flow_runs.timeout_seconds IS NOT NULL"))
    .where(_runs.c.state_at <= sa.bindparam("before"), _runs.c.lease_until > sa.bindparam("moment"))
    .where(tables.later(_runs.c.state_at, _runs.c.timeout_seconds) <= sa.bindparam("before"))
    .order_by(_runs.c.state_at)
    .limit(PAGE)
)


def over(call: Call[Any]) -> list[UUID]:
    """The runs whose time is over."""
    before = call.now - leases.time_out_reserve(moves.leasing(call).timing)
    pauses = call.connection.execute(_pauses, {"moment": call.now}).scalars().all()
    running = call.connection.execute(_running, {"moment": call.now, "before": before}).scalars().all()
    return [*pauses, *running]


def end(call: Call[Any], run_id: UUID) -> bool:
    """Ends one of them. False when the rules, with the facts as they are now, leave it as it is."""
    try:
        row = moves.load(call, run_id)
        if row.state_type == StateType.PAUSED.value:
            why = reasons.because("pause_timed_out", since=f"{row.state_at:%Y-%m-%d %H:%M:%S} UTC")
        elif row.state_type == StateType.RUNNING.value and row.timeout_seconds is not None:
            why = reasons.because("timed_out", seconds=row.timeout_seconds)
        else:
            return False
        state = State(StateType.FAILED, "TimedOut", call.now, why.sentence, code=why.code)
        moves.move(call, row, state, Actor.REAPER)
    except (errors.NotFound, errors.Conflict, errors.TooEarly):
        return False
    return True
