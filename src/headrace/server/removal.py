"""Removal: takes away what the rules of retention let go, a few rows at a time.

Every transaction removes at most `BATCH` rows, so that writers wait little and readers, who see one state of the
database, not at all. A run goes last, after what belongs to it: a round that ends half-way leaves a run that the next
round finds again. What is not finished is never touched, nor a finished run for which an unfinished one still asks.
"""

import asyncio
import collections
import dataclasses
import functools
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from headrace import errors
from headrace.server import retention, tables
from headrace.server.service import Service, handles, waits
from headrace.web import ids
from headrace.web.handlers import Call, Caller, Run
from headrace.wire import operations
from headrace.wire import retention as wire

log = logging.getLogger(__name__)

#: The most rows that one transaction removes. A run's own row takes its history along, a few rows more.
BATCH = 1000
#: Flows, and runs of a flow, looked at in one read.
PAGE = 100
#: How long a round may take; the next one goes on.
BUDGET = timedelta(seconds=30)
#: The longest that `run_retention` removes before it answers.
LONGEST = 60.0

_runs = tables.flow_runs
_marks = tables.retention_marks
_rounds = tables.retention_rounds
_NOBODY = UUID(int=0)

_parent, _restart = _runs.alias("parent"), _runs.alias("restart")
#: A finished sub-flow is still asked for by its parent, and the run that was begun anew for its results.
_is_asked_for = sa.or_(
    sa.exists().where(_parent.c.id == _runs.c.parent_run_id, _parent.c.finished_at.is_(None)),
    sa.exists().where(_restart.c.restarted_from == _runs.c.id, _restart.c.finished_at.is_(None)),
)
_order = sa.tuple_(_runs.c.finished_at, _runs.c.id)
_after = sa.tuple_(
    sa.bindparam("after", type_=_runs.c.finished_at.type), sa.bindparam("after_id", type_=_runs.c.id.type)
)
_bound = sa.tuple_(
    sa.bindparam("bound", type_=_runs.c.finished_at.type), sa.bindparam("bound_id", type_=_runs.c.id.type)
)
#: Runs of a flow that ended in a period, oldest first. The first condition is that of a partial index.
_ended = (
    sa.select(_runs.c.id, _runs.c.finished_at)
    .where(_runs.c.flow_id == sa.bindparam("flow"), _runs.c.finished_at.is_not(None))
    .where(_order > _after, _order < _bound, ~_is_asked_for)
    .order_by(_runs.c.finished_at, _runs.c.id)
)
_page_ended = _ended.limit(PAGE)
_needed = sa.select(_runs.c.id).where(_runs.c.id == sa.bindparam("run"), _is_asked_for)
#: The newest run that is one too many.
_surplus = (
    sa.select(_runs.c.finished_at, _runs.c.id)
    .where(_runs.c.flow_id == sa.bindparam("flow"), _runs.c.finished_at.is_not(None))
    .order_by(_runs.c.finished_at.desc(), _runs.c.id.desc())
    .limit(1)
    .offset(sa.bindparam("kept"))
)
_flows = (
    sa.select(tables.flows.c.id)
    .where(tables.flows.c.id > sa.bindparam("after"))
    .order_by(tables.flows.c.id)
    .limit(PAGE)
)
_marked = sa.select(_marks.c.kind, _marks.c.flow_id, _marks.c.done_until).where(
    _marks.c.flow_id.in_(sa.bindparam("flows", expanding=True))
)
_move_mark = sa.update(_marks).where(
    _marks.c.kind == sa.bindparam("of_kind"), _marks.c.flow_id == sa.bindparam("of_flow")
)
_remove_run = sa.delete(_runs).where(_runs.c.id == sa.bindparam("run"), _runs.c.finished_at.is_not(None))
_record = sa.insert(_rounds)


@dataclasses.dataclass(frozen=True)
class Aged:
    """Rows that belong to no run and go by their age alone; `kind` names the rule, else they live for `seconds`."""

    table: sa.Table
    column: sa.Column[Any]
    where: tuple[sa.ColumnElement[bool], ...] = ()
    kind: str = ""
    seconds: float = timedelta(days=90).total_seconds()

    def limit(self, rules: retention.Rules) -> float | None:
        return rules.limit(retention.KINDS[self.kind]).seconds if self.kind else self.seconds


