"""States of task runs, as their run process reports them: in order, in batches, each once.

A batch is numbered within the run's attempt; what is known of it already is passed over. Every event is kept as history;
what a task run is now is written once a batch, by the last of its events that the rules accept.
"""

import dataclasses
import functools
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from headrace import errors
from headrace.core import transitions
from headrace.core.moves import TASK_RUN_NAMES, Actor
from headrace.core.states import FINISHED, State, StateType
from headrace.server import holders, notices, tables, task_slots
from headrace.server.service import handles
from headrace.web import many
from headrace.web.handlers import Call
from headrace.wire import operations, runs

log = logging.getLogger(__name__)

_runs = tables.flow_runs
_tasks = tables.task_runs

#: The most events in one batch.
MOST = 10_000
#: Characters of a slug, and of a message that is kept.
LONGEST_SLUG = 200
LONGEST_MESSAGE = 64 * 1024

_update = sa.update(_tasks).where(
    _tasks.c.flow_run_id == sa.bindparam("b_run"),
    _tasks.c.slug == sa.bindparam("b_slug"),
    _tasks.c.map_index == sa.bindparam("b_map_index"),
)
_known = sa.select(
    _tasks.c.slug,
    _tasks.c.map_index,
    _tasks.c.fence,
    _tasks.c.state_type,
    _tasks.c.state_name,
    _tasks.c.started_at,
).where(
    _tasks.c.flow_run_id == sa.bindparam("run"),
    _tasks.c.slug.in_(sa.bindparam("slugs", expanding=True)),
    _tasks.c.map_index.between(sa.bindparam("first"), sa.bindparam("last")),
)
_count = sa.update(_runs).where(_runs.c.id == sa.bindparam("run"))


@dataclasses.dataclass(slots=True)
class _Task:
    """What is known of a task run while a batch is worked through. `stored` is the type in the database, if it is there."""

    stored: StateType | None = None
    fence: int = -1
    type: StateType | None = None
    name: str = ""
    started_at: datetime | None = None
    event: runs.TaskEvent | None = None


@handles(operations.write_task_events)
def write_task_events(call: Call[Any], request: runs.WriteTaskEvents) -> runs.Written:
    _check(request.events)
    holder = holders.writing(call, request.flow_run_id, request.fence, lock=True)
    expected = holders.expected(call, holder, "events")
    if request.seq > expected:
        raise errors.Conflict(f"events {expected} to {request.seq - 1} have not arrived", next_seq=expected)
    following = max(expected, request.seq + len(request.events))
    new = request.events[expected - request.seq :]
    if new:
        if holder.state_type not in (StateType.RUNNING, StateType.CANCELLING):
            raise errors.Conflict(
                f"run {holder.run_id} is {holder.state_type}: its tasks do not change",
                state=holder.state_type.value,
            )
        many.insert(call.connection, tables.task_run_states, _history(holder, expected, new))
        _apply(call, holder, new)
        if holder.slotted:
            task_slots.free(call, holder, new)
        holders.advance(call, holder, "events", following)
        changed = call.service.part(notices.Notices).changed
        call.after_commit(lambda: changed(f"flow_run:{holder.run_id}"))
    return runs.Written(next_seq=following, orders=holder.orders)


def _check(events: Sequence[runs.TaskEvent]) -> None:
    """Refuses what no run process of ours sends, before anything is kept."""
    if len(events) > MOST:
        raise errors.TooLarge(f"{len(events)} events in one batch; the most is {MOST}")
    for place, event in enumerate(events):
        if event.name not in TASK_RUN_NAMES.get(event.type, ()):
            problem = f"a task run is never {event.type} with the name {event.name!r}"
        elif not 0 < len(event.slug) <= LONGEST_SLUG or event.map_index < -1:
            problem = f"{event.slug[:40]!r}[{event.map_index}] names no task run"
        elif event.at.tzinfo is None or (event.due_at is not None and event.due_at.tzinfo is None):
            problem = "its times need a zone"
        else:
            continue
        raise errors.Invalid(f"event {place}: {problem}", fields={f"events[{place}]": problem})


def _history(holder: holders.Holder, first: int, events: Sequence[runs.TaskEvent]) -> list[dict[str, Any]]:
    run_id, fence = holder.run_id, holder.fence
    return [
        {
            "flow_run_id": run_id,
            "fence": fence,
            "seq": seq,
            "slug": event.slug,
            "map_index": event.map_index,
            "state_type": event.type,
            "state_name": event.name,
            "state_message": event.message[:LONGEST_MESSAGE],
            "at": event.at,
            "due_at": event.due_at,
            "attempt": event.attempt,
        }
        for seq, event in enumerate(events, first)
    ]


