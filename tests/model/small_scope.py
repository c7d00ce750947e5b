"""One run, two agents with a process each, two reapers: every order of their steps, over the pure rules and leases.

A state is what the database holds and what everybody remembers; times are seconds from now, so that the same situation at
another time is the same state. Time passes by a tick of five seconds or by lease and grace at once; a process whose
deadline is over dies as late as it may.
"""

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from headrace.core import leases, transitions
from headrace.core.moves import Actor, Effect
from headrace.core.states import FINISHED, State, StateType
from headrace.core.transitions import OnLost

TIMING = leases.Timing()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RETRIES = 1
LOST_AFTER = timedelta(seconds=40)
TICK, LONG = 5, 35
#: From the start of a supervisor's pause at its deadline to the death of the process.
DYING = int((TIMING.pause + TIMING.kill).total_seconds())
#: Whatever is longer ago than this is the same.
LONG_AGO = -100
_T = StateType


class Process(NamedTuple):
    """What an agent launched: its fence, how far it is, and when its lease was asked for."""

    fence: int
    phase: str = "launched"  # then executing, ended; or gone
    sent: int = 0


class Situation(NamedTuple):
    state: StateType = _T.SCHEDULED
    name: str = "Scheduled"
    fence: int = 0
    attempt: int = 0
    rescues: int = 0
    retries: int = 0
    released: int = 0
    lease: int | None = None
    processes: tuple[Process | None, Process | None] = (None, None)
    suspected: tuple[bool, bool] = (False, False)
    cancelled: bool = False
    #: In how many processes user code began and did not come to its end by itself.
    unreported: int = 0


class Broken(AssertionError):
    """An invariant does not hold."""


@functools.cache
def _state(type_: StateType, name: str) -> State:
    return State(type_, name, NOW)


def moved(
    was: Situation,
    type_: StateType,
    actor: Actor,
    fence: int | None,
    mode: OnLost,
    *,
    name: str = "",
    seen: bool = False,
) -> Situation | None:
    """The run after a move that somebody proposes; None where the rules refuse it or nothing changes."""
    until = None if was.lease is None else NOW + timedelta(seconds=was.lease)
    proposed = _state(type_, name or str(type_))
    verdict = transitions.decide(
        transitions.Transition(
            current=_state(was.state, was.name),
            proposed=proposed,
            actor=actor,
            now=NOW,
            fence=fence,
            current_fence=was.fence,
            on_lost=mode,
            rescues=was.rescues,
            retries_used=was.retries,
            retries_allowed=RETRIES,
            slots_free=True,
            token_valid=True,
            content_matches=True,
            exit_seen=seen,
            lease_over=leases.lease_over(NOW, until),
            lease_and_grace_over=leases.lease_and_grace_over(NOW, until, TIMING),
            contact_lost=leases.contact_lost(NOW, until, TIMING, lost_after=LOST_AFTER),
        )
    )
    if not isinstance(verdict, transitions.Accept):
        return None
    after = verdict.state
    effects = transitions.effects(_state(was.state, was.name), after, actor)
    lease = was.lease
    if effects & {Effect.GRANT_LEASE, Effect.RENEW_LEASE, Effect.LEASE_TO_RUN}:
        lease = int(TIMING.lease.total_seconds())
    if Effect.END_LEASE in effects:
        lease = None
    new = was._replace(
        state=after.type,
        name=after.name,
        fence=was.fence + (Effect.RAISE_FENCE in effects),
        attempt=was.attempt + (Effect.NEW_ATTEMPT in effects),
        rescues=was.rescues + (Effect.COUNT_RESCUE in effects),
        retries=was.retries + (Effect.COUNT_RETRY in effects),
        released=was.released + (after.name == "Released"),
        lease=lease,
    )
    check_move(was, new, actor, fence)
    return new


def check_move(was: Situation, new: Situation, actor: Actor, fence: int | None) -> None:
    claim = (was.state, new.state) == (_T.SCHEDULED, _T.SUBMITTED)
    stale = actor in (Actor.AGENT, Actor.RUN) and not claim and fence != was.fence
    for holds, sentence in (
        (was.state not in FINISHED, "I3: a finished run moves"),
        (not stale, "I4b: a stale fence writes"),
        (new.fence >= was.fence, "I4: the fence falls"),
        (not claim or new.fence > was.fence, "I4: two grants with one fence"),
        (
            actor is not Actor.REAPER or was.lease is None or was.lease <= 0,
            "I13: a live lease is swept",
        ),
        (new.attempt <= 1 + new.retries + new.rescues + new.released, "I10: attempts"),
        (new.rescues <= 3 and new.retries <= RETRIES, "I10: rescues, retries"),
    ):
        if not holds:
            raise Broken(f"{sentence}: {actor} makes {new.name} of {was.name}")


def check(now: Situation, mode: OnLost) -> None:
    executing = sum(process is not None and process.phase == "executing" for process in now.processes)
    if executing > 1:
        raise Broken("I1: two processes execute")
    if mode is OnLost.CRASH and now.unreported > 1:
        raise Broken("I1: a run that may run at most once has begun twice")
    if now.cancelled and executing:
        raise Broken("I16: user code starts after an acknowledged cancel")