def _has_runs(flow_id: sa.Column[Any], *more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.exists().where(_runs.c.flow_id == flow_id, *more)


AGED = (
    Aged(
        tables.requests, tables.requests.c.created_at, (tables.requests.c.flow_run_id.is_(None),), "requests"
    ),
    Aged(tables.loop_leases, tables.loop_leases.c.until),
    Aged(_rounds, _rounds.c.began_at),
    # sealed entries only: one that is not sealed is younger than anything that goes
    Aged(tables.audit, tables.audit.c.at, (tables.audit.c.number.is_not(None),), "audit"),
    # a deleted flow is there for the sake of its runs
    Aged(
        tables.flow_versions,
        tables.flow_versions.c.deleted_at,
        (~_has_runs(tables.flow_versions.c.flow_id, _runs.c.version_id == tables.flow_versions.c.id),),
    ),
    Aged(tables.flows, tables.flows.c.deleted_at, (~_has_runs(tables.flows.c.id),)),
    # those that wait have no end yet and stay
    Aged(tables.deliveries, tables.deliveries.c.finished_at, seconds=timedelta(days=30).total_seconds()),
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What goes of one kind, of one flow: of the runs that ended after `start` and before `bound`."""

    kind: retention.Kind
    flow_id: UUID
    start: datetime
    bound: tuple[datetime, UUID]


@functools.cache
def owned() -> tuple[tuple[sa.Table, sa.Column[Any]], ...]:
    """Every table with rows of runs, and the column that names the run. Their history goes with the run's own row."""
    found = [
        (table, key.parent)
        for table in reversed(tables.metadata.sorted_tables)
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
        if key.column is _runs.c.id and key.ondelete == "CASCADE" and table is not tables.run_events
    ]
    return (*found, (tables.requests, tables.requests.c.flow_run_id))


@functools.cache
def _some_of(table: sa.Table, column: sa.Column[Any]) -> sa.Delete:
    """Removes at most `most` rows of a run."""
    key = sa.tuple_(*table.primary_key.columns)
    some = (
        sa.select(*table.primary_key.columns).where(column == sa.bindparam("run")).limit(sa.bindparam("most"))
    )
    return sa.delete(table).where(column == sa.bindparam("run"), key.in_(some))


@functools.cache
def _some_aged(aged: Aged) -> sa.Delete:
    key = sa.tuple_(*aged.table.primary_key.columns)
    is_old = (aged.column < sa.bindparam("before"), *aged.where)
    some = sa.select(*aged.table.primary_key.columns).where(*is_old).limit(sa.bindparam("most"))
    return sa.delete(aged.table).where(*is_old, key.in_(some))


async def sweep(service: Service, budget: timedelta = BUDGET) -> wire.Round:
    """One round: removes what the rules let go until it is done or its time is over, and records what it did."""
    sweeping = _Round(service, time.monotonic() + budget.total_seconds())
    began = await service.read(lambda call: call.now)
    complete = await sweeping.run()

    def record(call: Call[Any]) -> wire.Round:
        removed = dict(sorted(sweeping.removed.items()))
        done = wire.Round(began_at=began, ended_at=call.now, removed=removed, complete=complete)
        if removed:
            values = {"began_at": began, "ended_at": call.now, "removed": removed, "complete": complete}
            call.connection.execute(_record, {"id": ids.uuid7(), **values})
        return done

    if not sweeping.removed:
        return await service.read(record)
    done = await service.write(record)
    rows = ", ".join(f"{count} of {table}" for table, count in done.removed.items())
    log.info("retention has removed rows: %s%s", rows, "" if complete else "; there is more")
    return done


class _Round:
    """A round under way; `removed` counts rows by table."""

    def __init__(self, service: Service, until: float) -> None:
        self.removed: collections.Counter[str] = collections.Counter()
        self._service = service
        self._until = until

    async def run(self) -> bool:
        """True when nothing is left."""
        for aged in AGED:
            while (count := await self._service.write(functools.partial(_remove_aged, aged=aged))) > 0:
                self.removed[aged.table.name] += count
                if await self._is_over():
                    return False
        after: UUID | None = _NOBODY
        while after is not None:
            plans, after = await self._service.read(functools.partial(_plans, after=after))
            for plan in plans:
                if not await self._carry_out(plan):
                    return False
        return True

    async def _carry_out(self, plan: Plan) -> bool:
        """Removes a page of runs after the other. False when the time is over."""
        cursor = (plan.start, _NOBODY)
        moved = False
        while runs := await self._service.read(functools.partial(_page, plan=plan, after=cursor)):
            rest: Sequence[UUID] = [run.id for run in runs]
            while rest:
                count, done = await self._service.write(functools.partial(_remove, kind=plan.kind, runs=rest))
                self.removed += count
                rest = rest[done:]
                if await self._is_over():
                    return False
            cursor, moved = (runs[-1].finished_at, runs[-1].id), True
            if len(runs) < PAGE:
                break
        if moved and plan.kind.owned is not None:
            await self._service.write(functools.partial(_mark, plan=plan))
        return True

    async def _is_over(self) -> bool:
        await asyncio.sleep(0)
        return self._service.draining.is_set() or time.monotonic() > self._until


def _remove_aged(call: Call[Any], aged: Aged) -> int:
    seconds = aged.limit(retention.Rules(call.connection))
    if seconds is None:
        return 0
    asked = {"before": call.now - timedelta(seconds=seconds), "most": BATCH}
    return call.connection.execute(_some_aged(aged), asked).rowcount


def _plans(call: Call[Any], after: UUID) -> tuple[list[Plan], UUID | None]:
    """What goes of the next flows, and where to go on."""
    rules = retention.Rules(call.connection)
    if rules.keeps_all_runs:
        return [], None
    flows = list(call.connection.execute(_flows, {"after": after}).scalars())
    marks = {
        (row.kind, row.flow_id): row.done_until for row in call.connection.execute(_marked, {"flows": flows})
    }
    plans = [
        Plan(kind, flow_id, marks.get((kind.name, flow_id), tables.EPOCH), bound)
        for flow_id in flows
        for kind in retention.KINDS.values()
        if kind.per_flow and (bound := _bound_of(call, flow_id, rules.limit(kind, flow_id))) is not None
    ]
    return plans, flows[-1] if len(flows) == PAGE else None


def _bound_of(call: Call[Any], flow_id: UUID, limit: retention.Limit) -> tuple[datetime, UUID] | None:
    """Before which runs of a flow are let go, in the order of their ends."""
    found: list[tuple[datetime, UUID]] = []
    if limit.seconds is not None:
        found.append((call.now - timedelta(seconds=limit.seconds), _NOBODY))
    if limit.runs is not None:
        row = call.connection.execute(_surplus, {"flow": flow_id, "kept": limit.runs}).one_or_none()
        if row is not None:
            found.append((row.finished_at, UUID(int=row.id.int + 1)))  # this one goes too
    return max(found, default=None)


def _page(call: Call[Any], plan: Plan, after: tuple[datetime, UUID]) -> Sequence[Any]:
    return call.connection.execute(_page_ended, _asked(plan, after)).all()


def _asked(plan: Plan, after: tuple[datetime, UUID]) -> dict[str, Any]:
    bound, bound_id = plan.bound
    return {
        "flow": plan.flow_id,
        "after": after[0],
        "after_id": after[1],
        "bound": bound,
        "bound_id": bound_id,
    }


def _remove(
    call: Call[Any], kind: retention.Kind, runs: Sequence[UUID]
) -> tuple[collections.Counter[str], int]:
    """Removes rows of these runs until a batch is full: how many of which table, and of how many runs all is gone."""
    removed: collections.Counter[str] = collections.Counter()
    for done, run in enumerate(runs):
        for table, column in _of_kind(kind):
            most = BATCH - removed.total()
            if most <= 0:
                return removed, done
            count = call.connection.execute(_some_of(table, column), {"run": run, "most": most}).rowcount
            removed += collections.Counter({table.name: count})
        if removed.total() >= BATCH:
            return removed, done
        if kind.owned is None and call.connection.execute(_remove_run, {"run": run}).rowcount:
            removed[_runs.name] += 1
    return removed, len(runs)


def is_asked_for(call: Call[Any], run_id: UUID) -> bool:
    """Whether an unfinished run still needs this one."""
    return call.connection.execute(_needed, {"run": run_id}).first() is not None


def remove(call: Call[Any], run_id: UUID) -> bool:
    """Removes rows of one finished run until a batch is full. Whether all of it is gone."""
    return _remove(call, retention.KINDS["flow_runs"], [run_id])[1] == 1


def _of_kind(kind: retention.Kind) -> Iterator[tuple[sa.Table, sa.Column[Any]]]:
    return ((table, column) for table, column in owned() if kind.owned is None or table in kind.owned)


def _mark(call: Call[Any], plan: Plan) -> None:
    key = {"of_kind": plan.kind.name, "of_flow": plan.flow_id}
    if call.connection.execute(_move_mark, key | {"done_until": plan.bound[0]}).rowcount == 0:
        values = {"kind": plan.kind.name, "flow_id": plan.flow_id, "done_until": plan.bound[0]}
        call.connection.execute(sa.insert(_marks), values)


@handles(operations.preview_retention)
def preview_retention(call: Call[Any], request: wire.PreviewRetention) -> wire.RetentionPreview:
    would: collections.Counter[str] = collections.Counter()
    rules = retention.Rules(call.connection)
    for aged in AGED:
        seconds = aged.limit(rules)
        if seconds is not None:
            is_old = (aged.column < call.now - timedelta(seconds=seconds), *aged.where)
            count = sa.select(sa.func.count()).select_from(aged.table).where(*is_old)
            would[aged.table.name] += call.connection.execute(count).scalar_one()
    after: UUID | None = _NOBODY
    while after is not None:
        plans, after = _plans(call, after)
        gone: dict[UUID, tuple[datetime, UUID]] = {
            plan.flow_id: plan.bound for plan in plans if plan.kind.owned is None
        }
        for plan in plans:
            # what goes with a run is counted with the runs
            start = (
                gone.get(plan.flow_id, (plan.start, _NOBODY)) if plan.kind.owned else (plan.start, _NOBODY)
            )
            would += _count(call, plan, max(start, (plan.start, _NOBODY)))
    return wire.RetentionPreview(
        would_remove=dict(sorted((name, count) for name, count in would.items() if count))
    )


def _count(call: Call[Any], plan: Plan, after: tuple[datetime, UUID]) -> collections.Counter[str]:
    ended = _ended.order_by(None)
    counts: collections.Counter[str] = collections.Counter()
    if plan.kind.owned is None:
        every = sa.select(sa.func.count()).select_from(ended.subquery())
        counts[_runs.name] = call.connection.execute(every, _asked(plan, after)).scalar_one()
    for table, column in _of_kind(plan.kind):
        rows = (
            sa.select(sa.func.count())
            .select_from(table)
            .where(column.in_(ended.with_only_columns(_runs.c.id)))
        )
        counts[table.name] += call.connection.execute(rows, _asked(plan, after)).scalar_one()
    return counts


@handles(operations.run_retention)
def run_retention(call: Call[Any], request: wire.RunRetention) -> wire.Round:
    """The question alone: `sweep_now` follows, in transactions of its own."""
    if not 0 < request.seconds <= LONGEST:
        raise errors.Invalid(
            f"seconds is more than 0 and at most {LONGEST:g}", fields={"seconds": f"at most {LONGEST:g}"}
        )
    return wire.Round(began_at=call.now, ended_at=call.now, removed={}, complete=False)


@waits(operations.run_retention)
async def sweep_now(service: Service, caller: Caller, request: wire.RunRetention, run: Run) -> wire.Round:
    """Beside the loop's own rounds: removing what is gone already does nothing."""
    await run()
    return await sweep(service, timedelta(seconds=request.seconds))
