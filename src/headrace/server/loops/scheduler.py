"""The scheduler: makes the runs of schedules ahead of their time, and decides what was missed while nobody was there.

Every server does it, for itself: a row that another one holds is passed over, a tick has one run, and what is found is
written only where nobody has written meanwhile. Reading and arithmetic hold nobody up; the writing is done in small parts.
A row that cannot be worked on says why and stops nobody.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core.states import Reason
from headrace.server import dispatch, firings, tables
from headrace.server.firings import Look
from headrace.server.leasing import Leasing
from headrace.server.service import Service
from headrace.web.handlers import Call
from headrace.web.loops import Loop

log = logging.getLogger(__name__)

#: How often a server that has nothing to do looks whether another one has changed a schedule.
EVERY = timedelta(seconds=15)
#: Schedules in one transaction.
BATCH = 25
#: When a schedule is tried again whose runs could not be written.
RETRY = timedelta(hours=1)
#: Where other servers hold the rest, it looks again after this.
AGAIN = timedelta(milliseconds=100)
#: When it looks again where the clock has just jumped.
AFTER_JUMP = timedelta(seconds=1)

_schedules = tables.schedules
_installation = tables.installation

_outline = sa.select(
    _installation.c.paused,
    _installation.c.scheduler_at,
    sa.select(sa.func.min(_schedules.c.fill_at)).scalar_subquery().label("next_at"),
    sa.exists(sa.select(_schedules.c.id)).label("any"),
)
_due = (
    sa.select(_schedules)
    .where(_schedules.c.fill_at <= sa.bindparam("moment"))
    .order_by(_schedules.c.fill_at, _schedules.c.id)
    .limit(BATCH)
    .offset(sa.bindparam("past"))
)
_unsettled = (
    sa.select(_schedules)
    .where(_schedules.c.fill_at.is_not(None), _schedules.c.settled_until < sa.bindparam("moment"))
    .order_by(_schedules.c.id)
    .limit(BATCH)
    .offset(sa.bindparam("past"))
)
_still = (
    sa.select(
        *(_schedules.c.id, _schedules.c.revision, _schedules.c.made_until, _schedules.c.settled_until),
        _schedules.c.fill_at,
    )
    .where(_schedules.c.id.in_(sa.bindparam("ids", expanding=True)), _schedules.c.fill_at.is_not(None))
    .with_for_update(skip_locked=True)
)
_seen = sa.update(_installation).where(_installation.c.paused.is_(sa.false()))
_at_work = sa.select(tables.flows.c.id).where(~tables.flows.c.paused, tables.flows.c.archived_at.is_(None))
#: What was decided about times that now lie ahead once more. Ticks that have a run keep it.
_ahead_of_time = (
    sa.update(_schedules)
    .where(_schedules.c.settled_until > sa.bindparam("moment"))
    .where(_schedules.c.active, _schedules.c.problem.is_(None), _schedules.c.flow_id.in_(_at_work))
    .values({name: sa.bindparam("moment") for name in ("settled_until", "made_until", "fill_at")})
)
_broken = sa.update(_schedules).where(_schedules.c.id == sa.bindparam("id_"))

Making = Callable[[Call[Any], Sequence[Look]], int]


class Outline(NamedTuple):
    """How things stand, as one look finds them."""

    now: datetime
    paused: bool
    seen_at: datetime | None
    next_at: datetime | None
    any: bool


async def run_once(service: Service) -> timedelta | None:
    """Makes all runs that are to be made now; then it is due at the next schedule's time."""
    found = await service.read(_look)
    if found.paused or not found.any:
        return None
    gap = timedelta.max if found.seen_at is None else found.now - found.seen_at
    if abs(gap) > firings.GRACE and service.part(Leasing).doubts(found.now):
        return AFTER_JUMP
    if gap > firings.GRACE:
        made = await _settle(service, found)
        log.info("after a gap since %s the schedules were given %s runs", found.seen_at, made)
    elif gap < -firings.GRACE:
        await service.write(_begin_again)
    elif abs(gap) >= EVERY:
        await service.write(_see)
    made = await _work(service, _due, found.now, lambda row: firings.look(row, found.now), firings.make)
    if made:
        log.info("made %s runs ahead", made)
    after = await service.read(_look)
    if after.next_at is None:
        return None
    return min(EVERY, max(after.next_at - after.now, AGAIN))


