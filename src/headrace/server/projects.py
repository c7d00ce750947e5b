"""Projects: folders of flows with a unique name."""

import re
from typing import Any

import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import tables
from headrace.server.notices import Notices
from headrace.server.service import handles
from headrace.web import ids, pages
from headrace.web.handlers import Call
from headrace.wire import flows, operations

_NAME = re.compile(r"[\w.-]+(?: [\w.-]+)*")
_LONGEST = 100

_with_counts = sa.select(
    tables.projects,
    sa.select(sa.func.count())
    .where(tables.flows.c.project_id == tables.projects.c.id, tables.flows.c.archived_at.is_(None))
    .scalar_subquery()
    .label("flows"),
    sa.select(sa.func.count())
    .where(tables.flow_runs.c.project_id == tables.projects.c.id)
    .scalar_subquery()
    .label("runs"),
)
_page = (
    _with_counts.where(tables.projects.c.name > sa.bindparam("after"))
    .order_by(tables.projects.c.name)
    .limit(sa.bindparam("n"))
)
_one = _with_counts.where(tables.projects.c.id == sa.bindparam("id"))
_by_name = sa.select(tables.projects.c.id, tables.projects.c.name).where(
    tables.projects.c.name == sa.bindparam("name")
)
_names = sa.select(tables.projects.c.name)
_unfinished = (
    sa.select(sa.func.count())
    .where(tables.flow_runs.c.project_id == sa.bindparam("id"))
    .where(tables.flow_runs.c.state_type.in_(["Submitted", "Running", "Cancelling"]))
)
#: In this order: what refers to others goes first.
_deletions = (
    sa.delete(tables.flow_runs).where(tables.flow_runs.c.project_id == sa.bindparam("id_")),
    sa.delete(tables.flows).where(tables.flows.c.project_id == sa.bindparam("id_")),
    sa.delete(tables.projects).where(tables.projects.c.id == sa.bindparam("id_")),
)


def names(connection: sa.Connection) -> list[str]:
    """All project names, to suggest one."""
    return list(connection.execute(_names).scalars())


def find(connection: sa.Connection, name: str) -> Any | None:
    """(id, name) of the project, if there is one."""
    return connection.execute(_by_name, {"name": name}).one_or_none()


def check_name(name: str, what: str) -> None:
    """Invalid unless the name is of letters, digits, `_`, `-`, `.` and single spaces: it stands in URLs and commands."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        sentence = f"letters, digits, '_', '-', '.' and single spaces, at most {_LONGEST} characters"
        raise errors.Invalid(f"{name!r} is not a name for a {what}: {sentence}", fields={"name": sentence})


@handles(operations.list_projects)
def list_projects(call: Call[Any], request: flows.ListProjects) -> wire.Page[flows.Project]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, str) if request.after else ""
    rows = call.connection.execute(_page, {"after": after, "n": shown + 1}).all()
    kept, following = pages.cut(rows, shown, lambda row: row.name)
    return wire.Page(items=[_project(row) for row in kept], next=following)


@handles(operations.create_project)
def create_project(call: Call[Any], request: flows.CreateProject) -> flows.Project:
    check_name(request.name, "project")
    if find(call.connection, request.name):
        raise errors.Conflict(f"there is already a project {request.name!r}")
    project_id = ids.uuid7()
    values = {
        "id": project_id,
        "name": request.name,
        "description": request.description,
        "created_at": call.now,
    }
    call.connection.execute(sa.insert(tables.projects), values)
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return _project(call.connection.execute(_one, {"id": project_id}).one())


@handles(operations.delete_project)
def delete_project(call: Call[Any], request: flows.DeleteProject) -> wire.Empty:
    row = call.connection.execute(_one, {"id": request.project_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no project {request.project_id}")
    if request.confirm != row.name:
        raise errors.Conflict(
            f"deleting {row.name!r} deletes {row.flows} flows and {row.runs} runs with their history and logs; "
            f"send its name as `confirm` to do it",
            flows=row.flows,
            runs=row.runs,
        )
    running = call.connection.execute(_unfinished, {"id": row.id}).scalar_one()
    if running:
        raise errors.Conflict(
            f"{running} runs of {row.name!r} are under way: cancel them first", running=running
        )
    for statement in _deletions:
        call.connection.execute(statement, {"id_": row.id})
    call.after_commit(lambda: call.service.part(Notices).changed("flows"))
    return wire.Empty()


def _project(row: Any) -> flows.Project:
    return flows.Project(
        id=row.id,
        name=row.name,
        description=row.description,
        created_at=row.created_at,
        flows=row.flows,
        runs=row.runs,
    )
