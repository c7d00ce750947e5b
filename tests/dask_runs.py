"""Flows on Dask for its tests: small graphs, run on a cluster in this process's hands."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from headrace.engine import flow_runner, outcome, results
from headrace.graph import context, graph, task
from headrace.wire import executors

PATIENCE = 90.0


def runner(
    body: Callable[[], Any], executor: executors.DaskExecutor, directory: Path, **given: Any
) -> flow_runner.FlowRunner:
    built = graph.Graph("small")
    with built.building():
        built.set_result(body())
    return flow_runner.FlowRunner(
        built,
        run=context.Run("run-1", "small", built.validate({})),
        executor=executor,
        store=results.ResultStore(directory / "results"),
        **given,
    )


def run(
    body: Callable[[], Any], executor: executors.DaskExecutor, directory: Path, **given: Any
) -> outcome.FlowState:
    return runner(body, executor, directory, **given).run()


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def gone(pids: list[int]) -> bool:
    left = [psutil.Process(each) for each in pids if psutil.pid_exists(each)]
    left = [each for each in left if each.status() != psutil.STATUS_ZOMBIE]
    return not psutil.wait_procs(left, timeout=PATIENCE)[1]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def worker_pids(client: Any) -> list[int]:
    """Those that answer just now."""
    return [pid for pid in client.run(os.getpid, on_error="ignore").values() if isinstance(pid, int)]


@task.task
def block(number: int) -> bytes:
    """A value that is too large to leave its worker unasked."""
    return number.to_bytes(4, "big") * 1000


@task.task
def slow_block(number: int) -> bytes:
    time.sleep(0.002)
    return number.to_bytes(4, "big") * 1000


@task.task
def first(of: bytes) -> int:
    return int.from_bytes(of[:4], "big")


@task.task
def total(values: list[int]) -> int:
    return sum(values)


@task.task
def place(of: Any = None) -> int:
    """In which process it runs."""
    return os.getpid()


@task.task
def forever(path: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(0.01)


@task.task
def gated(path: str, number: int) -> int:
    """Says that it runs, and waits until it may end."""
    folder = Path(path)
    (folder / f"began-{number}").touch()
    deadline = time.monotonic() + PATIENCE
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return number