def passed(was: Situation, seconds: int, mode: OnLost) -> Situation:
    """Time passes, and processes that have not renewed their lease die."""
    processes = tuple(
        None if process is None else _older(process, seconds, mode) for process in was.processes
    )
    lease = None if was.lease is None else max(LONG_AGO, was.lease - seconds)
    return was._replace(lease=lease, processes=processes)


def _older(process: Process, seconds: int, mode: OnLost) -> Process:
    sent = max(LONG_AGO, process.sent - seconds)
    deadline = leases.runner_deadline(sent, TIMING) + DYING
    if process.phase == "executing" and mode is OnLost.RESCHEDULE and deadline <= 0:
        return process._replace(phase="gone", sent=0)
    return process._replace(sent=sent if process.phase == "executing" else 0)


def steps(was: Situation, mode: OnLost) -> Iterator[tuple[str, Situation]]:
    """Everything that may happen next."""
    for seconds in (TICK, LONG):
        yield f"{seconds} s pass", passed(was, seconds, mode)
    if new := moved(was, _T.CANCELLING, Actor.USER, None, mode):
        yield "somebody cancels", new._replace(cancelled=new.state is _T.CANCELLED)
    for reaper in range(2):
        yield from _reapers_steps(was, reaper, mode)
    for number in range(2):
        yield from _agents_steps(was, number, mode)


def _reapers_steps(was: Situation, number: int, mode: OnLost) -> Iterator[tuple[str, Situation]]:
    def suspected(now: Situation, it: bool) -> Situation:
        found = list(now.suspected)
        found[number] = it
        return now._replace(suspected=tuple(found))

    if not was.suspected[number] and was.lease is not None and was.lease <= 0:
        yield f"reaper {number} suspects it", suspected(was, True)
    if was.suspected[number]:
        wanted = {
            _T.SUBMITTED: (_T.SCHEDULED, "Rescued"),
            _T.RUNNING: (_T.CRASHED, "Lost"),
            _T.CANCELLING: (_T.CANCELLED, "Cancelled"),
        }.get(was.state)
        new = moved(was, wanted[0], Actor.REAPER, None, mode, name=wanted[1]) if wanted else None
        yield f"reaper {number} takes it up", suspected(new or was, False)


def _agents_steps(was: Situation, number: int, mode: OnLost) -> Iterator[tuple[str, Situation]]:
    process = was.processes[number]

    def having(now: Situation, changed: Process | None) -> Situation:
        both = list(now.processes)
        both[number] = changed
        return now._replace(processes=tuple(both))

    free = process is None or process.phase in ("gone", "ended")
    if free and was.state is _T.SCHEDULED and (new := moved(was, _T.SUBMITTED, Actor.AGENT, None, mode)):
        yield f"agent {number} claims and launches", having(new, Process(new.fence))
    if process is None:
        return
    who, fence = f"process {number} of fence {process.fence}", process.fence
    if process.phase == "launched":
        if new := moved(was, _T.RUNNING, Actor.RUN, fence, mode):
            begun = new._replace(unreported=new.unreported + 1)
            yield f"{who} starts", having(begun, Process(fence, "executing"))
        if new := moved(was, _T.SCHEDULED, Actor.AGENT, fence, mode, name="Released"):
            yield f"agent {number} gives it back", having(new, None)
    if process.phase == "executing":
        yield f"{who} is killed", having(was, process._replace(phase="gone", sent=0))
        if fence == was.fence and was.state in (_T.RUNNING, _T.CANCELLING):  # as heartbeats.renew asks
            renewed = was._replace(lease=int(TIMING.lease.total_seconds()))
            yield f"{who} shows that it lives", having(renewed, Process(fence, "executing"))
        for type_ in (_T.SUCCESS, _T.FAILED):
            new = moved(was, type_, Actor.RUN, fence, mode)
            ended = (new or was)._replace(unreported=was.unreported - (new is not None))
            yield f"{who} reports {type_}", having(ended, process._replace(phase="ended", sent=0))
    if process.phase == "gone":
        new = moved(was, _T.CRASHED, Actor.AGENT, fence, mode, seen=True)
        yield f"agent {number} reports its exit", having(new or was, None)


def explore(mode: OnLost, depth: int, first: Situation = Situation()) -> tuple[int, int]:  # noqa: B008 - it is immutable
    """All situations that so many steps reach: how many, and how many steps led to them. Raises Broken with the way there."""
    came: dict[Situation, tuple[Situation, str] | None] = {first: None}
    edge, taken = [first], 0
    for _ in range(depth):
        following: list[Situation] = []
        for was in edge:
            step = "the next step"
            try:
                for step, new in steps(was, mode):
                    taken += 1
                    if new not in came:
                        came[new] = (was, step)
                        check(new, mode)
                        following.append(new)
            except Broken as error:
                way = [step]
                at: Situation | None = was
                while at is not None and (back := came[at]) is not None:
                    at = back[0]
                    way.append(back[1])
                raise Broken(f"{error}; after: {', '.join(reversed(way))}") from None
        edge = following
    return len(came), taken
