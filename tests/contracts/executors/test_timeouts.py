"""Timeouts and cancelling come to the same on every executor."""

import threading
import time
from pathlib import Path
from typing import Any

from headrace import errors
from headrace.graph import task
from small_tasks import add, forever, give, note, noted, one


def test_a_task_ends_at_its_timeout(bench: Any) -> None:
    state = bench.run(lambda: forever.with_options(timeout=0.2)())
    assert (state.type, state.tasks["forever"].name) == ("Failed", "TimedOut")
    assert isinstance(state.result, errors.TaskTimedOut)


@task.task(timeout=0.5, retries=1)
def slow_at_first(path: str) -> str:
    if note(path) == 1:
        while True:
            time.sleep(0.01)
    return "in time"


def test_a_task_that_timed_out_is_tried_again_once_it_has_ended(bench: Any, tmp_path: Path) -> None:
    assert bench.run(lambda: slow_at_first(str(tmp_path / "tries"))).result == "in time"


def test_a_flow_ends_at_its_timeout(bench: Any) -> None:
    state = bench.run(lambda: [forever(), add(one())], timeout=1.0)
    assert (state.type, state.name) == ("Failed", "TimedOut")
    assert state.tasks["forever"].type == "Cancelled"


def test_a_running_task_is_cancelled(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "began"
    runner = bench.runner(lambda: give(forever(str(path))))
    ending: list[Any] = []
    watcher = threading.Thread(target=lambda: (_until(path), runner.cancel()))
    watcher.start()
    ending.append(runner.run())
    watcher.join()
    state = ending[0]
    assert (state.type, state.tasks["forever"].type) == ("Cancelled", "Cancelled")
    assert state.tasks["give"].name == "Pending"
    assert isinstance(state.result, errors.RunCancelled)


def _until(path: Path) -> None:
    deadline = time.monotonic() + 30
    pause = threading.Event()
    while not path.exists() and time.monotonic() < deadline:
        pause.wait(0.01)


def test_a_run_cancelled_before_it_starts_runs_nothing(bench: Any, tmp_path: Path) -> None:
    runner = bench.runner(lambda: noted(str(tmp_path / "noted"), 1))
    runner.cancel()
    assert runner.run().type == "Cancelled"
    assert not (tmp_path / "noted").exists()
