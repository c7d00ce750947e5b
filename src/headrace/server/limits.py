"""Concurrency limits: making and changing them, and who holds and who waits."""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import labels
from headrace.core import limits as core_limits
from headrace.core.limits import Kind, WhenFull
from headrace.core.states import StateType
from headrace.server import flows, notices, parking, slots, tables, task_queue
from headrace.server.service import handles
from headrace.web import ids, pages
from headrace.web.handlers import Call
from headrace.wire import limits, operations

_limits = tables.limits
_slots = tables.slots
_runs = tables.flow_runs
_flows = tables.flows
_queues = tables.queues

#: How many holders and waiters are shown.
SHOWN = 100
#: Run states in which slots are held.
HOLDING = (StateType.SUBMITTED.value, StateType.RUNNING.value, StateType.CANCELLING.value)

# A claim that saw no limit must not be committed after the limit with the runs that it found holding: this waits for all.
_alone = sa.text("LOCK TABLE limits IN ACCESS EXCLUSIVE MODE")
_held = (
    sa.select(sa.func.count())
    .where(_slots.c.limit_id == _limits.c.id, _slots.c.run_id.is_not(None))
    .correlate(_limits)
    .scalar_subquery()
    .label("held")
)
_waiting = (
    sa.select(sa.func.count())
    .where(_runs.c.waits_for == _limits.c.id, _runs.c.waits_for.is_not(None))
    .correlate(_limits)
    .scalar_subquery()
    .label("waiting")
)
_name = sa.case(
    (_limits.c.flow_id.is_not(None), tables.projects.c.name + "/" + _flows.c.name), else_=_limits.c.what
).label("name")
_select = (
    sa.select(_limits, _held, _waiting, _name)
    .outerjoin(_flows, _flows.c.id == _limits.c.flow_id)
    .outerjoin(tables.projects, tables.projects.c.id == _flows.c.project_id)
)
_one = _select.where(_limits.c.id == sa.bindparam("id"))
_locked = sa.select(_limits).where(_limits.c.id == sa.bindparam("id")).with_for_update()
_change = sa.update(_limits).where(_limits.c.id == sa.bindparam("id_"))
_same = sa.select(_limits.c.id).where(
    _limits.c.kind == sa.bindparam("kind"), _limits.c.what == sa.bindparam("what")
)
_adopt = (
    sa.update(_runs)
    .where(_runs.c.state_type.in_(HOLDING))
    .values(slotted=True)
    .returning(_runs.c.id, _runs.c.slots)
)
_adopt_of_flow = _adopt.where(_runs.c.flow_id == sa.bindparam("flow"))
_adopt_of_queues = _adopt.where(_runs.c.queue_id.in_(sa.bindparam("queues", expanding=True)))
_in_name = sa.select(_runs.c.name.label("flow_run"), _flows.c.name.label("flow")).join(
    _flows, _flows.c.id == _runs.c.flow_id
)
_holders = (
    _in_name.add_columns(_slots)
    .join(_slots, _slots.c.run_id == _runs.c.id)
    .where(_slots.c.limit_id == sa.bindparam("id"))
    .order_by(_slots.c.taken_at, _slots.c.run_id, _slots.c.number)
)
_waiters = (
    _in_name.add_columns(_runs.c.id, _runs.c.priority, _runs.c.due_at)
    .where(_runs.c.waits_for == sa.bindparam("id"), _runs.c.waits_for.is_not(None))
    .order_by(_runs.c.priority.desc(), _runs.c.not_before)
    .limit(SHOWN)
)
_named = _in_name.add_columns(_runs.c.id, _runs.c.priority, _runs.c.state_at).where(
    _runs.c.id.in_(sa.bindparam("ids", expanding=True))
)


