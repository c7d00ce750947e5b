"""Schedules: when the runs of a flow are made. They hang on the flow and survive its versions."""

import difflib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import schedules as core_schedules
from headrace.core import sentences, states, zones
from headrace.server import firings, flow_schedules, installation, projects, runs, tables
from headrace.server.flow_schedules import CODE, PEOPLE
from headrace.server.notices import Notices
from headrace.server.service import Service, handles, prepares
from headrace.web import pages
from headrace.web.handlers import Call, Caller
from headrace.wire import operations, schedules

_schedules = tables.schedules
_flows = tables.flows
_projects = tables.projects
_runs = tables.flow_runs

#: Characters of a schedule's name.
LONGEST = 200
#: The most firings of one preview.
MOST_SHOWN = 200

_next = (
    sa.select(sa.func.min(_runs.c.due_at))
    .where(
        sa.text("flow_runs.state_type = 'Scheduled'"),
        _runs.c.flow_id == _schedules.c.flow_id,
        _runs.c.schedule_id == _schedules.c.id,
        _runs.c.due_at > sa.bindparam("now", type_=_runs.c.due_at.type),
    )
    .correlate(_schedules)
    .scalar_subquery()
)
_rows = (
    sa.select(
        _schedules,
        *(_flows.c.name.label("flow"), _flows.c.project_id, _flows.c.paused, _flows.c.archived_at),
        *(_projects.c.name.label("project"), _next.label("next_run_at")),
        installation.PAUSED.label("everything_paused"),
    )
    .join(_flows, _flows.c.id == _schedules.c.flow_id)
    .join(_projects, _projects.c.id == _flows.c.project_id)
)
_one = _rows.where(_schedules.c.id == sa.bindparam("id"))
_order = (_projects.c.name, _flows.c.name, _schedules.c.name)


@handles(operations.list_schedules)
def list_schedules(call: Call[Any], request: schedules.ListSchedules) -> wire.Page[schedules.FlowSchedule]:
    shown = pages.limit(request.limit)
    query = _rows.order_by(*_order).limit(shown + 1)
    if request.flow_id is not None:
        query = query.where(_schedules.c.flow_id == request.flow_id)
    if request.project is not None:
        query = query.where(_projects.c.id == _project(call, request.project))
    if request.after is not None:
        after = pages.read(request.after, tuple[str, str, str])
        query = query.where(sa.tuple_(*_order) > sa.tuple_(*after))
    rows = call.connection.execute(query, {"now": call.now}).all()
    page, following = pages.cut(rows, shown, lambda row: (row.project, row.flow, row.name))
    return wire.Page(items=[_schedule(row) for row in page], next=following)


