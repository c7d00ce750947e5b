"""Moves as the tests of the state machine write them: in few words, with all that usually speaks for each."""

from datetime import UTC, datetime, timedelta

from headrace.core.states import State, StateType
from headrace.core.transitions import (
    Actor,
    OnLost,
    Transition,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(minutes=5), NOW + timedelta(minutes=5)
U, S, A, R, W = Actor.USER, Actor.SCHEDULER, Actor.AGENT, Actor.RUN, Actor.REAPER


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
