"""States of task runs: kept once and in order, whatever is repeated, and counted beside the run."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import tables
from headrace.wire import operations, runs
from running import Server

RUNNING, SUCCESS, FAILED, SCHEDULED = (
    StateType.RUNNING,
    StateType.SUCCESS,
    StateType.FAILED,
    StateType.SCHEDULED,
)


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


class Reporter:
    """The run process's side: numbers its events."""

    def __init__(self, life: Life, held: runs.Assignment) -> None:
        self.life = life
        self.held = held
        self.seq = 0

    def event(self, slug: str, type_: StateType, index: int = -1, **more: Any) -> runs.TaskEvent:
        at: datetime = self.life.server.clock.now
        return runs.TaskEvent(slug, index, type_, **{"name": str(type_), "at": at, **more})

    def send(self, *events: runs.TaskEvent, seq: int | None = None) -> runs.Written:
        request = runs.WriteTaskEvents(
            flow_run_id=self.held.flow_run_id,
            fence=self.held.fence,
            seq=self.seq if seq is None else seq,
            events=list(events),
        )
        written = self.life.server.call(operations.write_task_events, request, self.life.by(self.held))
        self.seq = written.next_seq
        return written

    def tasks(self, **asked: Any) -> list[runs.TaskRun]:
        request = runs.ListTaskRuns(flow_run_id=self.held.flow_run_id, **asked)
        return self.life.server.call(operations.list_task_runs, request).items

    def states(self, slug: str, index: int = -1) -> list[str]:
        request = runs.TaskRunRef(flow_run_id=self.held.flow_run_id, slug=slug, map_index=index)
        return [state.name for state in self.life.server.call(operations.read_task_run, request).states]

    def counts(self) -> dict[str, int]:
        return self.life.read(self.held.flow_run_id).task_states


def reporter(life: Life) -> Reporter:
    return Reporter(life, life.running())


def test_a_task_run_is_what_its_last_event_says(life: Life) -> None:
    run = reporter(life)
    run.send(run.event("extract", RUNNING), run.event("load", SCHEDULED, name="Pending"))
    assert run.counts() == {"Running": 1, "Scheduled": 1}
    started = life.server.clock.now
    life.server.clock.advance(5)
    result = runs.ResultRef(location="/r", size=1)
    run.send(run.event("extract", SUCCESS, result=result))
    extract, load = sorted(run.tasks(), key=lambda task: task.slug)
    assert (extract.state.type, extract.started_at, extract.finished_at) == (
        SUCCESS,
        started,
        life.server.clock.now,
    )
    assert extract.result == result
    assert (load.state.name, load.started_at, load.finished_at) == ("Pending", None, None)
    assert run.states("extract") == ["Running", "Success"]
    assert run.counts() == {"Success": 1, "Scheduled": 1}


def test_a_repeated_batch_changes_nothing_and_an_overlapping_one_adds_its_end(life: Life) -> None:
    run = reporter(life)
    first, second, third = run.event("a", RUNNING), run.event("a", SUCCESS), run.event("b", RUNNING)
    assert run.send(first, second).next_seq == 2
    assert run.send(first, second, seq=0).next_seq == 2
    assert run.send(second, third, seq=1).next_seq == 3
    assert run.send(first, seq=0).next_seq == 3
    assert len(life.server.rows(tables.task_run_states)) == 3
    assert run.counts() == {"Success": 1, "Running": 1}


def test_a_gap_is_refused_with_the_number_that_is_missing(life: Life) -> None:
    run = reporter(life)
    run.send(run.event("a", RUNNING))
    with pytest.raises(errors.Conflict) as caught:
        run.send(run.event("a", SUCCESS), seq=5)
    assert caught.value.facts["next_seq"] == 1
    assert run.counts() == {"Running": 1}


def test_a_retried_task_shows_its_last_attempt(life: Life) -> None:
    run = reporter(life)
    later = life.server.clock.now + timedelta(seconds=30)
    run.send(
        run.event("a", RUNNING),
        run.event("a", SCHEDULED, name="Retrying", due_at=later, message="no luck"),
    )
    (task,) = run.tasks()
    assert (task.state.name, task.state.due_at, task.state.message) == ("Retrying", later, "no luck")
    life.server.clock.advance(30)
    run.send(run.event("a", RUNNING, attempt=2))
    (task,) = run.tasks()
    assert (task.attempt, task.started_at, task.finished_at) == (2, later, None)
    assert run.states("a") == ["Running", "Retrying", "Running"]


def test_a_task_that_has_finished_stays_finished_within_an_attempt(life: Life) -> None:
    run = reporter(life)
    run.send(run.event("a", SUCCESS))
    assert run.send(run.event("a", RUNNING)).next_seq == 2
    assert run.tasks()[0].state.type is SUCCESS
    assert run.counts() == {"Success": 1}


def test_a_new_attempt_may_run_any_task_again(server: Server) -> None:
    life = Life(server, retries=1)
    run = reporter(life)
    run.send(run.event("a", SUCCESS), run.event("b", FAILED))
    life.finish(run.held, FAILED)
    again = life.claim()
    assert again is not None
    life.start(again)
    second = Reporter(life, again)
    known = life.server.call(
        operations.read_task_results,
        runs.ReadTaskResults(flow_run_id=again.flow_run_id, fence=again.fence),
        life.by(again),
    )
    assert [item.slug for item in known.items] == ["a"]
    second.send(second.event("b", RUNNING))
    assert second.counts() == {"Success": 1, "Running": 1}
    assert second.states("b") == ["Failed", "Running"]


