"""Slots of concurrency limits: taken all or none, freed in the transaction that ends their holder, never counted.

Each slot is a row. Whoever takes or frees slots of a limit holds the limit's row until the commit, in the order of ids, so
that a slot which is freed and a run which has just found none cannot miss each other.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace.core import limits
from headrace.server import parking, tables, task_queue
from headrace.web.handlers import Call

_limits = tables.limits
_slots = tables.slots

#: Whether a run needs to ask at all: a column of the claim's own statement, so that limits cost nothing where there are none.
LIMITED = sa.or_(
    sa.exists().where(_limits.c.flow_id == tables.flow_runs.c.flow_id).correlate(tables.flow_runs),
    sa.exists().where(_limits.c.kind == sa.literal_column("'label'")),
).label("limited")

_of_run = (
    sa.select(_limits)
    .where(
        sa.or_(
            _limits.c.flow_id == sa.bindparam("flow"),
            sa.and_(
                _limits.c.kind == limits.Kind.LABEL.value,
                _limits.c.what.in_(sa.bindparam("labels", expanding=True)),
            ),
        )
    )
    .order_by(_limits.c.id)
    .with_for_update()
)
_of_tags = (
    sa.select(_limits)
    .where(_limits.c.kind == limits.Kind.TAG.value, _limits.c.what.in_(sa.bindparam("tags", expanding=True)))
    .order_by(_limits.c.id)
    .with_for_update()
)
_holding = (
    sa.select(_limits)
    .where(_limits.c.id.in_(sa.select(_slots.c.limit_id).where(_slots.c.run_id == sa.bindparam("run"))))
    .order_by(_limits.c.id)
    .with_for_update()
)
_is = sa.and_(_slots.c.limit_id == sa.bindparam("limit"), _slots.c.number == sa.bindparam("at"))
_free = (
    sa.select(_slots.c.number)
    .where(_slots.c.limit_id == sa.bindparam("limit"), _slots.c.run_id.is_(None))
    .order_by(_slots.c.number)
    .limit(sa.bindparam("most"))
)
_take = sa.update(_slots).where(_is, _slots.c.run_id.is_(None))
_held = sa.select(_slots).where(_slots.c.run_id == sa.bindparam("run"))
_EMPTY: dict[str, Any] = {"run_id": None, "slug": "", "map_index": -1, "attempt": 0, "taken_at": None}
_let_go = sa.update(_slots).where(_is).values(_EMPTY)
_surplus = sa.select(
    sa.exists().where(
        _slots.c.limit_id == sa.bindparam("limit"), _slots.c.number >= sa.bindparam("size", type_=sa.Integer)
    )
)
_all = sa.select(_slots.c.number, _slots.c.run_id).where(_slots.c.limit_id == sa.bindparam("limit"))
_drop = sa.delete(_slots).where(_is)
_renumber = sa.update(_slots).where(_is)
_add = sa.insert(_slots)


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a slot: a flow run, or one of its task runs at an attempt."""

    run_id: UUID
    slug: str = ""
    map_index: int = -1
    attempt: int = 0


def of_run(call: Call[Any], flow_id: UUID, labels: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """The limits that a run of this flow with these labels is under; nobody else changes them or their slots meanwhile."""
    return call.connection.execute(_of_run, {"flow": flow_id, "labels": list(labels)}).all()


def of_tags(call: Call[Any], tags: Iterable[str]) -> Sequence[sa.Row[Any]]:
    """The limits of these tags; nobody else changes them or their slots meanwhile."""
    return call.connection.execute(_of_tags, {"tags": sorted(tags)}).all()


def take(call: Call[Any], holder: Holder, under: Iterable[sa.Row[Any]], slots: int = 1) -> sa.Row[Any] | None:
    """Takes slots of all these limits, whose rows the caller holds; or none, and answers with the first that is full."""
    found: list[dict[str, Any]] = []
    for limit in under:
        wanted = limits.needed(slots, limit.size)
        free = call.connection.execute(_free, {"limit": limit.id, "most": wanted}).scalars().all()
        if len(free) < wanted:
            return limit
        found += [{"limit": limit.id, "at": number} for number in free]
    if found:
        values = {**dataclasses.asdict(holder), "taken_at": call.now}
        call.connection.execute(_take, [{**slot, **values} for slot in found])
    return None


def held(call: Call[Any], run_id: UUID) -> Sequence[sa.Row[Any]]:
    """The slots that a run and its tasks hold."""
    return call.connection.execute(_held, {"run": run_id}).all()


def free(call: Call[Any], run_id: UUID, only: Callable[[sa.Row[Any]], bool] = lambda slot: True) -> None:
    """Frees the slots of a run and of its tasks, or `only` some, and hands them on."""
    # The limits first: a slot may be given another number before their rows are ours.
    under = call.connection.execute(_holding, {"run": run_id}).all()
    freed = [slot for slot in held(call, run_id) if only(slot)]
    if not freed:
        return
    call.connection.execute(_let_go, [{"limit": slot.limit_id, "at": slot.number} for slot in freed])
    for limit in under:
        if count := sum(slot.limit_id == limit.id for slot in freed):
            if call.connection.execute(_surplus, {"limit": limit.id, "size": limit.size}).scalar():
                fit(call, limit.id, limit.size)
            hand_on(call, limit, count)


def hand_on(call: Call[Any], limit: sa.Row[Any], slots: int) -> None:
    """Wakes those who wait for a limit of which so many slots have become free."""
    if limit.kind == limits.Kind.TAG:
        call.after_commit(partial(call.service.part(task_queue.TaskQueue).wake, limit.what))
    elif slots:
        parking.release(call, limit.id, slots)


def fit(call: Call[Any], limit_id: UUID, size: int, holders: Sequence[Holder] = ()) -> None:
    """Makes the slots be as many as the size says, or as their holders are; the caller holds the limit's row.

    They are numbered without gaps. `holders` of a new limit hold one each from the beginning.
    """
    rows = call.connection.execute(_all, {"limit": limit_id}).all()
    taken = {row.number for row in rows if row.run_id is not None}
    spare = {row.number for row in rows if row.run_id is None}
    count = max(size, len(taken) + len(holders))
    places = sorted(set(range(count)) - taken)
    moved = list(zip(sorted(number for number in taken if number >= count), places, strict=False))
    given = list(zip(holders, places[len(moved) :], strict=False))
    empty = set(places[len(moved) + len(given) :])
    if gone := spare - empty:
        call.connection.execute(_drop, [{"limit": limit_id, "at": number} for number in sorted(gone)])
    if moved:
        call.connection.execute(
            _renumber, [{"limit": limit_id, "at": before, "number": after} for before, after in moved]
        )
    new: list[dict[str, Any]] = [
        {"limit_id": limit_id, "number": number, **dataclasses.asdict(holder), "taken_at": call.now}
        for holder, number in given
    ]
    new += [{"limit_id": limit_id, "number": number, **_EMPTY} for number in sorted(empty - spare)]
    if new:
        call.connection.execute(_add, new)
