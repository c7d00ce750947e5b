"""The moves that runs may make, who makes each, and what has to happen in the same transaction: data, not code.

What is not in these tables is refused. `transitions.py` holds the rules that guard the moves.
"""

import enum

import msgspec

from headrace.core import states
from headrace.core.states import StateType


class Actor(enum.StrEnum):
    """Who proposes a move: somebody by UI, CLI or API; the scheduler; the agent that holds the claim; the run's own
    process; the reaper, which looks for what was left behind.
    """

    USER = "user"
    SCHEDULER = "scheduler"
    AGENT = "agent"
    RUN = "run"
    REAPER = "reaper"


class Effect(enum.StrEnum):
    """What a move changes besides the state, in the same transaction. The event is written with every move."""

    RAISE_FENCE = "raise the fence"
    NEW_ATTEMPT = "count an attempt"
    COUNT_RESCUE = "count a rescue"
    COUNT_RETRY = "count a retry"
    GRANT_LEASE = "grant the lease to the agent"
    RENEW_LEASE = "renew the lease"
    LEASE_TO_RUN = "give the lease to the run process"
    END_LEASE = "end the lease"
    TAKE_SLOTS = "take the slots"
    FREE_SLOTS = "free the slots"
    ISSUE_TOKEN = "issue the run token"  # noqa: S105 - a sentence, no secret
    KILL_TOKEN = "end the run token"  # noqa: S105 - a sentence, no secret
    RECORD_START = "record the start time"
    ORDER_CANCEL = "order the run to stop"
    ORDER_TEAR_DOWN = "order the agent to tear down"
    WAKE_DISPATCH = "wake waiting agents"
    OUTBOX = "write the outbox"


class Move(msgspec.Struct, frozen=True):
    """One row. `name` narrows it to one name of the state it leads to; a `mark` is a person's word against the run's."""

    before: StateType | None
    after: StateType
    actors: frozenset[Actor]
    when: str = ""
    effects: tuple[Effect, ...] = ()
    name: str | None = None
    mark: bool = False


def _by(*actors: Actor) -> frozenset[Actor]:
    return frozenset(actors)


_U, _S, _A, _R, _W = Actor.USER, Actor.SCHEDULER, Actor.AGENT, Actor.RUN, Actor.REAPER
_SCHEDULED, _SUBMITTED, _RUNNING = StateType.SCHEDULED, StateType.SUBMITTED, StateType.RUNNING
_PAUSED, _CANCELLING, _CANCELLED = StateType.PAUSED, StateType.CANCELLING, StateType.CANCELLED
_SUCCESS, _FAILED, _CRASHED = StateType.SUCCESS, StateType.FAILED, StateType.CRASHED

#: What every move out of the hands of a holder does.
_LET_GO = (Effect.FREE_SLOTS, Effect.KILL_TOKEN, Effect.END_LEASE, Effect.WAKE_DISPATCH)
_ENDED = (*_LET_GO, Effect.OUTBOX)
_FENCED = (Effect.RAISE_FENCE, *_LET_GO)
_FENCED_AND_ENDED = (Effect.RAISE_FENCE, *_ENDED)
_CLAIMED = (Effect.RAISE_FENCE, Effect.NEW_ATTEMPT, Effect.GRANT_LEASE, Effect.TAKE_SLOTS, Effect.ISSUE_TOKEN)
_UNHELD = (Effect.RAISE_FENCE, Effect.OUTBOX)
_RESCUED = (*_FENCED, Effect.COUNT_RESCUE, Effect.OUTBOX)
_TORN_DOWN = (*_FENCED_AND_ENDED, Effect.ORDER_TEAR_DOWN)

_MARKS = tuple(
    Move(
        before,
        after,
        _by(_U),
        "marked as, with a reason",
        _TORN_DOWN if before in (_SUBMITTED, _RUNNING, _CANCELLING) else _UNHELD,
        mark=True,
    )
    for before in (_SCHEDULED, _SUBMITTED, _RUNNING, _PAUSED, _CANCELLING)
    for after in (_SUCCESS, _FAILED)
)

