"""Failing and trying again come to the same on every executor."""

import sys
from pathlib import Path
from typing import Any

import pytest

from headrace import errors
from headrace.graph import context, task
from small_tasks import Odd, add, even, fail, note, third_time


def test_a_failure_keeps_its_exception(bench: Any) -> None:
    state = bench.run(lambda: add(fail()))
    assert (state.type, state.message) == ("Failed", "task 'fail' failed: ValueError: it broke")
    assert isinstance(state.result, ValueError)
    with pytest.raises(ValueError, match="it broke"):
        state.unwrap()


def test_an_exception_that_cannot_be_made_again_from_its_message_stays_itself(bench: Any) -> None:
    state = bench.run(lambda: even(3))
    assert state.tasks["even"].message == "Odd: 3 is odd"
    assert (type(state.result), str(state.result), state.result.number) == (Odd, "3 is odd", 3)


def test_sys_exit_fails_the_task_and_not_the_run(bench: Any) -> None:
    state = bench.run(lambda: leave())
    assert (state.tasks["leave"].type, state.tasks["leave"].message) == ("Failed", "SystemExit: 3")


@task.task
def leave() -> None:
    sys.exit(3)


def test_a_failed_task_is_tried_again(bench: Any, tmp_path: Path) -> None:
    patient = third_time.with_options(retries=2, retry_delay=0.01, retry_on=ConnectionError)
    assert bench.run(lambda: patient(str(tmp_path / "tries"))).result == "3 attempts"


def test_retries_end(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "tries"
    state = bench.run(lambda: third_time.with_options(retries=1)(str(path)))
    assert (state.type, state.tasks["third_time"].message) == ("Failed", "ConnectionError: try 2")


def test_only_the_named_exceptions_are_tried_again(bench: Any, tmp_path: Path) -> None:
    path = tmp_path / "tries"
    state = bench.run(lambda: third_time.with_options(retries=5, retry_on=KeyError)(str(path)))
    assert (state.type, path.read_text()) == ("Failed", "x\n")


@task.task(retries=3)
def signals(path: str, kind: str) -> str:
    if note(path) == 1:
        raise errors.Retry(0.01, "once more") if kind == "retry" else errors.Fail("no use")
    return "done"


def test_the_signals_retry_and_fail(bench: Any, tmp_path: Path) -> None:
    assert bench.run(lambda: signals(str(tmp_path / "a"), "retry")).result == "done"
    state = bench.run(lambda: signals(str(tmp_path / "b"), "fail"))
    assert (state.type, state.tasks["signals"].message) == ("Failed", "no use")
    assert (tmp_path / "b").read_text() == "x\n"


@task.task
def collatz(start: int) -> str:
    value = start if context.context.loop_count == 1 else context.context.loop_value
    if value != 1:
        raise errors.Loop(value // 2 if value % 2 == 0 else 3 * value + 1)
    return f"{context.context.loop_count} rounds"


def test_a_task_loops(bench: Any) -> None:
    assert bench.run(lambda: collatz.map([6, 1])).result == ["9 rounds", "1 rounds"]
