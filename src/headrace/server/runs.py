"""Asking for flow runs."""

import dataclasses
import difflib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import labels, limits
from headrace.core.moves import Actor
from headrace.core.states import StateType
from headrace.server import installation, moves, names, parameters, queues, run_queries, tables
from headrace.server.service import handles
from headrace.web import ids
from headrace.web.handlers import Call
from headrace.wire import operations, runs

_runs = tables.flow_runs
_flows = tables.flows
_projects = tables.projects
_versions = tables.flow_versions

#: Levels that a run's log can be kept from.
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: Characters of a run's name, and of an idempotency key.
LONGEST = 200

_sources = (
    sa.select(
        *[
            *(
                _flows.c.id.label("flow_id"),
                _flows.c.name.label("flow"),
                _flows.c.labels.label("flow_labels"),
            ),
            *(
                _flows.c.default_parameters,
                _flows.c.archived_at,
                _flows.c.project_id,
                _projects.c.name.label("project"),
            ),
            *(
                _versions.c.id.label("version_id"),
                _versions.c.parameters,
                _versions.c.labels,
                _versions.c.run_config,
            ),
            *(
                _versions.c.retries,
                _versions.c.retry_delay_seconds,
                _versions.c.timeout_seconds,
                _versions.c.on_lost,
            ),
            *(
                _versions.c.storage,
                sa.func.coalesce(_flows.c.lost_after_seconds, _versions.c.lost_after_seconds).label(
                    "lost_after_seconds"
                ),
                _flows.c.late_after_seconds,
                _flows.c.paused,
                installation.PAUSED.label("everything_paused"),
                _flows.c.priority,
                _flows.c.slots,
                _versions.c.number.label("version_number"),
            ),
            _versions.c.tasks,
        ]
    )
    .join(_projects, _projects.c.id == _flows.c.project_id)
    .join(_versions, _versions.c.flow_id == _flows.c.id)
)
_by_id = _sources.where(_flows.c.id == sa.bindparam("flow_id"))
_by_name = _sources.where(_projects.c.name == sa.bindparam("project"), _flows.c.name == sa.bindparam("flow"))
_is_current = _versions.c.id == _flows.c.current_version_id
_is_number = sa.and_(_versions.c.number == sa.bindparam("number"), _versions.c.deleted_at.is_(None))
#: By (asked by id?, version named?).
_SOURCE = {
    (True, False): _by_id.where(_is_current),
    (True, True): _by_id.where(_is_number),
    (False, False): _by_name.where(_is_current),
    (False, True): _by_name.where(_is_number),
}
_current_of = _sources.where(_flows.c.id.in_(sa.bindparam("flows", expanding=True)), _is_current)
_keyed = sa.select(_runs.c.id).where(
    _runs.c.flow_id == sa.bindparam("flow"), _runs.c.idempotency_key == sa.bindparam("idempotency")
)
_insert = sa.insert(_runs)
#: What a run takes over from its flow and version, and what it is shown with besides.
_COPIED = (
    *("project_id", "flow_id", "version_id", "retries", "retry_delay_seconds", "timeout_seconds", "on_lost"),
    "lost_after_seconds",
)
_SHOWN = (
    "flow",
    "project",
    "paused",
    "everything_paused",
    "archived_at",
    "version_number",
    "tasks",
    "late_after_seconds",
)
#: What only comes to be while a run lives.
_LATER = ("pause_wish", "pause_ends_at", "mark")
#: The columns of runs that something else than a request makes: `Origin` gives them.
_NOBODYS = dict.fromkeys(
    ("schedule_id", "schedule_revision", "tick", "backfill_id", "restarted_from", "anew", *_LATER), None
)
#: How every run begins.
_NEW: dict[str, Any] = {
    "state_type": StateType.SCHEDULED.value,
    "state_name": "Scheduled",
    "state_message": "",
    "state_code": "",
    "waits_for": None,
    "slotted": False,
    "cancel_requested": False,
    **dict.fromkeys(("version", "fence", "attempt", "rescues", "retries_used"), 0),
}
_NOT_YET = dict.fromkeys(
    ("started_at", "finished_at", "lease_until", "agent_id", "agent", "host", "pid", "result"), None
)