def test_a_superseded_attempt_reports_no_more(life: Life) -> None:
    run = reporter(life)
    life.exit(run.held, exit_code=1)
    with pytest.raises(errors.Superseded):
        run.send(run.event("a", RUNNING))
    assert life.server.rows(tables.task_runs) == []


def test_tasks_do_not_change_before_the_start_and_after_the_end(life: Life) -> None:
    run = Reporter(life, life.claimed())
    with pytest.raises(errors.Conflict, match="Submitted"):
        run.send(run.event("a", RUNNING))
    life.start(run.held)
    run.send(run.event("a", RUNNING))
    life.finish(run.held)
    with pytest.raises(errors.Conflict, match="Success"):
        run.send(run.event("a", SUCCESS))


def test_the_answer_to_a_batch_brings_the_order_to_cancel(life: Life) -> None:
    run = reporter(life)
    life.cancel(run.held.flow_run_id)
    assert run.send(run.event("a", RUNNING)).orders == runs.Orders(cancel=True)
    assert run.send(run.event("a", StateType.CANCELLED)).next_seq == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"type_": StateType.CRASHED},
        {"type_": SUCCESS, "name": "Wonderful"},
        {"type_": SUCCESS, "slug": ""},
        {"type_": SUCCESS, "at": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is what is wrong
    ],
)
def test_what_is_no_state_of_a_task_run_is_refused_and_nothing_is_kept(
    sqlite_server: Server, wrong: dict[str, Any]
) -> None:
    life = Life(sqlite_server)
    run = reporter(life)
    with pytest.raises(errors.Invalid) as caught:
        run.send(run.event("a", RUNNING), run.event(**{"slug": "b", **wrong}))
    assert list(caught.value.fields) == ["events[1]"]
    assert life.server.rows(tables.task_run_states) == []


def test_ten_thousand_mapped_children_are_counted_and_listed_page_by_page(life: Life) -> None:
    run = reporter(life)
    run.send(run.event("each", RUNNING, name="Mapped"))
    for first in range(0, 10_000, 2_500):
        batch = [
            run.event("each", kind, index)
            for index in range(first, first + 2_500)
            for kind in (RUNNING, SUCCESS)
        ]
        run.send(*batch)
    assert run.counts() == {"Running": 1, "Success": 10_000}
    (parent,) = run.tasks()
    assert parent.children == {"Success": 10_000}
    request = runs.ListTaskRuns(flow_run_id=run.held.flow_run_id, slug="each", limit=1000)
    page = life.server.call(operations.list_task_runs, request)
    following = runs.ListTaskRuns(flow_run_id=run.held.flow_run_id, slug="each", limit=1000, after=page.next)
    second = life.server.call(operations.list_task_runs, following)
    assert [page.items[-1].map_index, second.items[0].map_index] == [999, 1000]


def test_tasks_are_listed_in_the_order_of_their_start(life: Life) -> None:
    run = reporter(life)
    for slug in ("c", "a", "b"):
        run.send(run.event(slug, RUNNING))
        life.server.clock.advance(1)
    listed: list[str] = []
    after: str | None = None
    while True:
        request = runs.ListTaskRuns(flow_run_id=run.held.flow_run_id, limit=2, after=after)
        page = life.server.call(operations.list_task_runs, request)
        listed += [task.slug for task in page.items]
        if (after := page.next) is None:
            break
    assert listed == ["c", "a", "b"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(-1, 1),
        st.sampled_from(
            [(SCHEDULED, "Pending"), (RUNNING, "Running"), (SUCCESS, "Success"), (FAILED, "Failed")]
        ),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, cuts=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4))
def test_however_batches_are_cut_and_repeated_the_counts_are_those_of_the_rows(
    sqlite_server: Server, steps: list[Any], cuts: list[tuple[int, int]]
) -> None:
    life = sqlite_server.service.part(_Kept).life(sqlite_server)
    run = reporter(life)
    events = [run.event(slug, type_, index, name=name) for slug, index, (type_, name) in steps]
    for first, last in cuts:
        if first <= run.seq:
            run.send(*events[first:last], seq=first)
    run.send(*events[run.seq :])
    rows = [row for row in sqlite_server.rows(tables.task_runs) if row.flow_run_id == run.held.flow_run_id]
    counted: dict[str, int] = {}
    for row in rows:
        counted[row.state_type] = counted.get(row.state_type, 0) + 1
    assert run.counts() == counted
    kept = [
        row for row in sqlite_server.rows(tables.task_run_states) if row.flow_run_id == run.held.flow_run_id
    ]
    assert [(row.slug, row.map_index, row.state_name) for row in sorted(kept, key=lambda row: row.seq)] == [
        (slug, index, name) for slug, index, (_, name) in steps
    ]


class _Kept:
    """One flow and agent for all examples of a property."""

    def __init__(self) -> None:
        self.made: Life | None = None

    def life(self, server: Server) -> Life:
        self.made = self.made or Life(server)
        return self.made
