"""The runs that schedules make: the next ones ahead, what was missed, none twice, none after a change.

What a schedule's row asks for is arithmetic (`look`, `look_back`), done where it holds nobody up; `make` and `settle`
write it while the row is locked, and only where nobody has changed the row since. A tick that has a run keeps it,
whatever became of that run.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import schedules as core_schedules
from headrace.core.moves import Actor
from headrace.core.states import Reason, State, StateType
from headrace.server import dispatch, moves, notices, queues, runs, tables
from headrace.web import many
from headrace.web.handlers import Call, Caller
from headrace.wire import accounts
from headrace.wire import runs as wire_runs
from headrace.wire import schedules as wire_schedules

_schedules = tables.schedules
_runs = tables.flow_runs

#: So many runs are made ahead of each schedule.
AHEAD = 10
#: So many runs go with one statement.
DROPPED = 256
#: A tick that passed more recently than this is late, not missed: its run is made, whatever the policy.
GRACE = timedelta(seconds=60)

_write = sa.update(_schedules).where(_schedules.c.id == sa.bindparam("id_"))
_known = sa.select(_runs.c.schedule_id, _runs.c.tick).where(
    _runs.c.schedule_id.in_(sa.bindparam("schedules", expanding=True)),
    _runs.c.tick.in_(sa.bindparam("ticks", expanding=True)),
)
#: The literal lets both databases see that the partial index of what a flow has before it will do.
_unstarted = (
    sa.select(_runs.c.id, _runs.c.due_at, _runs.c.schedule_id, _runs.c.tick)
    .where(sa.text("flow_runs.state_type = 'Scheduled'"), _runs.c.started_at.is_(None))
    .where(_runs.c.flow_id.in_(sa.bindparam("flows", expanding=True)))
    .where(_runs.c.schedule_id.in_(sa.bindparam("schedules", expanding=True)))
    .order_by(_runs.c.id)
    .with_for_update()
)
_delete = sa.delete(_runs).where(
    _runs.c.id.in_(sa.bindparam("runs", expanding=True)), _runs.c.state_type == "Scheduled"
)


class Look(NamedTuple):
    """What a schedule's row asks for at a moment. `row` is as it was when it was looked at."""

    row: Any
    schedule: core_schedules.Schedule | None = None
    firings: Sequence[core_schedules.Firing] = ()
    fill_at: datetime | None = None
    #: Of missed firings: since when, and what the schedule shows of it; None: there were none.
    since: datetime | None = None
    catch_up: wire_schedules.LastCatchUp | None = None
    problem: Reason | None = None
    #: Until when it decides what was missed. Writing it may come a while later, and what passes meanwhile is only late.
    until: datetime | None = None


def decoded(text: str) -> core_schedules.Schedule:
    """A stored schedule. Raises errors.Invalid where it cannot be read: a zone that is no more, another program's text."""
    try:
        return msgspec.json.decode(text, type=core_schedules.Schedule)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise errors.Invalid(str(error)) from None


def look(row: Any, now: datetime) -> Look:
    """The runs to make so that the next ones are ahead, and those whose tick has just passed without one."""
    try:
        schedule = msgspec.structs.replace(decoded(row.schedule), active=True)
        missed, catch_up = _missed(schedule, row.made_until, now - GRACE, now)
        recent = core_schedules.firings(schedule, max(row.made_until, now - GRACE), now)
        coming = core_schedules.ahead(schedule, now, AHEAD)
    except errors.Invalid as error:
        return Look(row, problem=unreadable(error))
    fresh = [firing for firing in coming if firing.at > row.made_until]
    return Look(row, schedule, [*missed, *recent, *fresh], _fill_at(coming), row.made_until, catch_up)


