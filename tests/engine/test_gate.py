"""R11: tasks whose tags are limited wait for their slots, and nothing else does."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from headrace import engine, errors
from headrace.core import states
from headrace.engine import flow_runner, gate, outcome, results
from headrace.graph import context, graph, task
from headrace.wire import executors, limits


class Server:
    """What a server does for a tag's limit: so many slots, freed by the events that end tasks."""

    def __init__(self, size: int) -> None:
        self.free = size
        self.held: set[tuple[str, int]] = set()
        self.most = 0
        self.asked: list[list[limits.TaskWant]] = []
        self.changed = threading.Condition()
        self.failures = 0

    def ask(self, wants: list[limits.TaskWant]) -> Iterable[limits.TaskGrant]:
        with self.changed:
            self.asked.append(wants)
            if self.failures:
                self.failures -= 1
                raise errors.Unreachable
            self.changed.wait_for(lambda: self.free > 0, 0.2)
            chosen = wants[: self.free]
            self.free -= len(chosen)
            self.held |= {(want.slug, want.map_index) for want in chosen}
            self.most = max(self.most, len(self.held))
            return [
                limits.TaskGrant(slug=want.slug, map_index=want.map_index, attempt=want.attempt)
                for want in chosen
            ]


class Told(engine.Silent):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.events: list[tuple[str, int, str, str]] = []

    def task(
        self, slug: str, map_index: int, state: states.State, *, attempt: int = 1, result: Any = None
    ) -> None:
        self.events.append((slug, map_index, state.name, state.message))
        with self.server.changed:
            if (state.is_finished or state.name == "Retrying") and (slug, map_index) in self.server.held:
                self.server.held.discard((slug, map_index))
                self.server.free += 1
                self.server.changed.notify_all()


Run = Callable[..., tuple[outcome.FlowState, Told]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(body: Callable[[], Any], server: Server, **given: Any) -> tuple[outcome.FlowState, Told]:
        built = graph.Graph("flow")
        with built.building():
            built.set_result(body())
        told = Told(server)
        runner = flow_runner.FlowRunner(
            built,
            run=context.Run("run-1", "flow", {}, fence=4),
            store=results.ResultStore(tmp_path),
            reporter=told,
            tag_slots=gate.Gate(["db"], server.ask),
            **given,
        )
        return runner.run(), told

    return run


@task.task(tags={"db"})
def load(x: int) -> int:
    return x * 2


@task.task
def free(x: int) -> int:
    return x


@pytest.mark.parametrize("executor", [executors.LocalExecutor(), executors.ThreadExecutor(workers=8)])
def test_R11_no_more_than_the_slots_run_at_once_and_all_run(run: Run, executor: Any) -> None:
    server = Server(2)
    state, told = run(lambda: load.map(list(range(9))), server, executor=executor)
    assert state.unwrap() == [x * 2 for x in range(9)]
    assert 1 <= server.most <= 2
    assert server.free == 2
    assert ("load", 3, "Scheduled", "waits for a slot of the tag db") in told.events


def test_what_has_no_limited_tag_never_waits(run: Run) -> None:
    server = Server(0)
    state, _ = run(lambda: free.map(list(range(5))), server)
    assert state.unwrap() == list(range(5))
    assert server.asked == []


def test_others_go_on_while_one_waits(run: Run) -> None:
    server = Server(0)
    seen = threading.Event()

    @task.task
    def opens(x: int) -> int:
        with server.changed:
            server.free = 1
            server.changed.notify_all()
        seen.set()
        return x

    def body() -> Any:
        return load(1), opens(2)

    state, _ = run(body, server)
    assert state.unwrap() == (2, 2)
    assert seen.is_set()


def test_the_next_try_asks_again(run: Run) -> None:
    server = Server(1)
    tries: list[int] = []

    @task.task(tags=["db"], retries=1, retry_delay=0.01)
    def flaky() -> int:
        tries.append(len(tries))
        if len(tries) == 1:
            raise ValueError("once")
        return 1

    state, _ = run(flaky, server)
    assert state.unwrap() == 1
    assert {want.attempt for wants in server.asked for want in wants} == {1, 2}
    assert server.free == 1


def test_a_server_that_does_not_answer_is_asked_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PAUSE_SECONDS", 0.01)
    server = Server(1)
    server.failures = 3
    state, _ = run(lambda: load(4), server)
    assert state.unwrap() == 8


def test_a_run_that_is_stopped_does_not_wait_for_slots(run: Run) -> None:
    state, told = run(lambda: load(4), Server(0), timeout=0.3)
    assert (state.name, state.state.code) == ("TimedOut", "timed_out")
    assert told.events[-1][2] == "Cancelled"


def test_the_gate_of_a_run_without_a_server_holds_nothing_back() -> None:
    open_ = gate.Gate()
    assert not open_.limited
    assert open_.hold_back("load", -1, 1, {"db"}) is None
    assert open_.patience(None) is None
