"""The reaper: looks for runs whose holder is gone, and ends or rescues them as the rules say; then for those whose time is over.

It finds suspects beside the writer, then takes each one up in a transaction of its own, where the facts are read again:
what counts is the lease when the move is made. A run that it may not move does not keep it from the next. Every server
does it, for itself: when one is killed the others need not wait until its lease is over.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core import leases, reasons, transitions
from headrace.core.moves import Actor
from headrace.core.states import State, StateType
from headrace.server import deadlines, lateness, moves, tables
from headrace.server.leasing import Leasing
from headrace.server.service import Service
from headrace.web.handlers import Call
from headrace.web.loops import Loop

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=1)
#: Suspects looked at in one page.
PAGE = 200

_runs = tables.flow_runs
# A run that is held and has no lease is a suspect too: it must not stick for ever.
_suspects = (
    sa.select(*moves.FACTS)
    .where(_runs.c.state_type.in_(sa.bindparam("held", expanding=True)), _runs.c.id > sa.bindparam("after"))
    .where(sa.or_(_runs.c.lease_until <= sa.bindparam("moment"), _runs.c.lease_until.is_(None)))
    .order_by(_runs.c.id)
    .limit(PAGE)
)
_shorten = (
    sa.update(_runs)
    .where(_runs.c.lease_until > sa.bindparam("until"))
    .values(lease_until=sa.bindparam("until"))
)

#: What the reaper proposes for a run in this state, and why; the rules may make something else of it.
_PROPOSED = {
    StateType.SUBMITTED: (StateType.SCHEDULED, "Rescued", "agent_gone"),
    StateType.RUNNING: (StateType.CRASHED, "Lost", "lost"),
    StateType.CANCELLING: (StateType.CANCELLED, "Cancelled", "lost"),
}


async def run_once(service: Service) -> timedelta | None:
    """Looks through all suspects once."""
    keeper = service.part(Leasing)
    try:
        moved = await _look(service, keeper)
    except errors.Unavailable:
        keeper.forget()
        raise
    if moved:
        log.info("the reaper has ended or rescued %s runs", moved)
    return None


async def _look(service: Service, keeper: Leasing) -> int:
    moment = await service.read(lambda call: call.now)
    if keeper.look(moment, EVERY):
        await service.write(shorten)
    if keeper.in_amnesty(moment):
        return 0
    moved = 0
    after: UUID | None = UUID(int=0)
    while after is not None:
        lost, after = await _page(service, after)
        for run_id in lost:
            moved += await service.write(lambda call, run_id=run_id: sweep(call, run_id))
    for run_id in await service.read(deadlines.over):
        moved += await service.write(
            lambda call, run_id=run_id: _trusts(call) and deadlines.end(call, run_id)
        )
    for run_id in await service.read(lateness.outdated):
        moved += await service.write(
            lambda call, run_id=run_id: _trusts(call) and lateness.cancel(call, run_id)
        )
    return moved


async def _page(service: Service, after: UUID) -> tuple[list[UUID], UUID | None]:
    """Of the next suspects those that may be moved now, and where to go on."""

    def look(call: Call[Any]) -> tuple[list[UUID], UUID | None]:
        asked = {"after": after, "moment": call.now, "held": [kind.value for kind in _PROPOSED]}
        rows = call.connection.execute(_suspects, asked).all()
        lost = [row.id for row in rows if _is_lost(call, row)]
        return lost, rows[-1].id if len(rows) == PAGE else None

    return await service.read(look)


def _is_lost(call: Call[Any], row: sa.Row[Any]) -> bool:
    return isinstance(moves.judge(call, row, _proposed(call, row), Actor.REAPER), transitions.Accept)


def sweep(call: Call[Any], run_id: UUID) -> bool:
    """Takes one suspect up. False when the rules, with the facts as they are now, leave it as it is.

    Also where time has jumped since the look: the next one sees it, and grants an amnesty.
    """
    if not _trusts(call):
        return False
    try:
        row = moves.load(call, run_id)
        if StateType(row.state_type) not in _PROPOSED:
            return False
        answer = moves.move(call, row, _proposed(call, row), Actor.REAPER)
    except (errors.NotFound, errors.Conflict, errors.TooEarly):
        return False
    return answer.version != row.version


def shorten(call: Call[Any]) -> int:
    """Cuts leases that end later than one granted now: they were granted before the clock was set back. How many."""
    until = leases.lease_until(call.now, moves.leasing(call).timing)
    return call.connection.execute(_shorten, {"until": until}).rowcount


def _trusts(call: Call[Any]) -> bool:
    return moves.leasing(call).trusts(call.now, EVERY)


def _proposed(call: Call[Any], row: sa.Row[Any]) -> State:
    type_, name, code = _PROPOSED[StateType(row.state_type)]
    since = row.last_contact_at or row.state_at
    why = reasons.because(code, since=f"{since:%H:%M:%S} UTC")
    # Of a run that was told to stop the reason stays: somebody cancelled it.
    given = row.state_code if type_ is StateType.CANCELLED else why.code
    return State(type_, name, call.now, why.sentence, code=given)


loop = Loop("reaper", EVERY, run_once)
