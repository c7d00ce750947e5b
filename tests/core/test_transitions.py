"""Which moves of a flow run are made, refused or held back; with the state machine's promises and its reference."""

import itertools
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core import moves, states, transitions
from headrace.core.states import State, StateType
from headrace.core.transitions import (
    Accept,
    Actor,
    OnLost,
    Reject,
    Transition,
    Unchanged,
    Wait,
    decide,
)
from transition_cases import AGAIN, EARLIER, LATER, MARK, NOW, SWEPT, A, R, S, U, W, ask, state

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "states.md"

#: Every row of the table in the design: what is asked, what becomes of it.
ROWS = [
    (None, "Scheduled", U, {}, "Scheduled"),
    (None, "Scheduled", S, {}, "Scheduled"),
    (None, "Scheduled", R, {}, "Scheduled"),
    ("Scheduled", "Submitted", A, {"fence": None}, "Submitted"),
    ("Scheduled", "Submitted", A, {"fence": None, "due_at": NOW}, "Submitted"),
    ("Scheduled", "Cancelled", U, {}, "Cancelled"),
    ("Scheduled", "Cancelled", S, {}, "Cancelled"),
    ("Scheduled", "Cancelling", U, {}, "Cancelled"),
    ("Submitted", "Submitted PullingImage", A, {}, "PullingImage"),
    ("Submitted PullingImage", "Submitted Starting", A, {}, "Starting"),
    ("Submitted Starting", "Running", R, {}, "Running"),
    ("Submitted", "Scheduled", A, {}, "Released"),
    ("Submitted", "Scheduled", W, SWEPT, "Rescued"),
    ("Submitted", "Crashed", W, SWEPT, "Rescued"),
    ("Submitted", "Scheduled", W, {"lease_over": True, "rescues": 2}, "Rescued"),
    ("Submitted", "Scheduled", W, {"lease_over": True, "rescues": 3}, "Lost"),
    ("Submitted", "Crashed", W, {"lease_over": True, "rescues": 3}, "Lost"),
    ("Submitted", "Crashed", W, {"may_have_run": True}, "Lost"),
    ("Scheduled", "Crashed", W, {"may_have_run": True}, "Lost"),
    ("Submitted", "Crashed LaunchFailed", A, {}, "LaunchFailed"),
    ("Submitted", "Crashed", A, {"exit_seen": True}, "Crashed"),
    ("Submitted", "Crashed", A, {"exit_seen": True, **AGAIN}, "Rescued"),
    ("Submitted", "Cancelled", U, {}, "Cancelled"),
    ("Submitted", "Cancelling", U, {}, "Cancelled"),
    ("Running", "Success", R, {}, "Success"),
    ("Running", "Failed", R, {}, "Failed"),
    ("Running", "Failed TimedOut", R, {}, "TimedOut"),
    ("Running", "Failed", R, {"retries_used": 1, "retries_allowed": 2}, "AwaitingRetry"),
    ("Running", "Failed", R, {"retries_used": 2, "retries_allowed": 2}, "Failed"),
    ("Running", "Crashed", A, {"exit_seen": True}, "Crashed"),
    ("Running", "Crashed", A, {"exit_seen": True, **AGAIN}, "Rescued"),
    ("Running", "Crashed", A, {"exit_seen": True, **AGAIN, "rescues": 3}, "Crashed"),
    ("Running", "Crashed ContentMismatch", A, {"exit_seen": True, **AGAIN}, "ContentMismatch"),
    ("Running", "Crashed", W, {**SWEPT, "contact_lost": True}, "Lost"),
    ("Running", "Scheduled", W, {**SWEPT, "contact_lost": True}, "Lost"),
    ("Running", "Scheduled", W, {**SWEPT, **AGAIN, "rescues": 2}, "Rescued"),
    ("Running", "Crashed", W, {**SWEPT, **AGAIN}, "Rescued"),
    ("Running", "Scheduled", W, {**SWEPT, **AGAIN, "rescues": 3}, "Lost"),
    ("Running", "Paused", R, {}, "Paused"),
    ("Paused", "Scheduled", U, {}, "Resumed"),
    ("Paused", "Cancelled", U, {}, "Cancelled"),
    ("Paused", "Cancelling", U, {}, "Cancelled"),
    ("Paused", "Failed", W, {"times_out_at": NOW}, "TimedOut"),
    ("Running", "Failed", W, {"times_out_at": NOW}, "TimedOut"),
    ("Running", "Cancelling", U, {}, "Cancelling"),
    ("Running", "Cancelled", U, {}, "Cancelling"),
    ("Cancelling", "Cancelled", R, {}, "Cancelled"),
    ("Cancelling", "Cancelled", A, {}, "Cancelled"),
    ("Cancelling", "Cancelled", W, SWEPT, "Cancelled"),
    ("Cancelling", "Success", R, {}, "Success"),
    ("Cancelling", "Failed", R, {"retries_allowed": 3}, "Failed"),
    *(
        (before, after, U, {**MARK, "retries_allowed": 3}, after)
        for before in ("Scheduled", "Submitted", "Running", "Paused", "Cancelling")
        for after in ("Success", "Failed")
    ),
]