@handles(operations.create_flow_run)
def create_flow_run(call: Call[Any], request: runs.CreateFlowRun) -> runs.FlowRun:
    """The same idempotency key gives the same run. A run process makes child runs of its own run."""
    check(request)
    source = find_source(call, request)
    if request.idempotency_key is not None:
        key = {"flow": source.flow_id, "idempotency": request.idempotency_key}
        known = call.connection.execute(_keyed, key).scalar()
        if known is not None:
            call.flow_run_id = known
            return run_queries.read(call, known)
    if source.archived_at is not None:
        raise errors.Conflict(
            f"the flow {source.flow!r} is archived: register it again to run it", reason="archived"
        )
    if call.caller.run_id is not None:
        _check_parent(call)
    created = create(call, source, request)
    call.flow_run_id = created.id
    return run_queries.built(call, created)


def hosts(storage: dict[str, Any]) -> list[str]:
    """The host whose label a run needs, whatever labels it is given: content on a machine's disk is there and nowhere else."""
    return [storage["host"]] if storage["kind"] == "local" else []


def current_sources(connection: sa.Connection, flow_ids: Collection[UUID]) -> dict[UUID, sa.Row[Any]]:
    """What runs of these flows are made from: their current versions."""
    rows = connection.execute(_current_of, {"flows": list(flow_ids)}) if flow_ids else ()
    return {row.flow_id: row for row in rows}


@dataclasses.dataclass(frozen=True)
class Origin:
    """What makes a run where nobody asks for just this one: who moves it, and further columns of its row.

    Who is shown as its maker is the call's caller.
    """

    actor: Actor
    columns: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])


class Plan(NamedTuple):
    """A run that is not yet inserted: its row, the queue in which it will wait, and what it is shown with besides."""

    row: dict[str, Any]
    queue: queues.Queue
    actor: Actor
    source: sa.Row[Any]


def create(
    call: Call[Any], source: sa.Row[Any], request: runs.CreateFlowRun, *, origin: Origin | None = None
) -> SimpleNamespace:
    """Inserts a run of the flow version in `source`; what the request does not say comes from there.

    The run as a list would read it: with the columns of its flow, and not read back.
    """
    made = plan(call, source, request, origin=origin)
    call.connection.execute(_insert, made.row)
    created = _shown(made)
    moves.created(call, created, made.queue, made.actor)
    return created


def insert(call: Call[Any], plans: Sequence[Plan]) -> None:
    """Inserts many runs with two statements; their plans may be of several flows. None of them wakes more than one agent."""
    if plans:
        call.connection.execute(_insert, [made.row for made in plans])
        moves.created_many(call, [(_shown(made), made.queue, made.actor) for made in plans])


def plan(
    call: Call[Any],
    source: sa.Row[Any],
    request: runs.CreateFlowRun,
    *,
    origin: Origin | None = None,
    entered: queues.Entered | None = None,
) -> Plan:
    """A run of the flow version in `source`, to be inserted. Raises errors.Invalid for parameters that do not fit."""
    values = parameters.resolved(
        source.flow, parameters.specs(source.parameters), source.default_parameters, request.parameters
    )
    config = source.run_config if request.run_config is None else msgspec.to_builtins(request.run_config)
    wanted = request.labels if request.labels is not None else source.flow_labels
    own = labels.normalised(source.labels if wanted is None else [*wanted, *hosts(source.storage)])
    priority = source.priority if request.priority is None else request.priority
    queue = queues.enter(call.connection, own, config["kind"], priority, entered)
    if origin is None:
        origin = Origin(Actor.USER if call.caller.run_id is None else Actor.RUN)
    run_id = ids.uuid7()
    due_at = max(call.now, (request.due_at or call.now).astimezone(UTC))
    row: dict[str, Any] = {
        "id": run_id,
        **_NEW,
        "state_at": call.now,
        "created_at": call.now,
        "due_at": due_at,
        "not_before": due_at,
        "priority": priority,
        "slots": source.slots if request.slots is None else request.slots,
        "name": request.name or names.of(run_id),
        "version_pinned": request.version is not None,
        "queue_id": queue.id,
        "parameters": values,
        "labels": list(own),
        "run_config": config,
        "log_level": request.log_level,
        "idempotency_key": request.idempotency_key,
        "created_by_kind": call.caller.kind,
        "created_by_name": call.caller.name,
        "created_by_id": call.caller.run_id or call.caller.id,
        "parent_run_id": call.caller.run_id,
        "task_states": {},
        **{name: getattr(source, name) for name in _COPIED},
        **_NOBODYS,
        **origin.columns,
    }
    return Plan(row, queue, origin.actor, source)


