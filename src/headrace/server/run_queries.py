"""Reading flow runs: one, a page of them, their history; and why one that has not started waits."""

import difflib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import labels, leases
from headrace.core.states import Reason, State, StateType
from headrace.server import agents, dispatch, moves, tables
from headrace.server.queues import Queue
from headrace.server.service import handles
from headrace.web import pages
from headrace.web.handlers import Call
from headrace.wire import operations, run_configs, runs

_runs = tables.flow_runs
_flows = tables.flows
_projects = tables.projects
_versions = tables.flow_versions
_agents = tables.agents
_events = tables.run_events

#: A run that is due for longer than this and has not been claimed is shown as late.
LATE = timedelta(seconds=15)
#: What `state` of a list may hold: the types, and what is derived from a run's times.
DERIVED = ("Late", "Unreachable")
_STATES = (*(kind.value for kind in StateType), *DERIVED)
#: Hexadecimal digits that a search needs before it is taken for the beginning of an id.
_ID_DIGITS = 6

_select = (
    sa.select(
        *(
            column
            for column in _runs.c
            if column.name not in ("idempotency_key", "last_contact_at", "timeout_seconds")
        ),
        *(_flows.c.name.label("flow"), _flows.c.paused, _projects.c.name.label("project")),
        *(_versions.c.number.label("version_number"), _versions.c.tasks, _agents.c.name.label("agent")),
    )
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_projects, _projects.c.id == _runs.c.project_id)
    .join(_versions, _versions.c.id == _runs.c.version_id)
    .outerjoin(_agents, _agents.c.id == _runs.c.agent_id)
)
_one = _select.where(_runs.c.id == sa.bindparam("id"))
_exists = sa.select(_runs.c.id, _runs.c.parent_run_id).where(_runs.c.id == sa.bindparam("id"))
_history = sa.select(_events).where(_events.c.flow_run_id == sa.bindparam("id")).order_by(_events.c.seq)


@handles(operations.read_flow_run)
def read_flow_run(call: Call[Any], request: runs.FlowRunRef) -> runs.FlowRun:
    return read(call, request.flow_run_id)


@handles(operations.list_flow_runs)
def list_flow_runs(call: Call[Any], request: runs.ListFlowRuns) -> wire.Page[runs.FlowRun]:
    """Newest first. What is shown of a page costs the same on the first and on the thousandth."""
    shown = pages.limit(request.limit)
    query = _select.where(*_filters(call, request)).order_by(_runs.c.id.desc()).limit(shown + 1)
    rows = call.connection.execute(query).all()
    page, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=_built(call, page), next=following)


@handles(operations.list_run_events)
def list_run_events(call: Call[Any], request: runs.FlowRunRef) -> wire.Page[runs.RunEvent]:
    visible(call, request.flow_run_id)
    rows = call.connection.execute(_history, {"id": request.flow_run_id})
    return wire.Page(items=[_event(row) for row in rows])


def read(call: Call[Any], run_id: UUID) -> runs.FlowRun:
    """The run. Raises errors.NotFound."""
    row = call.connection.execute(_one, {"id": run_id}).one_or_none()
    if row is None or not _may_see(call, row):
        raise errors.NotFound(f"there is no flow run {run_id}")
    return built(call, row)


def visible(call: Call[Any], run_id: UUID) -> None:
    """Raises errors.NotFound when there is no such run, or none that the caller sees."""
    row = call.connection.execute(_exists, {"id": run_id}).one_or_none()
    if row is None or not _may_see(call, row):
        raise errors.NotFound(f"there is no flow run {run_id}")


def _may_see(call: Call[Any], row: Any) -> bool:
    """A run process sees its own run and those that it started."""
    return call.caller.run_id is None or call.caller.run_id in (row.id, row.parent_run_id)


