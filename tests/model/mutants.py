"""Planted bugs: each takes one of the mechanisms away from the real code, from outside, while a test runs.

The 19 of the reliability design. What `killers` names must break with the bug in place. Where one mechanism stands
behind another, a pair takes both away, with the check that sees the first one's absence left out (`without`).
"""

import dataclasses
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from headrace.core import transitions
from headrace.core.moves import Actor, Effect
from headrace.core.states import State, StateType
from headrace.engine import execute, heartbeat, supervisor
from headrace.server import claims, firings, heartbeats, moves, runs, slots, tables
from headrace.server.loops import reaper
from headrace.server.service import registry
from headrace.web import repeats, service
from headrace.wire import runs as wire_runs

Patch = pytest.MonkeyPatch
_SUBMIT_LOCK = timedelta(seconds=30)
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A bug, the scenarios that it breaks, and the checks that are left out for it."""

    name: str
    plant: Callable[[Patch], None]
    killers: tuple[str, ...]
    without: frozenset[str] = frozenset()


def _without_rules(*names: str) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        (rules,) = transitions.decide.__defaults__ or ()
        left = tuple(rule for rule in rules if rule.judge.__name__ not in names)
        assert len(left) == len(rules) - len(names)
        patch.setattr(transitions.decide, "__defaults__", (left,))

    return plant


def _keeps_fence(when: Callable[[Any, Any], bool]) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        real = transitions.effects

        def effects(before: Any, after: Any, actor: Any = None, *, marked: bool = False) -> Any:
            found = real(before, after, actor, marked=marked)
            return found - {Effect.RAISE_FENCE} if when(before, after) else found

        patch.setattr(transitions, "effects", effects)

    return plant


def _ignores_fence(operation: str) -> Callable[[Patch], None]:
    """Whatever fence and token are sent, they are taken for the current ones."""

    def plant(patch: Patch) -> None:
        real = registry.handlers[operation]

        def handle(call: Any, request: Any) -> Any:
            fence = moves.load(call, request.flow_run_id).fence
            caller = dataclasses.replace(call.caller, run_fence=fence)
            return real(
                dataclasses.replace(call, caller=caller), msgspec.structs.replace(request, fence=fence)
            )

        patch.setitem(registry.handlers, operation, handle)

    return plant


def _deadline_from_the_answer(patch: Patch) -> None:
    real = heartbeat.Heartbeat._tell

    def tell(self: Any, beat: Any) -> None:
        real(self, beat._replace(sent_at=heartbeat.time.monotonic()))

    patch.setattr(heartbeat.Heartbeat, "_tell", tell)


def _event_in_a_transaction_of_its_own(patch: Patch) -> None:
    kept: dict[int, list[dict[str, Any]]] = {}  # by the list that all copies of a call share
    real = service.Service.write

    def event(call: Any, *arguments: Any, before: Any = None) -> None:
        kept[id(call.afterwards)].append(moves._event_values(call, *arguments, before=before))

    async def write(self: Any, work: Any, **more: Any) -> Any:
        mine: list[dict[str, Any]] = []

        def noted(call: Any) -> Any:
            mine.clear()
            kept[id(call.afterwards)] = mine
            return work(call)

        value = await real(self, noted, **more)
        if mine:
            await self.database.write(lambda connection, now: connection.execute(moves._record, mine))
        return value

    patch.setattr(moves, "_event", event)
    patch.setattr(service.Service, "write", write)


def _heartbeat_ignores_the_fence(patch: Patch) -> None:
    real = heartbeats.renew

    def renew(call: Any, beats: Any, *states: Any) -> Any:
        current = (moves.load(call, beat.run_id).fence for beat in beats)
        taken = [heartbeats.Beat(beat.run_id, fence) for beat, fence in zip(beats, current, strict=True)]
        return real(call, taken, *states)

    patch.setattr(heartbeats, "renew", renew)


def _keys_not_unique(patch: Patch) -> None:
    real = runs.plan

    def plan(*arguments: Any, **more: Any) -> Any:
        made = real(*arguments, **more)
        made.row["idempotency_key"] = None
        return made

    patch.setattr(runs, "plan", plan)


class SubmitLock:
    """A server's memory of what it has given out lately."""

    def __init__(self) -> None:
        self.until: dict[UUID, datetime] = {}


