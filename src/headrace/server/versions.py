"""Flow versions: what one registration brought, whether the next one brings anything new, and which one is current."""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import differences, flow_schedules, tables
from headrace.server import flows as server_flows
from headrace.server.notices import Notices
from headrace.server.service import Service, handles, prepares
from headrace.web import ids, pages
from headrace.web.handlers import Call, Caller
from headrace.wire import flows, operations
from headrace.wire import storage as wire_storage
from headrace.wire import versions as wire_versions

versions = tables.flow_versions
#: All but the structure, which is large.
_COLUMNS = [column for column in versions.c if column.name != "structure"]

_of_flow = versions.c.flow_id == sa.bindparam("flow_id")
_is_there = versions.c.deleted_at.is_(None)
_newest = sa.select(*_COLUMNS).where(_of_flow, _is_there).order_by(versions.c.number.desc()).limit(1)
_last_number = sa.select(sa.func.max(versions.c.number)).where(_of_flow)
_page = (
    sa.select(*_COLUMNS)
    .where(_of_flow, _is_there, versions.c.number < sa.bindparam("before"))
    .order_by(versions.c.number.desc())
    .limit(sa.bindparam("n"))
)
_one = (
    sa.select(versions, tables.flows.c.current_version_id)
    .join(tables.flows, tables.flows.c.id == versions.c.flow_id)
    .where(versions.c.id == sa.bindparam("id"))
)
_current = sa.select(tables.flows.c.current_version_id).where(tables.flows.c.id == sa.bindparam("flow_id"))
_current_version = sa.select(versions).where(versions.c.id == _current.scalar_subquery())
_numbered = sa.select(versions).where(_of_flow, _is_there, versions.c.number == sa.bindparam("number"))
_before = _newest.where(versions.c.number < sa.bindparam("number"))
_make = sa.update(tables.flows).where(tables.flows.c.id == sa.bindparam("id_"))
_refresh = sa.update(versions).where(versions.c.id == sa.bindparam("id_"))


def newest(connection: sa.Connection, flow_id: UUID) -> Any | None:
    """The version registered last, without its structure."""
    return connection.execute(_newest, {"flow_id": flow_id}).one_or_none()


def current(connection: sa.Connection, flow_id: UUID) -> Any | None:
    """The version that runs use, with its structure."""
    return connection.execute(_current_version, {"flow_id": flow_id}).one_or_none()


def next_number(connection: sa.Connection, flow_id: UUID) -> int:
    """A number is never used twice, not even that of a deleted version."""
    return (connection.execute(_last_number, {"flow_id": flow_id}).scalar() or 0) + 1


def make(call: Call[Any], flow_id: UUID, version_id: UUID) -> None:
    """Makes a version the current one."""
    call.connection.execute(_make, {"id_": flow_id, "current_version_id": version_id, "updated_at": call.now})


def changes(before: Any, structure: flows.Structure, storage: wire_storage.Storage) -> list[str]:
    """What makes this registration another version, in words; empty where nothing does."""
    found: list[str] = []
    if before.structure_sha256 != structure.structure_sha256:
        found.append("tasks, edges or parameters")
    if before.code_sha256 != structure.code_sha256:
        found.append("code")
    if before.run_config != msgspec.to_builtins(structure.run_config):
        found.append("run config")
    if before.executor != msgspec.to_builtins(structure.executor):
        found.append("executor")
    if before.storage["kind"] != wire_storage.kind(storage):
        found.append("storage")
    return found


def insert(call: Call[Any], flow_id: UUID, number: int, request: flows.RegisterFlow, encoded: str) -> UUID:
    """The new version's id."""
    structure = request.structure
    version_id = ids.uuid7()
    values = {
        "id": version_id,
        "flow_id": flow_id,
        "number": number,
        "structure_sha256": structure.structure_sha256,
        "code_sha256": structure.code_sha256,
        "tasks": sum(task.kind != "parameter" for task in structure.tasks),
        "run_config": msgspec.to_builtins(structure.run_config),
        "executor": msgspec.to_builtins(structure.executor),
        "created_at": call.now,
        "created_by": call.caller.name,
        **_replaceable(call, request, encoded),
    }
    call.connection.execute(sa.insert(versions), values)
    return version_id


def refresh(call: Call[Any], version_id: UUID, request: flows.RegisterFlow, encoded: str) -> None:
    """Keeps what a registration without a change brings all the same: the newest content, and what makes no version."""
    call.connection.execute(_refresh, {"id_": version_id, **_replaceable(call, request, encoded)})


def _replaceable(call: Call[Any], request: flows.RegisterFlow, encoded: str) -> dict[str, Any]:
    structure = request.structure
    return {
        "structure": encoded,
        "storage": msgspec.to_builtins(request.storage),
        "content_sha256": structure.content_sha256,
        "parameters": [msgspec.to_builtins(parameter) for parameter in structure.parameters],
        "labels": structure.labels,
        "retries": structure.retries,
        "retry_delay_seconds": structure.retry_delay_seconds,
        "timeout_seconds": structure.timeout_seconds,
        "on_lost": structure.on_lost,
        "lost_after_seconds": structure.lost_after_seconds,
        "headrace_version": request.headrace_version,
        "python_version": request.python_version,
        "registered_at": call.now,
    }


