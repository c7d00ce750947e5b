"""Backfills: a range of past firings, so many at a time, with one handle.

Its firings are arithmetic, always the same for the schedule that is kept with it, so it keeps no list of them, but how
far it has come. The loop `backfills` makes the next runs when others have ended; a unique key over backfill and
tick sees to it that two servers make none twice.
"""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import limits, reasons
from headrace.core import schedules as core_schedules
from headrace.core.moves import Actor
from headrace.core.states import FINISHED, State, StateType
from headrace.server import firings, flow_schedules, moves, runs, tables
from headrace.server.service import Service, handles, prepares
from headrace.web import ids, pages
from headrace.web.handlers import Call, Caller
from headrace.wire import accounts, backfills, operations
from headrace.wire import runs as wire_runs

_backfills = tables.backfills
_runs = tables.flow_runs
_schedules = tables.schedules

#: Firings of one backfill.
MOST = 100_000
#: Its runs that are unfinished at a time.
MOST_PARALLEL = 1_000
#: Firings shown of a plan, and runs made or cancelled in one transaction.
SHOWN, BATCH = 20, 200
_MOMENT = timedelta(microseconds=1)
_ENDED = [kind.value for kind in FINISHED]

_schedule = sa.select(_schedules).where(_schedules.c.id == sa.bindparam("id"))
_all = (
    sa.select(_backfills, tables.flows.c.name.label("flow"), tables.projects.c.name.label("project"))
    .join(tables.flows, tables.flows.c.id == _backfills.c.flow_id)
    .join(tables.projects, tables.projects.c.id == tables.flows.c.project_id)
)
_one = _all.where(_backfills.c.id == sa.bindparam("id"))
_lock = sa.select(_backfills).where(_backfills.c.id == sa.bindparam("id")).with_for_update()
_write = sa.update(_backfills).where(_backfills.c.id == sa.bindparam("id_"))
_at_work = sa.select(_backfills.c.id).where(_backfills.c.status == "running").order_by(_backfills.c.id)
_of = _runs.c.backfill_id == sa.bindparam("backfill")
_unfinished = sa.select(sa.func.count()).where(_of, _runs.c.finished_at.is_(None))
_counts = (
    sa.select(_runs.c.backfill_id, _runs.c.state_type, sa.func.count().label("runs"))
    .where(_runs.c.backfill_id.in_(sa.bindparam("ids", expanding=True)))
    .group_by(_runs.c.backfill_id, _runs.c.state_type)
)
_open = (
    sa.select(*moves.FACTS)
    .where(_of, _runs.c.state_type.not_in([*_ENDED, "Cancelling"]))
    .order_by(_runs.c.id)
    .limit(BATCH)
    .with_for_update()
)
_to_stop = (
    sa.select(_backfills.c.id)
    .where(_backfills.c.status == "cancelled")
    .where(
        sa.exists().where(
            _runs.c.backfill_id == _backfills.c.id, _runs.c.state_type.not_in([*_ENDED, "Cancelling"])
        )
    )
)
#: Ticks that have a run: the schedule's own, and those of backfills of the same flow.
_had = sa.select(_runs.c.tick, _runs.c.state_type).where(
    sa.or_(
        _runs.c.schedule_id == sa.bindparam("schedule"),
        _runs.c.backfill_id.in_(
            sa.select(_backfills.c.id).where(_backfills.c.flow_id == sa.bindparam("flow"))
        ),
    ),
    _runs.c.due_at >= sa.bindparam("since"),
    _runs.c.due_at <= sa.bindparam("until"),
)


class Asked(msgspec.Struct, frozen=True):
    """What a request means: which flow's which firings, in the order in which they run."""

    flow_id: UUID
    schedule: core_schedules.Schedule
    firings: list[core_schedules.Firing]
    skipped: int


def _planned(service: Service, caller: Caller, request: backfills.CreateBackfill) -> Asked:
    """Years of minutes are counted on a thread."""
    _check(request)
    flow_id, schedule = service.look(lambda call: _meant(call.connection, request))
    found = _firings(schedule, request)
    meant = SimpleNamespace(schedule_id=request.schedule_id, flow_id=flow_id, skip=request.skip)
    had = service.look(lambda call: _ticks_had(call.connection, meant, found))
    left = [firing for firing in found if firing.key not in had]
    return Asked(flow_id, schedule, left, len(found) - len(left))


prepares(operations.create_backfill)(_planned)
prepares(operations.plan_backfill)(_planned)


def _check(request: backfills.CreateBackfill) -> None:
    fields: dict[str, str] = {}
    if (request.schedule_id is None) == (request.schedule is None):
        fields["schedule_id"] = "name a schedule, or give one in `schedule`"
    if request.schedule is not None and request.flow_id is None:
        fields["flow_id"] = "say whose runs are made"
    for field in ("since", "until"):
        if getattr(request, field).tzinfo is None:
            fields[field] = "must have a time zone, like 2026-11-22T06:00:00+01:00"
    if not fields and request.until < request.since:
        fields["until"] = "must not be before `since`"
    if not 1 <= request.parallel <= MOST_PARALLEL:
        fields["parallel"] = f"from 1 to {MOST_PARALLEL}"
    fields |= limits.problems(request.priority, None)
    if fields:
        (field, problem), *_ = fields.items()
        raise errors.Invalid(f"{field}: {problem}", fields=fields)


