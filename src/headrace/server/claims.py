"""Claims: an agent takes a run, tells how its launch goes, gives it back, or reports that its process has ended.

The queues that an agent serves are few. The run is chosen by one statement in which everything stands that a run must
meet, before its LIMIT; on PostgreSQL runs that others are just taking are passed over.
"""

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import labels as core_labels
from headrace.core import limits, reasons
from headrace.core.moves import Actor
from headrace.core.states import Reason, State, StateType
from headrace.server import (
    agents,
    dispatch,
    firings,
    installation,
    moves,
    parameters,
    parking,
    polls,
    queues,
    slots,
    tables,
    tallies,
    tokens,
)
from headrace.server.service import Service, handles, waits
from headrace.web.handlers import SYSTEM, Call, Caller, Run
from headrace.wire import executors, operations, run_configs, runs, storage

_runs = tables.flow_runs
_flows = tables.flows
_queues = tables.queues
_versions = tables.flow_versions

#: The longest that a claim is held.
LONGEST = 60.0
#: How many runs that are due soon an agent's empty claim makes known to dispatch.
SOON = 200

#: How many runs one claim sets aside, because their turn has come and they may not start.
ASIDE = 50

_waiting = parking.CLAIMABLE
_closed = sa.exists().where(_flows.c.id == _runs.c.flow_id, parking.CLOSED).correlate(_runs)
#: After a gap nothing that a schedule made is claimed before it was decided what becomes of what was missed.
_settled = sa.exists().where(tables.installation.c.scheduler_at >= sa.bindparam("seen"))
_first = (
    sa.select(_runs.c.not_before)
    .where(_waiting, _runs.c.queue_id == _queues.c.id)
    .order_by(_runs.c.not_before)
    .limit(1)
    .scalar_subquery()
)
_heads = (
    sa.select(_queues.c.id, _first.label("not_before"))
    .where(_queues.c.id.in_(sa.bindparam("queues", expanding=True)), _first.is_not(None))
    .where(sa.not_(installation.PAUSED))
    .order_by(_first)
)
_choose = (
    sa.select(*moves.FACTS, _closed.label("closed"), slots.LIMITED)
    .where(_waiting, _runs.c.queue_id == sa.bindparam("queue"), _runs.c.not_before <= sa.bindparam("moment"))
    .where(sa.or_(_runs.c.schedule_id.is_(None), _runs.c.attempt > 0, _settled))
    .order_by(_runs.c.not_before)
    .limit(1)
    .with_for_update(skip_locked=True, of=_runs)
)
_soon = (
    sa.select(_runs.c.id, _runs.c.queue_id, _runs.c.not_before)
    .where(_waiting, _runs.c.queue_id.in_(sa.bindparam("queues", expanding=True)))
    .where(_runs.c.not_before > sa.bindparam("moment"), _runs.c.not_before <= sa.bindparam("later"))
    .order_by(_runs.c.not_before)
    .limit(SOON)
)
_version = (
    sa.select(
        *(
            _versions.c.id,
            _versions.c.labels,
            _versions.c.run_config,
            _versions.c.parameters,
            _versions.c.retries,
        ),
        *(_versions.c.retry_delay_seconds, _versions.c.timeout_seconds, _versions.c.on_lost),
        sa.func.coalesce(_flows.c.lost_after_seconds, _versions.c.lost_after_seconds).label(
            "lost_after_seconds"
        ),
    )
    .join(_flows, _flows.c.id == _versions.c.flow_id)
    .where(_versions.c.id == sa.bindparam("id"))
)
_requeue = sa.update(_runs).where(_runs.c.id == sa.bindparam("run"))
_assigned = (
    sa.select(
        *[
            *(
                _runs.c.id,
                _runs.c.name,
                _runs.c.fence,
                _runs.c.attempt,
                _runs.c.run_config,
                _runs.c.parameters,
            ),
            *(
                _runs.c.due_at,
                _runs.c.log_level,
                _runs.c.on_lost,
                _runs.c.timeout_seconds,
                _runs.c.state_type,
            ),
            *(_runs.c.started_at, _flows.c.name.label("flow"), tables.projects.c.name.label("project")),
            _runs.c.restarted_from,
            *(
                _versions.c.number,
                _versions.c.storage,
                _versions.c.content_sha256,
                _versions.c.executor,
                _runs.c.version_id,
                _runs.c.version_pinned,
                _runs.c.priority,
                _runs.c.schedule_id,
                _runs.c.labels,
                _flows.c.current_version_id,
                _flows.c.labels.label("flow_labels"),
            ),
        ]
    )
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(tables.projects, tables.projects.c.id == _runs.c.project_id)
    .join(_versions, _versions.c.id == _runs.c.version_id)
    .where(_runs.c.id == sa.bindparam("id"))
)

_NOTHING = runs.Claimed(assignment=None)


