"""Agents: what they offer and how they are."""

from datetime import datetime
from uuid import UUID

from headrace import wire


class RegisterAgent(wire.Message, frozen=True, kw_only=True):
    """An agent says what it is. `instance` is one start of it: the same again is a repeated call, another one a restart.

    `launches` are kinds of run config; `takes_unlabelled` tells whether it takes runs without labels.
    """

    name: str
    instance: str
    type: str = "process"
    labels: list[str] = []
    takes_unlabelled: bool = True
    launches: list[str]
    headrace_version: str = ""
    host: str = ""


class AgentRef(wire.Message, frozen=True, kw_only=True):
    agent_id: UUID


class ListAgents(wire.Message, frozen=True, kw_only=True):
    health: str | None = None
    label: str | None = None
    after: str | None = None
    limit: int = 100


class RunInHand(wire.Message, frozen=True, kw_only=True):
    """A run that an agent holds, with its fence."""

    flow_run_id: UUID
    fence: int


class HeartbeatAgent(wire.Message, frozen=True, kw_only=True):
    """An agent's sign of life; it renews the leases of the runs it holds and has not yet started."""

    agent_id: UUID
    instance: str
    runs: list[RunInHand] = []
    draining: bool = False


class AgentOrders(wire.Answer, frozen=True, kw_only=True):
    """`tear_down` names runs whose workloads must end: cancelled before the start, or taken over by another."""

    heartbeat_seconds: float
    tear_down: list[UUID]


class AgentRun(wire.Answer, frozen=True, kw_only=True):
    id: UUID
    name: str
    flow: str
    project: str
    state: str
    at: datetime


class Agent(wire.Answer, frozen=True, kw_only=True):
    """`health` is healthy, late (no contact for two heartbeats) or gone (for a lease); `could_take` counts waiting runs."""

    id: UUID
    name: str
    type: str
    labels: list[str]
    takes_unlabelled: bool
    launches: list[str]
    headrace_version: str
    host: str
    health: str
    draining: bool
    last_contact_at: datetime
    created_at: datetime
    key_name: str
    runs_in_hand: list[AgentRun]
    last_runs: list[AgentRun]
    could_take: int
