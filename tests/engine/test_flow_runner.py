"""The walk: order, what it costs, what it tells reporters and hooks, and the final state."""

import gc
import logging
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import engine, errors
from headrace.core import states
from headrace.engine import flow_runner, outcome, results
from headrace.graph import context, graph, task, triggers
from headrace.wire import executors, runs


class Told(engine.Silent):
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, str, int]] = []
        self.refs: dict[tuple[str, int], runs.ResultRef | None] = {}
        self.cancel: Callable[[], None] | None = None

    def task(
        self, slug: str, map_index: int, state: states.State, *, attempt: int = 1, result: Any = None
    ) -> None:
        self.events.append((slug, map_index, state.name, attempt))
        self.refs[slug, map_index] = result

    def on_cancel(self, cancel: Callable[[], None]) -> None:
        self.cancel = cancel


def build(body: Callable[[], Any]) -> graph.Graph:
    built = graph.Graph("flow")
    with built.building():
        built.set_result(body())
    return built


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., outcome.FlowState]:
    def run(body: Any, **given: Any) -> outcome.FlowState:
        built = body if isinstance(body, graph.Graph) else build(body)
        store = results.ResultStore(tmp_path)
        facts = context.Run("run-1", "flow", {}, fence=4)
        return flow_runner.FlowRunner(built, run=facts, store=store, **given).run()

    return run


Run = Callable[..., outcome.FlowState]


@task.task
def step(x: Any = 0) -> Any:
    return x


@task.task
def noop(x: Any) -> None:
    return None


@task.task
def broken(x: Any = None) -> None:
    raise ValueError("it broke")


def test_a_mapped_childs_successor_runs_before_its_siblings(run: Run) -> None:
    told = Told()
    run(lambda: step.with_options(name="b").map(step.with_options(name="a").map([0, 1, 2])), reporter=told)
    started = [(slug, index) for slug, index, name, _ in told.events if name == "Running"]
    assert started == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_children_that_wait_for_two_start_when_both_are_done(run: Run) -> None:
    told = Told()

    @task.task
    def both(x: int, y: int) -> int:
        return x * 10 + y

    state = run(
        lambda: both.map(step.with_options(name="a").map([1, 2, 3]), step.with_options(name="b").map([4, 5])),
        reporter=told,
    )
    assert state.result == [14, 25]
    order = [(slug, index) for slug, index, name, _ in told.events if name in ("Running", "Success")]
    assert order.index(("both", 0)) > max(order.index(("a", 0)), order.index(("b", 0)))


def test_tasks_run_in_the_order_in_which_they_were_made(run: Run) -> None:
    told = Told()
    run(lambda: [step(number) for number in range(4)], reporter=told)
    assert [slug for slug, _, name, _ in told.events if name == "Running"] == [
        "step",
        "step-2",
        "step-3",
        "step-4",
    ]


def test_a_reporter_hears_each_state_once_and_in_order(run: Run) -> None:
    told = Told()
    flaky = broken.with_options(retries=1, retry_delay=0)
    run(lambda: [flaky(), step.map(step([7]))], reporter=told)
    assert told.events == [
        ("broken", -1, "Running", 1),
        ("broken", -1, "Retrying", 1),
        ("broken", -1, "Running", 2),
        ("broken", -1, "Failed", 2),
        ("step", -1, "Running", 1),
        ("step", -1, "Success", 1),
        ("step-2", -1, "Mapped", 1),
        ("step-2", 0, "Running", 1),
        ("step-2", 0, "Success", 1),
        ("step-2", -1, "Success", 1),
    ]


def test_a_retry_waits_without_a_worker_and_says_until_when(run: Run) -> None:
    states_of: list[states.State] = []

    class Hears(Told):
        def task(self, slug: str, map_index: int, state: states.State, **more: Any) -> None:
            states_of.append(state)

    run(lambda: broken.with_options(retries=1, retry_delay=0.2, backoff=2)(), reporter=Hears())
    retrying = states_of[1]
    assert (retrying.type, retrying.name) == ("Scheduled", "Retrying")
    assert retrying.due_at is not None
    assert (retrying.due_at - retrying.at).total_seconds() == pytest.approx(0.2)
    assert states_of[2].at >= retrying.due_at


