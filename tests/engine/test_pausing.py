"""R9: a run that is told to pause comes to the end of its running tasks, and goes on from there."""

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from headrace import engine, errors
from headrace.core import states
from headrace.core.states import StateType
from headrace.engine import flow_runner, outcome, pausing, results, terms
from headrace.graph import context, graph, task
from headrace.wire import executors, runs

EXECUTORS = {
    "local": None,
    "thread": executors.ThreadExecutor(workers=2),
    "process": executors.ProcessExecutor(workers=2),
}


class Told(engine.Silent):
    """Remembers what a next attempt would know, and pauses the run when a task has entered some state."""

    def __init__(self, slug: str = "", name: str = "") -> None:
        self.at = slug, name
        self.states: dict[tuple[str, int], tuple[states.State, runs.ResultRef | None]] = {}
        self.reached = threading.Event()

    def task(
        self, slug: str, map_index: int, state: states.State, *, attempt: int = 1, result: Any = None
    ) -> None:
        self.states[slug, map_index] = state, result
        if (slug, state.name) == self.at:
            self.reached.set()

    def known(self) -> dict[tuple[str, int], terms.Known]:
        return {place: terms.Known(*said) for place, said in self.states.items()}


def build(body: Any) -> graph.Graph:
    built = graph.Graph("flow")
    with built.building():
        built.set_result(body())
    return built


def runner(built: graph.Graph, folder: Path, **given: Any) -> flow_runner.FlowRunner:
    facts = context.Run("run-1", "flow", {}, fence=4)
    return flow_runner.FlowRunner(built, run=facts, store=results.ResultStore(folder), **given)


def paused_at(built: graph.Graph, folder: Path, told: Told, **given: Any) -> outcome.FlowState:
    """Runs, and pauses from another thread when the reporter has heard what it waits for."""
    running = runner(built, folder, reporter=told, **given)

    def wait() -> None:
        assert told.reached.wait(30)
        running.pause()

    thread = threading.Thread(target=wait)
    thread.start()
    ended = running.run()
    thread.join()
    return ended


@task.task
def count(path: str, above: int = 0) -> int:
    """Leaves a line, and takes its time where the test has put a file."""
    with Path(path).open("a") as lines:
        lines.write(f"{above + 1}\n")
    while Path(f"{path}-stop-{above + 1}").exists():
        os.sched_yield()
    return above + 1


def chain(path: Path) -> graph.Graph:
    return build(lambda: count(str(path), count(str(path), count(str(path)))))


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_nothing_is_started_any_more_and_the_next_attempt_goes_on(tmp_path: Path, executor: Any) -> None:
    lines = tmp_path / "lines"
    stop = Path(f"{lines}-stop-2")
    stop.touch()
    told = Told("count-2", "Running")
    built = chain(lines)
    running = runner(built, tmp_path, reporter=told, executor=executor)

    def pause_then_let_it_go_on() -> None:
        assert told.reached.wait(30)
        running.pause()
        stop.unlink()

    thread = threading.Thread(target=pause_then_let_it_go_on)
    thread.start()
    ended = running.run()
    thread.join()
    assert (ended.type, ended.message) == (StateType.PAUSED, "")
    assert lines.read_text().split() == ["1", "2"]
    assert running.pause_ends_after is None

    again = runner(chain(lines), tmp_path, known=told.known(), executor=executor).run()
    assert (again.type, again.value) == (StateType.SUCCESS, 3)
    assert lines.read_text().split() == ["1", "2", "3"], "what had succeeded was kept"


@task.task(retries=1, retry_delay=3600)
def fails() -> None:
    raise ValueError


@pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)
def test_a_pause_does_not_wait_for_a_retry(tmp_path: Path, executor: Any) -> None:
    told = Told("fails", "Retrying")
    ended = paused_at(build(lambda: fails()), tmp_path, told, executor=executor)
    assert ended.type is StateType.PAUSED


def test_a_pause_before_the_walk_starts_nothing(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    running = runner(chain(lines), tmp_path)
    running.pause()
    assert running.run().type is StateType.PAUSED
    assert not lines.exists()


def test_a_run_that_has_nothing_left_to_do_ends_as_it_would(tmp_path: Path) -> None:
    told = Told("count-3", "Success")
    lines = tmp_path / "lines"
    assert paused_at(chain(lines), tmp_path, told).type is StateType.SUCCESS


def test_a_cancelled_run_is_cancelled_although_it_was_to_pause(tmp_path: Path) -> None:
    running = runner(chain(tmp_path / "lines"), tmp_path)
    running.pause()
    running.cancel()
    assert running.run().type is StateType.CANCELLED


@task.task
def asks(seconds: float | None) -> None:
    raise errors.Pause("may it?", timeout=seconds)


@pytest.mark.parametrize(
    ("asked", "of_flow", "ends_after"),
    [
        ((None,), None, None),
        ((None,), 60, 60),
        ((5.0,), 60, 5),
        ((None, 90.0), 60, 60),
        ((None, 90.0), None, 90),
    ],
)
def test_the_shortest_time_out_of_its_pauses_ends_the_pause(
    tmp_path: Path, asked: tuple[float | None, ...], of_flow: float | None, ends_after: float | None
) -> None:
    built = build(lambda: [asks(seconds) for seconds in asked])
    timeout = None if of_flow is None else timedelta(seconds=of_flow)
    running = runner(built, tmp_path, pause_timeout=timeout)
    assert running.run().type is StateType.PAUSED
    assert running.pause_ends_after == (None if ends_after is None else timedelta(seconds=ends_after))


def test_the_order_comes_through_the_pipe_early_or_late() -> None:
    for early in (True, False):
        reading, writing = os.pipe()
        hears = pausing.Pausing(reading)
        heard = threading.Event()
        if not early:
            hears.attach(heard.set)
        os.write(writing, pausing.ORDER)
        if early:
            hears.attach(heard.set)
        assert heard.wait(10)
        os.close(writing)
