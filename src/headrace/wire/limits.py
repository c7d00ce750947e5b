"""Concurrency limits: how many runs of a flow, runs with a label, or task runs with a tag go on at once."""

from datetime import datetime
from uuid import UUID

from headrace import wire
from headrace.core import limits
from headrace.wire import runs


class ListLimits(wire.Message, frozen=True, kw_only=True):
    """By kind and name."""

    kind: limits.Kind | None = None
    after: str | None = None
    limit: int = 100


class LimitRef(wire.Message, frozen=True, kw_only=True):
    limit_id: UUID


class CreateLimit(wire.Message, frozen=True, kw_only=True):
    """`what` is a label, a tag, or a flow as "project/flow". A `size` of 0 stops all that the limit is of."""

    kind: limits.Kind
    what: str
    size: int
    when_full: limits.WhenFull = limits.WhenFull.QUEUE


class UpdateLimit(wire.Message, frozen=True, kw_only=True):
    """What is not given stays. Where the limit is made smaller, its holders go on."""

    limit_id: UUID
    size: int | None = None
    when_full: limits.WhenFull | None = None


class Limit(wire.Answer, frozen=True, kw_only=True):
    """`held` counts slots that are taken: more than `size` for a while after the limit was made smaller.

    `waiting` counts flow runs that found the limit full; of a tag's limit the task runs that wait at the server asked.
    """

    id: UUID
    kind: limits.Kind
    what: str
    flow_id: UUID | None
    size: int
    when_full: limits.WhenFull
    held: int
    waiting: int
    created_at: datetime
    created_by: str
    updated_at: datetime


class SlotHolder(wire.Answer, frozen=True, kw_only=True):
    """A flow run with so many slots, or one of its task runs (`task` is its slug)."""

    flow_run_id: UUID
    flow_run: str
    flow: str
    task: str | None
    map_index: int
    slots: int
    since: datetime


class SlotWaiter(wire.Answer, frozen=True, kw_only=True):
    """A flow run that waits for slots; of a tag's limit one with so many task runs (`tasks`) that do."""

    flow_run_id: UUID
    flow_run: str
    flow: str
    priority: int
    tasks: int
    since: datetime


class LimitDetails(wire.Answer, frozen=True, kw_only=True):
    """A limit with who holds and who waits, the first hundred of each; those that go next come first."""

    limit: Limit
    holders: list[SlotHolder]
    waiters: list[SlotWaiter]


class TaskWant(wire.Message, frozen=True, kw_only=True):
    """A task run that is about to run at this attempt, with its tags."""

    slug: str
    map_index: int = -1
    attempt: int = 1
    tags: list[str]


class AcquireTaskSlots(wire.Message, frozen=True, kw_only=True):
    """All task runs of a run that wait for a slot of their tags. The answer is held up to `wait_seconds` until one may go on."""

    flow_run_id: UUID
    fence: int
    wants: list[TaskWant]
    wait_seconds: float = 20


class TaskGrant(wire.Answer, frozen=True, kw_only=True):
    slug: str
    map_index: int
    attempt: int


class TaskSlots(wire.Answer, frozen=True, kw_only=True):
    """`granted` may run now. A slot is freed with the event that ends, pauses or retries its task run."""

    granted: list[TaskGrant]
    orders: runs.Orders