@pytest.mark.parametrize(("before", "after", "actor", "facts", "name"), ROWS)
def test_a_move_of_the_table_is_made(before, after, actor, facts, name):
    verdict = decide(ask(before, after, actor, **facts))
    assert isinstance(verdict, Accept), verdict
    assert verdict.state.name == name
    assert verdict.state.type == next(kind for kind, names in states.NAMES.items() if name in names)
    assert verdict.state.message == "a message"


@pytest.mark.parametrize(
    ("before", "after", "actor", "facts", "code"),
    [
        ("Scheduled", "Running", R, {}, "not_allowed"),
        ("Scheduled", "Submitted", A, {"fence": None, "mismatch": "lacks gpu"}, "no_match"),
        ("Scheduled", "Success", U, {}, "not_allowed"),
        ("Scheduled", "Success", U, {"mark": True, "mark_reason": " "}, "reason_missing"),
        ("Scheduled", "Success", S, MARK, "not_allowed"),
        ("Running", "Success", R, MARK, "not_allowed"),
        ("Submitted", "Submitted", A, {"fence": None}, "superseded"),
        ("Submitted", "Submitted", A, {"fence": 2}, "superseded"),
        ("Submitted", "Submitted", A, {"fence": 4}, "superseded"),
        ("Submitted Starting", "Submitted SettingUp", A, {}, "backwards"),
        ("Submitted", "Submitted Nonsense", A, {}, "unknown_name"),
        ("Submitted", "Running", A, {}, "not_allowed"),
        ("Submitted", "Running", U, {}, "not_allowed"),
        ("Submitted", "Running", R, {"token_valid": False}, "token"),
        ("Submitted", "Running", R, {"content_matches": False}, "content_mismatch"),
        ("Submitted", "Running", R, {"fence": 2}, "superseded"),
        ("Submitted", "Scheduled", R, {}, "not_allowed"),
        ("Submitted", "Scheduled", W, {}, "lease_alive"),
        ("Submitted", "Crashed", W, {"rescues": 3}, "lease_alive"),
        ("Scheduled", "Crashed", W, {}, "not_lost"),
        ("Scheduled", "Crashed", W, {"may_have_run": True, **AGAIN}, "not_lost"),
        ("Running", "Success", R, {"fence": 2}, "superseded"),
        ("Running", "Success", A, {}, "not_allowed"),
        ("Running", "Scheduled", R, {"retries_allowed": 3}, "not_allowed"),
        ("Running", "Scheduled", A, {}, "not_allowed"),
        ("Running", "Scheduled", U, {}, "not_allowed"),
        ("Running", "Crashed", A, {}, "not_allowed"),
        ("Running", "Crashed", R, {}, "not_allowed"),
        ("Running", "Crashed", W, {"contact_lost": True}, "lease_alive"),
        ("Running", "Crashed", W, SWEPT, "not_lost"),
        ("Running", "Scheduled", W, SWEPT, "not_lost"),
        ("Running", "Scheduled", W, {"lease_over": True, **AGAIN}, "not_lost"),
        ("Running", "Scheduled", W, {"lease_over": True, "contact_lost": True, **AGAIN}, "not_lost"),
        ("Running", "Paused", U, {}, "not_allowed"),
        ("Paused", "Scheduled", R, {}, "not_allowed"),
        ("Paused", "Running", R, {}, "not_allowed"),
        ("Paused", "Failed", W, {}, "not_allowed"),
        ("Running", "Failed", W, {}, "not_allowed"),
        ("Running", "Failed", W, {"times_out_at": NOW, "lease_over": True}, "not_allowed"),
        ("Cancelling", "Cancelled", W, {"lease_over": True}, "not_lost"),
        ("Cancelling", "Crashed", A, {"exit_seen": True}, "not_allowed"),
        ("Cancelling", "Scheduled", U, {}, "not_allowed"),
        ("Success", "Failed", R, {}, "finished"),
        ("Crashed", "Success", R, {}, "finished"),
        ("Crashed", "Success", R, {"fence": 2}, "superseded"),
        ("Cancelled", "Running", R, {}, "finished"),
        ("Failed", "Cancelling", U, {}, "finished"),
        (None, "Running", R, {}, "not_allowed"),
        (None, "Scheduled", A, {}, "not_allowed"),
        (None, "Scheduled Rescued", U, {}, "not_allowed"),
    ],
)
def test_any_other_move_is_refused_with_a_code(before, after, actor, facts, code):
    verdict = decide(ask(before, after, actor, **facts))
    assert isinstance(verdict, Reject), verdict
    assert verdict.code == code
    assert verdict.reason