@handles(operations.claim_flow_run)
def claim_flow_run(call: Call[Any], request: runs.ClaimFlowRun) -> runs.Claimed:
    """One look. A repeated request gets the same run again as long as nobody else has it."""
    agent = agents.own(call, request.agent_id)
    agents.know(call, agent)
    if call.replay is not None:
        return _again(call, UUID(call.replay["run"]), int(call.replay["fence"]))
    if agent.draining:
        return _NOTHING
    served = {queue.id: queue for queue in queues.served(call.connection, agents.offer(agent))}
    heads = _heads_of(call, served)
    for place, run in enumerate(_candidates(call, heads)):
        if place == ASIDE:  # so that no transaction is long; whoever looks next goes on
            _offer(call, run.id, served[run.queue_id])
            return _NOTHING
        if run.closed:
            parking.park_closed(call, run.queue_id)
        elif (assignment := _take(call, run, agent)) is not None:
            call.keep = {"run": str(assignment.flow_run_id), "fence": assignment.fence}
            call.flow_run_id = assignment.flow_run_id
            return runs.Claimed(assignment=assignment)
    if heads:
        _expect(call, served)
    return _NOTHING


@waits(operations.claim_flow_run)
async def hold_claim(service: Service, caller: Caller, request: runs.ClaimFlowRun, run: Run) -> runs.Claimed:
    seconds = min(max(request.wait_seconds, 0.0), LONGEST)
    with service.part(polls.Polls).held(caller):
        return await service.part(dispatch.Dispatch).claim(service, request.agent_id, seconds, run)


def _heads_of(call: Call[Any], served: dict[int, queues.Queue]) -> list[tuple[int, datetime]]:
    """The queues that are not empty, with the time of their first run: of the highest priority the one that waits longest."""
    if not served:
        return []
    rows = call.connection.execute(_heads, {"queues": list(served)})
    return sorted(((row.id, row.not_before) for row in rows), key=lambda head: -served[head[0]].priority)


def _candidates(call: Call[Any], heads: list[tuple[int, datetime]]) -> Iterator[sa.Row[Any]]:
    """The first run of each queue. Asked again, it goes on with the same queue."""
    for queue_id, not_before in heads:
        asked = {"queue": queue_id, "moment": call.now, "seen": call.now - firings.GRACE}
        while (
            not_before <= call.now
            and (found := call.connection.execute(_choose, asked).one_or_none()) is not None
        ):
            yield found


def _take(call: Call[Any], run: sa.Row[Any], agent: sa.Row[Any]) -> runs.Assignment | None:
    """Makes the chosen run the agent's. None when a newer version sends it to another queue, or a limit is full."""
    details = call.connection.execute(_assigned, {"id": run.id}).one()
    changes = _newer_version(call, details)
    if "queue_id" in changes:
        call.connection.execute(_requeue, {"run": run.id, **changes})
        _offer(call, run.id, queues.read(call.connection, changes["queue_id"]))
        return None
    under = slots.of_run(call, run.flow_id, details.labels) if run.limited else ()
    if (full := slots.take(call, slots.Holder(run.id), under, run.slots)) is not None:
        _set_aside(call, run, details, full)
        return None
    answer = moves.move(
        call,
        run,
        State(StateType.SUBMITTED, "Submitted", call.now, f"claimed by {agent.name}"),
        Actor.AGENT,
        changes={"agent_id": agent.id, "slotted": bool(under), **changes},
        slots_free=True,
    )
    waited = (call.now - run.not_before).total_seconds()
    call.after_commit(partial(call.service.part(tallies.Tally).waited.add, waited))
    if changes:
        details = call.connection.execute(_assigned, {"id": run.id}).one()
    return _assignment(call, details, answer.fence, run.attempt + 1)


def _offer(call: Call[Any], run_id: UUID, queue: queues.Queue) -> None:
    call.after_commit(partial(call.service.part(dispatch.Dispatch).offer, run_id, queue))


def _set_aside(call: Call[Any], run: sa.Row[Any], details: sa.Row[Any], limit: sa.Row[Any]) -> None:
    """A run that finds a limit full waits until a slot is freed, or ends, as the limit says."""
    policy = limits.WhenFull(limit.when_full)
    if not limits.cancels(policy, scheduled=details.schedule_id is not None, attempt=run.attempt):
        parking.park_behind(call, run, limit)
        return
    what = f"{details.project}/{details.flow}" if limit.flow_id else limit.what
    reason = reasons.because("limit_cancelled", limit=f"{limit.kind} {what}", size=limit.size)
    state = State(StateType.CANCELLED, "Cancelled", call.now, reason.sentence, code=reason.code)
    by_itself = dataclasses.replace(call, caller=SYSTEM)
    moves.move(by_itself, run, state, Actor.SCHEDULER)


