"""Registration: a flow's structure comes in, and is a new version exactly when it brings anything new."""

import difflib
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import labels
from headrace.server import differences, flow_schedules, parking, projects, tables, versions
from headrace.server.notices import Notices
from headrace.server.service import Service, handles, prepares
from headrace.web import ids
from headrace.web.handlers import Call, Caller
from headrace.wire import flows, operations

#: The largest number of tasks in one flow.
MOST_TASKS = 50_000

_known = (
    sa.select(tables.flows.c.id)
    .join(tables.projects, tables.projects.c.id == tables.flows.c.project_id)
    .where(tables.projects.c.name == sa.bindparam("project"), tables.flows.c.name == sa.bindparam("name"))
)
_settings = _known.with_only_columns(tables.flows.c.default_parameters)
_by_name = sa.select(tables.flows.c.id, tables.flows.c.archived_at).where(
    tables.flows.c.project_id == sa.bindparam("project_id"), tables.flows.c.name == sa.bindparam("name")
)
_touch = sa.update(tables.flows).where(tables.flows.c.id == sa.bindparam("id_"))


class Prepared(NamedTuple):
    """The structure as JSON, and how it differs from the current version of that moment, in words."""

    encoded: str
    compared_with: UUID | None = None
    summary: str = ""


@prepares(operations.register_flow)
def prepare_registration(service: Service, caller: Caller, request: flows.RegisterFlow) -> Prepared:
    """Checks the structure, writes it as JSON and compares it: 5,000 tasks are too much for the transaction."""
    structure = request.structure
    projects.check_name(structure.name, "flow")
    labels.normalised(structure.labels)
    if len(structure.tasks) > MOST_TASKS:
        raise errors.TooLarge(
            f"{structure.name!r} has {len(structure.tasks)} tasks; the most is {MOST_TASKS}"
        )
    slugs = {task.slug for task in structure.tasks}
    if len(slugs) != len(structure.tasks):
        raise errors.Invalid(
            f"two tasks of {structure.name!r} have one slug", fields={"structure.tasks": "slugs must differ"}
        )
    for edge in structure.edges:
        if edge.upstream not in slugs or edge.downstream not in slugs:
            sentence = f"{edge.upstream} → {edge.downstream} names a task that is not there"
            raise errors.Invalid(sentence, fields={"structure.edges": sentence})
    _refuse_unfillable(structure, service.look(lambda call: _defaults(call.connection, structure)))
    encoded = msgspec.json.encode(structure).decode()
    before: Any = service.look(lambda call: _current(call.connection, structure))
    if before is None:
        return Prepared(encoded)
    found = differences.changes(msgspec.json.decode(before.structure, type=flows.Structure), structure)
    return Prepared(encoded, before.id, differences.summary(found) if found else "")


def _current(connection: sa.Connection, structure: flows.Structure) -> Any | None:
    """The current version, with its structure."""
    asked = {"project": structure.project, "name": structure.name}
    flow_id = connection.execute(_known, asked).scalar()
    return None if flow_id is None else versions.current(connection, flow_id)


def _defaults(connection: sa.Connection, structure: flows.Structure) -> dict[str, Any]:
    """What the settings of the flow give its parameters, where it is there already."""
    if not structure.schedules:
        return {}
    asked = {"project": structure.project, "name": structure.name}
    found: dict[str, Any] | None = connection.execute(_settings, asked).scalar()
    return found or {}


def _refuse_unfillable(structure: flows.Structure, defaults: dict[str, Any]) -> None:
    """A schedule whose runs would lack a required parameter is refused now, not at three in the morning."""
    required = {parameter.name for parameter in structure.parameters if parameter.required} - set(defaults)
    for schedule in structure.schedules:
        for clock in schedule.clocks:
            lacking = sorted(required - set(clock.parameters))
            if lacking:
                raise errors.Invalid(
                    f"{structure.name!r} cannot be scheduled: its parameter {lacking[0]!r} has no default; "
                    "give it one, or a value in the schedule",
                    fields={
                        f"parameters.{name}": "required, but the schedule gives no value" for name in lacking
                    },
                )


@handles(operations.register_flow)
def register_flow(call: Call[Any], request: flows.RegisterFlow) -> flows.Registered:
    structure = request.structure
    prepared: Prepared = call.prepared
    project_id = _project(call, structure.project)
    flow_id = _flow_of(call, project_id, structure)
    before = versions.current(call.connection, flow_id)
    version_id, number, message, created = _version_of(call, flow_id, request, prepared)
    changed = before is None or before.id != version_id or before.labels != structure.labels
    flow_schedules.adopt(call, flow_id, structure.schedules, changed=changed)
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return flows.Registered(
        flow_id=flow_id,
        version_id=version_id,
        version=number,
        created=created,
        message=message,
        url=f"{call.service.settings.url}/flows/{flow_id}",
    )


def _version_of(
    call: Call[Any], flow_id: UUID, request: flows.RegisterFlow, prepared: Prepared
) -> tuple[UUID, int, str, bool]:
    """The version that the registration is: its id and number, what is said of it, and whether it was made now.

    What was registered last is made current again when it comes once more; any other code is a new version.
    """
    current = versions.current(call.connection, flow_id)
    newest = versions.newest(call.connection, flow_id)
    for known, words in ((current, "unchanged"), (newest, "current again, unchanged")):
        if known is not None and not versions.changes(known, request.structure, request.storage):
            versions.refresh(call, known.id, request, prepared.encoded)
            if current is None or known.id != current.id:
                versions.make(call, flow_id, known.id)
            return known.id, known.number, f"{words} (version {known.number})", False
    number = versions.next_number(call.connection, flow_id)
    version_id = versions.insert(call, flow_id, number, request, prepared.encoded)
    versions.make(call, flow_id, version_id)
    if current is None:
        return version_id, number, f"version {number}", True
    if prepared.summary and prepared.compared_with == current.id:
        return version_id, number, f"version {number}: {prepared.summary}", True
    kinds = ", ".join(versions.changes(current, request.structure, request.storage))
    return version_id, number, f"version {number}: {kinds} changed", True


def _project(call: Call[Any], name: str) -> UUID:
    project = projects.find(call.connection, name)
    if project is None:
        close = difflib.get_close_matches(name, projects.names(call.connection), 1)
        hint = f"did you mean {close[0]!r}?" if close else f"`headrace project create {name}` makes it"
        raise errors.NotFound(
            f"there is no project {name!r}; {hint}", fields={"structure.project": "unknown"}
        )
    return project.id


def _flow_of(call: Call[Any], project_id: UUID, structure: flows.Structure) -> UUID:
    """The flow of this name in this project; made, if there is none, and taken out of the archive."""
    known = call.connection.execute(
        _by_name, {"project_id": project_id, "name": structure.name}
    ).one_or_none()
    if known is not None:
        changes: dict[str, Any] = {"description": structure.description} if structure.description else {}
        if known.archived_at is not None:
            changes["archived_at"] = None
        if changes:
            call.connection.execute(_touch, {"id_": known.id, **changes})
        if known.archived_at is not None:
            parking.release(call, known.id)
        return known.id
    flow_id = ids.uuid7()
    values: dict[str, Any] = {
        "id": flow_id,
        "project_id": project_id,
        "name": structure.name,
        "description": structure.description,
        "default_parameters": {},
        "paused": False,
        "created_at": call.now,
        "updated_at": call.now,
    }
    call.connection.execute(sa.insert(tables.flows), values)
    return flow_id
