"""Epochs: a database that has gone back to an earlier state of itself begins a new life.

What it granted since the backup it does not know: claims, fences, ends of runs. So every fence jumps beyond all that were
given out, and whoever holds an older one is told that it is superseded. A run that may run at most once and may have been
started since is not started again; the others wait until the processes of the lost time must be gone.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import leases
from headrace.core.moves import Actor
from headrace.core.states import State, StateType
from headrace.core.transitions import OnLost
from headrace.server import moves, tables
from headrace.web import ids
from headrace.web.handlers import Call

#: No run is granted so often.
JUMP = 1_000_000
#: Runs settled in one look.
PAGE = 500

_epochs = tables.epochs
_runs = tables.flow_runs
_events = tables.run_events
_schedules = tables.schedules

_last = sa.select(sa.func.max(_epochs.c.number))
_unfinished = _runs.c.finished_at.is_(None)
_note = sa.insert(_events).from_select(
    ["flow_run_id", "seq", "kind", "state_type", "state_name", "state_message", "actor_kind", "actor_name", "fence", "at"],
    sa.select(
        _runs.c.id,
        _runs.c.version + 1,
        sa.literal("note", sa.Text),
        _runs.c.state_type,
        _runs.c.state_name,
        sa.bindparam("message", type_=sa.Text),
        sa.bindparam("kind", type_=sa.Text),
        sa.bindparam("name", type_=sa.Text),
        _runs.c.fence + JUMP,
        sa.bindparam("moment", type_=_events.c.at.type),
    ).where(_unfinished),
)  # fmt: skip
_raise = sa.update(_runs).where(_unfinished).values(fence=_runs.c.fence + JUMP, version=_runs.c.version + 1)
_doubtful = (
    sa.select(_runs.c.id)
    .where(_runs.c.on_lost == OnLost.CRASH.value, _runs.c.id > sa.bindparam("after"))
    .where(
        sa.or_(
            _runs.c.state_type == StateType.SUBMITTED.value,
            sa.and_(
                _runs.c.state_type == StateType.SCHEDULED.value, _runs.c.not_before <= sa.bindparam("moment")
            ),
        )
    )
    .order_by(_runs.c.id)
    .limit(PAGE)
)
_hold_back = (
    sa.update(_runs)
    .where(_runs.c.state_type == StateType.SCHEDULED.value, _runs.c.not_before < sa.bindparam("later"))
    .values(not_before=sa.bindparam("later"))
)
#: Leases count from now: the reaper's rules say what becomes of runs whose processes were told to stop.
_renew = sa.update(_runs).where(_runs.c.lease_until.is_not(None)).values(lease_until=sa.bindparam("until"))
# what fired since the backup has been decided upon by a server that is gone
_settle_schedules = [
    sa.update(_schedules).where(column < sa.bindparam("moment")).values({column.name: sa.bindparam("moment")})
    for column in (_schedules.c.settled_until, _schedules.c.made_until)
]


class Begun(msgspec.Struct, frozen=True):
    """A new epoch: its number, how many unfinished runs got a new fence, and which were ended."""

    number: int
    fenced: int
    crashed: list[UUID]


def begin(call: Call[Any], reason: str, as_of: datetime | None = None) -> Begun:
    """Begins a new epoch of a database that was put back to what it was at `as_of`."""
    number = (call.connection.execute(_last).scalar() or 0) + 1
    values = {"number": number, "id": ids.uuid7(), "reason": reason, "began_at": call.now, "as_of": as_of}
    call.connection.execute(_epochs.insert(), values)
    said = {
        "message": f"the database was {reason}: processes of the run from before are superseded",
        "kind": call.caller.kind,
        "name": call.caller.name,
        "moment": call.now,
    }
    call.connection.execute(_note, said)
    fenced = call.connection.execute(_raise).rowcount
    crashed = list(_crash(call, reason))
    timing = moves.leasing(call).timing
    call.connection.execute(_renew, {"until": leases.lease_until(call.now, timing)})
    call.connection.execute(_hold_back, {"later": call.now + timing.lease + timing.grace})
    for statement in _settle_schedules:
        call.connection.execute(statement, {"moment": call.now})
    return Begun(number, fenced, crashed)


def _crash(call: Call[Any], reason: str) -> list[UUID]:
    """Ends the runs of mode crash that may have been started since."""
    words = (
        f"the database was {reason}: whether this run was executed since is not known, and its flow runs at most once."
        " Look what it has done, and run it again if it must"
    )
    crashed: list[UUID] = []
    after = UUID(int=0)
    while found := call.connection.execute(_doubtful, {"after": after, "moment": call.now}).scalars().all():
        for run_id in found:
            try:
                moves.move(
                    call,
                    run_id,
                    State(StateType.CRASHED, "Lost", call.now, words),
                    Actor.REAPER,
                    may_have_run=True,
                )
            except (errors.Conflict, errors.TooEarly) as error:
                raise errors.HeadraceError(f"run {run_id} cannot be settled: {error.message}") from error
            crashed.append(run_id)
        after = found[-1]
    return crashed
