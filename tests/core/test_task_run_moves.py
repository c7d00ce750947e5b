"""Which moves of a task run are made, as its process reports them."""

import pytest

from headrace.core import transitions
from headrace.core.states import State, StateType
from headrace.core.transitions import (
    Accept,
    Reject,
    Transition,
    Unchanged,
    decide,
)
from transition_cases import LATER, NOW, R, U, state


def report(before, after, **facts):
    usual = {"fence": 3, "current_fence": 3, "flow_run": StateType.RUNNING, "actor": R}
    t = Transition(current=state(before) if before else None, proposed=after, now=NOW, **{**usual, **facts})
    return decide(t, transitions.TASK_RUN_RULES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "Scheduled Pending"),
        (None, "Success Skipped"),
        (None, "Failed TriggerFailed"),
        ("Scheduled Pending", "Running"),
        ("Scheduled Pending", "Running Mapped"),
        ("Scheduled Pending", "Success Cached"),
        ("Scheduled Pending", "Paused"),
        ("Scheduled Pending", "Cancelled"),
        ("Scheduled Retrying", "Running"),
        ("Running", "Success"),
        ("Running", "Failed TimedOut"),
        ("Running", "Paused"),
        ("Running Mapped", "Success"),
        ("Paused", "Running"),
    ],
)
def test_a_task_moves_as_its_process_reports(before, after):
    assert report(before, state(after)) == Accept(state(after))


def test_a_task_retries_at_a_time():
    assert report("Running", state("Scheduled Retrying", LATER)) == Accept(state("Scheduled Retrying", LATER))
    assert report("Running", state("Scheduled Retrying")).code == "time_missing"
    assert report("Success", state("Scheduled Retrying"), state_fence=2).code == "time_missing"


@pytest.mark.parametrize(
    ("before", "after", "facts", "code"),
    [
        ("Running", "Success", {"actor": U}, "not_allowed"),
        ("Running", "Success", {"fence": 2}, "superseded"),
        ("Running", "Success", {"fence": None}, "superseded"),
        ("Running", "Success", {"flow_run": StateType.CRASHED}, "not_running"),
        ("Running", "Success", {"flow_run": None}, "not_running"),
        ("Running", "Crashed", {}, "unknown_name"),
        (None, "Submitted", {}, "unknown_name"),
        ("Running", "Scheduled AwaitingRetry", {}, "unknown_name"),
        ("Success", "Failed", {}, "finished"),
        ("Failed", "Running", {"state_fence": 3}, "finished"),
        ("Paused", "Paused", {"proposed_message": "other"}, "not_allowed"),
    ],
)
def test_any_other_report_is_refused(before, after, facts, code):
    proposed = state(after)
    if message := facts.pop("proposed_message", None):
        proposed = State(proposed.type, proposed.name, proposed.at, message)
    verdict = report(before, proposed, **facts)
    assert isinstance(verdict, Reject), verdict
    assert verdict.code == code


def test_a_repeated_report_changes_nothing():
    assert isinstance(report("Success", state("Success")), Unchanged)


@pytest.mark.parametrize("before", ["Success", "Failed", "Running", "Paused"])
def test_a_new_attempt_sets_its_tasks_again(before):
    assert report(before, state("Running"), state_fence=2) == Accept(state("Running"))


def test_a_cancelling_run_still_says_what_became_of_its_tasks():
    assert report("Running", state("Cancelled"), flow_run=StateType.CANCELLING) == Accept(state("Cancelled"))
