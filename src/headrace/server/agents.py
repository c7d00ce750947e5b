"""Agents: they register themselves, show that they live, and hear what they must tear down."""

import difflib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, get_args
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import labels
from headrace.core.states import StateType
from headrace.server import dispatch, heartbeats, moves, notices, queues, tables
from headrace.server.leasing import Leasing
from headrace.server.queues import Offer
from headrace.server.service import handles
from headrace.web import ids, pages
from headrace.web.handlers import Call, Caller
from headrace.wire import accounts, agents, operations, run_configs

_agents = tables.agents
_runs = tables.flow_runs

#: Every kind of run config, by the word that agents use.
KINDS = tuple(sorted(str(kind.__struct_config__.tag) for kind in get_args(run_configs.RunConfig)))
#: How many of its last runs an agent is shown with.
LAST = 10
#: States in which an agent, or the process that it launched, has a run in hand.
IN_HAND = (StateType.SUBMITTED.value, StateType.RUNNING.value, StateType.CANCELLING.value)

_find = sa.select(_agents).where(_agents.c.id == sa.bindparam("id"))
_named = sa.select(_agents).where(
    _agents.c.owner == sa.bindparam("owner"), _agents.c.name == sa.bindparam("name")
)
_alive = sa.select(_agents).where(_agents.c.last_contact_at > sa.bindparam("since")).order_by(_agents.c.id)
_contacts = sa.select(_agents.c.last_contact_at)
_update = sa.update(_agents).where(_agents.c.id == sa.bindparam("agent"))
_key_name = sa.select(tables.keys.c.name).where(tables.keys.c.id == sa.bindparam("id"))
_runs_of = (
    sa.select(
        _runs.c.id, _runs.c.name, _runs.c.state_type, _runs.c.state_at, tables.flows.c.name.label("flow")
    )
    .add_columns(tables.projects.c.name.label("project"))
    .join(tables.flows, tables.flows.c.id == _runs.c.flow_id)
    .join(tables.projects, tables.projects.c.id == _runs.c.project_id)
    .where(_runs.c.agent_id == sa.bindparam("agent"))
    .order_by(_runs.c.id.desc())
)
_last_runs = _runs_of.limit(LAST)
# that they are not finished says nothing new, but leads to them without a look at all that the agent ever ran
_in_hand = _runs_of.where(_runs.c.finished_at.is_(None), _runs.c.state_type.in_(IN_HAND))
_could_take = sa.select(sa.func.count()).where(
    _runs.c.state_type == StateType.SCHEDULED.value,
    _runs.c.queue_id.in_(sa.bindparam("queues", expanding=True)),
    _runs.c.not_before <= sa.bindparam("moment"),
)


def owner(caller: Caller) -> str:
    """To whom an agent belongs: two accounts may each have one of the same name."""
    return f"{caller.kind}:{caller.id}"


def offer(row: sa.Row[Any]) -> Offer:
    """What the agent in this row takes."""
    return Offer(frozenset(row.labels), row.takes_unlabelled, frozenset(row.launches))


