"""R9, F62, F70: cancelling reaches a task whatever it does, and what was cancelled before its start never starts."""

import concurrent.futures
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import stoppable

import stack as stacks
from headrace import errors
from headrace.core import leases
from headrace.core.states import StateType
from headrace.wire import runs

SOURCE = Path(stoppable.__file__)
#: How often a run is cancelled at a random moment; `HEADRACE_CANCEL_RACES=200` for the full number.
RACES = int(os.environ.get("HEADRACE_CANCEL_RACES", "60"))
#: For what may take 2 seconds, on a machine that has much else to do.
SOON = 6.0
#: What does not listen is killed; this is how long that may take.
KILL = leases.Timing().kill.total_seconds()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stacks.Stack]:
    """One installation for all of these, with the times that users have: nothing is killed soon."""
    made = stacks.Stack(tmp_path_factory.mktemp("cancel"), timing={})
    made.start()
    made.register(SOURCE, "p")
    yield made
    made.close()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def cases() -> Iterator[tuple[str, str]]:
    for what in stoppable.TASKS:
        for where in stoppable.EXECUTORS:
            yield what, where


@pytest.mark.parametrize(("what", "where"), list(cases()), ids=lambda part: part)
def test_R9_cancelling_reaches_a_task(stack: stacks.Stack, tmp_path: Path, what: str, where: str) -> None:
    run = stack.run(f"p/{what}-{where}", folder=str(tmp_path))
    stack.until((tmp_path / "here").exists, "the task has begun")
    pids = [
        int((tmp_path / name).read_text() or "0")
        for name in ("here", "child", "grandchild")
        if (tmp_path / name).exists()
    ]
    (process,) = [each for each in stack.run_processes() if each.flow_run_id == str(run.id)]
    pids += [process.supervisor, process.run or 0]
    began = time.monotonic()
    asked = stack.api.cancel_flow_run(run.id)
    assert asked.state.type is StateType.CANCELLING
    ended = stack.api.wait_for(run.id, 30)
    shown = time.monotonic() - began
    stack.until(lambda: not any(is_alive(pid) for pid in pids if pid), "no process of it is left", 30)
    gone = time.monotonic() - began
    print(f"{what} in {where}: Cancelled after {shown:.2f} s, all processes gone after {gone:.2f} s")
    assert ended.state.type is StateType.CANCELLED, ended.state
    killed = what == "in-c" and where != "process"
    assert gone < SOON + (KILL if killed else 0)


def test_R10_the_processes_of_a_run_that_is_marked_end(stack: stacks.Stack, tmp_path: Path) -> None:
    run = stack.run("p/spawning-local", folder=str(tmp_path))
    stack.until((tmp_path / "here").exists, "the task has begun")
    (process,) = [each for each in stack.run_processes() if each.flow_run_id == str(run.id)]
    pids = [int((tmp_path / name).read_text()) for name in ("here", "child", "grandchild")]
    done = stack.cli("runs", "mark", run.name, "success", "--reason", "loaded by hand")
    assert done.returncode == 0, done.stderr
    stack.until(
        lambda: not any(is_alive(pid) for pid in [*pids, process.supervisor]), "no process is left", SOON
    )
    ended = stack.api.read_flow_run(run.id)
    assert (ended.state.type, ended.state.code) == (StateType.SUCCESS, "marked")


def took_to_start(run: runs.FlowRun) -> float:
    assert run.started_at is not None
    return (run.started_at - run.created_at).total_seconds()


def test_F70_what_was_cancelled_before_its_start_never_starts(stack: stacks.Stack, tmp_path: Path) -> None:
    """The order of cancelling to all the steps of a launch is left to chance; what was answered must hold."""
    seed = int(os.environ.get("HEADRACE_SEED", random.randrange(2**32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    warm = [stack.run("p/touches", path=str(tmp_path / f"warm{number}")) for number in range(8)]
    starts = [took_to_start(stack.finished(run)) for run in warm]
    longest = 1.5 * max(starts)  # so that about half come before the start, however busy the machine is

    def race(number: int, offset: float) -> tuple[int, runs.FlowRun]:
        run = stack.run("p/touches", path=str(tmp_path / str(number)))
        time.sleep(offset)  # the offset is what is tried here, nothing is waited for
        try:
            return number, stack.api.cancel_flow_run(run.id)
        except errors.Conflict:
            return number, stack.api.read_flow_run(run.id)

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        offsets = [chance.uniform(0, longest) for _ in range(RACES)]
        answers = dict(threads.map(race, range(RACES), offsets))
    stack.until(lambda: not stack.run_processes(), "all runs have ended")
    unstarted = 0
    for number, answered in answers.items():
        ended = stack.finished(answered)
        if answered.state.type is StateType.CANCELLED and answered.started_at is None:
            unstarted += 1
            assert not (tmp_path / str(number)).exists(), f"run {number} started after it was cancelled"
            assert ended.state == answered.state
        elif answered.state.type is not StateType.CANCELLING:
            assert ended.state.type is StateType.SUCCESS, ended.state
        else:
            assert ended.state.type in (StateType.CANCELLED, StateType.SUCCESS), ended.state
    states = [answered.state.name for answered in answers.values()]
    print({name: states.count(name) for name in sorted(set(states))}, f"{unstarted} before their start")
    assert 0 < unstarted < RACES, "the offsets miss one side of the start"