def _apply(call: Call[Any], holder: holders.Holder, events: Sequence[runs.TaskEvent]) -> None:
    """Brings the task runs to where the events lead, and the run's count of them with it."""
    tasks = _load(call, holder, events)
    refused = 0
    for event in events:
        task = tasks[event.slug, event.map_index]
        anew = task.fence != holder.fence
        if not _accepts(task.type, task.name, event.type, event.name, anew, event.due_at is not None):
            refused += 1
            continue
        if event.type is StateType.RUNNING and (anew or task.type is not StateType.RUNNING):
            task.started_at = event.at
        elif anew:
            task.started_at = None
        task.type, task.name, task.fence, task.event = event.type, event.name, holder.fence, event
    if refused:
        log.warning("run %s reported %s task states that cannot follow one another", holder.run_id, refused)
    changed = [task for task in tasks.values() if task.event is not None]
    _write(call, holder, changed)
    counts = dict(holder.task_states)
    for task in changed:
        if task.stored is not None:
            counts[task.stored] = counts.get(task.stored, 1) - 1
        if task.type is not None:
            counts[task.type] = counts.get(task.type, 0) + 1
    kept = {str(kind): count for kind, count in counts.items() if count > 0}
    if kept != holder.task_states:
        call.connection.execute(_count, {"run": holder.run_id, "task_states": kept})


def _load(
    call: Call[Any], holder: holders.Holder, events: Iterable[runs.TaskEvent]
) -> dict[tuple[str, int], _Task]:
    """The task runs that the events are about, as they are. Mapped children lie close together in a batch."""
    tasks = {(event.slug, event.map_index): _Task() for event in events}
    for children in (False, True):
        keys = [key for key in tasks if (key[1] >= 0) is children]
        if not keys:
            continue
        indexes = [index for _, index in keys]
        where: dict[str, Any] = {
            "run": holder.run_id,
            "slugs": many.padded({slug for slug, _ in keys}),
            "first": min(indexes),
            "last": max(indexes),
        }
        for slug, index, fence, kind, name, started_at in call.connection.execute(_known, where):
            if (slug, index) in tasks:
                type_ = StateType(kind)
                tasks[slug, index] = _Task(type_, fence, type_, name, started_at)
    return tasks


def _write(call: Call[Any], holder: holders.Holder, tasks: Sequence[_Task]) -> None:
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for task in tasks:
        event = task.event
        assert event is not None, "only task runs with an event are written"
        values: dict[str, Any] = {
            "fence": holder.fence,
            "state_type": event.type,
            "state_name": event.name,
            "state_message": event.message[:LONGEST_MESSAGE],
            "state_at": event.at,
            "state_due_at": event.due_at,
            "attempt": event.attempt,
            "started_at": task.started_at,
            "finished_at": event.at if event.type in FINISHED else None,
            "result": event.result,
        }
        if task.stored is None:
            inserts.append(
                {"flow_run_id": holder.run_id, "slug": event.slug, "map_index": event.map_index, **values}
            )
        else:
            updates.append(
                {"b_run": holder.run_id, "b_slug": event.slug, "b_map_index": event.map_index, **values}
            )
    many.insert(call.connection, _tasks, inserts)
    if updates:
        call.connection.execute(_update, updates)


_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)


@functools.lru_cache(1024)
def _accepts(
    before: StateType | None, before_name: str, after: StateType, name: str, anew: bool, has_time: bool
) -> bool:
    """What the rules say. They look at few facts of a task run, and a batch asks the same a thousand times."""
    current = None if before is None else State(before, before_name, _ANY_TIME)
    proposed = State(after, name, _ANY_TIME, due_at=_ANY_TIME if has_time else None)
    facts = transitions.Transition(
        current=current,
        proposed=proposed,
        actor=Actor.RUN,
        now=_ANY_TIME,
        fence=1,
        current_fence=1,
        state_fence=0 if anew else 1,
        flow_run=StateType.RUNNING,
    )
    verdict = transitions.decide(facts, transitions.TASK_RUN_RULES)
    return isinstance(verdict, transitions.Accept | transitions.Unchanged)
