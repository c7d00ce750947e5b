"""Worker processes: how they start, what they say, how they die, and who dies with them."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace import executors
from headrace.executors import pool

PATIENCE = 60.0


@pytest.fixture
def two() -> Iterator[pool.ProcessExecutor]:
    executor = pool.ProcessExecutor(2, lambda ticket, record: None)
    yield executor
    executor.close()


def endings(executor: executors.Executor, count: int) -> dict[int, executors.Ending]:
    found: dict[int, executors.Ending] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found |= {each.ticket: each for each in executor.wait(1.0)}
    return found


def pid(shared: Any, own: Any) -> int:
    return os.getpid()


def meet(shared: Any, own: tuple[str, str]) -> bool:
    """Says that it is here and waits until the other is."""
    mine, other = (Path(each) for each in own)
    mine.touch()
    deadline = time.monotonic() + PATIENCE
    while not other.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return other.exists()


def die(shared: Any, own: int) -> None:
    if own < 0:
        os.kill(os.getpid(), -own)
    os._exit(own)


def hang(shared: Any, own: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(own + ".new").write_text(f"{os.getpid()} {child.pid}")
    Path(own + ".new").rename(own)
    time.sleep(600)


def echo(shared: Any, own: Any) -> Any:
    return own


def test_calls_run_in_other_processes_that_are_used_again(two: pool.ProcessExecutor) -> None:
    shared = object()
    two.submit(executors.Call(1, pid, shared, None))
    first = endings(two, 1)[1]
    two.submit(executors.Call(2, pid, shared, None))
    assert endings(two, 1)[2].value == first.value != os.getpid()


def test_two_workers_work_at_the_same_time(two: pool.ProcessExecutor, tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    two.submit(executors.Call(1, meet, None, (a, b)))
    two.submit(executors.Call(2, meet, None, (b, a)))
    assert all(each.value for each in endings(two, 2).values())


@pytest.mark.parametrize(
    ("own", "message"),
    [(3, "ended with exit code 3"), (-signal.SIGSEGV, "was killed by signal 11 (SIGSEGV)")],
)
def test_a_worker_that_dies_is_told_with_its_exit_code_and_replaced(
    two: pool.ProcessExecutor, own: int, message: str
) -> None:
    two.submit(executors.Call(1, die, None, own))
    lost = endings(two, 1)[1]
    assert (lost.kind, lost.message) == (executors.Kind.LOST, f"its worker process {message}")
    two.submit(executors.Call(2, echo, None, "well"))
    assert endings(two, 1)[2].value == "well"


def test_what_cannot_be_sent_is_refused_with_the_reason(two: pool.ProcessExecutor) -> None:
    two.submit(executors.Call(1, echo, None, threading.Lock()))
    refused = endings(two, 1)[1]
    assert refused.kind is executors.Kind.REFUSED
    assert "cannot be sent to a worker process: " in refused.message


def test_large_values_go_both_ways(two: pool.ProcessExecutor) -> None:
    large = os.urandom(3_000_000)
    two.submit(executors.Call(1, echo, None, large))
    assert endings(two, 1)[1].value == large


def test_a_worker_keeps_the_code_of_many_tasks(two: pool.ProcessExecutor) -> None:
    for ticket in range(200):
        two.submit(executors.Call(ticket, echo, [ticket % 100], ticket))
        assert endings(two, 1)[ticket].value == ticket


def gone(*pids: int) -> bool:
    deadline = time.monotonic() + PATIENCE
    left = [psutil.Process(each) for each in pids if psutil.pid_exists(each)]
    left = [each for each in left if each.status() != psutil.STATUS_ZOMBIE]
    _, alive = psutil.wait_procs(left, timeout=max(0.0, deadline - time.monotonic()))
    return not alive


def appeared(path: Path) -> list[int]:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(each) for each in path.read_text().split()]


def test_a_timeout_kills_the_worker_and_its_children(two: pool.ProcessExecutor, tmp_path: Path) -> None:
    path = tmp_path / "pids"
    two.submit(executors.Call(1, hang, None, str(path), timeout=1.5))
    pids = appeared(path)
    assert endings(two, 1)[1].kind is executors.Kind.TIMED_OUT
    assert gone(*pids)


def test_an_interruption_kills_what_runs(two: pool.ProcessExecutor, tmp_path: Path) -> None:
    path = tmp_path / "pids"
    two.submit(executors.Call(1, hang, None, str(path)))
    pids = appeared(path)
    two.interrupt()
    assert endings(two, 1)[1].kind is executors.Kind.CANCELLED
    assert gone(*pids)


RUN = """
    import sys
    from headrace import executors
    from headrace.executors import pool

    print("main is imported", flush=True)

    def work(shared, own):
        return shared(own)

    def double(x):
        return helper(x)

    def helper(x):
        return 2 * x

    def hang(shared, own):
        import pathlib, os, time
        path = pathlib.Path(own)
        (path.parent / "new").write_text(str(os.getpid()))
        (path.parent / "new").rename(path)
        time.sleep(600)

    executor = pool.ProcessExecutor(1, lambda ticket, record: None)
    executor.submit(executors.Call(1, work, double, 21) if len(sys.argv) < 2 else executors.Call(1, hang, None, sys.argv[1]))
    print(executor.wait(None)[0].value, flush=True)
    executor.close()
"""


def test_the_users_main_is_taken_along_and_never_imported_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(RUN))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("main is imported\n42\n", "")


def test_workers_end_when_the_run_process_is_killed(tmp_path: Path) -> None:
    script, path = tmp_path / "script.py", tmp_path / "pid"
    script.write_text(textwrap.dedent(RUN))
    with subprocess.Popen([sys.executable, script, str(path)], stdout=subprocess.DEVNULL) as running:
        (worker,) = appeared(path)
        running.kill()
    assert gone(worker)
