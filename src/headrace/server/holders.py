"""Who may write for a run: the run process of its current fence; and how far each of its streams has come."""

import dataclasses
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core.states import StateType
from headrace.server import moves, tables
from headrace.web.handlers import Call
from headrace.wire import runs

_streams = tables.run_streams
#: A run process numbers its task events, its log records and its artifacts, each from 0 in each attempt.
Stream = Literal["events", "logs", "artifacts"]

_runs = tables.flow_runs
_facts = sa.select(
    *[
        *(_runs.c.id, _runs.c.state_type, _runs.c.state_name, _runs.c.state_message, _runs.c.state_at),
        *(_runs.c.not_before, _runs.c.version, _runs.c.fence, _runs.c.attempt, _runs.c.task_states),
        *(_runs.c.state_code, _runs.c.slotted, _runs.c.pause_wish),
    ]
).where(_runs.c.id == sa.bindparam("id"))
_locked = _facts.with_for_update()
_found = sa.select(_streams.c.events, _streams.c.logs, _streams.c.artifacts).where(
    _streams.c.flow_run_id == sa.bindparam("id"), _streams.c.fence == sa.bindparam("at_fence")
)
_advance = sa.update(_streams).where(
    _streams.c.flow_run_id == sa.bindparam("id"), _streams.c.fence == sa.bindparam("at_fence")
)


@dataclasses.dataclass(frozen=True)
class Holder:
    """The run process that wrote, with what it must be told.

    Attributes
    ----------
    fence: the one that the writer holds.
    state_type: the run's; a run that is not Running or Cancelling has no task that could change.
    slotted: whether the run or a task of it holds slots.
    """

    run_id: UUID
    fence: int
    attempt: int
    state_type: StateType
    orders: runs.Orders
    task_states: dict[str, int]
    slotted: bool


def writing(call: Call[Any], run_id: UUID, fence: int, *, lock: bool = False) -> Holder:
    """The holder of this fence. `lock`: the run does not change before this transaction ends.

    Raises errors.NotFound, errors.Forbidden when the token is another run's, errors.Superseded when another attempt
    has taken over.
    """
    call.own_run(run_id, fence)
    row = call.connection.execute(_locked if lock else _facts, {"id": run_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no flow run {run_id}")
    if row.fence != fence and moves.leasing(call).checks_fences:
        raise errors.Superseded(
            f"run {run_id}: fence {fence} is not the run's current fence {row.fence}",
            state=row.state_type,
            version=row.version,
            fence=row.fence,
        )
    orders = moves.answer(call, row, fence).orders
    type_ = StateType(row.state_type)
    return Holder(run_id, fence, row.attempt, type_, orders, row.task_states, row.slotted)


def expected(call: Call[Any], holder: Holder, stream: Stream) -> int:
    """The next number of a stream: all before it is kept."""
    where = {"id": holder.run_id, "at_fence": holder.fence}
    row = call.connection.execute(_found, where).one_or_none()
    if row is None:
        values = {"flow_run_id": holder.run_id, "fence": holder.fence, "attempt": holder.attempt}
        call.connection.execute(sa.insert(_streams), {**values, "events": 0, "logs": 0, "artifacts": 0})
        return 0
    return getattr(row, stream)


def advance(call: Call[Any], holder: Holder, stream: Stream, following: int) -> None:
    """Records that all before `following` is kept."""
    call.connection.execute(_advance, {"id": holder.run_id, "at_fence": holder.fence, stream: following})