def _newer_version(call: Call[Any], run: sa.Row[Any]) -> dict[str, Any]:
    """What changes when the run takes the flow's current version; nothing when it keeps its own.

    It keeps it when one was named, when it has been started before, and when its parameters do not fit the newer one.
    """
    if run.version_pinned or run.started_at is not None or run.current_version_id in (None, run.version_id):
        return {}
    old = call.connection.execute(_version, {"id": run.version_id}).one()
    new = call.connection.execute(_version, {"id": run.current_version_id}).one()
    values, problems = parameters.merged(parameters.specs(new.parameters), run.parameters)
    if problems:
        return {}
    copied = ("retries", "retry_delay_seconds", "timeout_seconds", "on_lost", "lost_after_seconds")
    changes: dict[str, Any] = {"version_id": new.id, "parameters": values} | {
        name: getattr(new, name) for name in copied
    }
    followed = run.flow_labels is None and run.labels == list(core_labels.normalised(old.labels))
    labels = core_labels.normalised(new.labels) if followed else tuple(run.labels)
    config = new.run_config if run.run_config == old.run_config else run.run_config
    if (list(labels), config) != (run.labels, run.run_config):
        queue = queues.enter(call.connection, labels, config["kind"], run.priority)
        changes |= {"labels": list(labels), "run_config": config, "queue_id": queue.id}
    return changes


def _again(call: Call[Any], run_id: UUID, fence: int) -> runs.Claimed:
    """The same run, or Conflict: an agent that heard of nothing would go on asking with this id, and get no other run."""
    row = call.connection.execute(_assigned, {"id": run_id}).one_or_none()
    if row is None or row.fence != fence or row.state_type != StateType.SUBMITTED.value:
        raise errors.Conflict(
            f"the run {run_id} that was claimed by this request id is not this claim's any more: claim with a new id"
        )
    return runs.Claimed(assignment=_assignment(call, row, row.fence, row.attempt))


def _assignment(call: Call[Any], row: sa.Row[Any], fence: int, attempt: int) -> runs.Assignment:
    return runs.Assignment(
        flow_run_id=row.id,
        name=row.name,
        project=row.project,
        flow=row.flow,
        version=row.number,
        fence=fence,
        attempt=attempt,
        token=tokens.run_token(call.service.secret, row.id, fence),
        lease_seconds=moves.leasing(call).timing.lease.total_seconds(),
        storage=msgspec.convert(row.storage, storage.Storage),
        content_sha256=row.content_sha256,
        run_config=msgspec.convert(row.run_config, run_configs.RunConfig),
        executor=msgspec.convert(row.executor, executors.Executor),
        parameters=row.parameters,
        due_at=row.due_at,
        log_level=row.log_level,
        on_lost=row.on_lost,
        timeout_seconds=row.timeout_seconds,
        resumed=row.started_at is not None or row.restarted_from is not None,
    )


def _expect(call: Call[Any], served: dict[int, queues.Queue]) -> None:
    """Lets dispatch know of runs that are due soon: those made before this server's start, or by another server."""
    later = call.now + dispatch.HORIZON
    hub = call.service.part(dispatch.Dispatch)
    asked = {"queues": list(served), "moment": call.now, "later": later}
    for run_id, queue_id, not_before in call.connection.execute(_soon, asked).all():
        wait: timedelta = not_before - call.now
        call.after_commit(partial(hub.offer, run_id, served[queue_id], wait))


@handles(operations.advance_flow_run)
def advance_flow_run(call: Call[Any], request: runs.AdvanceFlowRun) -> runs.RunAnswer:
    row = moves.load(call, request.flow_run_id)
    agents.own_run(call, row)
    proposed = State(StateType.SUBMITTED, request.name, call.now, request.message)
    return moves.move(call, row, proposed, Actor.AGENT, fence=request.fence)


@handles(operations.release_flow_run)
def release_flow_run(call: Call[Any], request: runs.ReleaseFlowRun) -> runs.RunAnswer:
    row = moves.load(call, request.flow_run_id)
    agents.own_run(call, row)
    proposed = State(StateType.SCHEDULED, "Released", call.now, request.reason)
    return moves.move(call, row, proposed, Actor.AGENT, fence=request.fence)


@handles(operations.report_exit)
def report_exit(call: Call[Any], request: runs.ReportExit) -> runs.RunAnswer:
    """An exit says nothing new of a run that has reported its end itself, or that another attempt holds."""
    row = moves.load(call, request.flow_run_id)
    agents.own_run(call, row)
    current = moves.state(row)
    in_hand = current.type in (StateType.SUBMITTED, StateType.RUNNING, StateType.CANCELLING)
    if not in_hand or request.fence != row.fence:
        return moves.answer(call, row, request.fence)
    why = _exit_reason(request)
    if current.type is StateType.CANCELLING:
        proposed = State(StateType.CANCELLED, "Cancelled", call.now, why.sentence, code=current.code)
    else:
        name = "Crashed" if request.launched else "LaunchFailed"
        proposed = State(StateType.CRASHED, name, call.now, why.sentence, code=why.code)
    return moves.move(call, row, proposed, Actor.AGENT, fence=request.fence, exit_seen=request.launched)


def _exit_reason(request: runs.ReportExit) -> Reason:
    code = request.exit_code
    told = reasons.told(request.code, request.message)
    if told is not None:
        return told
    if not request.launched:
        return reasons.because("launch_failed", why=request.message or "the run could not be launched")
    if request.code == "out_of_memory":
        found = reasons.because("out_of_memory")
    elif code is None:
        found = reasons.because("vanished")
    elif code < 0:
        found = reasons.because("killed", signal=-code)
    else:
        found = reasons.because("exit_code", code=code)
    return Reason(found.code, f"{found.sentence}: {request.message}" if request.message else found.sentence)
