"""The facts about a proposed move, the verdicts on it, and what a rule is. The rules are in `transitions.py`."""

import enum
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from headrace.core.moves import Actor
from headrace.core.states import State, StateType

#: How often a run that was lost is started again by the system.
RESCUES = 3
#: A run that lacks a slot is set aside until one is freed; somebody looks again after so long, whatever is told.
SLOT_BACK_OFF = timedelta(seconds=1)


class OnLost(enum.StrEnum):
    """What becomes of a run whose process was lost: ended (at most once), or started again (at least once)."""

    CRASH = "crash"
    RESCHEDULE = "reschedule"


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one proposed move, as they are when it would be made. What is not stated counts against a move."""

    #: None: the run is being made.
    current: State | None
    proposed: State
    actor: Actor
    #: The database's time of the transaction.
    now: datetime
    due_at: datetime | None = None
    #: The fence that an agent or a run process sent, and the run's own.
    fence: int | None = None
    current_fence: int = 0
    #: Task runs: the fence under which the current state was reported; None: the run's own.
    state_fence: int | None = None
    #: Task runs: the type of the flow run's state.
    flow_run: StateType | None = None
    #: Creation: the idempotency key, or the schedule's tick, already belongs to a run.
    key_used: bool = False
    #: Claim: what the agent lacks, in words; the switch that is off, in words; whether all slots could be taken.
    mismatch: str | None = None
    paused: str | None = None
    slots_free: bool = False
    #: Start: the run token was this run's, and the hash that the process computed is the one registered.
    token_valid: bool = False
    content_matches: bool = False
    #: The agent saw the process end without a final report.
    exit_seen: bool = False
    #: `leases.py` answers these at the time the move would be made, not when the reaper looked.
    lease_over: bool = False
    lease_and_grace_over: bool = False
    contact_lost: bool = False
    on_lost: OnLost = OnLost.CRASH
    rescues: int = 0
    retries_used: int = 0
    retries_allowed: int = 0
    retry_delay: timedelta = timedelta(0)
    #: When a pause ends, or when the server ends a run that has not kept its time-out.
    times_out_at: datetime | None = None
    #: The database has gone back to an earlier state: whether the run was executed since is not known.
    may_have_run: bool = False
    #: "Marked as": a person overrules the run. `mark_reason` is theirs.
    mark: bool = False
    mark_reason: str = ""

    @property
    def before(self) -> StateType | None:
        return None if self.current is None else self.current.type

    @property
    def after(self) -> StateType:
        return self.proposed.type

    @property
    def would_repeat(self) -> bool:
        """Starting it might be a second time, and its mode allows one."""
        return self.may_have_run and self.on_lost is OnLost.CRASH

    @property
    def may_be_rescued(self) -> bool:
        return self.rescues < RESCUES


class Accept(msgspec.Struct, frozen=True, tag="accept"):
    """Store this state: not always the one proposed."""

    state: State


class Unchanged(msgspec.Struct, frozen=True, tag="unchanged"):
    """There is nothing to do, and it is no error."""

    reason: str = ""


class Reject(msgspec.Struct, frozen=True, tag="reject"):
    """The move is refused. `superseded`: another attempt has taken over and this one must stop."""

    code: str
    reason: str


class Wait(msgspec.Struct, frozen=True, tag="wait"):
    """Not yet: ask again then, or (None) when something has changed."""

    until: datetime | None
    reason: str


Verdict = Accept | Unchanged | Reject | Wait


class Rule(msgspec.Struct, frozen=True):
    """A guard on some moves. Its name is the sentence it enforces."""

    before: frozenset[StateType | None]
    after: frozenset[StateType]
    judge: Callable[[Transition], Verdict | None]

    @property
    def sentence(self) -> str:
        return self.judge.__name__.replace("_", " ")

    @property
    def why(self) -> str:
        return " ".join((self.judge.__doc__ or "").split())


def rule(
    before: Iterable[StateType | None], after: Iterable[StateType]
) -> Callable[[Callable[[Transition], Verdict | None]], Rule]:
    """Makes a Rule for moves from one of these states (None: creation) to one of those."""
    return lambda judge: Rule(frozenset(before), frozenset(after), judge)
