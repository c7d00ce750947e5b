"""Slots for task runs: a run process asks before it starts tasks whose tags are limited, and is held until some may go on."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core.states import FINISHED, StateType
from headrace.server import holders, polls, slots, tables, task_queue
from headrace.server.service import Service, handles, waits
from headrace.web.handlers import Call, Caller, Run
from headrace.wire import limits, operations, runs

#: The most task runs in one request, and the longest that it is held.
MOST = 1000
LONGEST = 60.0
#: Where other servers free slots too, somebody looks again this often, whatever is told.
POLL = 1.0

_slots = tables.slots
_mark = sa.update(tables.flow_runs).where(tables.flow_runs.c.id == sa.bindparam("id_")).values(slotted=True)
_renew = sa.update(_slots).where(
    _slots.c.run_id == sa.bindparam("run"),
    _slots.c.slug == sa.bindparam("of_slug"),
    _slots.c.map_index == sa.bindparam("of_index"),
)


@handles(operations.acquire_task_slots)
def acquire_task_slots(call: Call[Any], request: limits.AcquireTaskSlots) -> limits.TaskSlots:
    """Each gets slots of all its limited tags or none. Asked again, who holds them already is told so."""
    if len(request.wants) > MOST:
        raise errors.TooLarge(f"{len(request.wants)} task runs in one request; the most is {MOST}")
    holder = holders.writing(call, request.flow_run_id, request.fence, lock=True)
    if holder.state_type is not StateType.RUNNING:
        return limits.TaskSlots(granted=[], orders=holder.orders)
    under = slots.of_tags(call, {tag for want in request.wants for tag in want.tags})
    known = {
        (slot.slug, slot.map_index): slot.attempt for slot in slots.held(call, holder.run_id) if slot.slug
    }
    granted: list[limits.TaskGrant] = []
    waiting: Counter[str] = Counter()
    took = False
    full: set[UUID] = set()
    for want in request.wants:
        own = [limit for limit in under if limit.what in want.tags]
        attempt = known.get((want.slug, want.map_index))
        if attempt is not None and own:
            _renewed(call, holder.run_id, want, attempt)
        elif any(limit.id in full for limit in own):
            waiting.update(limit.what for limit in own if limit.id in full)
            continue
        else:
            asking = slots.Holder(holder.run_id, want.slug, want.map_index, want.attempt)
            lacking = slots.take(call, asking, own)
            if lacking is not None:
                full.add(lacking.id)
                waiting[lacking.what] += 1
                continue
            took = took or bool(own)
        granted.append(limits.TaskGrant(slug=want.slug, map_index=want.map_index, attempt=want.attempt))
    if took and not holder.slotted:
        call.connection.execute(_mark, {"id_": holder.run_id})
    call.after_commit(lambda: call.service.part(task_queue.TaskQueue).wait(holder.run_id, dict(waiting)))
    return limits.TaskSlots(granted=granted, orders=holder.orders)


def _renewed(call: Call[Any], run_id: UUID, want: limits.TaskWant, attempt: int) -> None:
    """The slot is the new attempt's: the end of the one before does not free it."""
    if want.attempt > attempt:
        where = {"run": run_id, "of_slug": want.slug, "of_index": want.map_index}
        call.connection.execute(_renew, {**where, "attempt": want.attempt})


@waits(operations.acquire_task_slots)
async def hold_acquire(
    service: Service, caller: Caller, request: limits.AcquireTaskSlots, run: Run
) -> limits.TaskSlots:
    """Waits for the first that may go on."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(max(request.wait_seconds, 0.0), LONGEST)
    queue = service.part(task_queue.TaskQueue)
    tags = {tag for want in request.wants for tag in want.tags}
    with service.part(polls.Polls).held(caller), queue.asking(request.flow_run_id):
        while True:
            with service.hold() as hold, queue.listening(tags, hold):
                answer: limits.TaskSlots = await run()
                left = deadline - loop.time()
                if answer.granted or answer.orders != runs.Orders() or left <= 0 or service.draining.is_set():
                    return answer
                await hold.wait(min(left, POLL) if service.database.shared else left)


def free(call: Call[Any], holder: holders.Holder, events: Sequence[runs.TaskEvent]) -> None:
    """Frees what the task runs held that these events end, pause or put off."""
    ended = {
        (event.slug, event.map_index)
        for event in events
        if event.type in FINISHED or event.type is StateType.PAUSED
    }
    # A report may come after the next try has been given its slot: that one is not freed.
    tried = {(event.slug, event.map_index): event.attempt for event in events if event.name == "Retrying"}

    def is_over(slot: sa.Row[Any]) -> bool:
        task = slot.slug, slot.map_index
        return task in ended or slot.attempt <= tried.get(task, -1)

    if ended or tried:
        slots.free(call, holder.run_id, is_over)