FLOW_RUN_MOVES: tuple[Move, ...] = (
    Move(
        *(None, _SCHEDULED, _by(_U, _S, _R), "idempotency key or clock tick unused"),
        (Effect.WAKE_DISPATCH,),
        name="Scheduled",
    ),
    Move(_SCHEDULED, _SUBMITTED, _by(_A), "claim: due, labels match, slots free, not paused", _CLAIMED),
    Move(
        _SCHEDULED,
        _CANCELLED,
        _by(_U, _S),
        "the scheduler's: its schedule was paused or edited, or a limit is full that cancels",
        _UNHELD,
    ),
    Move(
        *(_SCHEDULED, _CRASHED, _by(_W), "the database was restored, the run was due, and its mode is crash"),
        _UNHELD,
    ),
    Move(_SUBMITTED, _SUBMITTED, _by(_A), "fence; forward names only", (Effect.RENEW_LEASE,)),
    Move(
        *(_SUBMITTED, _RUNNING, _by(_R), "start: due, fence, token, content hash echoed"),
        (Effect.RECORD_START, Effect.LEASE_TO_RUN, Effect.OUTBOX),
    ),
    Move(_SUBMITTED, _SCHEDULED, _by(_A), "release: fence", _FENCED, name="Released"),
    Move(
        *(_SUBMITTED, _SCHEDULED, _by(_A, _W)),
        "rescues < 3; lease over, or the agent saw the exit and the mode is reschedule",
        _RESCUED,
        name="Rescued",
    ),
    Move(_SUBMITTED, _CRASHED, _by(_A, _W), "launch failed: fence; or lease over and no rescue left", _ENDED),
    Move(_SUBMITTED, _CANCELLED, _by(_U), "", _TORN_DOWN),
    Move(_RUNNING, _SUCCESS, _by(_R), "fence", _ENDED),
    Move(_RUNNING, _FAILED, _by(_R), "fence, no retry left", _ENDED),
    Move(
        *(_RUNNING, _SCHEDULED, _by(_R), "fence; reported as Failed with retries left, due after the delay"),
        (*_LET_GO, Effect.COUNT_RETRY, Effect.OUTBOX),
        name="AwaitingRetry",
    ),
    Move(
        *(_RUNNING, _CRASHED, _by(_A, _W)),
        "exit seen: fence; or contact lost (mode crash), or no rescue left",
        _FENCED_AND_ENDED,
    ),
    Move(
        *(_RUNNING, _SCHEDULED, _by(_A, _W)),
        "mode reschedule, rescues < 3; lease and grace over, or the agent saw the exit",
        _RESCUED,
        name="Rescued",
    ),
    Move(
        _RUNNING,
        _FAILED,
        _by(_W),
        "its time-out was over a while ago, and its lease is alive",
        _TORN_DOWN,
        name="TimedOut",
    ),
    Move(_RUNNING, _PAUSED, _by(_R), "fence", _ENDED),
    Move(_PAUSED, _SCHEDULED, _by(_U), "", (Effect.WAKE_DISPATCH, Effect.OUTBOX), name="Resumed"),
    Move(_PAUSED, _CANCELLED, _by(_U), "", _UNHELD),
    Move(_PAUSED, _FAILED, _by(_W), "the pause has timed out", _UNHELD, name="TimedOut"),
    Move(_RUNNING, _CANCELLING, _by(_U), "", (Effect.ORDER_CANCEL, Effect.OUTBOX)),
    Move(_CANCELLING, _CANCELLED, _by(_R, _A, _W), "fence; the reaper's: lease and grace over", _ENDED),
    Move(_CANCELLING, _SUCCESS, _by(_R), "fence; it finished first", _ENDED),
    Move(_CANCELLING, _FAILED, _by(_R), "fence; it finished first", _ENDED),
    *_MARKS,
)

_TASK_ENDS = (_SUCCESS, _FAILED, _CANCELLED)

#: A task run that an earlier attempt left behind starts again from the row of None.
TASK_RUN_MOVES: tuple[Move, ...] = tuple(
    Move(before, after, _by(_R))
    for before, afters in (
        (None, (_SCHEDULED, _RUNNING, _PAUSED, *_TASK_ENDS)),
        (_SCHEDULED, (_SCHEDULED, _RUNNING, _PAUSED, *_TASK_ENDS)),
        (_RUNNING, (_SCHEDULED, _RUNNING, _PAUSED, *_TASK_ENDS)),
        (_PAUSED, (_SCHEDULED, _RUNNING, *_TASK_ENDS)),
    )
    for after in afters
)

#: The names that task runs have, of those in `states.NAMES`.
TASK_RUN_NAMES: dict[StateType, tuple[str, ...]] = {
    _SCHEDULED: ("Pending", "Scheduled", "Retrying", "Resumed"),
    _RUNNING: states.NAMES[_RUNNING],
    _PAUSED: states.NAMES[_PAUSED],
    _SUCCESS: states.NAMES[_SUCCESS],
    _FAILED: states.NAMES[_FAILED],
    _CANCELLED: states.NAMES[_CANCELLED],
}


def found(
    moves: tuple[Move, ...], before: StateType | None, after: states.State, *, mark: bool = False
) -> tuple[Move, ...]:
    """The rows for a move, whoever makes it; none when it is not allowed."""
    return tuple(
        move
        for move in moves
        if move.before == before
        and move.after == after.type
        and move.name in (None, after.name)
        and move.mark == mark
    )


def effects(
    before: states.State | None, after: states.State, actor: Actor | None = None, *, marked: bool = False
) -> frozenset[Effect]:
    """What a flow run's move from one state to another changes in the same transaction; `marked`: a person's mark.

    Without an actor: all that anybody's move changes.
    """
    kind = None if before is None else before.type
    return frozenset(
        effect
        for move in found(FLOW_RUN_MOVES, kind, after, mark=marked)
        for effect in move.effects
        if actor is None or actor in move.actors
    )
