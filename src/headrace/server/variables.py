"""Variables: named values that flows read and people edit, with all that they were before.

A run sees a variable as it was when it first asked, whatever becomes of it: also in its next attempt, and in each of its
processes. Which version that was is kept with the run.
"""

import difflib
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import variables as core_variables
from headrace.server import holders, notices, projects, run_queries, tables
from headrace.server.service import handles
from headrace.web import ids, pages
from headrace.web.handlers import Call
from headrace.wire import operations, variables

_variables = tables.variables
_versions = tables.variable_versions
_reads = tables.variable_reads

_with_project = sa.select(
    _variables, sa.func.coalesce(tables.projects.c.name, "").label("project")
).outerjoin(tables.projects, tables.projects.c.id == _variables.c.project_id)
_there = _with_project.where(_variables.c.deleted.is_(sa.false()))
#: As a project's runs see it: their own first, and "" sorts before any id.
_seen = (
    _there.where(
        _variables.c.name == sa.bindparam("name"),
        _variables.c.scope.in_(["", sa.bindparam("scope")]),
    )
    .order_by(_variables.c.scope.desc())
    .limit(1)
)
_in_scope = _variables.c.name == sa.bindparam("name"), _variables.c.scope == sa.bindparam("scope")
_exactly = _with_project.where(*_in_scope)
_locked = sa.select(_variables).where(*_in_scope).with_for_update()
_names = sa.select(_variables.c.name).where(_variables.c.deleted.is_(sa.false())).distinct()
# As text, for naming a dialect's statement imports the whole dialect. Of two who make the same variable at once the second
# waits for the first, and then changes what that has made.
_make = sa.text(
    "INSERT INTO variables (id, name, scope, project_id, value, description, version, deleted, created_at, created_by,"
    " updated_at, updated_by) VALUES (:id, :name, :scope, :project_id, 'null', '', 0, :deleted, :now, :by, :now, :by)"
    " ON CONFLICT (name, scope) DO NOTHING"
).bindparams(
    sa.bindparam("id", type_=sa.Uuid()),
    sa.bindparam("project_id", type_=sa.Uuid()),
    sa.bindparam("deleted", True, type_=sa.Boolean()),
    sa.bindparam("now", type_=tables.Instant()),
)
_change = sa.update(_variables).where(_variables.c.id == sa.bindparam("id_"))
_record = sa.insert(_versions)
_project_of = sa.select(tables.flow_runs.c.project_id).where(tables.flow_runs.c.id == sa.bindparam("run"))
_read_by = (
    sa.select(
        _reads.c.name,
        _reads.c.version,
        _reads.c.at,
        _versions.c.value,
        sa.func.coalesce(tables.projects.c.name, "").label("project"),
    )
    .outerjoin(_variables, _variables.c.id == _reads.c.variable_id)
    .outerjoin(tables.projects, tables.projects.c.id == _variables.c.project_id)
    .outerjoin(
        _versions,
        sa.and_(_versions.c.variable_id == _reads.c.variable_id, _versions.c.version == _reads.c.version),
    )
    .where(_reads.c.flow_run_id == sa.bindparam("run"))
)
_read_before = _read_by.where(_reads.c.name == sa.bindparam("name"))
_all_read = _read_by.order_by(_reads.c.name)


# --- for people ---


@handles(operations.list_variables)
def list_variables(call: Call[Any], request: variables.ListVariables) -> wire.Page[variables.Variable]:
    shown = pages.limit(request.limit)
    query = _there.order_by(_variables.c.name, _variables.c.scope).limit(shown + 1)
    if request.project is not None:
        query = query.where(_variables.c.scope.in_(["", _scope(call, request.project)]))
    if request.search:
        query = query.where(_variables.c.name.icontains(request.search, autoescape=True))
    if request.after:
        name, scope = pages.read(request.after, tuple[str, str])
        after = sa.tuple_(sa.literal(name), sa.literal(scope))
        query = query.where(sa.tuple_(_variables.c.name, _variables.c.scope) > after)
    rows = call.connection.execute(query).all()
    page, following = pages.cut(rows, shown, lambda row: (row.name, row.scope))
    return wire.Page(items=[_variable(row) for row in page], next=following)


