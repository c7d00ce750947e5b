"""Calls on threads: deadlines, what cannot be interrupted, and what an interruption must not touch."""

import contextlib
import contextvars
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from headrace import executors
from headrace.executors import interrupts, local, threads

PATIENCE = 30.0


@pytest.fixture
def one() -> Iterator[threads.ThreadExecutor]:
    executor = threads.ThreadExecutor(1)
    yield executor
    executor.close()


def next_ending(executor: executors.Executor) -> executors.Ending:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := executor.wait(1.0):
            assert len(found) == 1
            return found[0]
    raise AssertionError("nothing ended")


def blocked(shared: threading.Event, own: list[str]) -> str:
    """Waits in C code, where no exception arrives."""
    shared.wait()
    own.append("ended")
    return "late"


def spin(shared: Any, own: list[str]) -> None:
    try:
        while True:
            time.sleep(0.001)
    finally:
        own.append("cleaned up")


def identity(shared: Any, own: Any) -> Any:
    return threading.get_ident()


def test_a_call_that_cannot_be_interrupted_is_abandoned_at_its_deadline_and_released_at_its_end(
    one: threads.ThreadExecutor,
) -> None:
    hold, ended = threading.Event(), list[str]()
    one.submit(executors.Call(1, blocked, hold, ended, timeout=0.05))
    late = next_ending(one)
    assert (late.kind, late.abandoned, ended) == (executors.Kind.TIMED_OUT, True, [])
    one.submit(executors.Call(2, identity, None, None))
    assert next_ending(one).kind is executors.Kind.DONE
    hold.set()
    released = next_ending(one)
    assert (released.ticket, released.kind, released.value) == (1, executors.Kind.RELEASED, None)


def test_code_that_can_be_interrupted_cleans_up(one: threads.ThreadExecutor) -> None:
    told: list[str] = []
    one.submit(executors.Call(1, spin, None, told, timeout=0.05))
    assert next_ending(one).kind is executors.Kind.TIMED_OUT
    assert next_ending(one).kind is executors.Kind.RELEASED
    assert told == ["cleaned up"]


def test_an_interruption_ends_what_runs_and_what_comes_after_it(one: threads.ThreadExecutor) -> None:
    one.submit(executors.Call(1, spin, None, []))
    one.interrupt()
    assert next_ending(one) == executors.Ending(1, executors.Kind.CANCELLED)
    one.submit(executors.Call(2, spin, None, []))
    assert next_ending(one) == executors.Ending(2, executors.Kind.CANCELLED)


def test_threads_are_used_again_and_no_more_than_needed() -> None:
    executor = threads.ThreadExecutor(8)
    before = threading.active_count()
    seen: set[int] = set()
    for ticket in range(50):
        executor.submit(executors.Call(ticket, identity, None, None))
        seen.add(next_ending(executor).value)
    assert len(seen) == 1
    assert threading.active_count() == before + 1
    executor.close()


def test_a_context_variable_does_not_reach_the_next_call(one: threads.ThreadExecutor) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="clean")

    def get_and_set(shared: Any, own: Any) -> str:
        before = variable.get()
        variable.set("dirty")
        return before

    for ticket in (1, 2):
        one.submit(executors.Call(ticket, get_and_set, None, None))
        assert next_ending(one).value == "clean"


def test_an_interruption_ends_a_wait_for_nothing(one: threads.ThreadExecutor) -> None:
    threading.Timer(0.01, one.interrupt).start()
    assert one.wait(PATIENCE) == []


def test_an_interruption_that_comes_too_late_hits_nothing() -> None:
    for _ in range(300):
        interruption = interrupts.Interruption()
        begun = threading.Event()

        def short(shared: Any, own: threading.Event) -> int:
            own.set()
            return sum(range(50))

        sender = threading.Thread(target=lambda one=interruption, go=begun: (go.wait(), one.send()))
        sender.start()
        with contextlib.suppress(executors.Interrupted):
            assert interruption.run(short, None, begun) == 1225
        for _ in range(20):
            sum(range(10))
        sender.join()


def test_the_local_executor_runs_in_the_callers_thread_unless_there_is_a_timeout() -> None:
    executor = local.LocalExecutor()
    executor.submit(executors.Call(1, identity, None, None))
    assert next_ending(executor).value == threading.get_ident()
    executor.submit(executors.Call(2, identity, None, None, timeout=PATIENCE))
    assert next_ending(executor).value != threading.get_ident()
    executor.close()


def test_the_local_executor_is_interrupted_in_the_callers_thread() -> None:
    executor = local.LocalExecutor()
    told: list[str] = []

    def spin_and_tell(shared: threading.Event, own: list[str]) -> None:
        shared.set()
        spin(None, own)

    begun = threading.Event()
    sender = threading.Thread(target=lambda: (begun.wait(), executor.interrupt()))
    sender.start()
    executor.submit(executors.Call(1, spin_and_tell, begun, told))
    assert next_ending(executor).kind is executors.Kind.CANCELLED
    assert told == ["cleaned up"]
    sender.join()
    executor.close()
