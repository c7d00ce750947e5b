"""What must hold in every state and of every step: I1 to I16 of the reliability design, as far as one process can see them.

Nothing here asks the rules under test: who may do what, and when a fence rises, is written down once more.
"""

import dataclasses
import itertools
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from headrace.core.verdicts import RESCUES
from headrace.server import tables
from headrace.wire import operations, runs

_FINISHED = {"Success", "Failed", "Crashed", "Cancelled"}
_HELD = {"Submitted", "Running", "Cancelling"}
_AGENT, _RUN, _USER, _SYSTEM = "service_account", "run", "user", "system"

#: I9: who may move a run from where to where, marks aside. The supervisor, a process of the run, tells of an exit as the
#: agent does.
ALLOWED: dict[tuple[str | None, str], set[str]] = {
    (None, "Scheduled"): {_USER, _RUN, "schedule"},
    ("Scheduled", "Submitted"): {_AGENT},
    ("Scheduled", "Cancelled"): {_USER, _SYSTEM},
    ("Submitted", "Submitted"): {_AGENT},
    ("Submitted", "Running"): {_RUN},
    ("Submitted", "Scheduled"): {_AGENT, _SYSTEM},
    ("Submitted", "Crashed"): {_AGENT, _SYSTEM, _RUN},
    ("Submitted", "Cancelled"): {_USER},
    ("Running", "Success"): {_RUN},
    ("Running", "Failed"): {_RUN, _SYSTEM},
    ("Running", "Scheduled"): {_RUN, _AGENT, _SYSTEM},
    ("Running", "Crashed"): {_RUN, _AGENT, _SYSTEM},
    ("Running", "Paused"): {_RUN},
    ("Running", "Cancelling"): {_USER},
    ("Paused", "Scheduled"): {_USER},
    ("Paused", "Cancelled"): {_USER},
    ("Paused", "Failed"): {_SYSTEM},
    ("Cancelling", "Cancelled"): {_RUN, _AGENT, _SYSTEM},
    ("Cancelling", "Success"): {_RUN},
    ("Cancelling", "Failed"): {_RUN},
}
#: Names of Scheduled after which the former holder must not be able to write.
_TAKEN_AWAY = {"Rescued", "Released"}


class Violation(AssertionError):
    """An invariant does not hold. Every one that was ever raised is in `found`, whatever becomes of it."""

    found: list["Violation"] = []

    def __init__(self, invariant: str, sentence: str) -> None:
        super().__init__(f"{invariant}: {sentence}")
        self.invariant = invariant
        Violation.found.append(self)