async def _settle(service: Service, found: Outline) -> int:
    """Decides about what was missed, for all schedules; only then are scheduled runs claimed again."""
    made = await _work(
        service,
        _unsettled,
        # what another server has just settled is not settled once more: the rest of it is only late
        found.now - firings.GRACE,
        lambda row: firings.look_back(row, found.seen_at, found.now),
        firings.settle,
    )
    await service.write(_see)
    return made


async def _work(
    service: Service, which: sa.Select[Any], moment: datetime, look: Callable[[Any], Look], write: Making
) -> int:
    """Works on the schedules that a statement finds until it finds none. Those that another server holds are passed over."""
    made, past, idle = 0, 0, True
    while True:
        rows = await service.read(partial(_page, which, moment, past))
        if not rows and not past:
            return made
        if not rows:
            # the end of what there is; what others held on the way may have been left by them
            if idle:
                await asyncio.sleep(AGAIN.total_seconds())
            past, idle = 0, True
            continue
        looks = await asyncio.to_thread(_looks, rows, look)
        done = await _written(service, looks, write)
        if done is None:
            past += len(rows)
        else:
            made, idle = made + done, False


def _page(which: sa.Select[Any], moment: datetime, past: int, call: Call[Any]) -> Sequence[sa.Row[Any]]:
    return call.connection.execute(which, {"moment": moment, "past": past}).all()


def _looks(rows: Sequence[Any], look: Callable[[Any], Look]) -> list[Look]:
    """Arithmetic: none of a row's contents keeps the others from theirs."""
    found: list[Look] = []
    for row in rows:
        try:
            found.append(look(row))
        except Exception as error:  # noqa: BLE001 - whatever a row holds, it is shown with it and stops no other
            found.append(Look(row, problem=_failed(row.id, error)))
    return found


async def _written(service: Service, looks: Sequence[Look], write: Making) -> int | None:
    """The number of runs made; None where others hold all of these rows. When all together fail, each is tried alone."""
    try:
        return await service.write(lambda call: _unless_changed(call, looks, write))
    except errors.Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a row that cannot be written stops no other; it is shown with it
        if len(looks) == 1:
            reason = _failed(looks[0].row.id, error)
            await service.write(lambda call: _break(call, looks[0].row.id, reason))
            return 0
    made = 0
    for found in looks:
        made += await _written(service, [found], write) or 0
    return made


def _unless_changed(call: Call[Any], looks: Sequence[Look], write: Making) -> int | None:
    rows = call.connection.execute(_still, {"ids": [found.row.id for found in looks]}).all()
    still = {row.id: (row.revision, row.made_until, row.settled_until) for row in rows}
    if not still:
        return None
    mine = [
        found
        for found in looks
        if still.get(found.row.id) == (found.row.revision, found.row.made_until, found.row.settled_until)
    ]
    return write(call, mine)


def _look(call: Call[Any]) -> Outline:
    row = call.connection.execute(_outline).one()
    return Outline(call.now, row.paused, row.scheduler_at, row.next_at, row.any)


def _see(call: Call[Any]) -> None:
    """Says that somebody looks after the schedules. After a gap scheduled runs may be claimed again from then on."""
    row = call.connection.execute(_outline).one()
    call.connection.execute(_seen, {"scheduler_at": call.now})
    if row.scheduler_at is None or call.now - row.scheduler_at > firings.GRACE:
        call.after_commit(call.service.part(dispatch.Dispatch).wake_all)


def _begin_again(call: Call[Any]) -> None:
    """The clock was set back. Runs are made again of what is to come and was passed over while it was ahead."""
    call.connection.execute(_ahead_of_time, {"moment": call.now})
    _see(call)


def _failed(schedule_id: UUID, error: Exception) -> Reason:
    log.error("the schedule %s cannot be worked on: %s", schedule_id, error, exc_info=error)
    return Reason("schedule_failed", f"The scheduler cannot work on it: {error}")


def _break(call: Call[Any], schedule_id: UUID, reason: Reason) -> None:
    """It is tried again later: what fails here is no fault of what the row says."""
    values = {"fill_at": call.now + RETRY, "settled_until": call.now, "problem": msgspec.to_builtins(reason)}
    call.connection.execute(_broken, {"id_": schedule_id, **values})


loop = Loop("scheduler", EVERY, run_once)