@handles(operations.read_variable)
def read_variable(call: Call[Any], request: variables.ReadVariable) -> variables.Variable:
    scope = _scope(call, request.project)
    row = call.connection.execute(_seen, {"name": request.name, "scope": scope}).one_or_none()
    if row is None:
        raise _missing(call, request.name)
    return _variable(row)


@handles(operations.set_variable)
def set_variable(call: Call[Any], request: variables.SetVariable) -> variables.Variable:
    value = _checked(request)
    scope = _scope(call, request.project)
    row = call.connection.execute(_locked, {"name": request.name, "scope": scope}).one_or_none()
    _expect(row, request.name, request.expected_version)
    by = call.caller.name or call.caller.kind
    if row is None:
        made = {"id": ids.uuid7(), "project_id": UUID(scope) if scope else None, "now": call.now, "by": by}
        call.connection.execute(_make, {"name": request.name, "scope": scope, **made})
        row = call.connection.execute(_locked, {"name": request.name, "scope": scope}).one()
        _expect(row, request.name, request.expected_version)
    if not row.deleted:
        call.before = {"value": msgspec.json.decode(row.value), "version": row.version}
    changes = {"value": value, "deleted": False, "updated_at": call.now, "updated_by": by}
    if request.description is not None:
        changes["description"] = request.description
    call.connection.execute(_change, {"id_": row.id, "version": row.version + 1, **changes})
    _written(call, row.id, row.version + 1, value, deleted=False)
    return _variable(call.connection.execute(_exactly, {"name": request.name, "scope": scope}).one())


@handles(operations.delete_variable)
def delete_variable(call: Call[Any], request: variables.DeleteVariable) -> variables.Variable:
    where = {"name": request.name, "scope": _scope(call, request.project)}
    row = call.connection.execute(_locked, where).one_or_none()
    if row is None or row.deleted:
        raise _missing(call, request.name)
    deleted = _variable(call.connection.execute(_exactly, where).one())
    _expect(row, request.name, request.expected_version)
    call.before = {"value": msgspec.json.decode(row.value), "version": row.version}
    version = row.version + 1
    changes = {"version": version, "value": "null", "deleted": True, "updated_at": call.now}
    changes["updated_by"] = call.caller.name or call.caller.kind
    call.connection.execute(_change, {"id_": row.id, **changes})
    _written(call, row.id, version, "null", deleted=True)
    return deleted


@handles(operations.list_variable_versions)
def list_variable_versions(
    call: Call[Any], request: variables.ListVariableVersions
) -> wire.Page[variables.VariableVersion]:
    scope = _scope(call, request.project)
    row = call.connection.execute(_exactly, {"name": request.name, "scope": scope}).one_or_none()
    if row is None:
        raise _missing(call, request.name)
    query = sa.select(_versions).where(_versions.c.variable_id == row.id)
    page, following = pages.newest_first(call.connection, query, _versions.c.version, request)
    return wire.Page(items=[_version(each) for each in page], next=following)


def _scope(call: Call[Any], project: str) -> str:
    """The id of a project as text; empty for all projects."""
    if not project:
        return ""
    found = projects.find(call.connection, project)
    if found is None:
        near = difflib.get_close_matches(project, projects.names(call.connection), 1)
        raise errors.NotFound(
            f"there is no project {project!r}{f': did you mean {near[0]!r}?' if near else ''}"
        )
    return str(found.id)


