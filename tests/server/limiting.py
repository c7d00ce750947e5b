"""What tests of limits share: making them, reading them, and the invariant that no slot is lost or held twice."""

from collections import Counter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from lifecycles import Life

from headrace.core.limits import needed
from headrace.server import tables
from headrace.server.loops import limits as loop
from headrace.wire import limits, operations

HELD = ("Submitted", "Running", "Cancelling")


def make(life: Life, kind: str, what: str, size: int, **more: Any) -> limits.Limit:
    request = limits.CreateLimit(kind=limits.limits.Kind(kind), what=what, size=size, **more)
    return life.server.call(operations.create_limit, request)


def resize(life: Life, limit: limits.Limit, size: int) -> limits.Limit:
    return life.server.call(operations.update_limit, limits.UpdateLimit(limit_id=limit.id, size=size))


def details(life: Life, limit: limits.Limit) -> limits.LimitDetails:
    return life.server.call(operations.read_limit, limits.LimitRef(limit_id=limit.id))


def held(life: Life, limit: limits.Limit) -> int:
    return details(life, limit).limit.held


def tick(life: Life) -> None:
    """The loop that lets waiting runs go, once."""
    life.server.run(loop.run_once(life.server.service))


def check(life: Life) -> None:
    """I7: flow runs that hold slots are those in states that hold them, each with as many as it needs."""
    life.check()
    slots: dict[UUID, Counter[UUID]] = {}
    numbers: dict[UUID, list[int]] = {}
    for slot in life.server.rows(tables.slots):
        numbers.setdefault(slot.limit_id, []).append(slot.number)
        if slot.run_id is not None and not slot.slug:
            slots.setdefault(slot.limit_id, Counter())[slot.run_id] += 1
    runs = life.server.rows(tables.flow_runs)
    queues = {queue.id: queue for queue in life.server.rows(tables.queues)}
    for limit in life.server.rows(tables.limits):
        assert sorted(numbers.get(limit.id, [])) == list(range(len(numbers.get(limit.id, []))))
        if limit.kind == "tag":
            continue
        under = [
            run for run in runs if run.flow_id == limit.flow_id or limit.what in queues[run.queue_id].labels
        ]
        holding = {run.id: run for run in under if run.state_type in HELD}
        assert set(slots.get(limit.id, ())) == set(holding), limit.what
        taken = sum(slots.get(limit.id, Counter()).values())
        assert len(numbers.get(limit.id, [])) == max(limit.size, taken)
        for run_id, count in slots.get(limit.id, Counter()).items():
            assert count >= 1
            assert count <= max(1, needed(holding[run_id].slots, 10_000))
    for run in runs:
        assert run.waits_for is None or run.state_type == "Scheduled"
        if run.state_type not in HELD:
            assert not run.slotted


class Statements:
    """The statements that a server sends, while it is open."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self.sent: list[str] = []

    def _hear(self, conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        self.sent.append(statement)

    def __enter__(self) -> list[str]:
        sa.event.listen(sa.Engine, "before_cursor_execute", self._hear)
        return self.sent

    def __exit__(self, *_: object) -> None:
        sa.event.remove(sa.Engine, "before_cursor_execute", self._hear)