def again(made: Plan, due_at: datetime, **columns: Any) -> Plan:
    """The same run once more, due at another time, with an id and a name of its own."""
    run_id = ids.uuid7()
    times = {"due_at": due_at, "not_before": due_at}
    return made._replace(row={**made.row, "id": run_id, "name": names.of(run_id), **times, **columns})


def _shown(made: Plan) -> SimpleNamespace:
    return SimpleNamespace(**made.row, **{name: getattr(made.source, name) for name in _SHOWN}, **_NOT_YET)


def check(request: runs.CreateFlowRun) -> None:
    """Raises errors.Invalid with each field that is wrong in itself."""
    fields: dict[str, str] = {}
    if request.flow_id is None and not (request.project and request.flow):
        fields["flow"] = "name a flow: by flow_id, or by project and flow"
    if request.log_level not in LOG_LEVELS:
        fields["log_level"] = f"must be one of {', '.join(LOG_LEVELS)}, not {request.log_level!r}"
    for field in ("name", "idempotency_key"):
        text: str | None = getattr(request, field)
        if text is not None and not (0 < len(text) <= LONGEST and text.isprintable()):
            fields[field] = f"must have 1 to {LONGEST} printable characters"
    fields |= limits.problems(request.priority, request.slots)
    if request.due_at is not None and request.due_at.tzinfo is None:
        fields["due_at"] = "must have a time zone, like 2026-11-22T06:00:00+01:00"
    if fields:
        (field, problem), *_ = fields.items()
        raise errors.Invalid(f"{field}: {problem}", fields=fields)


def find_source(call: Call[Any], request: runs.CreateFlowRun) -> sa.Row[Any]:
    """The flow and version that a run is made from. Raises errors.NotFound with what of them there is not."""
    asked = {
        "flow_id": request.flow_id,
        "project": request.project,
        "flow": request.flow,
        "number": request.version,
    }
    query = _SOURCE[request.flow_id is not None, request.version is not None]
    source = call.connection.execute(query, asked).one_or_none()
    if source is None:
        raise _not_found(call, request)
    return source


def _not_found(call: Call[Any], request: runs.CreateFlowRun) -> errors.NotFound:
    """What of project, flow and version there is not, with a suggestion."""
    connection = call.connection
    known = sa.select(_flows.c.id, _flows.c.name, _projects.c.name.label("project")).join(
        _projects, _projects.c.id == _flows.c.project_id
    )
    if request.flow_id is not None:
        found = connection.execute(known.where(_flows.c.id == request.flow_id)).one_or_none()
        if found is None:
            return errors.NotFound(f"there is no flow {request.flow_id}")
    else:
        projects = connection.execute(sa.select(_projects.c.name)).scalars().all()
        if request.project not in projects:
            return errors.NotFound(
                f"there is no project {request.project!r}{_near(request.project, projects)}"
            )
        rows = connection.execute(known.where(_projects.c.name == request.project)).all()
        found = next((row for row in rows if row.name == request.flow), None)
        if found is None:
            hint = _near(request.flow, [row.name for row in rows])
            return errors.NotFound(
                f"there is no flow {request.flow!r} in the project {request.project!r}{hint}"
            )
    newest = connection.execute(
        sa.select(sa.func.max(_versions.c.number)).where(_versions.c.flow_id == found.id)
    ).scalar()
    return errors.NotFound(
        f"the flow {found.name!r} has no version {request.version}; the newest is {newest}"
    )


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean {near[0]!r}?" if near else ""


def _check_parent(call: Call[Any]) -> None:
    parent = moves.load(call, call.caller.run_id or UUID(int=0), lock=False)
    if parent.fence != call.caller.run_fence or parent.state_type != StateType.RUNNING.value:
        raise errors.Superseded(f"run {parent.id} is {parent.state_type} and starts no further runs")