def look_back(row: Any, seen_at: datetime | None, now: datetime) -> Look:
    """The runs to make of what was missed since somebody last looked after the schedules; `since` is when that was."""
    try:
        schedule = msgspec.structs.replace(decoded(row.schedule), active=True)
        since = max(row.settled_until, min(seen_at or row.settled_until, row.made_until))
        missed, catch_up = _missed(schedule, since, now, now)
    except errors.Invalid as error:
        return Look(row, problem=unreadable(error))
    return Look(row, schedule, missed, now, since, catch_up, until=now)


def unreadable(error: errors.Invalid) -> Reason:
    return Reason("schedule_unreadable", f"What is stored of it cannot be read: {error.message}")


def unfillable(error: errors.Invalid) -> Reason:
    return Reason("parameters_missing", error.message)


def make(call: Call[Any], looks: Sequence[Look], *, settled: bool = False) -> int:
    """Makes the runs of schedules whose rows are locked; the number of runs. `settled`: what passed is decided."""
    plans: list[runs.Plan] = []
    rows: list[dict[str, Any]] = []
    sources = runs.current_sources(call.connection, {found.row.flow_id for found in looks})
    known = _known_ticks(call, looks)
    entered: queues.Entered = {}
    for found in looks:
        fill_at, problem = found.fill_at, found.problem
        try:
            plans += _plans(call, found, sources[found.row.flow_id], known, entered)
        except errors.Invalid as error:
            fill_at, problem = None, unfillable(error)
        made_until = max([found.row.made_until, *(firing.at for firing in found.firings[-1:])])
        decided = found.until or call.now
        last = found.row.last_catch_up
        rows.append(
            {
                "id_": found.row.id,
                "fill_at": fill_at,
                "problem": None if problem is None else msgspec.to_builtins(problem),
                "made_until": max(made_until, decided) if settled else made_until,
                "settled_until": decided if settled else found.row.settled_until,
                "last_catch_up": last if found.catch_up is None else msgspec.to_builtins(found.catch_up),
            }
        )
    if rows:
        call.connection.execute(_write, rows)
    runs.insert(call, plans)
    return len(plans)


def settle(call: Call[Any], looks: Sequence[Look]) -> int:
    """Decides what was missed by schedules whose rows are locked: runs made ahead for ticks that the policy does not
    catch up with go, those that it wants and are not there are made. The number of runs made.
    """
    wanted = {found.row.id: {firing.key for firing in found.firings} for found in looks}
    missed = {found.row.id: (found.since or call.now, found.until or call.now) for found in looks}
    passed = [
        run.id
        for run in _not_started(call, [found.row for found in looks])
        if missed[run.schedule_id][0] < run.due_at <= missed[run.schedule_id][1]
        and run.tick not in wanted[run.schedule_id]
    ]
    _drop(call, passed)
    return make(call, looks, settled=True)


def start(call: Call[Any], row: Any) -> None:
    """Makes the next runs of a schedule whose row is locked, as it is now."""
    make(call, [look(row, call.now)])
    call.after_commit(partial(call.service.poke, "scheduler"))


def remove(call: Call[Any], rows: Sequence[Any], words: str, *, late: bool = True) -> None:
    """Removes what these schedules have made and nobody has started: deleted, or Cancelled where it was due already.

    With `late` False what is due already stays: only the runs to come go.
    """
    future: list[UUID] = []
    for run in _not_started(call, rows):
        if run.due_at > call.now:
            future.append(run.id)
        elif late:
            moves.move(
                call, run.id, State(StateType.CANCELLED, "Cancelled", call.now, words), Actor.SCHEDULER
            )
    _drop(call, future)


def _missed(
    schedule: core_schedules.Schedule, since: datetime, until: datetime, now: datetime
) -> tuple[list[core_schedules.Firing], wire_schedules.LastCatchUp | None]:
    """What the policy makes of what passed in a period, and a note of it where anything passed."""
    if until <= since:
        return [], None
    anything = msgspec.structs.replace(schedule, catch_up=core_schedules.CatchUp.LATEST, window_seconds=None)
    if not core_schedules.missed(anything, since, until):
        return [], None
    found = core_schedules.missed(schedule, since, until)
    note = wire_schedules.LastCatchUp(at=now, since=since, policy=schedule.catch_up, made=len(found))
    return found, note