def _filters(call: Call[Any], request: runs.ListFlowRuns) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if call.caller.run_id is not None:
        found.append(sa.or_(_runs.c.id == call.caller.run_id, _runs.c.parent_run_id == call.caller.run_id))
    if request.project is not None:
        found.append(_runs.c.project_id == _project_id(call, request.project))
    if request.flow_id is not None:
        found.append(_runs.c.flow_id == request.flow_id)
    if request.agent_id is not None:
        found.append(_runs.c.agent_id == request.agent_id)
    if request.since is not None:
        found.append(_runs.c.created_at >= request.since)
    if request.until is not None:
        found.append(_runs.c.created_at < request.until)
    if request.search:
        found.append(_matches(request.search.strip()))
    if request.state:
        found.append(_in_states(call, request.state))
    if request.after is not None:
        found.append(_runs.c.id < pages.read(request.after, UUID))
    return found


def _project_id(call: Call[Any], name: str) -> UUID:
    """The project's id. Raises errors.NotFound with a suggestion."""
    found = call.connection.execute(sa.select(_projects.c.id).where(_projects.c.name == name)).scalar()
    if found is None:
        names = call.connection.execute(sa.select(_projects.c.name)).scalars().all()
        near = difflib.get_close_matches(name, names, 1)
        raise errors.NotFound(
            f"there is no project {name!r}" + (f", did you mean {near[0]!r}?" if near else "")
        )
    return found


def _in_states(call: Call[Any], names: Sequence[str]) -> sa.ColumnElement[bool]:
    for name in names:
        if name not in _STATES:
            near = difflib.get_close_matches(name, _STATES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_STATES)}"
            raise errors.Invalid(f"there is no state {name!r}: {hint}", fields={"state": hint})
    types = [name for name in names if name not in DERIVED]
    options: list[sa.ColumnElement[bool]] = [_runs.c.state_type.in_(types)] if types else []
    if "Late" in names:
        options.append(
            sa.and_(_runs.c.state_type == StateType.SCHEDULED.value, _runs.c.not_before < call.now - LATE)
        )
    amnesty = moves.leasing(call).amnesty_until
    if "Unreachable" in names:
        holding = (StateType.RUNNING.value, StateType.CANCELLING.value)
        over = sa.or_(_runs.c.lease_until.is_(None), _runs.c.lease_until <= call.now)
        nobody = sa.false() if amnesty is not None and call.now < amnesty else sa.true()
        options.append(sa.and_(_runs.c.state_type.in_(holding), over, nobody))
    return sa.or_(*options)


def _matches(text: str) -> sa.ColumnElement[bool]:
    """A part of the name, or the beginning of the id."""
    name = _runs.c.name.icontains(text, autoescape=True)
    digits = text.replace("-", "").lower()
    if not (_ID_DIGITS <= len(digits) <= 32 and all(digit in "0123456789abcdef" for digit in digits)):
        return name
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return sa.or_(name, _runs.c.id.between(first, last))


def built(call: Call[Any], row: Any) -> runs.FlowRun:
    """The answer for a run, from a row with the columns of `_select`."""
    return _built(call, [row])[0]


def _built(call: Call[Any], rows: Sequence[Any]) -> list[runs.FlowRun]:
    """Answers for rows of `_select`; agents are read once for all, and only where one waits."""
    offers: list[labels.Offer] | None = None
    built: list[runs.FlowRun] = []
    for row in rows:
        waits = _waits(call, row)
        if waits is None and row.state_type == StateType.SCHEDULED.value:
            offers = _offers(call) if offers is None else offers
            waits = _waits_for_agent(row, offers)
        built.append(_run(call, row, waits))
    return built


