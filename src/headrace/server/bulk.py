"""The same done with many runs, and runs deleted.

A bulk action goes in batches, each a transaction: the rows are locked in the order of their ids, as everywhere, and each
run has a savepoint of its own, so that one with which it cannot be done is told and does not hold up the others. The
cursor goes down the ids, so that runs which come meanwhile are not met, and none is met twice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import states
from headrace.core.states import StateType
from headrace.server import control, moves, notices, removal, restarts, run_queries, tables
from headrace.server.service import Service, handles, prepares, waits
from headrace.web import pages
from headrace.web.handlers import Call, Caller, Run
from headrace.wire import accounts, operations
from headrace.wire import control as wire_control
from headrace.wire import restarts as wire_restarts

_runs = tables.flow_runs
_flows = tables.flows

#: Runs in one batch; of re-runs, each of which reads a whole history, and of deletions, fewer.
LARGEST = 200
_SMALLER = {"rerun": 20, "delete": 20}
#: The runs with which something can be done at all.
_OPEN = (StateType.SCHEDULED, StateType.SUBMITTED, StateType.RUNNING, StateType.PAUSED)
_FITS: dict[str, Sequence[StateType]] = {
    "cancel": _OPEN,
    "resume": (StateType.PAUSED,),
    "reject": (StateType.PAUSED,),
    "mark": tuple(StateType),
    "rerun": (StateType.FAILED, StateType.CRASHED, StateType.CANCELLED),
    "delete": tuple(states.FINISHED),
}
_FILTERS = (
    "project",
    "flow_id",
    "agent_id",
    "schedule_id",
    "restarted_from",
    "state",
    "reason",
    "search",
    "since",
    "until",
)

_matching = sa.select(_runs.c.id).join(_flows, _flows.c.id == _runs.c.flow_id)
_locked = (
    sa.select(*moves.FACTS, _runs.c.name)
    .where(_runs.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_runs.c.id)
    .with_for_update()
)

Prepared = dict[UUID, restarts.Prepared | errors.HeadraceError]


@handles(operations.delete_flow_run)
def delete_flow_run(call: Call[Any], request: wire_control.DeleteFlowRun) -> wire.Empty:
    """The first rows; `delete_whole` goes on. The run's own row is the last."""
    row = moves.load(call, request.flow_run_id)
    _delete(call, row)
    return wire.Empty()


@waits(operations.delete_flow_run)
async def delete_whole(
    service: Service, caller: Caller, request: wire_control.DeleteFlowRun, run: Run
) -> wire.Empty:
    """However long its log is, no transaction is."""
    answer: wire.Empty = await run()
    while not await service.write(lambda call: removal.remove(call, request.flow_run_id)):
        pass
    return answer


@prepares(operations.bulk_flow_runs)
def prepare_bulk(service: Service, caller: Caller, request: wire_control.BulkFlowRuns) -> Prepared:
    """What re-runs would do is worked out before the transaction that makes them."""
    _check(caller, request)
    if request.action != "rerun" or request.dry_run:
        return {}
    prepared: Prepared = {}
    for run_id in service.look(lambda call: _batch(call, request))[0]:
        try:
            asked = wire_restarts.RerunFlowRun(flow_run_id=run_id)
            prepared[run_id] = restarts.prepare_rerun(service, caller, asked)
        except errors.HeadraceError as error:
            prepared[run_id] = error
    return prepared


@handles(operations.bulk_flow_runs)
def bulk_flow_runs(call: Call[Any], request: wire_control.BulkFlowRuns) -> wire_control.BulkDone:
    if request.dry_run:
        counts = _counts(call, request)
        return wire_control.BulkDone(matched=sum(counts.values()), states=counts)
    ids, following = _batch(call, request)
    rows = call.connection.execute(_locked, {"ids": ids}).all()
    fitting = [row for row in rows if StateType(row.state_type) in _FITS[request.action]]
    act = _actor(call, request)
    made: list[UUID] = []
    failed: list[wire_control.BulkFailure] = []
    done = 0
    for row in sorted(fitting, key=lambda row: row.id.int, reverse=True):
        try:
            if (one := _alone(call, act, row)) is not None:
                made.append(one)
            done += 1
        except errors.HeadraceError as error:
            failed.append(wire_control.BulkFailure(flow_run_id=row.id, name=row.name, reason=error.message))
    return wire_control.BulkDone(
        matched=len(fitting),
        states=dict(Counter(row.state_type for row in fitting)),
        done=done,
        failed=failed,
        made=made,
        next=following,
    )