def _checked(request: variables.SetVariable) -> str:
    """The value as JSON."""
    if sentence := core_variables.problem(request.name):
        raise errors.Invalid(
            f"{request.name!r} is no name for a variable: {sentence}", fields={"name": sentence}
        )
    if request.description is not None and ("\x00" in request.description or len(request.description) > 1000):
        raise errors.Invalid(
            "a description has at most 1000 characters", fields={"description": "at most 1000"}
        )
    value = msgspec.json.encode(request.value)
    if len(value) > core_variables.LARGEST:
        sentence = f"at most {core_variables.LARGEST} bytes as JSON, not {len(value)}"
        raise errors.Invalid(
            f"the value of {request.name!r} is too large: {sentence}", fields={"value": sentence}
        )
    return value.decode()


def _expect(row: Any, name: str, expected: int | None) -> None:
    """Conflict where somebody else was faster."""
    current = 0 if row is None or row.deleted else row.version
    if expected is not None and expected != current:
        is_now = f"has version {current} by now" if current else "is not there"
        raise errors.Conflict(
            f"variable {name!r} {is_now}, not version {expected}: look again", version=current
        )


def _written(call: Call[Any], variable_id: UUID, version: int, value: str, *, deleted: bool) -> None:
    values = {
        "variable_id": variable_id,
        "version": version,
        "value": value,
        "deleted": deleted,
        "at": call.now,
    }
    who = {"by_kind": call.caller.kind, "by_name": call.caller.name, "by_id": call.caller.id}
    call.connection.execute(_record, {**values, **who})
    changed = call.service.part(notices.Notices).changed
    call.after_commit(lambda: changed("variables"))


def _missing(call: Call[Any], name: str) -> errors.NotFound:
    near = difflib.get_close_matches(name, list(call.connection.execute(_names).scalars()), 1)
    hint = f"did you mean {near[0]!r}?" if near else "`headrace variable list` shows them"
    return errors.NotFound(f"there is no variable {name!r}: {hint}")


def _variable(row: Any) -> variables.Variable:
    return variables.Variable(
        id=row.id,
        name=row.name,
        project=row.project,
        value=msgspec.json.decode(row.value),
        version=row.version,
        description=row.description,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        warning=core_variables.warning(row.name),
    )


def _version(row: Any) -> variables.VariableVersion:
    return variables.VariableVersion(
        version=row.version,
        value=msgspec.json.decode(row.value),
        deleted=row.deleted,
        at=row.at,
        by_kind=row.by_kind,
        by=row.by_name or row.by_kind,
    )


# --- for runs ---


@handles(operations.read_run_variable)
def read_run_variable(call: Call[Any], request: variables.ReadRunVariable) -> variables.RunVariable:
    """The run's row is locked: of two of its processes that ask at once, one asks first."""
    if sentence := core_variables.problem(request.name):
        raise errors.Invalid(
            f"{request.name!r} is no name for a variable: {sentence}", fields={"name": sentence}
        )
    holder = holders.writing(call, request.flow_run_id, request.fence, lock=True)
    where = {"run": holder.run_id, "name": request.name}
    if (known := call.connection.execute(_read_before, where).one_or_none()) is not None:
        return _read(known)
    project_id = call.connection.execute(_project_of, {"run": holder.run_id}).scalar_one()
    row = call.connection.execute(_seen, {"name": request.name, "scope": str(project_id)}).one_or_none()
    values = {"flow_run_id": holder.run_id, "name": request.name, "at": call.now}
    values |= (
        {"variable_id": None, "version": 0}
        if row is None
        else {"variable_id": row.id, "version": row.version}
    )
    call.connection.execute(sa.insert(_reads), values)
    return _read(call.connection.execute(_read_before, where).one())


@handles(operations.list_run_variables)
def list_run_variables(
    call: Call[Any], request: variables.ListRunVariables
) -> wire.Page[variables.RunVariable]:
    run_queries.visible(call, request.flow_run_id)
    rows = call.connection.execute(_all_read, {"run": request.flow_run_id})
    return wire.Page(items=[_read(row) for row in rows])


def _read(row: Any) -> variables.RunVariable:
    value = None if row.value is None else msgspec.json.decode(row.value)
    return variables.RunVariable(
        name=row.name, project=row.project, version=row.version, value=value, at=row.at
    )
