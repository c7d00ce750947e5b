"""What a run process says about its run: may I start, I live, this is how it ended.

Before the start nothing of the user's is unpickled, and who is not the holder of the current fence changes nothing.
"""

import asyncio
from typing import Any

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import reasons
from headrace.core.moves import Actor
from headrace.core.states import FINISHED, State, StateType
from headrace.server import control, deadlines, heartbeats, moves, tables
from headrace.server.leasing import Leasing
from headrace.server.service import Service, handles, waits
from headrace.web.handlers import Call, Caller, Run
from headrace.wire import operations, runs

_tags = sa.select(tables.limits.c.what).where(tables.limits.c.kind == sa.literal_column("'tag'"))
_content = (
    sa.select(tables.flow_versions.c.content_sha256, sa.exists(_tags).label("limits_tags"))
    .join(tables.flow_runs, tables.flow_runs.c.version_id == tables.flow_versions.c.id)
    .where(tables.flow_runs.c.id == sa.bindparam("id"))
)

#: What a run process may report as its end.
REPORTED = (StateType.SUCCESS, StateType.FAILED, StateType.CRASHED, StateType.CANCELLED, StateType.PAUSED)


@handles(operations.start_flow_run)
def start_flow_run(call: Call[Any], request: runs.StartFlowRun) -> runs.RunAnswer:
    call.own_run(request.flow_run_id, request.fence)
    row = moves.load(call, request.flow_run_id)
    started = row.state_type == StateType.RUNNING.value and row.fence == request.fence
    if started and (row.host, row.pid) != (request.host, request.pid):
        # The same launch twice, perhaps of a repeated message: only one of the two may have begun.
        raise errors.Superseded(
            f"run {row.id} has been started by process {row.pid} on {row.host} already",
            state=row.state_type,
            fence=row.fence,
        )
    registered, limits_tags = call.connection.execute(_content, {"id": row.id}).one()
    if registered != request.content_sha256:
        raise errors.ContentMismatch(
            f"run {row.id}: the flow's content has the hash {request.content_sha256[:12]}…, registered was"
            f" {registered[:12]}…: register the flow again",
        )
    token_valid = (call.caller.run_id, call.caller.run_fence) == (row.id, request.fence)
    answer = moves.move(
        call,
        row,
        State(StateType.RUNNING, "Running", call.now),
        Actor.RUN,
        fence=request.fence,
        changes={"host": request.host, "pid": request.pid},
        token_valid=token_valid,
        content_matches=True,
    )
    if not limits_tags:
        return answer
    tags = call.connection.execute(_tags.order_by(tables.limits.c.what)).scalars().all()
    return msgspec.structs.replace(answer, limited_tags=list(tags))


@handles(operations.heartbeat_flow_run)
def heartbeat_flow_run(call: Call[Any], request: runs.HeartbeatFlowRun) -> runs.RunAnswer:
    call.own_run(request.flow_run_id, request.fence)
    rows = heartbeats.renew(call, [heartbeats.Beat(request.flow_run_id, request.fence)])
    if request.flow_run_id not in rows:
        raise errors.NotFound(f"there is no flow run {request.flow_run_id}")
    row = rows[request.flow_run_id]
    if deadlines.overrun(row, request, moves.leasing(call).timing):
        deadlines.end_overrun(call, request)
        row = moves.load(call, row.id)
    return moves.answer(call, row, request.fence)


@waits(operations.heartbeat_flow_run)
async def hold_heartbeat(
    service: Service, caller: Caller, request: runs.HeartbeatFlowRun, run: Run
) -> runs.RunAnswer:
    """Renews together with other runs; the answer waits for an order, at most the time between two heartbeats."""
    if caller.run_id is not None and (caller.run_id, caller.run_fence) != (
        request.flow_run_id,
        request.fence,
    ):
        return await run()  # says what is wrong
    keeper = service.part(Leasing)
    deadline = asyncio.get_running_loop().time() + keeper.timing.heartbeat.total_seconds()
    beats = service.part(heartbeats.Heartbeats)
    run_id = request.flow_run_id
    with service.hold() as hold, beats.listening(run_id, hold):
        row = await beats.beat(service, heartbeats.Beat(run_id, request.fence))
        if deadlines.overrun(row, request, keeper.timing):
            return await run()
        answer = moves.answer_of(keeper, row, request.fence)
        if answer.orders != runs.Orders() or answer.state.type is not StateType.RUNNING:
            return answer
        if not await hold.wait(deadline - asyncio.get_running_loop().time()):
            return answer
    return await service.read(
        lambda call: moves.answer(call, moves.load(call, run_id, lock=False), request.fence), caller=caller
    )


@handles(operations.finish_flow_run)
def finish_flow_run(call: Call[Any], request: runs.FinishFlowRun) -> runs.RunAnswer:
    """A Failed report may become AwaitingRetry: the rules decide. A report that comes too late is kept as a note."""
    call.own_run(request.flow_run_id, request.fence)
    if request.type not in REPORTED:
        raise errors.Invalid(
            f"a run does not end as {request.type}: report {', '.join(REPORTED)}",
            fields={"type": "not an end"},
        )
    row = moves.load(call, request.flow_run_id)
    current = moves.state(row)
    code = request.code if request.code in reasons.ENDS else ""  # a newer engine may know more
    if request.type is StateType.CANCELLED and current.type is StateType.CANCELLING:
        code = current.code  # whoever cancelled it is the reason, not that the process obeyed
    said = State(request.type, request.name, call.now, request.message, code=code)
    changes: dict[str, Any] = {}
    if request.type is StateType.PAUSED:
        said, changes = control.paused(call, row, request)
    stale = request.fence != row.fence and moves.leasing(call).checks_fences
    if stale or (current.is_finished and current.type is not said.type):
        moves.note(call, row, said, request.fence)
        return moves.superseded(call, row)
    if request.result is not None:
        changes["result"] = request.result
    crashed = request.type is StateType.CRASHED
    return moves.move(
        call,
        row,
        said,
        # The supervisor reports how the process ended that it had forked, as the agent would.
        Actor.AGENT if crashed else Actor.RUN,
        fence=request.fence,
        changes=changes,
        exit_seen=crashed and current.type is not StateType.SUBMITTED,
    )


@waits(operations.finish_flow_run)
async def refuse_late_finish(
    service: Service, caller: Caller, request: runs.FinishFlowRun, run: Run
) -> runs.RunAnswer:
    """The note of a late report is committed before its sender is told that it changed nothing."""
    answer: runs.RunAnswer = await run()
    if answer.orders.superseded:
        ended = (
            f"it is {answer.state.type}"
            if answer.state.type in FINISHED
            else "another attempt has taken over"
        )
        raise errors.Superseded(
            f"run {request.flow_run_id}: the report came too late, {ended}; it is kept in the run's history",
            state=answer.state.type.value,
            version=answer.version,
            fence=answer.fence,
        )
    return answer