def own(call: Call[Any], agent_id: UUID) -> sa.Row[Any]:
    """The agent's row. Raises errors.NotFound, and errors.Forbidden when it is another account's."""
    row = call.connection.execute(_find, {"id": agent_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no agent {agent_id}: register again")
    if row.owner != owner(call.caller) and not call.caller.may(accounts.Permission.ADMINISTER):
        raise errors.Forbidden(f"the agent {row.name} was registered by another account")
    return row


def own_run(call: Call[Any], run: sa.Row[Any]) -> None:
    """Refuses an account that speaks for a run which another account's agent holds."""
    if (
        run.agent_id is not None
        and call.connection.execute(_find, {"id": run.agent_id}).one_or_none() is not None
    ):
        own(call, run.agent_id)


def alive(connection: sa.Connection, now: datetime, leasing: Leasing) -> Sequence[sa.Row[Any]]:
    """The agents that are not gone."""
    return connection.execute(_alive, {"since": now - leasing.timing.lease}).all()


@handles(operations.register_agent)
def register_agent(call: Call[Any], request: agents.RegisterAgent) -> agents.Agent:
    """The same name again is the same agent, started once more: a restart keeps its id and its history."""
    _check(request)
    whose = owner(call.caller)
    known = call.connection.execute(_named, {"owner": whose, "name": request.name}).one_or_none()
    key_name = (
        call.connection.execute(_key_name, {"id": call.caller.key_id}).scalar()
        if call.caller.key_id
        else None
    )
    values: dict[str, Any] = {
        "instance": request.instance,
        "key_id": call.caller.key_id,
        "key_name": key_name or call.caller.name,
        "type": request.type,
        "labels": list(labels.normalised(request.labels)),
        "takes_unlabelled": request.takes_unlabelled,
        "launches": sorted(set(request.launches)),
        "headrace_version": request.headrace_version,
        "host": request.host,
        "draining": False,
        "last_contact_at": call.now,
    }
    if known is None:
        agent_id = ids.uuid7()
        fresh = {"id": agent_id, "name": request.name, "owner": whose, "created_at": call.now}
        call.connection.execute(sa.insert(_agents), values | fresh)
    else:
        agent_id = known.id
        call.connection.execute(_update, values | {"agent": agent_id})
    row = call.connection.execute(_find, {"id": agent_id}).one()
    know(call, row)
    call.after_commit(partial(call.service.part(notices.Notices).changed, "agents"))
    return _agent(call, row)


def _check(request: agents.RegisterAgent) -> None:
    if not request.name.strip() or len(request.name) > labels.LONGEST:
        raise errors.Invalid(
            f"an agent's name has 1 to {labels.LONGEST} characters",
            fields={"name": f"1 to {labels.LONGEST} characters"},
        )
    for kind in request.launches:
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KINDS)}"
            raise errors.Invalid(
                f"there is no kind of run config {kind!r}: {hint}", fields={"launches": hint}
            )
    if not request.launches:
        raise errors.Invalid(
            "an agent that launches nothing gets no runs", fields={"launches": f"some of {', '.join(KINDS)}"}
        )


def know(call: Call[Any], row: sa.Row[Any]) -> None:
    """Lets dispatch know what the agent takes; a draining one takes nothing."""
    call.after_commit(partial(call.service.part(dispatch.Dispatch).offers.__setitem__, row.id, offer(row)))


@handles(operations.list_agents)
def list_agents(call: Call[Any], request: agents.ListAgents) -> wire.Page[agents.Agent]:
    """By name."""
    shown = pages.limit(request.limit)
    query = sa.select(_agents).order_by(_agents.c.name, _agents.c.id)
    timing = moves.leasing(call).timing
    if request.after is not None:
        name, last = pages.read(request.after, tuple[str, UUID])
        query = query.where(
            sa.tuple_(_agents.c.name, _agents.c.id) > sa.tuple_(sa.literal(name), sa.literal(last))
        )
    fresh, kept = call.now - 2 * timing.heartbeat, call.now - timing.lease
    contact = _agents.c.last_contact_at
    match request.health:
        case None:
            pass
        case "healthy":
            query = query.where(contact > fresh)
        case "late":
            query = query.where(contact <= fresh, contact > kept)
        case "gone":
            query = query.where(contact <= kept)
        case other:
            raise errors.Invalid(
                f"health is healthy, late or gone, not {other!r}", fields={"health": "healthy, late or gone"}
            )
    rows = (
        call.connection.execute(query).all()
        if request.label
        else call.connection.execute(query.limit(shown + 1)).all()
    )
    if request.label:  # labels are a list in one column, and there are hundreds of agents at most
        rows = [row for row in rows if request.label in row.labels][: shown + 1]
    page, following = pages.cut(rows, shown, lambda row: (row.name, row.id))
    return wire.Page(items=[_agent(call, row) for row in page], next=following)


