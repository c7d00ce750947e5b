"""What becomes of a flow's schedules when the flow changes: a new version, other settings, a pause.

Whoever changes a schedule locks its flow first and then the flow's schedules, so that of a pause and an edit at the same
time the later one finds what the earlier one did.
"""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.core import schedules as core_schedules
from headrace.core import sentences
from headrace.core.states import Reason
from headrace.server import firings, parameters, runs, tables
from headrace.web import ids
from headrace.web.handlers import Call

_schedules = tables.schedules

CODE, PEOPLE = "code", "people"

_lock_flow = sa.select(tables.flows.c.id).where(tables.flows.c.id == sa.bindparam("flow")).with_for_update()
_of_flow = (
    sa.select(_schedules)
    .where(_schedules.c.flow_id == sa.bindparam("flow"))
    .order_by(_schedules.c.id)
    .with_for_update()
)
_insert = sa.insert(_schedules)
_write = sa.update(_schedules).where(_schedules.c.id == sa.bindparam("id_"))
_delete = sa.delete(_schedules).where(_schedules.c.id == sa.bindparam("id_"))


def locked(call: Call[Any], flow_id: UUID) -> Sequence[sa.Row[Any]]:
    """The flow's schedules, which nobody else changes before this transaction ends."""
    call.connection.execute(_lock_flow, {"flow": flow_id}).one_or_none()
    return call.connection.execute(_of_flow, {"flow": flow_id}).all()


def adopt(call: Call[Any], flow_id: UUID, given: Iterable[core_schedules.Schedule], *, changed: bool) -> None:
    """The schedules in the code of the version that is now the current one; people's own stay.

    One that the version before had too keeps its identity, what people made of it, and its runs. `changed`: runs that were
    made ahead no longer are what the flow would make now.
    """
    before = locked(call, flow_id)
    wanted = {encoded(schedule): schedule for schedule in given}
    code = {row.schedule: row for row in before if row.origin == CODE}
    gone = [row for text, row in code.items() if text not in wanted]
    firings.remove(call, gone, "its schedule is no longer in the flow's code")
    for row in gone:
        call.connection.execute(_delete, {"id_": row.id})
    taken = {row.name for row in before if row not in gone}
    new: list[UUID] = []
    for text, schedule in wanted.items():
        if text not in code:
            name = free_name(sentences.title(schedule), taken)
            taken.add(name)
            new.append(insert(call, flow_id, name, CODE, schedule))
    if changed or new:
        renew(call, flow_id, None if changed else new)


def insert(call: Call[Any], flow_id: UUID, name: str, origin: str, schedule: core_schedules.Schedule) -> UUID:
    """A schedule that makes no runs before it is renewed."""
    schedule_id = ids.uuid7()
    values: dict[str, Any] = {
        "id": schedule_id,
        "flow_id": flow_id,
        "name": name,
        "origin": origin,
        "schedule": encoded(schedule),
        "active": schedule.active,
        "revision": 1,
        "settled_until": call.now,
        "made_until": call.now,
        "created_at": call.now,
        "created_by": call.caller.name,
        "updated_at": call.now,
        "updated_by": call.caller.name,
    }
    call.connection.execute(_insert, values)
    return schedule_id


def write(call: Call[Any], row: Any, **values: Any) -> Any:
    """Changes a schedule's row, and gives it as it is then."""
    call.connection.execute(_write, {"id_": row.id, **values})
    return SimpleNamespace(**{**row._mapping, **values})  # noqa: SLF001 - how SQLAlchemy names it


def delete(call: Call[Any], row: Any, words: str) -> None:
    firings.remove(call, [row], words)
    call.connection.execute(_delete, {"id_": row.id})


def renew(
    call: Call[Any], flow_id: UUID, only: Sequence[UUID] | None = None, *, edited: bool = False
) -> None:
    """Brings the runs that are made ahead in line with the flow and its schedules as they are now.

    Runs to come are made anew. Those that are due already stay, unless their schedule makes no runs any more or was
    `edited`.
    """
    rows = [row for row in locked(call, flow_id) if only is None or row.id in only]
    if not rows:
        return
    source = runs.current_sources(call.connection, [flow_id]).get(flow_id)
    works = source is not None and not source.paused and source.archived_at is None
    for row in rows:
        problem = None if source is None else _problem(source, row)
        if not (works and row.active and problem is None):
            firings.remove(call, [row], "its schedule was stopped before it started")
            write(call, row, fill_at=None, problem=None if problem is None else msgspec.to_builtins(problem))
            continue
        firings.remove(call, [row], "its schedule was changed before it started", late=edited)
        slept = row.fill_at is None or edited
        made_until = call.now if slept else min(row.made_until, call.now)
        settled = {"settled_until": call.now} if slept else {}
        firings.start(call, write(call, row, made_until=made_until, **settled))


def check(source: Any, schedule: core_schedules.Schedule) -> None:
    """Raises errors.Invalid unless each clock gives the flow all parameters that it needs, and values that fit."""
    known = parameters.specs(source.parameters)
    defaults = source.default_parameters
    core_schedules.require_parameters(
        schedule,
        required=[spec.name for spec in known if spec.required and spec.name not in defaults],
        known=[spec.name for spec in known],
    )
    for clock in schedule.clocks:
        parameters.resolved(source.flow, known, defaults, clock.parameters)


def encoded(schedule: core_schedules.Schedule) -> str:
    return msgspec.json.encode(schedule, order="deterministic").decode()


def free_name(wanted: str, taken: set[str]) -> str:
    """The name, numbered where it is taken."""
    if wanted not in taken:
        return wanted
    return next(name for number in range(2, len(taken) + 3) if (name := f"{wanted} ({number})") not in taken)


def _problem(source: Any, row: Any) -> Reason | None:
    try:
        schedule = firings.decoded(row.schedule)
    except errors.Invalid as error:
        return firings.unreadable(error)
    try:
        check(source, schedule)
    except errors.Invalid as error:
        return firings.unfillable(error)
    return None
