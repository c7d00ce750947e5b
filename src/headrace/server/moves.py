"""The one way by which a flow run's state changes.

Facts are read, `core.transitions` decides, one UPDATE guarded by the run's version writes the state, its event is inserted
in the same transaction, and after the commit whoever waits for it is woken. History is gapless: an event's number is the
run's version.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.core import leases, states, transitions
from headrace.core.moves import Actor, Effect
from headrace.core.states import State, StateType
from headrace.server import dispatch, heartbeats, notices, outbox, queues, slots, tables, tallies, traces
from headrace.server.leasing import Leasing
from headrace.web.handlers import Call
from headrace.wire import runs

_runs = tables.flow_runs

#: All that the rules ask about a run, and what its moves change.
FACTS = [
    *[_runs.c.id, _runs.c.flow_id, _runs.c.queue_id, _runs.c.state_type, _runs.c.state_name],
    *[_runs.c.state_message, _runs.c.state_at, _runs.c.version, _runs.c.fence, _runs.c.attempt],
    *[_runs.c.rescues, _runs.c.retries_used, _runs.c.not_before, _runs.c.lease_until],
    *[_runs.c.last_contact_at, _runs.c.agent_id, _runs.c.host, _runs.c.pid, _runs.c.retries],
    *[_runs.c.retry_delay_seconds, _runs.c.on_lost, _runs.c.lost_after_seconds, _runs.c.started_at],
    *[
        _runs.c.backfill_id,
        _runs.c.parent_run_id,
        _runs.c.state_code,
        _runs.c.waits_for,
        _runs.c.slots,
        _runs.c.slotted,
    ],
    *[_runs.c.timeout_seconds, _runs.c.pause_ends_at, _runs.c.pause_wish],
]
_peek = sa.select(*FACTS).where(_runs.c.id == sa.bindparam("id"))
_load = _peek.with_for_update()
_write = sa.update(_runs).where(
    _runs.c.id == sa.bindparam("run_id"), _runs.c.version == sa.bindparam("run_version")
)
_record = sa.insert(tables.run_events)


def load(call: Call[Any], run_id: UUID, *, lock: bool = True) -> sa.Row[Any]:
    """The run's facts. `lock`: nobody else changes it before this transaction ends. Raises errors.NotFound."""
    row = call.connection.execute(_load if lock else _peek, {"id": run_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no flow run {run_id}")
    return row


def state(row: Any) -> State:
    """The state in a row of flow_runs."""
    type_ = StateType(row.state_type)
    due_at = row.not_before if type_ is StateType.SCHEDULED else None
    return State(type_, row.state_name, row.state_at, row.state_message, due_at, row.state_code)


def move(
    call: Call[Any],
    run: UUID | sa.Row[Any],
    proposed: State,
    actor: Actor,
    *,
    fence: int | None = None,
    changes: dict[str, Any] | None = None,
    **facts: Any,
) -> runs.RunAnswer:
    """Makes a move, or answers the run as it is when there is nothing to do.

    `fence` is what an agent or a run process sent; `changes` are further columns that the move writes; `facts` are those
    of `Transition` that the run's row does not tell. Raises errors.NotFound, Superseded, TooEarly and Conflict; the
    last three carry state, version and fence.
    """
    row = load(call, run) if isinstance(run, UUID) else run
    match judge(call, row, proposed, actor, fence=fence, **facts):
        case transitions.Accept(state=after):
            return _accepted(call, row, after, actor, changes or {}, marked=bool(facts.get("mark")))
        case transitions.Unchanged():
            return answer(call, row, fence)
        case transitions.Wait(until=until, reason=reason):
            wait = None if until is None else (until - call.now).total_seconds()
            raise errors.TooEarly(f"run {row.id}: {reason}", **_known(row), retry_after=wait)
        case transitions.Reject(code="superseded", reason=reason):
            raise errors.Superseded(f"run {row.id}: {reason}", **_known(row))
        case transitions.Reject(code=code, reason=reason):
            raise errors.Conflict(f"run {row.id}: {reason}", **_known(row), reason=code)


def judge(
    call: Call[Any],
    row: sa.Row[Any],
    proposed: State,
    actor: Actor,
    *,
    fence: int | None = None,
    **facts: Any,
) -> transitions.Verdict:
    """What the rules say about a move; it changes nothing."""
    return transitions.decide(_transition(call, row, proposed, actor, fence, facts))


def note(
    call: Call[Any], row: sa.Row[Any], said: State, fence: int, *, kind: str = "note", **changes: Any
) -> None:
    """Keeps in the run's history what does not change its state: what came too late, a mark, a wish (`kind`).

    `changes` are columns that are written with it.
    """
    _update(call, row, {"version": row.version + 1, **changes})
    call.connection.execute(_record, _event(call, row, kind, row.version + 1, said, fence))
    _notify(call, row)


def answer(call: Call[Any], row: sa.Row[Any], fence: int | None) -> runs.RunAnswer:
    """The run as it is, with the orders for whoever holds this fence."""
    return answer_of(leasing(call), row, fence)


def answer_of(keeper: Leasing, row: sa.Row[Any], fence: int | None) -> runs.RunAnswer:
    """`answer`, of a row that was read before."""
    current = state(row)
    ended = current.type in (StateType.CRASHED, StateType.CANCELLED)
    stale = fence is not None and fence != row.fence and keeper.checks_fences
    orders = runs.Orders(
        cancel=current.type is StateType.CANCELLING,
        superseded=stale or (fence is not None and ended),
        pause=current.type is StateType.RUNNING and row.pause_wish is not None,
    )
    return _answer(keeper, current, row.version, row.fence, orders)


def superseded(call: Call[Any], row: sa.Row[Any]) -> runs.RunAnswer:
    """The run as it is, for somebody who does not hold it any more and has just left a note."""
    return _answer(leasing(call), state(row), row.version + 1, row.fence, runs.Orders(superseded=True))


def leasing(call: Call[Any]) -> Leasing:
    return call.service.part(Leasing)


def created(call: Call[Any], row: Any, queue: queues.Queue, actor: Actor) -> None:
    """Event 0 of a run that was just inserted, and word to the agents that wait. `row` has the run's columns."""
    proposed = _made(call, row, actor)
    call.connection.execute(_record, _event(call, row, "move", 0, proposed, 0))
    _offer(call, row.id, queue, proposed)
    _notify(call, row)
    traces.created(call, row)


def created_many(call: Call[Any], made: Sequence[tuple[Any, queues.Queue, Actor]]) -> None:
    """`created` for many runs: one statement. Nobody can be watching one of them yet."""
    events: list[dict[str, Any]] = []
    for row, queue, actor in made:
        proposed = _made(call, row, actor)
        maker = {"kind": row.created_by_kind, "name": row.created_by_name, "id": row.created_by_id}
        event = _event(call, row, "move", 0, proposed, 0)
        events.append(event | {f"actor_{field}": value for field, value in maker.items()})
        if row.due_at - call.now <= dispatch.HORIZON:
            _offer(call, row.id, queue, proposed)
        traces.created(call, row)
    call.connection.execute(_record, events)
    call.after_commit(partial(call.service.part(notices.Notices).changed, "flow_runs"))


def _made(call: Call[Any], row: Any, actor: Actor) -> State:
    """The state of a run that is being made."""
    proposed = state(row)
    facts = transitions.Transition(current=None, proposed=proposed, actor=actor, now=call.now)
    if not isinstance(verdict := transitions.decide(facts), transitions.Accept):
        raise errors.Conflict(f"run {row.id}: {verdict.reason}")
    return proposed


def _transition(
    call: Call[Any], row: sa.Row[Any], proposed: State, actor: Actor, fence: int | None, facts: dict[str, Any]
) -> transitions.Transition:
    keeper = leasing(call)
    now, until, amnesty = call.now, row.lease_until, keeper.amnesty_until
    if not keeper.checks_fences and fence is not None:
        fence = row.fence
    if actor is Actor.REAPER:
        own = None if row.lost_after_seconds is None else timedelta(seconds=row.lost_after_seconds)
        timing = keeper.timing
        facts = {
            "lease_over": leases.lease_over(now, until, amnesty_until=amnesty),
            "lease_and_grace_over": leases.lease_and_grace_over(now, until, timing, amnesty_until=amnesty),
            "contact_lost": leases.contact_lost(now, until, timing, lost_after=own, amnesty_until=amnesty),
            "times_out_at": row.pause_ends_at,
            **facts,
        }
    return transitions.Transition(
        current=state(row),
        proposed=proposed,
        actor=actor,
        now=now,
        due_at=row.not_before,
        fence=fence,
        current_fence=row.fence,
        on_lost=transitions.OnLost(row.on_lost),
        rescues=row.rescues,
        retries_used=row.retries_used,
        retries_allowed=row.retries,
        retry_delay=timedelta(seconds=row.retry_delay_seconds),
        **facts,
    )


def _accepted(
    call: Call[Any], row: sa.Row[Any], after: State, actor: Actor, changes: dict[str, Any], *, marked: bool
) -> runs.RunAnswer:
    before = state(row)
    effects = transitions.effects(before, after, actor, marked=marked)
    values = _columns(call, row, after, effects) | changes
    _update(call, row, values)
    if row.slotted and Effect.FREE_SLOTS in effects:
        slots.free(call, row.id)
    fence = values.get("fence", row.fence)
    call.connection.execute(
        _record, _event(call, row, "move", row.version + 1, after, fence, before=before.type)
    )
    if row.backfill_id is not None and after.is_finished:
        call.after_commit(partial(call.service.poke, "backfills"))
    if after.is_finished:
        traces.ended(call, row, after)
        call.after_commit(partial(call.service.part(tallies.Tally).end, after.type.value))
    if Effect.OUTBOX in effects:
        outbox.write(call, row, before, after, row.version + 1)
    if after.type is StateType.SCHEDULED:
        _offer(call, row.id, queues.read(call.connection, row.queue_id), after)
    elif before.type is StateType.SCHEDULED:
        call.after_commit(partial(call.service.part(dispatch.Dispatch).taken, row.id))
    if effects & {Effect.ORDER_CANCEL, Effect.ORDER_TEAR_DOWN, Effect.RAISE_FENCE, Effect.END_LEASE}:
        call.after_commit(partial(call.service.part(heartbeats.Heartbeats).release, row.id))
    _notify(call, row)
    holder = actor in (Actor.AGENT, Actor.RUN)
    orders = runs.Orders(cancel=holder and after.type is StateType.CANCELLING)
    return _answer(leasing(call), after, row.version + 1, fence, orders)


def _columns(call: Call[Any], row: sa.Row[Any], after: State, effects: frozenset[Effect]) -> dict[str, Any]:
    """What the move changes in the run's row."""
    values: dict[str, Any] = {
        "version": row.version + 1,
        "state_type": after.type.value,
        "state_name": after.name,
        "state_message": after.message,
        "state_code": after.code,
        "state_at": call.now,
    }
    counts = {
        Effect.RAISE_FENCE: "fence",
        Effect.NEW_ATTEMPT: "attempt",
        Effect.COUNT_RESCUE: "rescues",
        Effect.COUNT_RETRY: "retries_used",
    }
    values |= {column: getattr(row, column) + 1 for effect, column in counts.items() if effect in effects}
    if effects & {Effect.GRANT_LEASE, Effect.RENEW_LEASE, Effect.LEASE_TO_RUN}:
        values["lease_until"] = leases.lease_until(call.now, leasing(call).timing)
        values["last_contact_at"] = call.now
    if Effect.END_LEASE in effects:
        values["lease_until"] = None
    if Effect.RECORD_START in effects and row.started_at is None:
        values["started_at"] = call.now
    if Effect.ORDER_CANCEL in effects or after.type is StateType.CANCELLED:
        values["cancel_requested"] = True
    if after.type is StateType.SCHEDULED:
        values |= {"agent_id": None, "host": None, "pid": None}
        if after.due_at is not None:
            values["not_before"] = after.due_at
    if after.type in states.FINISHED:
        values["finished_at"] = call.now
    if row.waits_for is not None:
        values["waits_for"] = None
    if row.pause_wish is not None and (row.state_type == StateType.PAUSED.value or after.is_finished):
        values["pause_wish"] = None
    if row.pause_ends_at is not None:
        values["pause_ends_at"] = None
    if row.slotted and Effect.FREE_SLOTS in effects:
        values["slotted"] = False
    return values


def _update(call: Call[Any], row: sa.Row[Any], values: dict[str, Any]) -> None:
    guard = {"run_id": row.id, "run_version": row.version}
    if call.connection.execute(_write, guard | values).rowcount != 1:
        raise errors.Unavailable(f"run {row.id} was changed at the same time; try again", retry_after=0)


def _event(
    call: Call[Any],
    row: Any,
    kind: str,
    seq: int,
    said: State,
    fence: int,
    *,
    before: StateType | None = None,
) -> dict[str, Any]:
    return {
        "flow_run_id": row.id,
        "seq": seq,
        "kind": kind,
        "from_type": None if before is None else before.value,
        "state_type": said.type.value,
        "state_name": said.name,
        "state_message": said.message,
        "state_code": said.code,
        "state_due_at": said.due_at,
        "actor_kind": call.caller.kind,
        "actor_name": call.caller.name,
        "actor_id": call.caller.run_id or call.caller.id,
        "fence": fence,
        "request_id": call.request_id,
        "at": call.now,
    }


def _offer(call: Call[Any], run_id: UUID, queue: queues.Queue, after: State) -> None:
    wait = timedelta(0) if after.due_at is None else after.due_at - call.now
    call.after_commit(partial(call.service.part(dispatch.Dispatch).offer, run_id, queue, wait))


def _notify(call: Call[Any], row: Any) -> None:
    changed = call.service.part(notices.Notices).changed
    call.after_commit(partial(changed, f"flow_run:{row.id}"))
    call.after_commit(partial(changed, "flow_runs"))


def _known(row: sa.Row[Any]) -> dict[str, Any]:
    return {"state": row.state_type, "version": row.version, "fence": row.fence}


def _answer(keeper: Leasing, current: State, version: int, fence: int, orders: runs.Orders) -> runs.RunAnswer:
    seconds = keeper.timing.lease.total_seconds()
    return runs.RunAnswer(state=current, version=version, fence=fence, lease_seconds=seconds, orders=orders)
