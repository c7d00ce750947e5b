"""What ends when its time is over: pauses that nobody has ended, and runs whose processes do not keep their time-out.

A pause ends at the moment that is shown with it, by the database's clock. How long a run has been running only its
supervisor's heartbeats say, by a clock that nobody can set. The supervisor ends it at its time-out; the server does so
some time later, where the supervisor lives on and has not. One that is not heard of at all is lost, which is decided
elsewhere.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core import leases, reasons
from headrace.core.moves import Actor
from headrace.core.states import Reason, State, StateType
from headrace.server import moves, tables
from headrace.web.handlers import Call
from headrace.wire import runs

_runs = tables.flow_runs

#: Pauses that are ended in one look.
PAGE = 200

_pauses = (
    sa.select(_runs.c.id)
    .where(_runs.c.pause_ends_at <= sa.bindparam("moment"))
    .order_by(_runs.c.pause_ends_at)
    .limit(PAGE)
)


def over(call: Call[Any]) -> list[UUID]:
    """The runs whose pause is over."""
    return list(call.connection.execute(_pauses, {"moment": call.now}).scalars())


def end(call: Call[Any], run_id: UUID) -> bool:
    """Ends one of them. False when the rules, with the facts as they are now, leave it as it is."""
    try:
        row = moves.load(call, run_id)
        if row.state_type != StateType.PAUSED.value:
            return False
        _fail(call, row, reasons.because("pause_timed_out", since=f"{row.state_at:%Y-%m-%d %H:%M:%S} UTC"))
    except (errors.NotFound, errors.Conflict, errors.TooEarly):
        return False
    return True


def overrun(row: sa.Row[Any], beat: runs.HeartbeatFlowRun, timing: leases.Timing) -> bool:
    """Whether a run has been running for longer than its own processes may need to end it at its time-out."""
    if row.timeout_seconds is None or beat.running_seconds is None or row.fence != beat.fence:
        return False
    reserve = leases.time_out_reserve(timing).total_seconds()
    return row.state_type == StateType.RUNNING.value and beat.running_seconds > row.timeout_seconds + reserve


def end_overrun(call: Call[Any], beat: runs.HeartbeatFlowRun) -> None:
    """Ends the run of this heartbeat, unless it has moved on meanwhile."""
    row = moves.load(call, beat.flow_run_id)
    if overrun(row, beat, moves.leasing(call).timing):
        _fail(call, row, reasons.because("timed_out", seconds=row.timeout_seconds), times_out_at=call.now)


def _fail(call: Call[Any], row: sa.Row[Any], why: Reason, **facts: Any) -> None:
    state = State(StateType.FAILED, "TimedOut", call.now, why.sentence, code=why.code)
    moves.move(call, row, state, Actor.REAPER, **facts)