def _waits(call: Call[Any], row: Any) -> Reason | None:
    """Why the run is not running, as far as no agent is asked."""
    match StateType(row.state_type):
        case StateType.SCHEDULED if row.paused:
            return Reason("flow_paused", f"The flow {row.flow} is paused: resume it, and the run starts.")
        case StateType.SCHEDULED if row.not_before > call.now:
            moment = f"{row.not_before:%Y-%m-%d %H:%M:%S} UTC"
            if row.state_name == "AwaitingRetry":
                return Reason("awaiting_retry", f"It failed and is tried again at {moment}.")
            return Reason("not_due", f"It is due at {moment}.")
        case StateType.SCHEDULED:
            queue = Queue(row.queue_id, frozenset(row.labels), row.run_config["kind"])
            if call.service.part(dispatch.Dispatch).expects(queue):
                return Reason("starting", "An agent is about to take it.")
            return None
        case StateType.SUBMITTED:
            return Reason(
                "launching", f"The agent {row.agent or '(removed)'} is launching it: {row.state_name}."
            )
        case StateType.PAUSED:
            return Reason("paused", "It waits for somebody to approve it.")
        case StateType.CANCELLING:
            return Reason("cancelling", "It has been told to stop and has not yet stopped.")
        case _:
            return None


def _offers(call: Call[Any]) -> list[labels.Offer]:
    timing = moves.leasing(call).timing
    rows = agents.alive(call.connection, call.now, moves.leasing(call))
    fresh = call.now - 2 * timing.heartbeat
    return [
        _Candidate(
            row.name,
            row.labels,
            row.takes_unlabelled,
            row.launches,
            row.draining,
            row.last_contact_at <= fresh,
        )
        for row in rows
    ]


class _Candidate(labels.Offer, frozen=True):
    draining: bool = False
    late: bool = False


def _waits_for_agent(row: Any, offers: Sequence[labels.Offer]) -> Reason:
    kind = row.run_config["kind"]
    if (reason := labels.explain(row.labels, kind, offers)) is not None:
        return reason
    able = [
        offer
        for offer in offers
        if kind in offer.launches
        and labels.matches(row.labels, offer.labels, takes_unlabelled=offer.takes_unlabelled)
        and isinstance(offer, _Candidate)
    ]
    names = ", ".join(sorted(offer.name for offer in able))
    if all(offer.draining for offer in able):
        return Reason("agents_draining", f"The agents that take it are stopping: {names}.")
    if all(offer.late or offer.draining for offer in able):
        return Reason("agents_late", f"The agents that take it have not been heard of for a while: {names}.")
    return Reason("agents_busy", f"It waits for its turn at {names}.")


def _run(call: Call[Any], row: Any, waits: Reason | None) -> runs.FlowRun:
    state = moves.state(row)
    amnesty = moves.leasing(call).amnesty_until
    return runs.FlowRun(
        id=row.id,
        name=row.name,
        flow_id=row.flow_id,
        flow=row.flow,
        project_id=row.project_id,
        project=row.project,
        version_id=row.version_id,
        version=row.version_number,
        state=state,
        state_version=row.version,
        fence=row.fence,
        attempt=row.attempt,
        rescues=row.rescues,
        waits=waits,
        late=state.type is StateType.SCHEDULED and row.not_before < call.now - LATE,
        unreachable=leases.unreachable(state.type, call.now, row.lease_until, amnesty_until=amnesty),
        cancel_requested=row.cancel_requested,
        labels=row.labels,
        parameters=row.parameters,
        run_config=msgspec.convert(row.run_config, run_configs.RunConfig),
        log_level=row.log_level,
        on_lost=row.on_lost,
        created_at=row.created_at,
        created_by=runs.Actor(kind=row.created_by_kind, name=row.created_by_name, id=row.created_by_id),
        due_at=row.due_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        agent_id=row.agent_id,
        agent=row.agent,
        host=row.host,
        pid=row.pid,
        parent_run_id=row.parent_run_id,
        tasks=row.tasks,
        task_states=row.task_states,
        result=None if row.result is None else msgspec.convert(row.result, runs.ResultRef),
    )


def _event(row: sa.Row[Any]) -> runs.RunEvent:
    return runs.RunEvent(
        seq=row.seq,
        at=row.at,
        actor=runs.Actor(kind=row.actor_kind, name=row.actor_name, id=row.actor_id),
        from_type=row.from_type,
        state=State(StateType(row.state_type), row.state_name, row.at, row.state_message, row.state_due_at),
        fence=row.fence,
        kind=row.kind,
    )