class Act(NamedTuple):
    """What was just done: an operation or loop, for which run, with which fence, by whom."""

    name: str
    run_id: UUID | None
    fence: int | None
    kind: str


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Runs, their histories and the slots, as one transaction sees them."""

    now: datetime
    runs: dict[UUID, Any]
    events: dict[UUID, list[Any]]
    limits: list[Any]
    slots: list[Any]

    @classmethod
    def read(cls, connection: sa.Connection, now: datetime) -> "Snapshot":
        events: dict[UUID, list[Any]] = defaultdict(list)
        for event in connection.execute(_events):
            events[event.flow_run_id].append(event)
        return cls(
            now,
            {row.id: row for row in connection.execute(_runs)},
            events,
            list(connection.execute(_limits)),
            list(connection.execute(_slots)),
        )


_r, _e = tables.flow_runs.c, tables.run_events.c
_runs = sa.select(
    *(_r.id, _r.name, _r.flow_id, _r.state_type, _r.state_name, _r.version, _r.fence, _r.attempt, _r.rescues),
    *(_r.retries_used, _r.not_before, _r.lease_until, _r.agent_id, _r.host, _r.pid, _r.on_lost, _r.due_at),
    *(_r.schedule_id, _r.tick, _r.started_at, _r.finished_at, _r.waits_for, _r.slotted, _r.slots, _r.result),
)
_events = sa.select(
    *(_e.flow_run_id, _e.seq, _e.kind, _e.from_type, _e.state_type, _e.state_name, _e.actor_kind, _e.fence),
    *(_e.request_id, _e.at),
).order_by(_e.flow_run_id, _e.seq)
_limits = sa.select(tables.limits.c.id, tables.limits.c.flow_id, tables.limits.c.size)
_slots = sa.select(tables.slots.c.limit_id, tables.slots.c.number, tables.slots.c.run_id)
#: What a note of a stale writer leaves as it was.
_UNTOUCHED = (
    "state_type",
    "state_name",
    "fence",
    "attempt",
    "rescues",
    "retries_used",
    "lease_until",
    "host",
    "pid",
    "result",
)


def require(holds: bool, invariant: str, sentence: str) -> None:
    if not holds:
        raise Violation(invariant, sentence)


class Checker:
    """Remembers what was promised, and compares. `without` leaves checks out, to see what is behind them."""

    def __init__(self, *, retries: int, without: frozenset[str] = frozenset()) -> None:
        self._retries = retries
        self._without = without
        self._grants: dict[tuple[UUID, int], str | None] = {}
        self._claims: dict[str | None, tuple[UUID, int]] = {}
        self._keys: dict[tuple[UUID | None, str], UUID] = {}
        self._made: dict[str | None, UUID] = {}
        self._cancelled: set[UUID] = set()
        self._promised: list[tuple[UUID, int, str, str]] = []

    # --- states ---

    def check(self, before: Snapshot, after: Snapshot, act: Act) -> None:
        for run_id, row in after.runs.items():
            old = before.runs.get(run_id)
            history = after.events.get(run_id, [])
            known = before.events.get(run_id, [])
            require(history[: len(known)] == known, "I8", f"the history of {row.name} was changed")
            if old is not None and old.version == row.version:
                self._unmoved(old, row, act)
                continue
            self._history(row, history)
            self._counts(row, history)
            fresh = history[len(known) :]
            if old is not None:
                self._moved(old, row, before, after, act)
            self._fences(history, fresh)
        for run_id, old in before.runs.items():
            if run_id not in after.runs:
                unborn = old.state_type == "Scheduled" and old.schedule_id is not None and not old.attempt
                require(unborn, "I8", f"{old.name} is gone, which was {old.state_name}")
        self._once(after)
        self._limits(after)

    def _unmoved(self, old: Any, row: Any, act: Act) -> None:
        """A heartbeat changes a lease and no version."""
        if act.run_id == row.id and act.fence is not None and act.fence != old.fence:
            require(
                row.lease_until == old.lease_until,
                "I4b",
                f"{act.name} with fence {act.fence} renewed the lease of fence {old.fence}",
            )

    @staticmethod
    def _history(row: Any, history: list[Any]) -> None:
        """I2: the state is what its history says, without gaps. I9: only allowed moves by those who may make them."""
        seqs = [event.seq for event in history]
        require(
            seqs == list(range(row.version + 1)),
            "I2",
            f"{row.name} of version {row.version} has events {seqs}",
        )
        moves = [event for event in history if event.kind == "move"]
        last = moves[-1]
        require(
            (last.state_type, last.state_name) == (row.state_type, row.state_name),
            "I2",
            f"{row.name} is {row.state_name}, its history says {last.state_name}",
        )
        require(last.fence == row.fence, "I2", f"{row.name} has fence {row.fence}, its history {last.fence}")
        for earlier, later in itertools.pairwise([None, *moves]):
            came_from = None if earlier is None else earlier.state_type
            require(
                later.from_type == came_from,
                "I2",
                f"{row.name} moved from {later.from_type}, was {came_from}",
            )
            who = ALLOWED.get((later.from_type, later.state_type), set())
            mark = later.actor_kind == _USER and later.state_type in ("Success", "Failed")
            may = later.actor_kind in who or (mark and later.from_type not in {None, *_FINISHED})
            step = f"{later.from_type} to {later.state_name} by {later.actor_kind}"
            require(may, "I3" if later.from_type in _FINISHED else "I9", f"{row.name}: {step}")
        finished = row.state_type in _FINISHED
        require((row.finished_at is not None) == finished, "I2", f"{row.name}: finished_at")
        held = row.state_type in _HELD
        require(
            (row.lease_until is not None) == held,
            "I2",
            f"{row.name} is {row.state_name}, lease {row.lease_until}",
        )

    def _counts(self, row: Any, history: list[Any]) -> None:
        """I10: nothing is tried without end."""
        moves = [event for event in history if event.kind == "move"]
        grants = sum(event.from_type == "Scheduled" and event.state_type == "Submitted" for event in moves)
        back = Counter(event.state_name for event in moves if event.state_type == "Scheduled")
        require(row.attempt == grants, "I10", f"{row.name}: attempt {row.attempt} after {grants} grants")
        require(row.rescues == back["Rescued"] <= RESCUES, "I10", f"{row.name}: {row.rescues} rescues")
        used = back["AwaitingRetry"]
        require(row.retries_used == used <= self._retries, "I10", f"{row.name}: {row.retries_used} retries")
        allowed = 1 + used + back["Rescued"] + back["Released"] + back["Resumed"]
        require(row.attempt <= allowed, "I10", f"{row.name}: {row.attempt} attempts, {allowed} allowed")

    @staticmethod
    def _moved(old: Any, row: Any, before: Snapshot, after: Snapshot, act: Act) -> None:
        if old.state_type in _FINISHED:
            same = (row.state_type, row.state_name, row.fence) == (old.state_type, old.state_name, old.fence)
            require(same, "I3", f"{row.name} was {old.state_name} and is {row.state_name}")
        if act.run_id == row.id and act.fence is not None and act.fence != old.fence:
            changed = [name for name in _UNTOUCHED if getattr(old, name) != getattr(row, name)]
            require(
                not changed,
                "I4b",
                f"{act.name} with fence {act.fence}, the run's is {old.fence}, changed {changed}",
            )
        took = old.state_type in _HELD and old.state_type != row.state_type and row.state_name != "TimedOut"
        if act.name == "reaper" and took:
            over = old.lease_until is None or old.lease_until <= after.now
            require(over, "I13", f"{row.name} was swept at {after.now}, its lease ends {old.lease_until}")

    def _fences(self, history: list[Any], fresh: list[Any]) -> None:
        """I4: a fence never falls; each grant has a new one; who loses a run loses his fence."""
        moves = [event for event in history if event.kind == "move"]  # a note has its sender's fence
        previous = {later.seq: earlier.fence for earlier, later in itertools.pairwise(moves)}
        for event in fresh:
            if event.seq not in previous:
                continue
            was = previous[event.seq]
            step = f"{event.from_type} to {event.state_name}: fence {was} to {event.fence}"
            require(event.fence >= was, "I4", step)
            if event.from_type == "Scheduled" and event.state_type == "Submitted":
                require(event.fence > was, "I4", step)
            unstarted = event.from_type in ("Scheduled", "Submitted", "Paused")
            lost = event.state_name in _TAKEN_AWAY or (event.state_type == "Cancelled" and unstarted)
            if lost and "loss" not in self._without:
                require(event.fence > was, "I4", step)

    @staticmethod
    def _once(after: Snapshot) -> None:
        """I5, I6, I12: one key, one tick, one request id: one effect."""
        for name, count in Counter(row.name for row in after.runs.values()).items():
            require(count == 1, "I5" if " k" in name else "I12", f"{count} runs were made for {name}")
        ticks = Counter((row.schedule_id, row.due_at) for row in after.runs.values() if row.schedule_id)
        for (_, due), count in ticks.items():
            require(count == 1, "I6", f"{count} runs for the tick {due}")
        moves = [
            event
            for history in after.events.values()
            for event in history
            if event.request_id is not None and event.kind == "move" and event.from_type is not None
        ]
        # one change of a schedule may end several runs; one claim gives out one
        asked = Counter((event.flow_run_id, event.request_id) for event in moves)
        claims = Counter(event.request_id for event in moves if event.state_type == "Submitted")
        for request, count in [*asked.items(), *claims.items()]:
            require(count == 1, "I12", f"{count} moves of the request {request}")

    @staticmethod
    def _limits(after: Snapshot) -> None:
        """I7: slots are held by the runs in states that hold them, and are no more than the limit's."""
        for limit in after.limits:
            own = [slot for slot in after.slots if slot.limit_id == limit.id]
            holders = Counter(slot.run_id for slot in own if slot.run_id is not None)
            under = {
                row.id
                for row in after.runs.values()
                if row.flow_id == limit.flow_id and row.state_type in _HELD
            }
            require(set(holders) == under, "I7", f"{len(holders)} runs hold slots, {len(under)} have to")
            require(
                sum(holders.values()) <= limit.size, "I7", f"{holders.total()} of {limit.size} slots are held"
            )

    # --- answers ---

    def answered(self, message: Any, answer: Any) -> None:
        """A server has said this, whether anybody hears it or not."""
        if message.operation is operations.claim_flow_run:
            self._granted(message.request_id, answer.assignment)
        elif message.operation is operations.create_flow_run:
            key = message.request.idempotency_key
            same = self._made.setdefault(message.request_id, answer.id)
            require(same == answer.id, "I12", f"{message.request_id} made two runs")
            if key is not None:
                same = self._keys.setdefault((message.request.flow_id, key), answer.id)
                require(same == answer.id, "I5", f"the key {key} made two runs")

    def _granted(self, request_id: str | None, held: Any) -> None:
        if held is None:
            return
        grant = (held.flow_run_id, held.fence)
        same = self._claims.setdefault(request_id, grant)
        require(same == grant, "I12", f"{request_id} was given two runs")
        owner = self._grants.setdefault(grant, request_id)
        require(owner == request_id, "I4", f"fence {held.fence} was given out twice")

    def acknowledged(self, message: Any, answer: Any) -> None:
        """Somebody was told this: it stays true."""
        state = getattr(answer, "state", None)
        run_id = message.run_id
        if state is None or run_id is None:
            return
        if isinstance(answer, runs.RunAnswer):
            self._promised.append((run_id, answer.version, state.type.value, state.name))
        if message.operation is operations.cancel_flow_run and state.type.value == "Cancelled":
            self._cancelled.add(run_id)

    def kept(self, now: Snapshot) -> None:
        """I8: all that was acknowledged is there."""
        for run_id, version, type_, name in self._promised:
            moves = [e for e in now.events.get(run_id, []) if e.kind == "move" and e.seq <= version]
            require(bool(moves), "I8", f"version {version} of {run_id} is lost")
            said = (moves[-1].state_type, moves[-1].state_name)
            require(
                said == (type_, name),
                "I8",
                f"{name} was acknowledged as version {version}, there is {said[1]}",
            )

    def starved(self, now: Snapshot, passed_over: Any) -> None:
        """I15: a claim that nobody disturbs finds a run that can be granted."""
        for row in now.runs.values():
            if row.state_type != "Scheduled" or row.schedule_id is not None or row.not_before > now.now:
                continue
            limit = next((limit for limit in now.limits if limit.flow_id == row.flow_id), None)
            free = limit is None or any(s.run_id is None for s in now.slots if s.limit_id == limit.id)
            if free and row.waits_for is None:
                raise Violation("I15", f"{passed_over} found nothing, and {row.name} waits")

    # --- processes ---

    def begins(self, process: Any, everybody: list[Any]) -> None:
        """User code begins in a process. I1, I16."""
        run_id = process.run_id
        require(run_id not in self._cancelled, "I16", "user code starts after an acknowledged cancel")
        others = [other for other in everybody if other.run_id == run_id and other is not process]
        at_once = [other for other in others if other.working]
        require(
            not at_once,
            "I1",
            f"fences {[o.held.fence for o in at_once]} execute, and {process.held.fence} begins",
        )
        if process.held.on_lost == "crash":
            lost = [other for other in others if other.begun and not other.ended]
            require(not lost, "I1", "a run that may run at most once begins again")
