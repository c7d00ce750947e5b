"""SLAs: what is promised of a flow's runs, and when it was not kept. Each miss is recorded once, and told by the rules."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import clocks, states
from headrace.server import lateness, notification_rules, outbox, tables
from headrace.server.service import Service, handles
from headrace.web import ids, pages
from headrace.web.handlers import Call
from headrace.wire import notifications, operations

#: A run that ended before its time may be committed a little later.
SETTLE = timedelta(seconds=2)
#: Times that passed while no server looked are looked at afterwards, as long as this.
LOOK_BACK = timedelta(days=2)
#: Runs looked at in one transaction.
PAGE = 200
LONGEST_NAME = 100
_LONGEST = timedelta(days=366).total_seconds()
#: Stands for the SLA of runs that are shown as late, while a rule on Late is there.
_LATENESS = UUID(int=0)

_slas = tables.slas
_misses = tables.sla_misses
_runs = tables.flow_runs
_flows = tables.flows
_projects = tables.projects

_full = (
    sa.select(
        *[_slas, _flows.c.name.label("flow"), _projects.c.name.label("project"), _flows.c.project_id],
    )
    .join(_flows, _flows.c.id == _slas.c.flow_id)
    .join(_projects, _projects.c.id == _flows.c.project_id)
)
_one = _full.where(_slas.c.id == sa.bindparam("id"))
_flow = sa.select(_flows.c.id).where(_flows.c.id == sa.bindparam("id"))
_named = sa.select(_slas.c.id).where(
    _slas.c.flow_id == sa.bindparam("flow_id"), _slas.c.name == sa.bindparam("name")
)
_delete = sa.delete(_slas).where(_slas.c.id == sa.bindparam("sla"))
_delete_misses = sa.delete(_misses).where(_misses.c.sla_id == sa.bindparam("sla"))
_shown = sa.select(_misses, _slas.c.name.label("sla")).outerjoin(_slas, _slas.c.id == _misses.c.sla_id)

_deadlines = (
    sa.select(_slas.c.id)
    .join(_flows, _flows.c.id == _slas.c.flow_id)
    .where(_slas.c.next_at <= sa.bindparam("moment"), _flows.c.archived_at.is_(None))
    .order_by(_slas.c.next_at)
    .limit(PAGE)
)
_move_on = sa.update(_slas).where(
    _slas.c.id == sa.bindparam("sla"), _slas.c.next_at == sa.bindparam("deadline")
)
_kept = (
    sa.select(_runs.c.id)
    .where(_runs.c.flow_id == sa.bindparam("flow_id"), _runs.c.state_type == states.StateType.SUCCESS.value)
    .where(_runs.c.due_at > sa.bindparam("since"), _runs.c.finished_at <= sa.bindparam("deadline"))
    .limit(1)
)
_about_run = [
    *[_runs.c.id, _runs.c.name, _runs.c.flow_id, _runs.c.project_id, _runs.c.labels, _runs.c.attempt],
    *[_runs.c.due_at, _runs.c.started_at, _runs.c.finished_at, _runs.c.state_type],
    *[_flows.c.name.label("flow"), _projects.c.name.label("project")],
]
_told = sa.exists().where(_misses.c.sla_id == _slas.c.id, _misses.c.flow_run_id == _runs.c.id)
_watched = (
    sa.select(*_about_run, _slas.c.id.label("sla_id"), _slas.c.name.label("sla"), _slas.c.promise)
    .join(_slas, _slas.c.flow_id == _runs.c.flow_id)
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_projects, _projects.c.id == _runs.c.project_id)
    .where(_slas.c.kind != "finished_by", ~_told, _runs.c.id > sa.bindparam("after"))
    .order_by(_runs.c.id)
    .limit(PAGE)
)
#: The runs that could break a promise now: those not finished, and those that ended since the last look.
_unfinished = _watched.where(
    _runs.c.state_type.in_(sorted(states.UNFINISHED)), _runs.c.due_at <= sa.bindparam("moment")
)
_ended = _watched.where(_runs.c.finished_at > sa.bindparam("since"))
_told_late = sa.exists().where(_misses.c.sla_id == _LATENESS, _misses.c.flow_run_id == _runs.c.id)
_late = (
    sa.select(*_about_run)
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_projects, _projects.c.id == _runs.c.project_id)
    .where(~_told_late)
    .order_by(_runs.c.id)
    .limit(PAGE)
)
_known = sa.select(_misses.c.id).where(
    _misses.c.sla_id == sa.bindparam("sla"), _misses.c.key == sa.bindparam("key")
)
_insert = sa.insert(_misses)


@dataclasses.dataclass(frozen=True)
class Missed:
    """One promise that was not kept: `key` names the run or the time, so that it is recorded once."""

    sla_id: UUID
    sla: str
    key: str
    flow_id: UUID
    project_id: UUID
    project: str
    flow: str
    sentence: str
    run: Any = None


# --- for people ------------------------------------------------------------------------------------------------------


@handles(operations.create_sla)
def create_sla(call: Call[Service], request: notifications.CreateSla) -> notifications.Sla:
    name = request.name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        sentence = f"1 to {LONGEST_NAME} printable characters"
        raise errors.Invalid(f"the name of an SLA has {sentence}", fields={"name": sentence})
    if call.connection.execute(_flow, {"id": request.flow_id}).first() is None:
        raise errors.NotFound(f"there is no flow {request.flow_id}")
    if call.connection.execute(_named, {"flow_id": request.flow_id, "name": name}).first():
        raise errors.Conflict(f"the flow has an SLA {name!r} already", fields={"name": "taken"})
    promise = request.promise
    next_at = None
    if isinstance(promise, notifications.FinishedBy):
        next_at = next(_clock(promise).after(call.now), None)
    elif not 0 < promise.seconds <= _LONGEST:
        sentence = "more than 0 seconds and at most a year"
        raise errors.Invalid(f"an SLA is of {sentence}", fields={"promise.seconds": sentence})
    values: dict[str, Any] = {
        "id": ids.uuid7(),
        "name": name,
        "flow_id": request.flow_id,
        "kind": str(type(promise).__struct_config__.tag),
        "promise": promise,
        "next_at": next_at,
        "created_at": call.now,
        "created_by": call.caller.name,
    }
    call.connection.execute(_slas.insert(), values)
    return _sla(call.connection.execute(_one, {"id": values["id"]}).one())


@handles(operations.list_slas)
def list_slas(call: Call[Service], request: notifications.ListSlas) -> wire.Page[notifications.Sla]:
    shown = pages.limit(request.limit)
    query = _full.order_by(_slas.c.id).limit(shown + 1)
    if request.flow_id is not None:
        query = query.where(_slas.c.flow_id == request.flow_id)
    if request.after is not None:
        query = query.where(_slas.c.id > pages.read(request.after, UUID))
    kept, following = pages.cut(call.connection.execute(query).all(), shown, lambda row: row.id)
    return wire.Page(items=[_sla(row) for row in kept], next=following)


@handles(operations.delete_sla)
def delete_sla(call: Call[Service], request: notifications.SlaRef) -> wire.Empty:
    if call.connection.execute(_delete, {"sla": request.sla_id}).rowcount == 0:
        raise errors.NotFound(f"there is no SLA {request.sla_id}")
    call.connection.execute(_delete_misses, {"sla": request.sla_id})
    return wire.Empty()


@handles(operations.list_sla_misses)
def list_sla_misses(call: Call[Service], request: notifications.ListMisses) -> wire.Page[notifications.Miss]:
    asked = pages.given(
        {
            _misses.c.flow_id: request.flow_id,
            _misses.c.flow_run_id: request.flow_run_id,
            _misses.c.sla_id: request.sla_id,
        }
    )
    kept, following = pages.newest_first(call.connection, _shown.where(*asked), _misses.c.id, request)
    return wire.Page(items=[_miss(row) for row in kept], next=following)


# --- for the loop ----------------------------------------------------------------------------------------------------


def due(call: Call[Service]) -> list[UUID]:
    """SLAs one of whose times has passed."""
    return list(call.connection.execute(_deadlines, {"moment": call.now - SETTLE}).scalars())


def check_deadline(call: Call[Service], sla_id: UUID) -> bool:
    """Looks at one time of one SLA, and moves on to the next; whether it was missed."""
    row = call.connection.execute(_one, {"id": sla_id}).one_or_none()
    if row is None or row.next_at is None or row.next_at > call.now - SETTLE:
        return False
    promise = msgspec.convert(row.promise, notifications.FinishedBy)
    clock, deadline = _clock(promise), row.next_at
    following = next(clock.after(max(deadline, call.now - LOOK_BACK)), None)
    guard = {"sla": row.id, "deadline": deadline}
    if call.connection.execute(_move_on.values(next_at=following), guard).rowcount == 0:
        return False  # another server was faster
    before = next(clock.until(deadline - timedelta(microseconds=1)), deadline - timedelta(days=1))
    asked = {"flow_id": row.flow_id, "since": before, "deadline": deadline}
    if deadline < call.now - LOOK_BACK or call.connection.execute(_kept, asked).first() is not None:
        return False
    local = deadline.astimezone(clocks.zones.zone(promise.timezone))
    sentence = (
        f"No run that was due since {before:%Y-%m-%d %H:%M} UTC had succeeded by"
        f" {local:%Y-%m-%d %H:%M} {promise.timezone}."
    )
    return record(
        call,
        Missed(
            *(row.id, row.name, deadline.isoformat(), row.flow_id, row.project_id, row.project, row.flow),
            sentence,
        ),
    )


def watched(
    call: Call[Service], since: datetime, after: UUID, *, ended: bool
) -> tuple[list[Missed], UUID | None]:
    """Of the next runs under an SLA those that broke it, and where to go on."""
    asked = {"moment": call.now, "since": since, "after": after}
    wanted = ("since", "after") if ended else ("moment", "after")
    rows = call.connection.execute(
        _ended if ended else _unfinished, {name: asked[name] for name in wanted}
    ).all()
    return [found for row in rows if (found := _broken(row, call.now))], _following(rows)


def late(call: Call[Service]) -> list[Missed]:
    """Runs that are shown as late and have not been told yet, while a rule wants to know."""
    known = call.service.part(notification_rules.Rules).current(call)
    if not any(notification_rules.LATE in rule.words for rule in known):
        return []
    rows = call.connection.execute(_late.where(lateness.condition(call))).all()
    return [
        _of_run(
            row, _LATENESS, "", f"It was due at {row.due_at:%Y-%m-%d %H:%M:%S} UTC and has not been taken."
        )
        for row in rows
    ]


def record(call: Call[Service], missed: Missed) -> bool:
    """Records a miss, once, and what the rules want told of it."""
    if call.connection.execute(_known, {"sla": missed.sla_id, "key": missed.key}).first():
        return False
    run = missed.run
    values = {
        "id": ids.uuid7(),
        "sla_id": missed.sla_id,
        "key": missed.key,
        "flow_id": missed.flow_id,
        "flow_run_id": None if run is None else run.id,
        "at": call.now,
        "sentence": missed.sentence,
    }
    call.connection.execute(_insert, values)
    word = notification_rules.LATE if missed.sla_id == _LATENESS else notification_rules.MISSED
    known = call.service.part(notification_rules.Rules).current(call)
    wanting = [rule for rule in known if rule.may_want((word,), missed.flow_id)]
    if wanting:
        outbox.put(call, wanting, missed.project_id, _event(call, missed, word))
    return True


def _event(call: Call[Service], missed: Missed, word: str) -> notifications.Event:
    run = missed.run
    place = f"flows/{missed.flow_id}" if run is None else f"flow-runs/{run.id}"
    return notifications.Event(
        event_id=uuid5(missed.sla_id, f"{missed.flow_id} {missed.key}"),
        kind="sla",
        at=call.now,
        rule="",
        project=missed.project,
        flow=missed.flow,
        flow_id=missed.flow_id,
        run="" if run is None else run.name,
        flow_run_id=None if run is None else run.id,
        attempt=0 if run is None else run.attempt,
        state_type="" if run is None else run.state_type,
        state=word,
        message=f"SLA {missed.sla}: {missed.sentence}" if missed.sla else missed.sentence,
        labels=[] if run is None else run.labels,
        sla=missed.sla,
        url=f"{call.service.settings.url}/{place}",
    )


def _broken(row: sa.Row[Any], now: datetime) -> Missed | None:
    promise = msgspec.convert(row.promise, notifications.Promise)
    if isinstance(promise, notifications.LongerThan):
        taken = None if row.started_at is None else (row.finished_at or now) - row.started_at
        words = "It has taken longer than"
    elif isinstance(promise, notifications.LateBy):
        taken = (row.started_at or row.finished_at or now) - row.due_at
        words = "It had not started later than"
    else:
        return None
    if taken is None or taken.total_seconds() <= promise.seconds:
        return None
    return _of_run(row, row.sla_id, row.sla, f"{words} {promise.seconds:g} s.")


def _of_run(row: sa.Row[Any], sla_id: UUID, sla: str, sentence: str) -> Missed:
    place = (row.flow_id, row.project_id, row.project, row.flow)
    return Missed(sla_id, sla, str(row.id), *place, sentence, row)


def _following(rows: Sequence[sa.Row[Any]]) -> UUID | None:
    return rows[-1].id if len(rows) == PAGE else None


def _clock(promise: notifications.FinishedBy) -> clocks.CronClock:
    return clocks.CronClock(expression=promise.cron, timezone=promise.timezone)


def _sla(row: sa.Row[Any]) -> notifications.Sla:
    return notifications.Sla(
        id=row.id,
        name=row.name,
        flow_id=row.flow_id,
        flow=row.flow,
        project=row.project,
        promise=msgspec.convert(row.promise, notifications.Promise),
        next_at=row.next_at,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _miss(row: sa.Row[Any]) -> notifications.Miss:
    return notifications.Miss(
        id=row.id,
        sla_id=None if row.sla_id == _LATENESS else row.sla_id,
        sla=row.sla or "",
        flow_id=row.flow_id,
        flow_run_id=row.flow_run_id,
        at=row.at,
        sentence=row.sentence,
    )
