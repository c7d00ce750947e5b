"""Reading flow runs: one, a page of them, their history."""

import difflib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import leases, reasons
from headrace.core.states import Reason, State, StateType
from headrace.server import installation, lateness, moves, parking, tables, waiting
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
            if column.name not in ("idempotency_key", "last_contact_at", "timeout_seconds", "anew")
        ),
        *(_flows.c.name.label("flow"), _flows.c.paused, _flows.c.archived_at, _flows.c.late_after_seconds),
        installation.PAUSED.label("everything_paused"),
        _projects.c.name.label("project"),
        *(_versions.c.number.label("version_number"), _versions.c.tasks, _agents.c.name.label("agent")),
    )
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_projects, _projects.c.id == _runs.c.project_id)
    .join(_versions, _versions.c.id == _runs.c.version_id)
    .outerjoin(_agents, _agents.c.id == _runs.c.agent_id)
)
_one = _select.where(_runs.c.id == sa.bindparam("id"))
_coming = (
    _select.where(
        parking.CLAIMABLE,
        _runs.c.queue_id == sa.bindparam("queue"),
        _runs.c.not_before > sa.bindparam("moment"),
    )
    .order_by(_runs.c.not_before)
    .limit(sa.bindparam("most"))
)
_troubled = (
    _select.where(
        _runs.c.finished_at.between(sa.bindparam("since"), sa.bindparam("moment")),
        _runs.c.state_type.in_((StateType.FAILED.value, StateType.CRASHED.value)),
    )
    .order_by(_runs.c.finished_at.desc())
    .limit(sa.bindparam("most"))
)
_queues = sa.select(tables.queues.c.id)
_exists = sa.select(_runs.c.id, _runs.c.parent_run_id).where(_runs.c.id == sa.bindparam("id"))
_history = sa.select(_events).where(_events.c.flow_run_id == sa.bindparam("id")).order_by(_events.c.seq)


@handles(operations.read_flow_run)
def read_flow_run(call: Call[Any], request: runs.FlowRunRef) -> runs.FlowRun:
    return read(call, request.flow_run_id)


@handles(operations.list_flow_runs)
def list_flow_runs(call: Call[Any], request: runs.ListFlowRuns) -> wire.Page[runs.FlowRun]:
    """Newest first. What is shown of a page costs the same on the first and on the thousandth."""
    shown = pages.limit(request.limit)
    query = _select.where(*filters(call, request)).order_by(_runs.c.id.desc()).limit(shown + 1)
    rows = call.connection.execute(query).all()
    page, following = pages.cut(rows, shown, lambda row: row.id)
    return wire.Page(items=_built(call, page), next=following)


def upcoming(call: Call[Any], project: str | None, limit: int) -> list[runs.FlowRun]:
    """The runs that are due next and are not late, soonest first. Queues are few, and each gives its own in the order of their times."""
    usual = timedelta(seconds=call.service.settings.late_seconds)
    asked: dict[str, Any] = {"moment": call.now - usual, "most": limit}
    query = _coming
    if project is not None:
        query = query.where(_runs.c.project_id == _project_id(call, project))
    found: list[sa.Row[Any]] = []
    for queue_id in call.connection.execute(_queues).scalars().all():
        found += call.connection.execute(query, {**asked, "queue": queue_id}).all()
    return _built(call, sorted(found, key=lambda row: (row.not_before, row.id))[:limit])


def troubled(call: Call[Any], project: str | None, since: datetime, limit: int) -> list[runs.FlowRun]:
    """The runs that ended badly since then, the last one first."""
    query = _troubled
    if project is not None:
        query = query.where(_runs.c.project_id == _project_id(call, project))
    asked = {"since": since, "moment": call.now, "most": limit}
    return _built(call, call.connection.execute(query, asked).all())


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


def filters(call: Call[Any], request: runs.ListFlowRuns) -> list[sa.ColumnElement[bool]]:
    """The conditions of a list, for statements over runs and their flows."""
    found: list[sa.ColumnElement[bool]] = []
    if call.caller.run_id is not None:
        found.append(sa.or_(_runs.c.id == call.caller.run_id, _runs.c.parent_run_id == call.caller.run_id))
    if request.project is not None:
        found.append(_runs.c.project_id == _project_id(call, request.project))
    found += [
        _runs.c[field] == wanted
        for field in ("flow_id", "agent_id", "schedule_id", "backfill_id", "restarted_from")
        if (wanted := getattr(request, field)) is not None
    ]
    if request.since is not None:
        found.append(_runs.c.created_at >= request.since)
    if request.until is not None:
        found.append(_runs.c.created_at < request.until)
    if request.search:
        found.append(_matches(request.search.strip()))
    if request.state:
        found.append(_in_states(call, request.state))
    if request.reason:
        found.append(_for_reasons(request.reason))
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
    if not any(StateType(name).is_finished for name in types):
        # says nothing new, but leads to the few that are not finished; by their ids all of history would be looked through
        return sa.and_(_runs.c.finished_at.is_(None), sa.or_(*options, *_derived(call, names)))
    return sa.or_(*options, *_derived(call, names))


def _derived(call: Call[Any], names: Sequence[str]) -> list[sa.ColumnElement[bool]]:
    """What is not stored as a state, of what is asked for."""
    options: list[sa.ColumnElement[bool]] = []
    if "Late" in names:
        options.append(lateness.condition(call))
    amnesty = moves.leasing(call).amnesty_until
    if "Unreachable" in names:
        holding = (StateType.RUNNING.value, StateType.CANCELLING.value)
        over = sa.or_(_runs.c.lease_until.is_(None), _runs.c.lease_until <= call.now)
        nobody = sa.false() if amnesty is not None and call.now < amnesty else sa.true()
        options.append(sa.and_(_runs.c.state_type.in_(holding), over, nobody))
    return options


def _for_reasons(codes: Sequence[str]) -> sa.ColumnElement[bool]:
    for code in codes:
        if code not in reasons.ENDS:
            near = difflib.get_close_matches(code, reasons.ENDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(reasons.ENDS))}"
            raise errors.Invalid(f"no run ends for the reason {code!r}: {hint}", fields={"reason": hint})
    return _runs.c.state_code.in_(codes)


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
    """Answers for rows of `_select`."""
    why = waiting.Reasons(call)
    return [_run(call, row, why.of(row)) for row in rows]


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
        late=lateness.is_late(call, row),
        unreachable=leases.unreachable(state.type, call.now, row.lease_until, amnesty_until=amnesty),
        cancel_requested=row.cancel_requested,
        labels=row.labels,
        priority=row.priority,
        slots=row.slots,
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
        schedule_id=row.schedule_id,
        backfill_id=row.backfill_id,
        restarted_from=row.restarted_from,
        tasks=row.tasks,
        task_states=row.task_states,
        result=None if row.result is None else msgspec.convert(row.result, runs.ResultRef),
        pausing=state.type is StateType.RUNNING and row.pause_wish is not None,
        pause_ends_at=row.pause_ends_at,
        mark=None if row.mark is None else msgspec.convert(row.mark, runs.Mark),
    )


def _event(row: sa.Row[Any]) -> runs.RunEvent:
    return runs.RunEvent(
        seq=row.seq,
        at=row.at,
        actor=runs.Actor(kind=row.actor_kind, name=row.actor_name, id=row.actor_id),
        from_type=row.from_type,
        state=State(
            StateType(row.state_type),
            row.state_name,
            row.at,
            row.state_message,
            row.state_due_at,
            row.state_code,
        ),
        fence=row.fence,
        kind=row.kind,
    )
