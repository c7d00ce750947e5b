"""R11: limits of task tags. A run asks before such tasks run; slots go with the events that end them, and with the run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from lifecycles import Life
from limiting import check, details, held, make, resize

from headrace import errors
from headrace.core.states import StateType
from headrace.server import tables, task_queue
from headrace.server.polls import Polls
from headrace.wire import limits, operations, runs
from running import Server

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def life(server: Server) -> Iterator[Life]:
    life = Life(server, retries=1)
    yield life
    check(life)


def want(slug: str = "load", index: int = -1, attempt: int = 1, tags: Any = ("db",)) -> limits.TaskWant:
    return limits.TaskWant(slug=slug, map_index=index, attempt=attempt, tags=list(tags))


def request(run: runs.Assignment, *wants: limits.TaskWant, seconds: float = 0) -> limits.AcquireTaskSlots:
    return limits.AcquireTaskSlots(
        flow_run_id=run.flow_run_id, fence=run.fence, wants=list(wants), wait_seconds=seconds
    )


def ask(life: Life, run: runs.Assignment, *wants: limits.TaskWant) -> list[tuple[str, int]]:
    answer = life.server.call(operations.acquire_task_slots, request(run, *wants), life.by(run))
    return [(grant.slug, grant.map_index) for grant in answer.granted]


def report(life: Life, run: runs.Assignment, seq: int, *events: tuple[Any, ...]) -> None:
    sent = [
        runs.TaskEvent(
            slug, index, StateType(kind), name, AT, "", attempt, AT if name == "Retrying" else None
        )
        for slug, index, kind, name, attempt in events
    ]
    batch = runs.WriteTaskEvents(flow_run_id=run.flow_run_id, fence=run.fence, seq=seq, events=sent)
    life.server.call(operations.write_task_events, batch, life.by(run))


def test_a_start_tells_which_tags_are_limited(life: Life) -> None:
    assert life.start(life.claimed()).limited_tags == []
    make(life, "tag", "db", 1)
    make(life, "label", "warehouse", 1)
    assert life.start(life.claimed()).limited_tags == ["db"]


def test_R11_no_more_tasks_of_a_tag_run_than_its_limit_says_over_all_runs(life: Life) -> None:
    limit = make(life, "tag", "db", 2)
    one, two = life.running(), life.running()
    assert ask(life, one, want(index=0), want(index=1), want(index=2)) == [("load", 0), ("load", 1)]
    assert ask(life, two, want()) == []
    assert ask(life, one, want(index=0)) == [("load", 0)], "asked again, it is told so again"
    seen = details(life, limit)
    assert [(holder.task, holder.map_index, holder.flow_run) for holder in seen.holders] == [
        ("load", 0, one.name),
        ("load", 1, one.name),
    ]
    report(life, one, 0, ("load", 0, "Running", "Running", 1), ("load", 0, "Success", "Success", 1))
    assert ask(life, two, want()) == [("load", -1)]
    life.finish(one)
    assert held(life, limit) == 1


@pytest.mark.parametrize(
    ("kind", "name", "freed"),
    [
        ("Success", "Skipped", True),
        ("Failed", "TimedOut", True),
        ("Cancelled", "Cancelled", True),
        ("Paused", "Paused", True),
        ("Scheduled", "Retrying", True),
        ("Scheduled", "Scheduled", False),
        ("Running", "Running", False),
    ],
)
def test_a_slot_goes_with_the_event_that_ends_or_puts_off_its_task(
    life: Life, kind: str, name: str, freed: bool
) -> None:
    limit = make(life, "tag", "db", 1)
    run = life.running()
    assert ask(life, run, want())
    report(life, run, 0, ("load", -1, kind, name, 1))
    assert held(life, limit) == (0 if freed else 1)
    assert ask(life, life.running(), want()) == ([("load", -1)] if freed else [])


def test_a_late_report_does_not_free_the_slot_of_the_next_try(life: Life) -> None:
    limit = make(life, "tag", "db", 1)
    run = life.running()
    assert ask(life, run, want())
    assert ask(life, run, want(attempt=2))
    report(life, run, 0, ("load", -1, "Running", "Running", 1), ("load", -1, "Scheduled", "Retrying", 1))
    assert held(life, limit) == 1
    report(life, run, 2, ("load", -1, "Running", "Running", 2), ("load", -1, "Success", "Success", 1))
    assert held(life, limit) == 0


@pytest.mark.parametrize("end", ["exit", "retry", "pause", "cancel"])
def test_F74_a_runs_end_frees_the_slots_of_its_tasks(life: Life, end: str) -> None:
    limit, flow = make(life, "tag", "db", 2), make(life, "flow", "sales/daily", 2)
    run = life.running()
    ask(life, run, want(index=0), want(index=1))
    assert (held(life, limit), held(life, flow)) == (2, 1)
    match end:
        case "exit":
            life.exit(run, exit_code=1)
        case "retry":
            life.finish(run, StateType.FAILED)
        case "pause":
            life.finish(run, StateType.PAUSED)
        case _:
            life.cancel(run.flow_run_id)
            life.finish(run, StateType.CANCELLED)
    assert (held(life, limit), held(life, flow)) == (0, 0)


def test_slots_of_all_tags_or_none(life: Life) -> None:
    db, api = make(life, "tag", "db", 1), make(life, "tag", "api", 5)
    run = life.running()
    both = ("api", "db", "free")
    wanted = [want("a", tags=both), want("b", tags=both), want("c", tags=("api",)), want("d", tags=("free",))]
    assert ask(life, run, *wanted) == [("a", -1), ("c", -1), ("d", -1)]
    assert (held(life, db), held(life, api)) == (1, 2)


def test_a_held_request_is_answered_when_a_slot_is_freed_or_the_limit_grows(life: Life) -> None:
    limit = make(life, "tag", "db", 1)
    one, two = life.running(), life.running()
    assert ask(life, one, want())
    queue = life.server.service.part(task_queue.TaskQueue)

    def hold(index: int) -> Any:
        future = life.server.begin(
            operations.acquire_task_slots, request(two, want(index=index), seconds=20), life.by(two)
        )
        while not queue.waiting("db"):
            life.server.run(_pause())
        return future

    future = hold(0)
    seen = details(life, limit)
    assert [(waiter.flow_run, waiter.tasks) for waiter in seen.waiters] == [(two.name, 1)]
    assert seen.limit.waiting == 1
    report(life, one, 0, ("load", -1, "Success", "Success", 1))
    assert [grant.map_index for grant in future.result(10).granted] == [0]
    assert not queue.waiting("db")
    future = hold(1)
    resize(life, limit, 2)
    assert [grant.map_index for grant in future.result(10).granted] == [1]


async def _pause() -> None:
    """One turn of the loop."""


def test_only_the_runs_own_process_asks_and_only_while_it_runs(life: Life) -> None:
    make(life, "tag", "db", 1)
    run, other = life.running(), life.running()
    with pytest.raises(errors.Forbidden):
        life.server.call(operations.acquire_task_slots, request(run, want()), life.by(other))
    life.cancel(run.flow_run_id)
    answer = life.server.call(operations.acquire_task_slots, request(run, want()), life.by(run))
    assert not answer.granted
    assert answer.orders.cancel
    life.finish(run, StateType.CANCELLED)
    assert not [slot for slot in life.server.rows(tables.slots) if slot.run_id is not None]


def test_F52_held_requests_are_capped_for_a_key_and_in_all(life: Life) -> None:
    polls = life.server.service.part(Polls)
    polls.by_one = 1
    claim = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=20)
    first = life.server.begin(operations.claim_flow_run, claim, life.server.as_.agent)

    def refused() -> errors.TooManyRequests:
        while True:
            try:
                assert life.claim() is None
            except errors.TooManyRequests as error:
                return error

    assert refused().facts["retry_after"] >= 1
    polls.by_one, polls.in_all = 9, 1
    assert "the server has 1" in refused().message
    polls.in_all = 2
    created = life.create()
    claimed = first.result(10).assignment
    assert claimed is not None
    assert claimed.flow_run_id == created.id
    assert life.claim() is None