@pytest.mark.parametrize(
    ("before", "after", "actor", "facts"),
    [
        (None, "Scheduled", U, {"key_used": True}),
        ("Running", "Running", R, {}),
        ("Submitted PullingImage", "Submitted PullingImage", A, {}),
        ("Success", "Success", R, {}),
        ("Cancelled", "Cancelled", U, {}),
        ("Cancelling", "Cancelling", U, {}),
        ("Cancelling", "Cancelled", U, {}),
        ("Scheduled Resumed", "Scheduled Resumed", U, {}),
        ("Success", "Failed", U, MARK),
        ("Crashed", "Success", U, MARK),
    ],
)
def test_asking_again_is_no_error(before, after, actor, facts):
    assert isinstance(decide(ask(before, after, actor, **facts)), Unchanged)


@pytest.mark.parametrize(
    ("before", "after", "actor", "facts", "until"),
    [
        ("Scheduled", "Submitted", A, {"fence": None, "due_at": LATER}, LATER),
        ("Submitted", "Running", R, {"due_at": LATER}, LATER),
        ("Scheduled", "Submitted", A, {"fence": None, "paused": "the flow is paused"}, None),
        ("Scheduled", "Submitted", A, {"fence": None, "slots_free": False}, NOW + transitions.SLOT_BACK_OFF),
        ("Paused", "Failed", W, {"times_out_at": LATER}, LATER),
    ],
)
def test_what_comes_too_early_waits(before, after, actor, facts, until):
    verdict = decide(ask(before, after, actor, **facts))
    assert isinstance(verdict, Wait), verdict
    assert verdict.until == until
    assert verdict.reason


def test_the_servers_time_is_recorded_and_not_the_agents():
    for before, after, actor, facts, _ in ROWS:
        verdict = decide(ask(before, after, actor, **facts))
        assert verdict.state.at == NOW


def test_a_retry_is_due_after_its_delay():
    delay = timedelta(minutes=7)
    verdict = decide(ask("Running", "Failed", R, retries_allowed=1, retry_delay=delay))
    assert verdict == Accept(State(StateType.SCHEDULED, "AwaitingRetry", NOW, "a message", NOW + delay))


def test_a_new_run_keeps_its_due_time_and_a_released_one_is_due_at_once():
    proposed = state("Scheduled", due_at=LATER)
    new = Transition(current=None, proposed=proposed, actor=U, now=NOW)
    assert decide(new).state.due_at == LATER
    released = Transition(
        current=state("Submitted"), proposed=proposed, actor=A, now=NOW, fence=1, current_fence=1
    )
    assert decide(released).state.due_at is None


def test_what_is_not_stated_counts_against_a_move():
    bare = {"actor": R, "now": NOW, "fence": 0}
    assert not isinstance(
        decide(Transition(current=state("Submitted"), proposed=state("Running"), **bare)), Accept
    )
    claim = Transition(current=state("Scheduled"), proposed=state("Submitted"), actor=A, now=NOW)
    assert not isinstance(decide(claim), Accept)


FLAGS = [name for name, field in Transition.__annotations__.items() if field is bool]
any_state = st.sampled_from(
    [State(kind, name, EARLIER) for kind, names in states.NAMES.items() for name in names]
)
any_transition = st.builds(
    Transition,
    current=st.none() | any_state,
    proposed=any_state,
    actor=st.sampled_from(Actor),
    now=st.just(NOW),
    fence=st.sampled_from([None, 2, 3, 4]),
    current_fence=st.just(3),
    state_fence=st.sampled_from([None, 2, 3]),
    flow_run=st.none() | st.sampled_from(StateType),
    due_at=st.sampled_from([None, EARLIER, LATER]),
    mismatch=st.sampled_from([None, "lacks gpu"]),
    paused=st.sampled_from([None, "paused"]),
    on_lost=st.sampled_from(OnLost),
    rescues=st.integers(0, 4),
    retries_used=st.integers(0, 2),
    retries_allowed=st.integers(0, 2),
    times_out_at=st.sampled_from([None, EARLIER, LATER]),
    mark_reason=st.sampled_from(["", "why"]),
    **{name: st.booleans() for name in FLAGS},
)