def test_an_abandoned_thread_is_warned_of_and_its_task_waits_for_its_end(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    hold, tries = threading.Event(), list[int]()

    @task.task(timeout=0.05, retries=1)
    def stuck() -> str:
        tries.append(context.context.attempt)
        if len(tries) == 1:
            hold.wait()
            return "late"
        return "in time"

    class Releases(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "cannot be interrupted" in record.getMessage():
                assert tries == [1]
                hold.set()

    handler = Releases()
    logging.getLogger("headrace.task").addHandler(handler)
    try:
        state = run(lambda: stuck(), executor=executors.ThreadExecutor(workers=1))
    finally:
        logging.getLogger("headrace.task").removeHandler(handler)
    assert (state.result, tries) == ("in time", [1, 2])


def test_ten_thousand_mapped_tasks_leave_a_state_each_and_nothing_else(run: Run) -> None:
    def body() -> Any:
        return noop.map(step(list(range(10_000))))

    built = build(body)
    gc.collect()
    tracemalloc.start()
    state = run(built)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(state.tasks["noop"]) == 10_000
    assert kept / 10_000 < 500


def test_what_made_a_run_fail_is_found_up_the_edges(run: Run) -> None:
    state = run(lambda: step(step(broken())))
    assert state.message == "task 'broken' failed: ValueError: it broke"
    with pytest.raises(ValueError, match="it broke") as caught:
        state.unwrap()
    assert [entry.name for entry in caught.traceback][-1] == "broken"


def test_a_hook_may_replace_a_finished_state(run: Run) -> None:
    def forgive(what: Any, before: states.State, after: states.State) -> states.State | None:
        return (
            states.State(states.StateType.SUCCESS, "Success", after.at, "forgiven")
            if after.is_failure
            else None
        )

    def refuse(what: Any, before: states.State, after: states.State) -> states.State | None:
        return (
            states.State(states.StateType.FAILED, "Failed", after.at, "refused") if after.is_success else None
        )

    def meddle(what: Any, before: states.State, after: states.State) -> states.State | None:
        return states.State(states.StateType.FAILED, "Failed", after.at) if after.name == "Running" else None

    assert run(lambda: broken.with_options(on_state=forgive)()).message == ""
    state = run(lambda: step.with_options(on_state=refuse)())
    assert (state.type, str(state.result)) == ("Failed", "task 'step': refused")
    assert run(lambda: step.with_options(on_state=meddle)()).type == "Success"


def test_a_persisted_result_is_reported_by_its_place(run: Run, tmp_path: Path) -> None:
    told = Told()
    run(lambda: step.map([5]), persist=True, reporter=told)
    kept = told.refs["step", 0]
    assert kept is not None
    assert Path(kept.location).parent == tmp_path / "runs/run-1/4"
    assert told.refs["step", -1] is None
    run(lambda: step.with_options(persist=True).map([5]), reporter=told)
    kept = told.refs["step", 0]
    assert kept is not None
    assert kept.location == str(tmp_path / "runs/run-1/4/step/0.result")


def test_what_nobody_asked_to_keep_may_not_fail_its_task(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    state = run(lambda: step.map([threading.Lock(), 5]), persist=True, reporter=told)
    assert state.type == "Success"
    assert told.refs["step", 0] is None
    assert told.refs["step", 1] is not None
    assert "its value is not kept: a lock cannot be stored" in caplog.text
    assert run(lambda: step("x" * 100), persist=True, largest=10, reporter=told).type == "Success"
    assert told.refs["step", -1] is None


def test_a_known_result_that_cannot_be_read_is_computed_again_or_fails(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = flow_runner.Known(
        states.State(states.StateType.SUCCESS, "Success", outcome.PENDING.at),
        runs.ResultRef(location=str(tmp_path / "gone")),
    )
    known = {("step", -1): gone}
    assert run(lambda: step(3), known=known).result == 3
    assert "is run again" in caplog.text
    assert run(lambda: step(3), known=known, unreadable_fails=True).type == "Failed"


def test_a_result_that_cannot_be_stored_fails_its_task(run: Run) -> None:
    state = run(lambda: step.with_options(persist=True, serializer="json")(object()))
    assert state.type == "Failed"
    assert "choose another one" in state.tasks["step"].message


def test_a_mapped_target_must_tell_its_children_apart(run: Run) -> None:
    state = run(lambda: step.with_options(target="same.bin").map([1, 2]))
    assert "put {map_index} into it" in state.tasks["step"].message


def test_a_trigger_that_raises_fails_its_task(run: Run) -> None:
    def wrong(counts: triggers.Counts) -> triggers.Decision:
        raise ZeroDivisionError

    state = run(lambda: step.with_options(trigger=wrong)())
    assert state.tasks["step"].message == "trigger wrong raised ZeroDivisionError"


def test_ctrl_c_ends_the_run_and_is_not_swallowed(run: Run) -> None:
    @task.task
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(lambda: interrupted())


def test_the_reporter_can_cancel(run: Run) -> None:
    told = Told()

    @task.task
    def asks() -> None:
        assert told.cancel is not None
        told.cancel()
        while True:
            pass

    state = run(lambda: step(asks()), reporter=told)
    assert (state.type, state.tasks["asks"].type, state.tasks["step"].name) == (
        "Cancelled",
        "Cancelled",
        "Pending",
    )


def test_a_signal_handler_may_cancel_even_a_sleep(tmp_path: Path) -> None:
    @task.task
    def sleeps() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(600)

    store = results.ResultStore(tmp_path)
    runner = flow_runner.FlowRunner(build(lambda: sleeps()), run=context.Run("r", "flow", {}), store=store)
    before = signal.signal(signal.SIGALRM, lambda number, frame: runner.cancel())
    try:
        assert runner.run().type == "Cancelled"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_cancelling_reaches_a_run_inside_a_task(run: Run, tmp_path: Path) -> None:
    inside, told = threading.Event(), Told()

    @task.task
    async def waits() -> None:
        import asyncio

        inside.set()
        await asyncio.Event().wait()

    inner = build(lambda: waits())

    @task.task
    def calls() -> Any:
        facts = context.Run("run-2", "inner", {})
        store = results.ResultStore(tmp_path)
        return flow_runner.FlowRunner(inner, run=facts, store=store).run().unwrap()

    watcher = threading.Thread(target=lambda: (inside.wait(), told.cancel and told.cancel()))
    watcher.start()
    state = run(lambda: calls(), reporter=told, executor=executors.ThreadExecutor(workers=2))
    watcher.join()
    assert (state.type, state.tasks["calls"].type) == ("Cancelled", "Cancelled")


def test_one_approval_holds_for_all_tries_of_a_task(run: Run) -> None:
    asked: list[str] = []

    def approve(slug: str, index: int, why: str) -> bool:
        asked.append(slug)
        return True

    gated = broken.with_options(trigger=triggers.manual_only, retries=2)
    assert run(lambda: gated(), approve=approve).type == "Failed"
    assert asked == ["broken"]


def test_a_value_of_the_flow_that_cannot_be_put_together_fails_the_run(run: Run) -> None:
    state = run(lambda: {step([1])})
    assert (state.type, state.message) == (
        "Failed",
        "what the flow returns cannot be put together: TypeError: unhashable type: 'list'",
    )


def test_an_unknown_task_of_a_state_is_suggested(run: Run) -> None:
    state = run(lambda: step.map([1, 2]))
    with pytest.raises(errors.NotFound, match="did you mean 'step'"):
        state.tasks["stepp"]
    assert repr(state.tasks["step"]) == "<Success of 2: 2 mapped runs>"
    assert "<td>step</td>" in state._repr_html_()
