"""What the server tells a run's trace: that the run was made, and from when to when it was."""

from functools import partial
from typing import Any

import sqlalchemy as sa

from headrace import tracing
from headrace.core.states import State
from headrace.server import tables
from headrace.web.handlers import Call

_runs = tables.flow_runs

_titled = (
    sa.select(_runs.c.due_at, tables.flows.c.name.label("flow"), tables.projects.c.name.label("project"))
    .join(tables.flows, tables.flows.c.id == _runs.c.flow_id)
    .join(tables.projects, tables.projects.c.id == _runs.c.project_id)
    .where(_runs.c.id == sa.bindparam("id"))
)


def created(call: Call[Any], row: Any) -> None:
    """`row` is the run as a list shows it."""
    if tracing.is_on():
        told = partial(tracing.run_created, row.id, row.name, row.flow, row.project, row.due_at)
        call.after_commit(told)


def ended(call: Call[Any], row: sa.Row[Any], after: State) -> None:
    """The run has come to its end."""
    if tracing.is_on():
        known = call.connection.execute(_titled, {"id": row.id}).one()
        title = f"{known.project}/{known.flow}"
        call.after_commit(partial(tracing.run_ended, row.id, title, known.due_at, call.now, after.type.value))