@handles(operations.list_limits)
def list_limits(call: Call[Any], request: limits.ListLimits) -> wire.Page[limits.Limit]:
    shown = pages.limit(request.limit)
    query = _select.order_by(_limits.c.kind, _limits.c.what).limit(shown + 1)
    if request.kind is not None:
        query = query.where(_limits.c.kind == request.kind.value)
    if request.after is not None:
        kind, what = pages.read(request.after, tuple[str, str])
        query = query.where(
            sa.tuple_(_limits.c.kind, _limits.c.what) > sa.tuple_(sa.literal(kind), sa.literal(what))
        )
    rows = call.connection.execute(query).all()
    page, following = pages.cut(rows, shown, lambda row: (row.kind, row.what))
    return wire.Page(items=[_limit(call, row) for row in page], next=following)


@handles(operations.read_limit)
def read_limit(call: Call[Any], request: limits.LimitRef) -> limits.LimitDetails:
    limit = _read(call, request.limit_id)
    held = call.connection.execute(_holders, {"id": limit.id}).all()
    waiters = _tasks_waiting(call, limit) if limit.kind is Kind.TAG else _runs_waiting(call, limit.id)
    return limits.LimitDetails(limit=limit, holders=_grouped(held)[:SHOWN], waiters=waiters)


@handles(operations.create_limit)
def create_limit(call: Call[Any], request: limits.CreateLimit) -> limits.Limit:
    """Runs that go on already hold slots of it, however many there are."""
    _check_size(request.size)
    flow_id, what = _subject(call, request)
    if call.connection.dialect.name == "postgresql":
        call.connection.execute(_alone)
    if call.connection.execute(_same, {"kind": request.kind.value, "what": what}).first() is not None:
        raise errors.Conflict(f"the {request.kind} {request.what!r} has a limit already: change it instead")
    limit_id = ids.uuid7()
    values: dict[str, Any] = {
        "id": limit_id,
        "kind": request.kind.value,
        "what": what,
        "flow_id": flow_id,
        "size": request.size,
        "when_full": request.when_full.value,
        "created_at": call.now,
        "created_by": call.caller.name or call.caller.kind,
        "updated_at": call.now,
    }
    call.connection.execute(sa.insert(_limits), values)
    slots.fit(call, limit_id, request.size, _adopted(call, request, flow_id))
    _changed(call)
    return _read(call, limit_id)


@handles(operations.update_limit)
def update_limit(call: Call[Any], request: limits.UpdateLimit) -> limits.Limit:
    """A larger one lets more go on at once; the holders of a smaller one go on, and nothing more until they are few enough."""
    before = call.connection.execute(_locked, {"id": request.limit_id}).one_or_none()
    if before is None:
        raise _missing(request.limit_id)
    size = before.size if request.size is None else request.size
    _check_size(size)
    policy = WhenFull(before.when_full) if request.when_full is None else request.when_full
    changes = {"size": size, "when_full": policy.value, "updated_at": call.now}
    call.connection.execute(_change, {"id_": before.id, **changes})
    if size != before.size:
        slots.fit(call, before.id, size)
        slots.hand_on(call, before, max(0, size - before.size))
    _changed(call)
    return _read(call, before.id)


@handles(operations.delete_limit)
def delete_limit(call: Call[Any], request: limits.LimitRef) -> wire.Empty:
    """Its holders go on, and what waited for it goes on too."""
    limit = call.connection.execute(_locked, {"id": request.limit_id}).one_or_none()
    if limit is None:
        raise _missing(request.limit_id)
    call.connection.execute(sa.delete(_limits).where(_limits.c.id == limit.id))
    parking.release(call, limit.id)
    call.after_commit(partial(call.service.part(task_queue.TaskQueue).wake, limit.what))
    _changed(call)
    return wire.Empty()


def _subject(call: Call[Any], request: limits.CreateLimit) -> tuple[UUID | None, str]:
    """What the limit is of, as it is kept: the flow's id, and the key that is unique for its kind."""
    if request.kind is Kind.FLOW:
        project, _, name = request.what.rpartition("/")
        if not project:
            raise errors.Invalid(
                f"what: name the flow with its project, like sales/{request.what}",
                fields={"what": "project/flow"},
            )
        flow_id = flows.find(call.connection, project, name)
        return flow_id, str(flow_id)
    if request.kind is Kind.LABEL:
        return None, labels.normalised([request.what])[0]
    if not (0 < len(request.what) <= labels.LONGEST and request.what.isprintable()):
        raise errors.Invalid(
            f"what: a tag has 1 to {labels.LONGEST} printable characters", fields={"what": "not a tag"}
        )
    return None, request.what


