"""Reading task runs: what became of each, in which steps, and where earlier attempts left their results."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core.states import State, StateType
from headrace.server import holders, kept_results, run_queries, tables
from headrace.server.service import handles
from headrace.web import pages
from headrace.web.handlers import Call
from headrace.wire import operations, runs

_tasks = tables.task_runs
_states = tables.task_run_states
_events = tables.run_events

_one = sa.select(_tasks).where(
    _tasks.c.flow_run_id == sa.bindparam("run"),
    _tasks.c.slug == sa.bindparam("slug"),
    _tasks.c.map_index == sa.bindparam("map_index"),
)
_steps = (
    sa.select(_states)
    .where(
        _states.c.flow_run_id == sa.bindparam("run"),
        _states.c.slug == sa.bindparam("slug"),
        _states.c.map_index == sa.bindparam("map_index"),
    )
    .order_by(_states.c.fence, _states.c.seq)
)
_children = (
    sa.select(_tasks.c.slug, _tasks.c.state_type, sa.func.count())
    .where(
        _tasks.c.flow_run_id == sa.bindparam("run"),
        _tasks.c.slug.in_(sa.bindparam("slugs", expanding=True)),
        _tasks.c.map_index >= 0,
    )
    .group_by(_tasks.c.slug, _tasks.c.state_type)
)
#: The run itself was paused by the attempt in which the task was, so going on from there was an approval. A task that
#: paused in an attempt which was lost has not been approved.
_approved = sa.and_(
    _tasks.c.state_type == StateType.PAUSED.value,
    sa.exists().where(
        _events.c.flow_run_id == _tasks.c.flow_run_id,
        _events.c.fence == _tasks.c.fence,
        _events.c.kind == "move",
        _events.c.state_type == StateType.PAUSED.value,
    ),
)
_decided = (
    sa.select(_tasks)
    .where(
        _tasks.c.flow_run_id == sa.bindparam("run"),
        sa.or_(_tasks.c.state_type == StateType.SUCCESS.value, _approved),
    )
    .order_by(_tasks.c.slug, _tasks.c.map_index)
)
#: When a task run began; one that never ran is shown where it was decided.
_began = sa.func.coalesce(_tasks.c.started_at, _tasks.c.state_at, type_=_tasks.c.state_at.type)


@handles(operations.list_task_runs)
def list_task_runs(call: Call[Any], request: runs.ListTaskRuns) -> wire.Page[runs.TaskRun]:
    """Tasks in the order of their start; with a `slug` its mapped children, in the order of their index."""
    run_queries.visible(call, request.flow_run_id)
    shown = pages.limit(request.limit)
    query = sa.select(_tasks, _began.label("began")).where(_tasks.c.flow_run_id == request.flow_run_id)
    if request.state:
        query = query.where(_tasks.c.state_type.in_(request.state))
    if request.slug is None:
        query = query.where(_tasks.c.map_index == -1).order_by(_began, _tasks.c.slug)
    else:
        query = query.where(_tasks.c.slug == request.slug, _tasks.c.map_index >= 0).order_by(
            _tasks.c.map_index
        )
    if request.after is not None:
        query = query.where(_beyond(request))
    rows = call.connection.execute(query.limit(shown + 1)).all()
    by_index = request.slug is not None
    page, following = pages.cut(rows, shown, lambda row: row.map_index if by_index else (row.began, row.slug))
    counts = _counted(call, request.flow_run_id, [row.slug for row in page if row.map_index == -1])
    return wire.Page(items=[_task_run(row, counts) for row in page], next=following)


def _beyond(request: runs.ListTaskRuns) -> sa.ColumnElement[bool]:
    cursor = request.after or ""
    if request.slug is not None:
        return _tasks.c.map_index > pages.read(cursor, int)
    began, slug = pages.read(cursor, tuple[datetime, str])
    moment = sa.literal(began, _tasks.c.state_at.type)
    return sa.or_(_began > moment, sa.and_(_began == moment, _tasks.c.slug > slug))


@handles(operations.read_task_run)
def read_task_run(call: Call[Any], request: runs.TaskRunRef) -> runs.TaskRunStates:
    run_queries.visible(call, request.flow_run_id)
    where: dict[str, Any] = {"run": request.flow_run_id, "slug": request.slug, "map_index": request.map_index}
    row = call.connection.execute(_one, where).one_or_none()
    if row is None:
        index = f"[{request.map_index}]" if request.map_index >= 0 else ""
        raise errors.NotFound(f"run {request.flow_run_id} has no task run {request.slug}{index}, or not yet")
    counts = _counted(call, request.flow_run_id, [row.slug] if row.map_index == -1 else [])
    steps = [
        State(StateType(step.state_type), step.state_name, step.at, step.state_message, step.due_at)
        for step in call.connection.execute(_steps, where)
    ]
    return runs.TaskRunStates(task_run=_task_run(row, counts), states=steps)


@handles(operations.read_task_results)
def read_task_results(call: Call[Any], request: runs.ReadTaskResults) -> runs.TaskResults:
    """Tasks that succeeded, Skipped and Cached ones included: a resumed or rescued run does not run them again. And
    those that were paused and approved, which it does not ask about again. Of a re-run also what it takes over.
    """
    holders.writing(call, request.flow_run_id, request.fence)
    earlier = kept_results.inherited(call.connection, request.flow_run_id)
    items: list[runs.TaskResult] = []
    for row in call.connection.execute(_decided, {"run": request.flow_run_id}):
        before = earlier.get((row.slug, row.map_index))
        if before is None or not kept_results.same(before, row.result):
            earlier.pop((row.slug, row.map_index), None)
            items.append(
                runs.TaskResult(
                    slug=row.slug, map_index=row.map_index, state=_state(row), result=_result(row)
                )
            )
    items += [
        runs.TaskResult(
            slug=slug, map_index=index, state=kept.state, result=_located(kept.result), origin=kept.origin
        )
        for (slug, index), kept in earlier.items()
    ]
    return runs.TaskResults(items=items)


def _counted(call: Call[Any], run_id: UUID, slugs: Sequence[str]) -> dict[str, dict[str, int]]:
    """The mapped children of each of these tasks, by state."""
    counts: dict[str, dict[str, int]] = {}
    if slugs:
        for slug, kind, count in call.connection.execute(_children, {"run": run_id, "slugs": list(slugs)}):
            counts.setdefault(slug, {})[kind] = count
    return counts


def _task_run(row: sa.Row[Any], children: dict[str, dict[str, int]]) -> runs.TaskRun:
    return runs.TaskRun(
        slug=row.slug,
        map_index=row.map_index,
        state=_state(row),
        attempt=row.attempt,
        started_at=row.started_at,
        finished_at=row.finished_at,
        children=children.get(row.slug, {}) if row.map_index == -1 else {},
        result=_result(row),
    )


def _state(row: sa.Row[Any]) -> State:
    return State(StateType(row.state_type), row.state_name, row.state_at, row.state_message, row.state_due_at)


def _result(row: sa.Row[Any]) -> runs.ResultRef | None:
    return _located(row.result)


def _located(result: Any) -> runs.ResultRef | None:
    return None if result is None else msgspec.convert(result, runs.ResultRef)