@settings(max_examples=600, deadline=None)
@given(any_transition)
def test_no_accepted_move_of_a_flow_run_breaks_a_promise(t):
    verdict = decide(t)
    if not isinstance(verdict, Accept):
        return
    after = verdict.state
    assert t.current is None or not t.current.is_finished
    claim = t.before is StateType.SCHEDULED and after.type is StateType.SUBMITTED
    if t.actor in (A, R) and t.current is not None and not claim:
        assert t.fence == t.current_fence
    rows = [
        row
        for mark in {t.mark, False}
        for row in moves.found(moves.FLOW_RUN_MOVES, t.before, after, mark=mark)
    ]
    assert any(t.actor in row.actors for row in rows)
    if t.actor is W and after.name == "TimedOut":
        assert t.times_out_at in (NOW, EARLIER)
        assert t.before is StateType.PAUSED or not t.lease_over
    elif t.actor is W and not t.may_have_run:
        assert t.lease_over
    if after.name == "Rescued":
        assert t.rescues < transitions.RESCUES
        assert t.before is StateType.SUBMITTED or t.on_lost is OnLost.RESCHEDULE
    if after.type is StateType.RUNNING:
        assert (t.actor, t.before) == (R, StateType.SUBMITTED)
        assert t.token_valid
        assert t.content_matches
        assert t.due_at != LATER
    assert after.name in states.NAMES[after.type]


@settings(max_examples=600, deadline=None)
@given(any_transition)
def test_no_accepted_move_of_a_task_run_breaks_a_promise(t):
    verdict = decide(t, transitions.TASK_RUN_RULES)
    if not isinstance(verdict, Accept):
        return
    assert t.actor is R
    assert t.fence == t.current_fence
    assert t.flow_run in (StateType.RUNNING, StateType.CANCELLING)
    assert verdict.state == t.proposed
    if t.current is not None and t.current.is_finished:
        assert t.state_fence == 2


def test_every_row_of_the_moves_can_happen():
    """What is in the table and what the rules accept is the same, name by name."""
    happened = set()
    for before, after, actor, facts, _ in ROWS:
        t = ask(before, after, actor, **facts)
        happened |= {
            (row, actor)
            for row in moves.found(moves.FLOW_RUN_MOVES, t.before, decide(t).state, mark=t.mark)
            if actor in row.actors
        }
    assert happened == {(row, actor) for row in moves.FLOW_RUN_MOVES for actor in row.actors}


def test_every_rule_is_asked():
    written = [thing for thing in vars(transitions).values() if isinstance(thing, transitions.Rule)]
    asked = transitions.FLOW_RUN_RULES + transitions.TASK_RUN_RULES
    assert sorted(rule.sentence for rule in written) == sorted(rule.sentence for rule in asked)
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(
    "rule", transitions.FLOW_RUN_RULES + transitions.TASK_RUN_RULES, ids=lambda rule: rule.sentence
)
def test_every_rule_says_why(rule):
    assert rule.why.endswith(".")


#: Taken away, each of these lets something through that the cases above refuse; the others only choose better words.
@pytest.mark.parametrize("rule", transitions.FLOW_RUN_RULES, ids=lambda rule: rule.sentence)
def test_every_rule_is_needed(rule):
    left = tuple(other for other in transitions.FLOW_RUN_RULES if other is not rule)
    cases = [mark for test in CASES for mark in test.pytestmark if mark.name == "parametrize"]
    asked = itertools.chain.from_iterable(
        ([ask(*row[:3], **row[3])] for row in mark.args[1]) for mark in cases
    )
    flat = [t for group in asked for t in group]
    assert any(decide(t, left) != decide(t) for t in flat)


CASES = (
    test_a_move_of_the_table_is_made,
    test_any_other_move_is_refused_with_a_code,
    test_asking_again_is_no_error,
    test_what_comes_too_early_waits,
)


def test_the_reference_is_printed_from_the_rules():
    command = [sys.executable, "-m", "headrace.core.transitions"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert REFERENCE.read_text(encoding="utf-8") == printed, (
        f"run: {' '.join(command[1:])} > docs/reference/states.md"
    )


def test_the_matrix_knows_who_moves_what():
    matrix = transitions.matrix()
    assert matrix[StateType.SUBMITTED, StateType.RUNNING] == {R}
    assert matrix[None, StateType.SCHEDULED] == {U, S, R}
    assert not any(before in states.FINISHED for before, _ in matrix)