def _submit_lock_in_memory(patch: Patch) -> None:
    """A claim also takes a run that was given out, if this server does not remember having done so."""
    real = registry.handlers["claim_flow_run"]
    given = sa.select(tables.flow_runs.c.id).where(tables.flow_runs.c.state_type == "Submitted")

    def claim(call: Any, request: Any) -> Any:
        lock = call.service.part(SubmitLock).until
        answer = real(call, request)
        if answer.assignment is not None:
            lock[answer.assignment.flow_run_id] = call.now + _SUBMIT_LOCK
            return answer
        for run_id in call.connection.execute(given).scalars().all():
            if lock.get(run_id, call.now) > call.now:
                continue
            row = moves.load(call, run_id)
            state = State(StateType.SUBMITTED, "Submitted", call.now)
            moves._accepted(call, row, state, Actor.AGENT, {"agent_id": request.agent_id}, marked=False)
            details = call.connection.execute(claims._assigned, {"id": run_id}).one()
            return wire_runs.Claimed(assignment=claims._assignment(call, details, row.fence, row.attempt))
        return answer

    patch.setitem(registry.handlers, "claim_flow_run", claim)


def _no_replay(patch: Patch) -> None:
    patch.setattr(
        repeats.Repeats, "perform", lambda self, call, handler, operation, request: handler(call, request)
    )


def _no_limit(patch: Patch) -> None:
    patch.setattr(slots, "take", lambda call, holder, under, slots=1: None)


def _no_deadline(patch: Patch) -> None:
    patch.setattr(supervisor.Watch, "reason_to_end", lambda self, now: "")


def _never_heard_of_is_never_rescued(patch: Patch) -> None:
    columns = tables.flow_runs.c
    patch.setattr(reaper, "_suspects", reaper._suspects.where(columns.last_contact_at > columns.state_at))


def _ticks_not_unique(patch: Patch) -> None:
    real = runs.again

    def again(made: Any, due_at: Any, **columns: Any) -> Any:
        return real(made, due_at, **{**columns, "tick": f"{columns['tick']}/{next(_numbers)}"})

    patch.setattr(runs, "again", again)
    patch.setattr(firings, "_known_ticks", lambda call, looks: set())


def _sweeps_a_stale_snapshot(patch: Patch) -> None:
    """What the reaper had found counts, not what it finds when it takes the run up."""
    real = moves._transition

    def transition(call: Any, row: Any, proposed: Any, actor: Any, fence: Any, facts: Any) -> Any:
        if actor is Actor.REAPER and call.prepared == "found":
            facts = {"lease_over": True, "lease_and_grace_over": True, "contact_lost": True, **facts}
        return real(call, row, proposed, actor, fence, facts)

    sweep = reaper.sweep

    def stale(call: Any, run_id: UUID) -> bool:
        call.prepared = "found"
        return sweep(call, run_id)

    patch.setattr(moves, "_transition", transition)
    patch.setattr(reaper, "sweep", stale)


def _rescues_without_bound(patch: Patch) -> None:
    patch.setattr(transitions.Transition, "may_be_rescued", property(lambda self: True))


def _an_old_start_is_believed(patch: Patch) -> None:
    """The answer to a start that was sent again may be the first one's, and the lease long over."""
    patch.setattr(execute._RunProcess, "_renew", lambda self: execute.time.monotonic())


_cancel_keeps = _keeps_fence(lambda before, after: after.type is StateType.CANCELLED)
_rescue_keeps = _keeps_fence(lambda before, after: after.name == "Rescued")
_no_table = _without_rules("a_finished_run_stays_finished", "only_moves_in_the_table_are_made")

