"""Flows: the group of all versions of (project, name), with settings of its own that survive new versions."""

import difflib
import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import labels, limits
from headrace.server import flow_schedules, parking, projects, tables
from headrace.server.notices import Notices
from headrace.server.service import handles
from headrace.web import pages
from headrace.web.handlers import Call
from headrace.wire import flows, operations

#: How many of a flow's last runs are shown, and go into its rate and median.
LAST_RUNS = 15
#: Settings on which the runs depend that schedules make.
_OF_RUNS = {"labels", "default_parameters", "paused", "priority", "slots", "lost_after_seconds"}
#: Settings in seconds; 0 takes them back.
_TIMES = ("late_after_seconds", "cancel_late_seconds", "lost_after_seconds")

_runs = tables.flow_runs
_rows = (
    sa.select(
        tables.flows,
        tables.projects.c.name.label("project"),
        tables.flow_versions.c.number,
        tables.flow_versions.c.labels.label("version_labels"),
        sa.select(sa.func.count())
        .where(
            tables.flow_versions.c.flow_id == tables.flows.c.id, tables.flow_versions.c.deleted_at.is_(None)
        )
        .correlate(tables.flows)
        .scalar_subquery()
        .label("versions"),
        sa.select(sa.func.min(_runs.c.due_at))
        .where(
            _runs.c.flow_id == tables.flows.c.id,
            _runs.c.state_type == "Scheduled",
            _runs.c.due_at > sa.bindparam("now"),
        )
        .correlate(tables.flows)
        .scalar_subquery()
        .label("next_run_at"),
    )
    .join(tables.projects, tables.projects.c.id == tables.flows.c.project_id)
    .join(tables.flow_versions, tables.flow_versions.c.id == tables.flows.c.current_version_id)
)
_one = _rows.where(tables.flows.c.id == sa.bindparam("id"))
_by_name = sa.select(tables.flows.c.id, tables.flows.c.name).where(
    tables.flows.c.project_id == sa.bindparam("project_id"), tables.flows.c.name == sa.bindparam("name")
)
_names_in = sa.select(tables.flows.c.name).where(
    tables.flows.c.project_id == sa.bindparam("project_id"), tables.flows.c.deleted_at.is_(None)
)
_touch = sa.update(tables.flows).where(tables.flows.c.id == sa.bindparam("id_"))


@handles(operations.list_flows)
def list_flows(call: Call[Any], request: flows.ListFlows) -> wire.Page[flows.Flow]:
    shown = pages.limit(request.limit, 200)
    query = _rows.order_by(tables.projects.c.name, tables.flows.c.name).limit(shown + 1)
    query = query.where(
        tables.flows.c.archived_at.is_not(None) if request.archived else tables.flows.c.archived_at.is_(None)
    )
    query = query.where(tables.flows.c.deleted_at.is_(None))
    if request.project:
        query = query.where(tables.projects.c.name == request.project)
    if request.search:
        pattern = (
            "%" + request.search.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        )
        whole = sa.func.lower(tables.projects.c.name + "/" + tables.flows.c.name)
        query = query.where(whole.like(pattern, escape="\\"))
    if request.after:
        project, name = pages.read(request.after, tuple[str, str])
        query = query.where(sa.tuple_(tables.projects.c.name, tables.flows.c.name) > sa.tuple_(project, name))
    rows = call.connection.execute(query, {"now": call.now}).all()
    kept, following = pages.cut(rows, shown, lambda row: (row.project, row.name))
    return wire.Page(items=_flows(call.connection, kept), next=following)


@handles(operations.find_flow)
def find_flow(call: Call[Any], request: flows.FindFlow) -> flows.Flow:
    project_name, _, name = request.flow.rpartition("/")
    return read_flow(
        call, flows.FlowRef(flow_id=find(call.connection, request.project or project_name, name))
    )


def find(connection: sa.Connection, project_name: str, name: str) -> UUID:
    """The flow's id. NotFound suggests the nearest name."""
    project = projects.find(connection, project_name)
    if project is None:
        close = difflib.get_close_matches(project_name, projects.names(connection), 1)
        hint = f", did you mean {close[0]!r}?" if close else "; `headrace project list` shows them"
        raise errors.NotFound(f"there is no project {project_name!r}{hint}")
    found = connection.execute(_by_name, {"project_id": project.id, "name": name}).one_or_none()
    if found is None:
        known = list(connection.execute(_names_in, {"project_id": project.id}).scalars())
        close = difflib.get_close_matches(name, known, 1)
        hint = f", did you mean {close[0]!r}?" if close else "; `headrace flows` shows them"
        raise errors.NotFound(f"there is no flow {name!r} in project {project_name!r}{hint}")
    return found.id


