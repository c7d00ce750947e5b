"""What a move does beside the state: fences, leases, slots, tokens and orders."""

import pytest

from headrace.core import moves, transitions
from headrace.core.states import StateType
from headrace.core.transitions import Actor, Effect
from transition_cases import state

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


def test_a_time_out_that_the_server_has_to_keep_fences_and_tears_down_and_one_that_is_reported_does_not():
    reported, kept = (
        transitions.effects(state("Running"), state("Failed TimedOut"), actor)
        for actor in (Actor.RUN, Actor.REAPER)
    )
    assert kept - reported == {FENCE, Effect.ORDER_TEAR_DOWN}
    assert reported < kept


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
    assert row.after.is_finished <= (Effect.OUTBOX in row.effects)
