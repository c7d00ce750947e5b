"""`headrace pause`, `resume`, and what is done with runs one by one and together."""

import msgspec
import pytest
from lifecycles import Life

from cli_runner import Runner
from headrace.core.states import StateType
from http_client import Http


@pytest.fixture
def life(http: Http) -> Life:
    return Life(http.server)


def test_R9_a_run_is_paused_approved_and_rejected(life: Life, headrace: Runner) -> None:
    held = life.running()
    done = headrace("pause", held.name, "--comment", "wait", "--for", "60")
    assert (done.status, done.err) == (0, f"{held.name} is Running, and pauses after its running tasks\n")
    life.finish(held, StateType.PAUSED)
    shown = headrace("runs", "show", held.name)
    assert "paused by administrator: wait" in shown.out
    assert "until" in shown.out
    done = headrace("runs", "approve", held.name, "--comment", "go")
    assert (done.status, done.err) == (0, f"{held.name} is Resumed\n")
    again = life.claim()
    assert again is not None
    life.start(again)
    life.finish(again, StateType.PAUSED, message="waits for an approval")
    done = headrace("runs", "reject", held.name, "--comment", "no")
    assert (done.status, done.err) == (0, f"{held.name} is Cancelled\n")


def test_R10_a_run_is_marked_with_a_reason(life: Life, headrace: Runner) -> None:
    held = life.running()
    life.finish(held, StateType.FAILED, code="task_failed", message="no")
    assert headrace("runs", "mark", held.name, "success").status == 2, "a reason is needed"
    assert headrace("runs", "mark", held.name, "perfect", "--reason", "x").status == 2
    done = headrace("runs", "mark", held.name, "success", "--reason", "the numbers are right")
    assert (done.status, done.err) == (0, f"{held.name} is Failed, marked as Success\n")
    shown = headrace("runs", "show", held.name)
    assert "Success by administrator: the numbers are right" in shown.out


def test_R9_many_are_counted_then_cancelled(life: Life, headrace: Runner) -> None:
    life.running()
    waiting = [life.create() for _ in range(3)]
    asked = headrace("runs", "cancel", "--flow", "sales/daily", typed="n\n")
    assert asked.status == 130
    assert "cancel 4 runs (3 Scheduled, 1 Running)?" in asked.err + asked.out
    assert life.read(waiting[0].id).state.type is StateType.SCHEDULED
    done = headrace(
        "runs", "cancel", "--flow", "sales/daily", "--state", "Scheduled", "--reason", "old", "--yes"
    )
    assert (done.status, done.err) == (0, "cancel: done with 3 of 3 runs\n")
    assert life.read(waiting[0].id).state.message == "old"
    done = headrace("runs", "cancel", "--flow", "sales/daily", "--state", "Scheduled", "--yes")
    assert (done.status, done.err) == (0, "there is no run to cancel\n")


def test_without_a_condition_nothing_is_done(life: Life, headrace: Runner) -> None:
    run = life.create()
    assert headrace("runs", "cancel", "--yes").status == 2
    assert life.read(run.id).state.type is StateType.SCHEDULED


def test_R10_what_failed_is_run_again_together(life: Life, headrace: Runner) -> None:
    for _ in range(2):
        life.finish(life.running(), StateType.FAILED, code="task_failed", message="no")
    done = headrace("runs", "rerun", "--code", "task_failed", "--yes", "-o", "json")
    assert done.status == 0, done.err
    found = msgspec.json.decode(done.out)
    assert (found["done"], len(found["made"])) == (2, 2)


def test_finished_runs_are_deleted(life: Life, headrace: Runner) -> None:
    held = life.running()
    done = headrace("runs", "delete", held.name, "--yes")
    assert (done.status, "cancel it before" in done.err) == (5, True)
    life.finish(held)
    assert headrace("runs", "delete", held.name, typed="n\n").status == 130
    assert headrace("runs", "delete", held.name, typed="y\n").status == 0
    assert headrace("runs", "show", held.name).status == 3
    life.finish(life.running())
    done = headrace("runs", "delete", "--flow", "sales/daily", "--yes")
    assert (done.status, done.err) == (0, "delete: done with 1 of 1 runs\n")


def test_H2_a_flow_says_when_its_runs_are_late(life: Life, headrace: Runner) -> None:
    done = headrace(
        "flow", "set", "sales/daily", "--late-after", "60", "--cancel-late", "3600", "--lost-after", "300"
    )
    assert done.status == 0, done.err
    shown = headrace("flow", "show", "sales/daily", "-o", "json")
    found = msgspec.json.decode(shown.out)
    times = [found[name] for name in ("late_after_seconds", "cancel_late_seconds", "lost_after_seconds")]
    assert times == [60, 3600, 300]