def _fill_at(coming: Sequence[core_schedules.Firing]) -> datetime | None:
    """When half of what is ahead has fired, between two ticks, when claims have nothing to do with this schedule.

    One that has no more firings than these is looked at once more after its last, and then never.
    """
    instants = sorted({firing.at for firing in coming})
    if not instants:
        return None
    if len(coming) < AHEAD:
        return instants[-1] + timedelta(seconds=1)
    half = len(instants) // 2
    return instants[0] if half == 0 else instants[half - 1] + (instants[half] - instants[half - 1]) / 2


def _plans(
    call: Call[Any],
    found: Look,
    source: sa.Row[Any],
    known: set[tuple[UUID, str]],
    entered: queues.Entered,
) -> list[runs.Plan]:
    """The runs for firings that have none."""
    wanted = [firing for firing in found.firings if (found.row.id, firing.key) not in known]
    columns = {"schedule_id": found.row.id, "schedule_revision": found.row.revision}
    by = Caller("schedule", accounts.Role.ADMINISTRATOR, id=found.row.id, name=found.row.name)

    def asked(firing: core_schedules.Firing) -> wire_runs.CreateFlowRun:
        own = found.schedule
        return wire_runs.CreateFlowRun(
            flow_id=found.row.flow_id,
            parameters=firing.parameters,
            labels=firing.labels,
            priority=None if own is None else own.priority,
            slots=None if own is None else own.slots,
        )

    # what is caught up with waits from now on, but is for its own moment
    return [
        runs.again(pattern, firing.at, tick=firing.key, not_before=max(firing.at, call.now))
        for firing, pattern in patterns(call, by, source, wanted, asked, columns, entered)
    ]


def patterns(
    call: Call[Any],
    by: Caller,
    source: sa.Row[Any],
    wanted: Sequence[core_schedules.Firing],
    asked: Callable[[core_schedules.Firing], wire_runs.CreateFlowRun],
    columns: dict[str, Any],
    entered: queues.Entered | None = None,
) -> Iterator[tuple[core_schedules.Firing, runs.Plan]]:
    """Each firing with a run like its own: all firings of a clock differ in nothing but their time."""
    as_maker = dataclasses.replace(call, caller=by)
    origin = runs.Origin(Actor.SCHEDULER, columns)
    made: dict[int, runs.Plan] = {}
    for firing in wanted:
        if firing.clock not in made:
            made[firing.clock] = runs.plan(as_maker, source, asked(firing), origin=origin, entered=entered)
        yield firing, made[firing.clock]


def _known_ticks(call: Call[Any], looks: Sequence[Look]) -> set[tuple[UUID, str]]:
    ticks = {firing.key for found in looks for firing in found.firings}
    if not ticks:
        return set()
    asked = {"schedules": [found.row.id for found in looks], "ticks": list(ticks)}
    return {(row.schedule_id, row.tick) for row in call.connection.execute(_known, asked)}


def _not_started(call: Call[Any], rows: Sequence[Any]) -> Sequence[Any]:
    asked = {"flows": list({row.flow_id for row in rows}), "schedules": [row.id for row in rows]}
    return call.connection.execute(_unstarted, asked).all() if rows else []


def _drop(call: Call[Any], run_ids: Sequence[UUID]) -> None:
    """Deletes runs that nobody has had, with their history."""
    if not run_ids:
        return
    for start in range(0, len(run_ids), DROPPED):
        call.connection.execute(_delete, {"runs": many.padded(run_ids[start : start + DROPPED])})
    hub = call.service.part(dispatch.Dispatch)

    def told() -> None:
        for run_id in run_ids:
            hub.taken(run_id)
        call.service.part(notices.Notices).changed("flow_runs")

    call.after_commit(told)