def _check_size(size: int) -> None:
    if not 0 <= size <= core_limits.LARGEST:
        allowed = f"from 0 to {core_limits.LARGEST}"
        raise errors.Invalid(f"size is {allowed}, not {size}", fields={"size": allowed})


def _adopted(call: Call[Any], request: limits.CreateLimit, flow_id: UUID | None) -> list[slots.Holder]:
    """Who holds slots of a new limit from the beginning. Which tasks run under a tag the server does not know."""
    if request.kind is Kind.TAG:
        return []
    if flow_id is not None:
        rows = call.connection.execute(_adopt_of_flow, {"flow": flow_id})
    else:
        every = call.connection.execute(sa.select(_queues.c.id, _queues.c.labels))
        found = [row.id for row in every if request.what in row.labels]
        rows = call.connection.execute(_adopt_of_queues, {"queues": found})
    return [
        slots.Holder(row.id) for row in rows.all() for _ in range(core_limits.needed(row.slots, request.size))
    ]


def _changed(call: Call[Any]) -> None:
    call.after_commit(partial(call.service.part(notices.Notices).changed, "limits"))


def _missing(limit_id: UUID) -> errors.NotFound:
    return errors.NotFound(f"there is no limit {limit_id}; `headrace limits` shows them")


def _read(call: Call[Any], limit_id: UUID) -> limits.Limit:
    row = call.connection.execute(_one, {"id": limit_id}).one_or_none()
    if row is None:
        raise _missing(limit_id)
    return _limit(call, row)


def _limit(call: Call[Any], row: sa.Row[Any]) -> limits.Limit:
    kind = Kind(row.kind)
    waiting = row.waiting
    if kind is Kind.TAG:
        waiting = sum(call.service.part(task_queue.TaskQueue).waiting(row.what).values())
    return limits.Limit(
        id=row.id,
        kind=kind,
        what=row.name,
        flow_id=row.flow_id,
        size=row.size,
        when_full=WhenFull(row.when_full),
        held=row.held,
        waiting=waiting,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
    )


def _grouped(rows: Sequence[sa.Row[Any]]) -> list[limits.SlotHolder]:
    """One for each holder, however many slots it has."""
    by_holder: dict[tuple[UUID, str, int], list[sa.Row[Any]]] = {}
    for row in rows:
        by_holder.setdefault((row.run_id, row.slug, row.map_index), []).append(row)
    return [
        limits.SlotHolder(
            flow_run_id=run_id,
            flow_run=held[0].flow_run,
            flow=held[0].flow,
            task=slug or None,
            map_index=map_index,
            slots=len(held),
            since=held[0].taken_at,
        )
        for (run_id, slug, map_index), held in by_holder.items()
    ]


def _runs_waiting(call: Call[Any], limit_id: UUID) -> list[limits.SlotWaiter]:
    return [
        limits.SlotWaiter(
            flow_run_id=row.id,
            flow_run=row.flow_run,
            flow=row.flow,
            priority=row.priority,
            tasks=0,
            since=row.due_at,
        )
        for row in call.connection.execute(_waiters, {"id": limit_id})
    ]


def _tasks_waiting(call: Call[Any], limit: limits.Limit) -> list[limits.SlotWaiter]:
    counts = call.service.part(task_queue.TaskQueue).waiting(limit.what)
    rows = call.connection.execute(_named, {"ids": list(counts)[:SHOWN]})
    return [
        limits.SlotWaiter(
            flow_run_id=row.id,
            flow_run=row.flow_run,
            flow=row.flow,
            priority=row.priority,
            tasks=counts[row.id],
            since=row.state_at,
        )
        for row in rows
    ]
