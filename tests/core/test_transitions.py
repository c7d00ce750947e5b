import itertools
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core import moves, states, transitions
from headrace.core.states import State, StateType
from headrace.core.transitions import (
    Accept,
    Actor,
    Effect,
    OnLost,
    Reject,
    Transition,
    Unchanged,
    Wait,
    decide,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(minutes=5), NOW + timedelta(minutes=5)
U, S, A, R, W = Actor.USER, Actor.SCHEDULER, Actor.AGENT, Actor.RUN, Actor.REAPER

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "states.md"


def state(text, due_at=None):
    """Of "Failed", or of "Failed TimedOut" with a name."""
    kind, _, name = text.partition(" ")
    return State(StateType(kind), name or kind, EARLIER, "a message", due_at)


def ask(before, after, actor, **facts):
    """A move with all that usually speaks for it; `facts` say what is different."""
    usual = {
        "fence": 3 if actor in (A, R) else None,
        "current_fence": 3,
        "slots_free": True,
        "token_valid": True,
        "content_matches": True,
    }
    return Transition(
        current=state(before) if before else None,
        proposed=state(after),
        actor=actor,
        now=NOW,
        **{**usual, **facts},
    )


SWEPT = {"lease_over": True, "lease_and_grace_over": True}
AGAIN = {"on_lost": OnLost.RESCHEDULE}
MARK = {"mark": True, "mark_reason": "seen by hand"}

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
    ("Paused", "Failed", W, {"pause_ends_at": NOW}, "TimedOut"),
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
        ("Paused", "Failed", W, {"pause_ends_at": LATER}, LATER),
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
    pause_ends_at=st.sampled_from([None, EARLIER, LATER]),
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
    if t.actor is W and t.before is not StateType.PAUSED:
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
            (row, actor) for row in moves.found(moves.FLOW_RUN_MOVES, t.before, decide(t).state, mark=t.mark)
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


HELD = {StateType.SUBMITTED, StateType.RUNNING, StateType.CANCELLING}
FENCE = Effect.RAISE_FENCE


@pytest.mark.parametrize(
    ("before", "after", "has", "has_not"),
    [
        (
            "Scheduled",
            "Submitted",
            {FENCE, Effect.NEW_ATTEMPT, Effect.GRANT_LEASE, Effect.TAKE_SLOTS, Effect.ISSUE_TOKEN},
            set(),
        ),
        ("Scheduled", "Cancelled", {FENCE}, {Effect.FREE_SLOTS}),
        ("Submitted", "Submitted Starting", {Effect.RENEW_LEASE}, {FENCE}),
        ("Submitted", "Running", {Effect.RECORD_START, Effect.LEASE_TO_RUN}, {FENCE}),
        (
            "Submitted",
            "Scheduled Released",
            {FENCE, Effect.FREE_SLOTS, Effect.KILL_TOKEN},
            {Effect.COUNT_RESCUE},
        ),
        (
            "Submitted",
            "Scheduled Rescued",
            {FENCE, Effect.FREE_SLOTS, Effect.KILL_TOKEN, Effect.COUNT_RESCUE},
            set(),
        ),
        ("Submitted", "Crashed", {Effect.FREE_SLOTS}, {FENCE}),
        ("Submitted", "Cancelled", {FENCE, Effect.ORDER_TEAR_DOWN, Effect.FREE_SLOTS}, set()),
        ("Running", "Success", {Effect.FREE_SLOTS, Effect.OUTBOX}, {FENCE, Effect.ORDER_TEAR_DOWN}),
        ("Running", "Failed", {Effect.FREE_SLOTS, Effect.OUTBOX}, {FENCE}),
        (
            "Running",
            "Scheduled AwaitingRetry",
            {Effect.COUNT_RETRY, Effect.FREE_SLOTS},
            {Effect.COUNT_RESCUE},
        ),
        ("Running", "Crashed", {Effect.FREE_SLOTS, FENCE}, set()),
        ("Running", "Scheduled Rescued", {FENCE, Effect.COUNT_RESCUE, Effect.FREE_SLOTS}, set()),
        ("Running", "Paused", {Effect.FREE_SLOTS, Effect.END_LEASE}, set()),
        ("Paused", "Scheduled Resumed", {Effect.WAKE_DISPATCH}, set()),
        ("Paused", "Cancelled", {FENCE}, set()),
        ("Paused", "Failed TimedOut", {FENCE}, set()),
        ("Running", "Cancelling", {Effect.ORDER_CANCEL}, {FENCE, Effect.FREE_SLOTS}),
        ("Cancelling", "Cancelled", {Effect.FREE_SLOTS}, set()),
        ("Cancelling", "Success", {Effect.FREE_SLOTS, Effect.OUTBOX}, set()),
    ],
)
def test_a_move_does_what_the_table_says(before, after, has, has_not):
    found = transitions.effects(state(before), state(after))
    assert has <= found
    assert not has_not & found


def test_a_new_run_wakes_the_agents():
    assert transitions.effects(None, state("Scheduled")) == {Effect.WAKE_DISPATCH}


@pytest.mark.parametrize("before", ["Scheduled", "Submitted", "Running", "Paused", "Cancelling"])
def test_a_mark_fences_and_tears_down_what_runs(before):
    found = transitions.effects(state(before), state("Failed"), marked=True)
    assert FENCE in found
    assert (Effect.ORDER_TEAR_DOWN in found) == (StateType(before) in HELD)


@pytest.mark.parametrize(
    "row", moves.FLOW_RUN_MOVES, ids=lambda row: f"{row.before} to {row.after} {row.name or ''}"
)
def test_slots_are_held_exactly_in_the_states_that_hold_them(row):
    takes, frees = Effect.TAKE_SLOTS in row.effects, Effect.FREE_SLOTS in row.effects
    assert takes == (row.before not in HELD and row.after in HELD)
    assert frees == (row.before in HELD and row.after not in HELD)
    assert frees <= (Effect.WAKE_DISPATCH in row.effects)
    assert (Effect.OUTBOX in row.effects) == row.after.is_finished


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