@handles(operations.read_flow)
def read_flow(call: Call[Any], request: flows.FlowRef) -> flows.Flow:
    row = call.connection.execute(_one, {"id": request.flow_id, "now": call.now}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no flow {request.flow_id}")
    return _flows(call.connection, [row])[0]


@handles(operations.update_flow)
def update_flow(call: Call[Any], request: flows.UpdateFlow) -> flows.Flow:
    before = read_flow(call, flows.FlowRef(flow_id=request.flow_id))
    values: dict[str, Any] = {"updated_at": call.now}
    if request.labels is not None:
        values["labels"] = list(labels.normalised(request.labels))
    if request.default_parameters is not None:
        values["default_parameters"] = request.default_parameters
    if request.paused is not None:
        values["paused"] = request.paused
    if wrong := limits.problems(request.priority, request.slots):
        (field, problem), *_ = wrong.items()
        raise errors.Invalid(f"{field}: {problem}", fields=wrong)
    values |= {
        field: value
        for field, value in (("priority", request.priority), ("slots", request.slots))
        if value is not None
    }
    if request.description is not None:
        values["description"] = request.description
    values |= _times(request)
    call.before = {name: getattr(before, name) for name in values if name != "updated_at"}
    call.connection.execute(_touch, {"id_": before.id, **values})
    if values.keys() & _OF_RUNS:
        flow_schedules.renew(call, before.id)
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    if request.paused is False:
        parking.release(call, before.id)
    return read_flow(call, flows.FlowRef(flow_id=request.flow_id))


def _times(request: flows.UpdateFlow) -> dict[str, float | None]:
    given = {name: value for name in _TIMES if (value := getattr(request, name)) is not None}
    wrong = {name: "must be 0 or more" for name, value in given.items() if not 0 <= value < 1e9}
    if wrong:
        raise errors.Invalid(f"{next(iter(wrong))}: must be 0 or more", fields=wrong)
    return {name: value or None for name, value in given.items()}


def _flows(connection: sa.Connection, rows: Sequence[Any]) -> list[flows.Flow]:
    last = _last_runs(connection, [row.id for row in rows])
    return [_flow(row, last[row.id]) for row in rows]


def _last_runs(connection: sa.Connection, flow_ids: Sequence[UUID]) -> dict[UUID, list[Any]]:
    """Each flow's last runs, newest first, in one statement: a LIMIT for each, so that a long history costs nothing."""
    found: dict[UUID, list[Any]] = defaultdict(list)
    columns = (
        _runs.c.id,
        _runs.c.flow_id,
        _runs.c.state_type,
        _runs.c.started_at,
        _runs.c.finished_at,
        _runs.c.state_at,
    )
    parts = [
        sa.select(
            sa.select(*columns)
            .where(_runs.c.flow_id == flow_id)
            .order_by(_runs.c.id.desc())
            .limit(LAST_RUNS)
            .subquery()
        )
        for flow_id in flow_ids
    ]
    if parts:
        for row in connection.execute(sa.union_all(*parts)):
            found[row.flow_id].append(row)
    for runs in found.values():
        runs.sort(key=lambda row: row.id.int, reverse=True)
    return found


def _flow(row: Any, last: Sequence[Any]) -> flows.Flow:
    seconds = {
        run.id: (run.finished_at - run.started_at).total_seconds()
        for run in last
        if run.started_at and run.finished_at
    }
    finished = [run for run in last if run.finished_at]
    good = [run for run in finished if run.state_type == "Success"]
    return flows.Flow(
        id=row.id,
        project_id=row.project_id,
        project=row.project,
        name=row.name,
        description=row.description,
        current_version=row.number,
        current_version_id=row.current_version_id,
        versions=row.versions,
        labels=row.labels if row.labels is not None else row.version_labels,
        version_labels=row.version_labels,
        default_parameters=row.default_parameters,
        paused=row.paused,
        priority=row.priority,
        slots=row.slots,
        late_after_seconds=row.late_after_seconds,
        cancel_late_seconds=row.cancel_late_seconds,
        lost_after_seconds=row.lost_after_seconds,
        archived_at=row.archived_at,
        deleted_at=row.deleted_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_runs=[
            flows.RunDot(id=run.id, state=run.state_type, seconds=seconds.get(run.id), at=run.state_at)
            for run in last
        ],
        success_rate=len(good) / len(finished) if finished else None,
        median_seconds=statistics.median(seconds[run.id] for run in good if run.id in seconds)
        if any(run.id in seconds for run in good)
        else None,
        next_run_at=row.next_run_at,
    )