@handles(operations.list_versions)
def list_versions(call: Call[Any], request: flows.ListVersions) -> wire.Page[flows.FlowVersion]:
    shown = pages.limit(request.limit)
    before = pages.read(request.after, int) if request.after else 2**31 - 1
    flow = call.connection.execute(_current, {"flow_id": request.flow_id}).one_or_none()
    if flow is None:
        raise errors.NotFound(f"there is no flow {request.flow_id}")
    rows = call.connection.execute(
        _page, {"flow_id": request.flow_id, "before": before, "n": shown + 1}
    ).all()
    kept, following = pages.cut(rows, shown, lambda row: row.number)
    return wire.Page(items=[_version(row, flow.current_version_id) for row in kept], next=following)


@handles(operations.read_version)
def read_version(call: Call[Any], request: flows.VersionRef) -> flows.FlowStructure:
    row = call.connection.execute(_one, {"id": request.version_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no flow version {request.version_id}")
    structure = msgspec.json.decode(row.structure, type=flows.Structure)
    return flows.FlowStructure(version=_version(row, row.current_version_id), structure=structure)


def find(connection: sa.Connection, flow_id: UUID, number: int) -> Any:
    """The version with this number, with its structure. Raises errors.NotFound."""
    row = connection.execute(_numbered, {"flow_id": flow_id, "number": number}).one_or_none()
    if row is None:
        last = newest(connection, flow_id)
        if last is None:
            raise errors.NotFound(f"there is no flow {flow_id}")
        raise errors.NotFound(f"the flow has no version {number}; the newest is {last.number}")
    return row


@prepares(operations.compare_versions)
def prepare_comparison(
    service: Service, caller: Caller, request: wire_versions.CompareVersions
) -> wire_versions.Difference:
    """The graphs may be large: they are read and compared on a thread."""
    before, after, current_id = service.look(lambda call: _pair(call.connection, request))
    found = differences.changes(
        *(msgspec.json.decode(row.structure, type=flows.Structure) for row in (before, after))
    )
    return wire_versions.Difference(
        before=_version(before, current_id),
        after=_version(after, current_id),
        summary=differences.summary(found),
        changes=found,
    )


def _pair(connection: sa.Connection, request: wire_versions.CompareVersions) -> tuple[Any, Any, Any]:
    now = current(connection, request.flow_id)
    if now is None:
        raise errors.NotFound(f"there is no flow {request.flow_id}")
    after = now if request.after is None else find(connection, request.flow_id, request.after)
    if request.before is not None:
        return find(connection, request.flow_id, request.before), after, now.id
    asked = {"flow_id": request.flow_id, "number": after.number}
    before = connection.execute(_before, asked).one_or_none()
    if before is None:
        raise errors.Invalid(
            f"version {after.number} is the first: there is none before it",
            fields={"before": "say which version to compare with"},
        )
    return find(connection, request.flow_id, before.number), after, now.id


@handles(operations.compare_versions)
def compare_versions(call: Call[Any], request: wire_versions.CompareVersions) -> wire_versions.Difference:
    return call.prepared


def _version(row: Any, current_id: Any) -> flows.FlowVersion:
    return flows.FlowVersion(
        id=row.id,
        flow_id=row.flow_id,
        number=row.number,
        current=row.id == current_id,
        created_at=row.created_at,
        created_by=row.created_by,
        registered_at=row.registered_at,
        tasks=row.tasks,
        code_sha256=row.code_sha256,
        structure_sha256=row.structure_sha256,
        content_sha256=row.content_sha256,
        storage=msgspec.convert(row.storage, wire_storage.Storage),
        headrace_version=row.headrace_version,
        python_version=row.python_version,
    )


@prepares(operations.make_current)
def prepare_current(service: Service, caller: Caller, request: wire_versions.MakeCurrent) -> flows.Structure:
    """The structure holds the schedules that come into force, and may be large: it is read on a thread."""
    row = service.look(lambda call: find(call.connection, request.flow_id, request.number))
    return msgspec.json.decode(row.structure, type=flows.Structure)


@handles(operations.make_current)
def make_current(call: Call[Any], request: wire_versions.MakeCurrent) -> flows.Flow:
    structure: flows.Structure = call.prepared
    version_id = find(call.connection, request.flow_id, request.number).id
    flow = call.connection.execute(_current, {"flow_id": request.flow_id}).one()
    if flow.current_version_id != version_id:
        make(call, request.flow_id, version_id)
        flow_schedules.adopt(call, request.flow_id, structure.schedules, changed=True)
        call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return server_flows.read_flow(call, flows.FlowRef(flow_id=request.flow_id))