MUTANTS: tuple[Mutant, ...] = (
    Mutant("cancel keeps the fence", _cancel_keeps, ("a_cancelled_run_never_starts",)),
    Mutant(
        "deadline counted from the answer",
        _deadline_from_the_answer,
        ("a_process_ends_before_another_begins",),
    ),
    Mutant(
        "event in a transaction of its own",
        _event_in_a_transaction_of_its_own,
        ("servers_die_at_every_statement",),
    ),
    Mutant(
        "fence not raised at a claim",
        _keeps_fence(lambda before, after: before is not None and after.type is StateType.SUBMITTED),
        ("each_grant_has_its_own_fence",),
    ),
    Mutant("finish ignores the fence", _ignores_fence("finish_flow_run"), ("a_late_report_changes_nothing",)),
    Mutant(
        "heartbeat ignores the fence",
        _heartbeat_ignores_the_fence,
        ("a_late_heartbeat_renews_nobody_elses_lease",),
    ),
    Mutant("idempotency key not unique", _keys_not_unique, ("one_key_makes_one_run",)),
    Mutant(
        "a submit lock in memory",
        _submit_lock_in_memory,
        ("two_servers_do_not_give_one_run_to_two_agents",),
    ),
    Mutant("no transition table", _no_table, ("nobody_makes_moves_of_his_own",)),
    Mutant(
        "no grace before a rescue",
        _without_rules("a_run_that_may_repeat_gets_its_grace"),
        ("nobody_is_rescued_before_the_grace_is_over",),
    ),
    Mutant("no replay of request ids", _no_replay, ("a_repeated_request_has_one_effect",)),
    Mutant("no concurrency limit", _no_limit, ("a_limit_is_kept",)),
    Mutant("no end at the deadline", _no_deadline, ("a_process_that_hears_nothing_ends_itself",)),
    Mutant(
        "what was never heard of is never rescued",
        _never_heard_of_is_never_rescued,
        ("what_was_never_heard_of_is_lost_too",),
    ),
    Mutant("(schedule, tick) not unique", _ticks_not_unique, ("a_tick_makes_one_run",)),
    Mutant(
        "start ignores the fence", _ignores_fence("start_flow_run"), ("who_lost_the_run_does_not_start_it",)
    ),
    Mutant("rescue keeps the fence", _rescue_keeps, ("whose_run_was_taken_away_writes_nothing",)),
    Mutant(
        "rescue acts on a stale snapshot", _sweeps_a_stale_snapshot, ("what_was_found_is_looked_at_again",)
    ),
    Mutant("rescues without bound", _rescues_without_bound, ("rescues_come_to_an_end",)),
)


def _both(*plants: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        for one in plants:
            one(patch)

    return plant


#: A fence that is kept where a run is taken away is seen by the check of I4 alone: what follows from it is refused by the
#: table of moves. Without that check, and with the table gone too, the consequences are found.
PAIRS: tuple[Mutant, ...] = (
    Mutant(
        "cancel keeps the fence, and no transition table",
        _both(_cancel_keeps, _no_table),
        ("a_cancelled_run_never_starts",),
        frozenset({"loss"}),
    ),
    Mutant(
        "rescue keeps the fence, and no transition table",
        _both(_rescue_keeps, _no_table),
        ("whose_run_was_taken_away_writes_nothing",),
        frozenset({"loss"}),
    ),
)
#: What this model has found in the real code: it stays found.
FOUND: tuple[Mutant, ...] = (
    Mutant(
        "an old start is believed", _an_old_start_is_believed, ("a_start_that_was_accepted_long_ago_is_over",)
    ),
)
ALL = (*MUTANTS, *PAIRS, *FOUND)
MASKED: tuple[Mutant, ...] = tuple(
    dataclasses.replace(mutant, without=frozenset({"loss"}))
    for mutant in MUTANTS
    if mutant.plant in (_cancel_keeps, _rescue_keeps)
)