def healths(call: Call[Any]) -> Counter[str]:
    """How many agents are healthy, late and gone."""
    return Counter(_health(call, moment) for moment in call.connection.execute(_contacts).scalars())


@handles(operations.read_agent)
def read_agent(call: Call[Any], request: agents.AgentRef) -> agents.Agent:
    row = call.connection.execute(_find, {"id": request.agent_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no agent {request.agent_id}")
    return _agent(call, row)


@handles(operations.delete_agent)
def delete_agent(call: Call[Any], request: agents.AgentRef) -> wire.Empty:
    """Its runs stay; what it had claimed and not started goes to others when the lease is over."""
    if call.connection.execute(sa.delete(_agents).where(_agents.c.id == request.agent_id)).rowcount != 1:
        raise errors.NotFound(f"there is no agent {request.agent_id}")
    call.after_commit(lambda: call.service.part(dispatch.Dispatch).offers.pop(request.agent_id, None))
    call.after_commit(partial(call.service.part(notices.Notices).changed, "agents"))
    return wire.Empty()


@handles(operations.heartbeat_agent)
def heartbeat_agent(call: Call[Any], request: agents.HeartbeatAgent) -> agents.AgentOrders:
    """Renews the leases of what it is launching; names what it must tear down."""
    row = own(call, request.agent_id)
    if row.instance != request.instance:
        raise errors.Conflict(
            f"another agent named {row.name!r} has registered since: give each agent a name of its own",
            reason="instance",
        )
    call.connection.execute(
        _update, {"agent": row.id, "last_contact_at": call.now, "draining": request.draining}
    )
    know(call, row)
    beats = [heartbeats.Beat(run.flow_run_id, run.fence) for run in request.runs]
    rows = heartbeats.renew(call, beats, states=(StateType.SUBMITTED.value,)) if beats else {}
    return agents.AgentOrders(
        heartbeat_seconds=moves.leasing(call).timing.heartbeat.total_seconds(),
        tear_down=[beat.run_id for beat in beats if _is_over(call, rows.get(beat.run_id), beat.fence)],
    )


def _is_over(call: Call[Any], run: sa.Row[Any] | None, fence: int) -> bool:
    """Whether a workload must end: its run is gone, another attempt holds it, or it is finished without it."""
    return run is None or moves.answer(call, run, fence).orders.superseded


def _health(call: Call[Any], last_contact_at: datetime) -> str:
    timing = moves.leasing(call).timing
    silent = call.now - last_contact_at
    return "healthy" if silent < 2 * timing.heartbeat else "late" if silent < timing.lease else "gone"


def _agent(call: Call[Any], row: sa.Row[Any]) -> agents.Agent:
    served = [queue.id for queue in queues.served(call.connection, offer(row))]
    count = (
        call.connection.execute(_could_take, {"queues": served, "moment": call.now}).scalar_one()
        if served
        else 0
    )
    return agents.Agent(
        id=row.id,
        name=row.name,
        type=row.type,
        labels=row.labels,
        takes_unlabelled=row.takes_unlabelled,
        launches=row.launches,
        headrace_version=row.headrace_version,
        host=row.host,
        health=_health(call, row.last_contact_at),
        draining=row.draining,
        last_contact_at=row.last_contact_at,
        created_at=row.created_at,
        key_name=row.key_name,
        runs_in_hand=[_run(run) for run in call.connection.execute(_in_hand, {"agent": row.id})],
        last_runs=[_run(run) for run in call.connection.execute(_last_runs, {"agent": row.id})],
        could_take=count,
    )


def _run(row: sa.Row[Any]) -> agents.AgentRun:
    return agents.AgentRun(
        id=row.id, name=row.name, flow=row.flow, project=row.project, state=row.state_type, at=row.state_at
    )
