"""Flow versions: what one registration brought, and whether the next one brings anything new."""

from typing import Any

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import tables
from headrace.server.service import handles
from headrace.web import ids, pages
from headrace.web.handlers import Call
from headrace.wire import flows, operations
from headrace.wire import storage as wire_storage

versions = tables.flow_versions
#: All but the structure, which is large.
_COLUMNS = [column for column in versions.c if column.name != "structure"]

_newest = (
    sa.select(*_COLUMNS)
    .where(versions.c.flow_id == sa.bindparam("flow_id"))
    .order_by(versions.c.number.desc())
    .limit(1)
)
_page = (
    sa.select(*_COLUMNS)
    .where(versions.c.flow_id == sa.bindparam("flow_id"), versions.c.number < sa.bindparam("before"))
    .order_by(versions.c.number.desc())
    .limit(sa.bindparam("n"))
)
_one = (
    sa.select(versions, tables.flows.c.current_version_id)
    .join(tables.flows, tables.flows.c.id == versions.c.flow_id)
    .where(versions.c.id == sa.bindparam("id"))
)
_current = sa.select(tables.flows.c.current_version_id).where(tables.flows.c.id == sa.bindparam("flow_id"))
_refresh = sa.update(versions).where(versions.c.id == sa.bindparam("id_"))


def newest(connection: sa.Connection, flow_id: Any) -> Any | None:
    return connection.execute(_newest, {"flow_id": flow_id}).one_or_none()


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


def insert(call: Call[Any], flow_id: Any, number: int, request: flows.RegisterFlow, encoded: str) -> Any:
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


def refresh(call: Call[Any], version_id: Any, request: flows.RegisterFlow, encoded: str) -> None:
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
    current = call.connection.execute(_current, {"flow_id": request.flow_id}).one_or_none()
    if current is None:
        raise errors.NotFound(f"there is no flow {request.flow_id}")
    rows = call.connection.execute(
        _page, {"flow_id": request.flow_id, "before": before, "n": shown + 1}
    ).all()
    kept, following = pages.cut(rows, shown, lambda row: row.number)
    return wire.Page(items=[_version(row, current.current_version_id) for row in kept], next=following)


@handles(operations.read_version)
def read_version(call: Call[Any], request: flows.VersionRef) -> flows.FlowStructure:
    row = call.connection.execute(_one, {"id": request.version_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no flow version {request.version_id}")
    structure = msgspec.json.decode(row.structure, type=flows.Structure)
    return flows.FlowStructure(version=_version(row, row.current_version_id), structure=structure)


def _version(row: Any, current: Any) -> flows.FlowVersion:
    return flows.FlowVersion(
        id=row.id,
        flow_id=row.flow_id,
        number=row.number,
        current=row.id == current,
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