@handles(operations.read_schedule)
def read_schedule(call: Call[Any], request: schedules.ScheduleRef) -> schedules.FlowSchedule:
    row = call.connection.execute(_one, {"id": request.schedule_id, "now": call.now}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no schedule {request.schedule_id}")
    return _schedule(row)


@handles(operations.create_schedule)
def create_schedule(call: Call[Any], request: schedules.CreateSchedule) -> schedules.FlowSchedule:
    """Its next runs are there with the answer."""
    others = flow_schedules.locked(call, request.flow_id)
    source = _source(call, request.flow_id)
    flow_schedules.check(source, request.schedule)
    taken = {row.name for row in others}
    if request.name:
        _check_name(request.name, taken, source.flow)
    name = request.name or flow_schedules.free_name(sentences.title(request.schedule)[:LONGEST], taken)
    made = flow_schedules.insert(call, request.flow_id, name, PEOPLE, request.schedule)
    flow_schedules.renew(call, request.flow_id, [made])
    return _changed(call, made)


@handles(operations.update_schedule)
def update_schedule(call: Call[Any], request: schedules.UpdateSchedule) -> schedules.FlowSchedule:
    """What was made before and not started is gone with the answer, and nothing of it starts any more."""
    row, others = _locked(call, request.schedule_id)
    values: dict[str, Any] = {}
    if request.name is not None and request.name != row.name:
        _only_people(row, "name")
        _check_name(request.name, {other.name for other in others}, "the flow")
        values["name"] = request.name
    if request.schedule is not None:
        text = flow_schedules.encoded(request.schedule)
        if text != row.schedule:
            _only_people(row, "schedule")
            flow_schedules.check(_source(call, row.flow_id), request.schedule)
            values["schedule"] = text
    if request.active is not None and request.active != row.active:
        values["active"] = request.active
    if values:
        changes = {"updated_at": call.now, "updated_by": call.caller.name, "revision": row.revision + 1}
        flow_schedules.write(call, row, **values, **changes)
        flow_schedules.renew(call, row.flow_id, [row.id], edited=True)
    return _changed(call, row.id)


@handles(operations.delete_schedule)
def delete_schedule(call: Call[Any], request: schedules.ScheduleRef) -> wire.Empty:
    """Its runs that have not started go with it; the others keep their history."""
    row, _ = _locked(call, request.schedule_id)
    if row.origin == CODE:
        raise errors.Conflict(
            f"the schedule {row.name!r} is in the flow's code: take it away there and register the flow, or pause it"
        )
    flow_schedules.delete(call, row, "its schedule was deleted before it started")
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return wire.Empty()


@prepares(operations.preview_schedule)
def prepare_preview(
    service: Service, caller: Caller, request: schedules.PreviewSchedule
) -> schedules.SchedulePreview:
    """Arithmetic, which takes its time for clocks that are narrowed much."""
    if (request.schedule is None) == (request.schedule_id is None):
        raise errors.Invalid(
            "give a schedule, or the id of a stored one", fields={"schedule": "or schedule_id, not both"}
        )
    if not 1 <= request.count <= MOST_SHOWN:
        sentence = f"from 1 to {MOST_SHOWN}"
        raise errors.Invalid(f"count is {sentence}, not {request.count}", fields={"count": sentence})
    if request.since is not None and request.since.tzinfo is None:
        sentence = "must have a time zone, like 2026-11-22T06:00:00+01:00"
        raise errors.Invalid(f"since {sentence}", fields={"since": sentence})
    now, schedule = service.look(lambda call: (call.now, _wanted(call, request)))
    since: datetime = (request.since or now).astimezone(UTC)
    return schedules.SchedulePreview(
        sentence=sentences.sentence(schedule),
        firings=[
            _firing(schedule, firing) for firing in core_schedules.preview(schedule, since, request.count)
        ],
    )


@handles(operations.preview_schedule)
def preview_schedule(call: Call[Any], request: schedules.PreviewSchedule) -> schedules.SchedulePreview:
    preview: schedules.SchedulePreview = call.prepared
    return preview


def _wanted(call: Call[Any], request: schedules.PreviewSchedule) -> core_schedules.Schedule:
    if request.schedule is not None:
        return request.schedule
    query = sa.select(_schedules.c.schedule).where(_schedules.c.id == request.schedule_id)
    text = call.connection.execute(query).scalar()
    if text is None:
        raise errors.NotFound(f"there is no schedule {request.schedule_id}")
    return firings.decoded(text)


def _firing(schedule: core_schedules.Schedule, firing: core_schedules.Firing) -> schedules.Firing:
    timezone = schedule.clocks[firing.clock].timezone
    local = firing.at.astimezone(zones.zone(timezone)).isoformat(sep=" ", timespec="seconds")
    return schedules.Firing(at=firing.at, local=local, timezone=timezone, clock=firing.clock, dst=firing.dst)


def _locked(call: Call[Any], schedule_id: UUID) -> tuple[sa.Row[Any], list[sa.Row[Any]]]:
    """The schedule and the others of its flow, which nobody else changes now."""
    query = sa.select(_schedules.c.flow_id).where(_schedules.c.id == schedule_id)
    flow_id = call.connection.execute(query).scalar()
    found = [] if flow_id is None else list(flow_schedules.locked(call, flow_id))
    mine = next((row for row in found if row.id == schedule_id), None)
    if mine is None:
        raise errors.NotFound(f"there is no schedule {schedule_id}")
    return mine, [row for row in found if row is not mine]


def _source(call: Call[Any], flow_id: UUID) -> sa.Row[Any]:
    source = runs.current_sources(call.connection, [flow_id]).get(flow_id)
    if source is None:
        raise errors.NotFound(f"there is no flow {flow_id}")
    return source


def _project(call: Call[Any], name: str) -> UUID:
    found = projects.find(call.connection, name)
    if found is None:
        near = difflib.get_close_matches(name, projects.names(call.connection), 1)
        raise errors.NotFound(
            f"there is no project {name!r}" + (f", did you mean {near[0]!r}?" if near else "")
        )
    return found.id


def _check_name(name: str, taken: set[str], flow: str) -> None:
    if not (0 < len(name) <= LONGEST and name.isprintable()):
        sentence = f"must have 1 to {LONGEST} printable characters"
        raise errors.Invalid(f"name: {sentence}", fields={"name": sentence})
    if name in taken:
        raise errors.Conflict(f"{flow} has a schedule {name!r} already: give another name")


def _only_people(row: sa.Row[Any], field: str) -> None:
    if row.origin == CODE:
        raise errors.Conflict(
            f"the {field} of {row.name!r} is in the flow's code: change it there and register the flow;"
            " here it can be paused and resumed"
        )


def _changed(call: Call[Any], schedule_id: UUID) -> schedules.FlowSchedule:
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return read_schedule(call, schedules.ScheduleRef(schedule_id=schedule_id))


def _schedule(row: Any) -> schedules.FlowSchedule:
    try:
        schedule, problem = firings.decoded(row.schedule), None
    except errors.Invalid as error:
        schedule, problem = None, firings.unreadable(error)
    last = row.last_catch_up
    return schedules.FlowSchedule(
        id=row.id,
        flow_id=row.flow_id,
        flow=row.flow,
        project_id=row.project_id,
        project=row.project,
        name=row.name,
        origin=row.origin,
        schedule=schedule,
        sentence="" if schedule is None else sentences.sentence(schedule),
        active=row.active,
        idle=problem or _idle(row),
        revision=row.revision,
        next_run_at=row.next_run_at,
        last_catch_up=None if last is None else msgspec.convert(last, schedules.LastCatchUp),
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
    )


def _idle(row: Any) -> states.Reason | None:
    """Why the schedule makes no runs."""
    if row.problem is not None:
        return msgspec.convert(row.problem, states.Reason)
    if not row.active:
        return states.Reason("schedule_paused", "It is paused: resume it, and it makes runs again.")
    if row.archived_at is not None:
        return states.Reason("flow_archived", f"The flow {row.flow} is archived: register it again.")
    if row.paused:
        return states.Reason("flow_paused", f"The flow {row.flow} is paused, and its schedules with it.")
    if row.everything_paused:
        return states.Reason("everything_paused", "Everything is paused by an administrator.")
    if row.fill_at is None and row.next_run_at is None:
        return states.Reason("schedule_ended", "It has no firing to come.")
    return None
