"""When a supervisor ends its run process: decided from facts, without a clock."""

from datetime import timedelta

import pytest

from agents import SHORT
from headrace.core import leases
from headrace.engine.supervisor import Watch, _words


def _watch(*, reschedules: bool = False, timeout: float | None = None) -> Watch:
    return Watch(timing=SHORT, reschedules=reschedules, timeout=timeout, started_at=100.0, renewed_at=100.0)


DEADLINE = leases.runner_deadline(100.0, SHORT)


def test_the_times_of_these_tests_are_safe() -> None:
    SHORT.check()


def test_a_run_that_may_not_repeat_goes_on_through_an_outage() -> None:
    watch = _watch()
    assert watch.reason_to_end(1e9) == ""
    assert watch.next_at() is None


def test_a_run_that_may_repeat_ends_at_its_deadline() -> None:
    watch = _watch(reschedules=True)
    assert watch.next_at() == DEADLINE
    assert watch.reason_to_end(DEADLINE - 0.01) == ""
    assert "lease" in watch.reason_to_end(DEADLINE)


def test_the_deadline_counts_from_the_last_renewal_that_was_sent() -> None:
    watch = _watch(reschedules=True)
    watch.renewed_at = 101.5
    assert watch.reason_to_end(DEADLINE + 1.4) == ""
    assert watch.reason_to_end(DEADLINE + 1.5)


def test_before_the_start_there_is_no_deadline() -> None:
    watch = _watch(reschedules=True, timeout=1)
    watch.started_at = watch.renewed_at = None
    assert watch.reason_to_end(1e9) == ""
    assert watch.next_at() is None


def test_a_timeout_ends_any_run() -> None:
    watch = _watch(timeout=5)
    assert watch.next_at() == 105.0
    assert "timeout" in watch.reason_to_end(105.0)
    assert watch.timed_out(105.0)


def test_a_run_that_has_reported_is_left_alone() -> None:
    watch = _watch(reschedules=True, timeout=5)
    watch.reported = True
    assert watch.reason_to_end(1e9) == ""


def test_ending_leaves_time_and_then_kills_within_the_kill_time() -> None:
    watch = _watch(reschedules=True)
    watch.end("first", 200.0)
    assert watch.kill_at is not None
    assert 200.0 < watch.kill_at < 200.0 + SHORT.kill / timedelta(seconds=1)
    assert watch.next_at() == watch.kill_at
    watch.end("second", 201.0)
    assert watch.ending == "first"
    assert watch.kill_at < 202.0
    assert watch.reason_to_end(1e9) == ""


@pytest.mark.parametrize(
    ("code", "ending", "words"),
    [
        (1, "", "ended with exit code 1."),
        (-9, "", "SIGKILL. If nobody killed it, the machine may have run out of memory."),
        (-11, "", "SIGSEGV"),
        (-9, "it was cancelled", "SIGKILL because it was cancelled."),
    ],
)
def test_an_exit_is_told_in_words(code: int, ending: str, words: str) -> None:
    assert words in _words(code, ending)
