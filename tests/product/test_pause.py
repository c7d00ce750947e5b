"""R9 with real processes: a paused run holds no process and no slot, and goes on where it stopped."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import stoppable

import stack as stacks
from headrace.core.states import StateType
from headrace.wire import runs

SOURCE = Path(stoppable.__file__)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stacks.Stack]:
    made = stacks.Stack(tmp_path_factory.mktemp("pause"))
    made.start()
    made.register(SOURCE, "p")
    yield made
    made.close()


def lines(folder: Path) -> list[str]:
    path = folder / "lines"
    return path.read_text().splitlines() if path.exists() else []


def paused(stack: stacks.Stack, run: runs.FlowRun) -> runs.FlowRun:
    def look() -> runs.FlowRun | None:
        found = stack.api.read_flow_run(run.id)
        return found if found.state.type is StateType.PAUSED else None

    return stack.until(look, "the run is paused")


def test_R9_a_running_run_is_paused_at_the_end_of_its_task_and_holds_nothing(
    stack: stacks.Stack, tmp_path: Path
) -> None:
    stack.api.limits.set("flow", "p/steps", 1)
    (tmp_path / "stop-first").touch()
    run = stack.run("p/steps", folder=str(tmp_path))
    stack.until(lambda: lines(tmp_path) == ["first"], "the first task runs")
    (process,) = [each for each in stack.run_processes() if each.flow_run_id == str(run.id)]

    done = stack.cli("pause", run.name, "--comment", "the source is down")
    assert done.returncode == 0, done.stderr
    assert stack.api.read_flow_run(run.id).pausing
    (tmp_path / "go-first").touch()
    found = paused(stack, run)
    assert "the source is down" in found.state.message
    assert lines(tmp_path) == ["first"], "no further task has begun"
    stack.until(
        lambda: not any(map(psutil.pid_exists, (process.supervisor, process.run or 0))),
        "its processes are gone",
        10,
    )

    other = tmp_path / "other"
    other.mkdir()
    assert stack.finished(stack.run("p/steps", folder=str(other))).state.type is StateType.SUCCESS, (
        "the slot is free"
    )

    done = stack.cli("resume", run.name, "--comment", "it is up again")
    assert done.returncode == 0, done.stderr
    assert stack.finished(run).state.type is StateType.SUCCESS
    assert lines(tmp_path) == ["first", "second", "third"], "what had succeeded was not run again"


def test_a_pause_that_comes_with_the_last_task_changes_nothing(stack: stacks.Stack, tmp_path: Path) -> None:
    (tmp_path / "stop-third").touch()
    run = stack.run("p/steps", folder=str(tmp_path))
    stack.until(lambda: lines(tmp_path)[-1:] == ["third"], "the last task runs")
    stack.api.pause_flow_run(run.id)
    (tmp_path / "go-third").touch()
    ended = stack.finished(run)
    assert (ended.state.type, ended.pausing) == (StateType.SUCCESS, False)


def test_R9_a_task_asks_and_an_approval_lets_it_pass(stack: stacks.Stack, tmp_path: Path) -> None:
    run = stack.run("p/asks", folder=str(tmp_path))
    found = paused(stack, run)
    assert found.pause_ends_at is None
    assert not [each for each in stack.run_processes() if each.flow_run_id == str(run.id)] or stack.until(
        lambda: not stack.run_processes(), "its process is gone", 10
    )
    assert stack.cli("resume", run.name).returncode == 0
    assert stack.finished(run).state.type is StateType.SUCCESS
    assert lines(tmp_path) == ["before", "after"]


def test_R9_what_is_rejected_goes_no_further(stack: stacks.Stack, tmp_path: Path) -> None:
    run = stack.run("p/asks", folder=str(tmp_path))
    paused(stack, run)
    done = stack.cli("runs", "reject", run.name, "--comment", "no")
    assert done.returncode == 0, done.stderr
    ended = stack.finished(run)
    assert (ended.state.type, ended.state.code) == (StateType.CANCELLED, "rejected")
    assert lines(tmp_path) == ["before"]


def test_R9_a_task_says_how_long_it_waits_for_an_approval(stack: stacks.Stack, tmp_path: Path) -> None:
    run = stack.run("p/asks", folder=str(tmp_path), seconds=0.5)
    ended = stack.finished(run)
    assert (ended.state.name, ended.state.code) == ("TimedOut", "pause_timed_out")
    assert lines(tmp_path) == ["before"]