def _meant(
    connection: sa.Connection, request: backfills.CreateBackfill
) -> tuple[UUID, core_schedules.Schedule]:
    if request.schedule is not None and request.flow_id is not None:
        return request.flow_id, request.schedule
    row = connection.execute(_schedule, {"id": request.schedule_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no schedule {request.schedule_id}")
    return row.flow_id, msgspec.json.decode(row.schedule, type=core_schedules.Schedule)


def _firings(
    schedule: core_schedules.Schedule, request: backfills.CreateBackfill
) -> list[core_schedules.Firing]:
    found: list[core_schedules.Firing] = []
    for firing in core_schedules.firings(schedule, request.since - _MOMENT, request.until):
        found.append(firing)
        if len(found) > MOST:
            raise errors.TooLarge(f"this period has more than {MOST} firings: take a shorter one")
    return found[::-1] if request.newest_first else found


def _ticks_had(connection: sa.Connection, asked: Any, firings: Sequence[core_schedules.Firing]) -> set[str]:
    """Of these firings the ticks that are left out, because they have a run."""
    if asked.skip == "none" or not firings:
        return set()
    between = sorted((firings[0].at, firings[-1].at))
    of = {"schedule": asked.schedule_id, "flow": asked.flow_id, "since": between[0], "until": between[1]}
    rows = connection.execute(_had, of)
    return {row.tick for row in rows if asked.skip == "any" or row.state_type == "Success"}


@handles(operations.plan_backfill)
def plan_backfill(call: Call[Any], request: backfills.CreateBackfill) -> backfills.BackfillPlan:
    """The dry run."""
    asked: Asked = call.prepared
    first = [
        backfills.Planned(
            at=firing.at, parameters={**firing.parameters, **request.parameters}, dst=firing.dst
        )
        for firing in asked.firings[:SHOWN]
    ]
    return backfills.BackfillPlan(total=len(asked.firings), skipped=asked.skipped, first=first)


@handles(operations.create_backfill)
def create_backfill(call: Call[Any], request: backfills.CreateBackfill) -> backfills.Backfill:
    asked: Asked = call.prepared
    source = runs.current_sources(call.connection, [asked.flow_id]).get(asked.flow_id)
    if source is None:
        raise errors.NotFound(f"there is no flow {asked.flow_id}")
    if source.archived_at is not None:
        raise errors.Conflict(f"the flow {source.flow!r} is archived", reason="archived")
    flow_schedules.check(source, _with(asked.schedule, request.parameters))
    backfill_id = ids.uuid7()
    values = {
        name: getattr(request, name) for name in ("schedule_id", "since", "until", "parallel", "newest_first")
    }
    values |= {name: getattr(request, name) for name in ("skip", "parameters", "priority")}
    values |= {
        "id": backfill_id,
        "flow_id": asked.flow_id,
        "schedule": flow_schedules.encoded(asked.schedule),
        "status": "running",
        "total": len(asked.firings),
        "skipped": asked.skipped,
        "cursor_at": request.until if request.newest_first else request.since - _MOMENT,
        "created_at": call.now,
        "created_by": call.caller.name,
    }
    call.connection.execute(sa.insert(_backfills), values)
    go_on(call, backfill_id)
    return _read(call, backfill_id)


def _with(schedule: core_schedules.Schedule, parameters: dict[str, Any]) -> core_schedules.Schedule:
    """The schedule whose clocks give these parameters besides their own."""
    clocks = tuple(
        msgspec.structs.replace(clock, parameters={**clock.parameters, **parameters})
        for clock in schedule.clocks
    )
    return msgspec.structs.replace(schedule, clocks=clocks)


def at_work(call: Call[Any]) -> Sequence[UUID]:
    """The backfills that have not ended."""
    return call.connection.execute(_at_work).scalars().all()


def go_on(call: Call[Any], backfill_id: UUID) -> int:
    """Makes the next runs, as many as there is room for; how many. Ends the backfill when all is done."""
    row = call.connection.execute(_lock, {"id": backfill_id}).one_or_none()
    if row is None or row.status != "running":
        return 0
    source = runs.current_sources(call.connection, [row.flow_id]).get(row.flow_id)
    if source is None or source.archived_at is not None:
        _end(call, row.id, "cancelled", "the flow is archived or deleted")
        return 0
    busy = call.connection.execute(_unfinished, {"backfill": row.id}).scalar_one()
    room = min(row.parallel - busy, BATCH)
    if room <= 0:
        return 0
    schedule = msgspec.json.decode(row.schedule, type=core_schedules.Schedule)
    found = _next(schedule, row, room)
    if not found:
        if not busy:
            _end(call, row.id, "done")
        return 0
    had = _ticks_had(call.connection, row, found)
    wanted = [firing for firing in found if firing.key not in had]
    try:
        runs.insert(call, _plans(call, row, source, wanted))
    except errors.Invalid as error:
        _end(call, row.id, "cancelled", f"its runs do not fit the flow any more: {error.message}")
        return 0
    cursor = found[-1].at - _MOMENT if row.newest_first else found[-1].at
    call.connection.execute(_write, {"id_": row.id, "cursor_at": cursor})
    return len(found)


def _next(schedule: core_schedules.Schedule, row: Any, room: int) -> list[core_schedules.Firing]:
    """The next firings in its order: whole instants, until there is no more room."""
    if row.newest_first:
        everything = msgspec.structs.replace(
            schedule, catch_up=core_schedules.CatchUp.ALL, window_seconds=None, active=True
        )
        coming = iter(core_schedules.missed(everything, row.since - _MOMENT, row.cursor_at)[::-1])
    else:
        coming = core_schedules.firings(schedule, row.cursor_at, row.until)
    found: list[core_schedules.Firing] = []
    for firing in coming:
        if len(found) >= room and firing.at != found[-1].at:
            break
        found.append(firing)
    return found


def _plans(
    call: Call[Any], row: Any, source: Any, wanted: Sequence[core_schedules.Firing]
) -> list[runs.Plan]:
    by = Caller("backfill", accounts.Role.ADMINISTRATOR, id=row.id, name=row.created_by)

    def asked(firing: core_schedules.Firing) -> wire_runs.CreateFlowRun:
        return wire_runs.CreateFlowRun(
            flow_id=row.flow_id,
            parameters={**firing.parameters, **row.parameters},
            labels=firing.labels,
            priority=row.priority,
        )

    # each is for its own moment, and waits from now on
    return [
        runs.again(pattern, firing.at, tick=firing.key, not_before=call.now)
        for firing, pattern in firings.patterns(call, by, source, wanted, asked, {"backfill_id": row.id})
    ]


def _end(call: Call[Any], backfill_id: UUID, status: str, problem: str = "") -> None:
    values = {"status": status, "problem": problem, "ended_at": call.now}
    call.connection.execute(_write, {"id_": backfill_id, **values})


@handles(operations.cancel_backfill)
def cancel_backfill(call: Call[Any], request: backfills.BackfillRef) -> backfills.Backfill:
    """It makes no more runs; those that have not ended are cancelled, the first ones at once, the others by the loop."""
    row = call.connection.execute(_lock, {"id": request.backfill_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no backfill {request.backfill_id}")
    if row.status == "running":
        _end(call, row.id, "cancelled", f"cancelled by {call.caller.name or call.caller.kind}")
        if stop(call, row.id) == BATCH:
            call.after_commit(lambda: call.service.poke("backfills"))
    return _read(call, row.id)


def stop(call: Call[Any], backfill_id: UUID) -> int:
    """Cancels runs of a backfill that was cancelled, at most `BATCH`: how many."""
    rows = call.connection.execute(_open, {"backfill": backfill_id}).all()
    why = reasons.because("cancelled", who=call.caller.name or call.caller.kind)
    for row in rows:
        state = State(StateType.CANCELLED, "Cancelled", call.now, why.sentence, code=why.code)
        moves.move(call, row, state, Actor.USER)
    return len(rows)


def to_stop(call: Call[Any]) -> Sequence[UUID]:
    """Cancelled backfills with runs that have not been told."""
    return call.connection.execute(_to_stop).scalars().all()


@handles(operations.read_backfill)
def read_backfill(call: Call[Any], request: backfills.BackfillRef) -> backfills.Backfill:
    return _read(call, request.backfill_id)


@handles(operations.list_backfills)
def list_backfills(call: Call[Any], request: backfills.ListBackfills) -> wire.Page[backfills.Backfill]:
    asked = pages.given({_backfills.c.flow_id: request.flow_id})
    rows, following = pages.newest_first(call.connection, _all.where(*asked), _backfills.c.id, request)
    return wire.Page(items=_shown(call, rows), next=following)


def _read(call: Call[Any], backfill_id: UUID) -> backfills.Backfill:
    row = call.connection.execute(_one, {"id": backfill_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no backfill {backfill_id}")
    return _shown(call, [row])[0]


def _shown(call: Call[Any], rows: Sequence[Any]) -> list[backfills.Backfill]:
    counts: dict[UUID, dict[str, int]] = {row.id: {} for row in rows}
    for found in call.connection.execute(_counts, {"ids": list(counts)}) if counts else ():
        counts[found.backfill_id][found.state_type] = found.runs
    taken = {"schedule", "runs"}
    names = [name for name in backfills.Backfill.__struct_fields__ if name not in taken]
    return [
        backfills.Backfill(
            schedule=msgspec.json.decode(row.schedule, type=core_schedules.Schedule),
            runs=counts[row.id],
            **{name: getattr(row, name) for name in names},
        )
        for row in rows
    ]