def _check(caller: Caller, request: wire_control.BulkFlowRuns) -> None:
    if not any(getattr(request.where, field) for field in _FILTERS):
        raise errors.Invalid(
            "say which runs: by flow, project, state, reason, time, or what is searched for",
            fields={"where": "at least one condition"},
        )
    if request.action == "mark" and (request.mark_as is None or not request.reason.strip()):
        raise errors.Invalid(
            "say what the runs are marked as, and why", fields={"mark_as": "Success or Failed, with a reason"}
        )
    if request.action == "delete" and not caller.may(accounts.Permission.ADMINISTER):
        raise errors.Forbidden("only an administrator deletes runs")


def _fitting(call: Call[Any], request: wire_control.BulkFlowRuns) -> list[sa.ColumnElement[bool]]:
    types = [type_.value for type_ in _FITS[request.action]]
    return [*run_queries.filters(call, request.where), _runs.c.state_type.in_(types)]


def _batch(call: Call[Any], request: wire_control.BulkFlowRuns) -> tuple[list[UUID], str | None]:
    """The next runs, newest first, and the cursor behind them."""
    size = pages.limit(min(request.where.limit, _SMALLER.get(request.action, LARGEST)))
    query = _matching.where(*_fitting(call, request)).order_by(_runs.c.id.desc()).limit(size + 1)
    found = call.connection.execute(query).scalars().all()
    return list(found[:size]), pages.write(found[size - 1]) if len(found) > size else None


def _counts(call: Call[Any], request: wire_control.BulkFlowRuns) -> dict[str, int]:
    query = (
        _matching.with_only_columns(_runs.c.state_type, sa.func.count().label("runs"))
        .where(*_fitting(call, request))
        .group_by(_runs.c.state_type)
    )
    return {row.state_type: row.runs for row in call.connection.execute(query)}


#: Does it with one run; the run that was made, if one was.
Act = Callable[[sa.Row[Any]], UUID | None]


def _actor(call: Call[Any], request: wire_control.BulkFlowRuns) -> Act:
    match request.action:
        case "cancel":
            return lambda row: control.cancel(call, row, request.reason)
        case "resume":
            return lambda row: control.resume(call, row, request.reason)
        case "reject":
            return lambda row: control.reject(call, row, request.reason)
        case "mark":
            verdict = StateType(request.mark_as or "Failed")
            return lambda row: control.mark(call, row, verdict, request.reason)
        case "delete":
            return lambda row: _delete(call, row)
        case "rerun":
            return lambda row: _rerun(call, row)


def _alone(call: Call[Any], act: Act, row: sa.Row[Any]) -> UUID | None:
    """In a savepoint: what it has written is taken back when it fails, and what was to follow it too."""
    before = len(call.afterwards)
    try:
        with call.connection.begin_nested():
            return act(row)
    except errors.HeadraceError:
        del call.afterwards[before:]
        raise


def _rerun(call: Call[Any], row: sa.Row[Any]) -> UUID | None:
    found = call.prepared.get(row.id)
    if not isinstance(found, restarts.Prepared):
        raise found or errors.Conflict(f"run {row.id} has only just come to match: ask again")
    return restarts.create(call, found, wire_restarts.RerunFlowRun(flow_run_id=row.id)).id


def _delete(call: Call[Any], row: sa.Row[Any]) -> None:
    if not StateType(row.state_type).is_finished:
        raise errors.Conflict(
            f"run {row.id} is {row.state_type}: cancel it before it is deleted",
            state=row.state_type,
            reason="not_finished",
        )
    if removal.is_asked_for(call, row.id):
        raise errors.Conflict(
            f"run {row.id} is still needed: a run that has not ended was started by it or takes over its results",
            reason="asked_for",
        )
    removal.remove(call, row.id)
    call.after_commit(lambda: call.service.part(notices.Notices).changed("flow_runs"))
