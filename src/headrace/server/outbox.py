"""The outbox: what is to be told, written in the transaction in which it happens, and what became of it.

A message is sent at least once, each run's to a channel in order, and a repetition bears the same event id. One that is
not taken is tried again at growing intervals for a day; then it is given up and shown, and the next one goes.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid5

import msgspec
import sqlalchemy as sa

from headrace.core.states import State
from headrace.server import notification_rules, tables
from headrace.web.handlers import Call
from headrace.wire import notifications

#: Whoever sends has this long; then others may. Longer than any channel takes.
LEASE = timedelta(seconds=30)
#: The pause after the first failure; it doubles each time, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=3)
#: How long a message is tried.
PATIENCE = timedelta(hours=24)
#: Messages looked at in one claim; of one channel no more than so many are on their way.
AT_ONCE, PER_CHANNEL = 50, 8
#: Characters of a state's message and of a text that are sent.
LONGEST = 4000

_rows = tables.deliveries
_channels = tables.notification_channels
_runs = tables.flow_runs
_flows = tables.flows
_projects = tables.projects

_about_run = (
    sa.select(
        *[_runs.c.name.label("run"), _runs.c.project_id, _runs.c.labels],
        *[_flows.c.name.label("flow"), _projects.c.name.label("project")],
    )
    .join(_flows, _flows.c.id == _runs.c.flow_id)
    .join(_projects, _projects.c.id == _runs.c.project_id)
    .where(_runs.c.id == sa.bindparam("id"))
)
_write = sa.insert(_rows)

_earlier = _rows.alias("earlier")
_blocked = sa.exists().where(
    _earlier.c.channel_id == _rows.c.channel_id,
    _earlier.c.about == _rows.c.about,
    _earlier.c.state == "waiting",
    _earlier.c.id < _rows.c.id,
)
_due = (
    sa.select(_rows.c.id, _rows.c.channel_id)
    .where(_rows.c.state == "waiting", _rows.c.next_at <= sa.bindparam("moment"), ~_blocked)
    .where(_rows.c.channel_id.not_in(sa.bindparam("busy", expanding=True)))
    .order_by(_rows.c.id)
    .limit(AT_ONCE)
    .with_for_update(skip_locked=True)
)
_next = (
    sa.select(_rows.c.next_at).where(_rows.c.state == "waiting", ~_blocked).order_by(_rows.c.next_at).limit(1)
)
_take = (
    sa.update(_rows)
    .where(_rows.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(next_at=sa.bindparam("until"), attempts=_rows.c.attempts + 1)
)
_taken = (
    sa.select(
        *[_rows.c.id, _rows.c.channel_id, _rows.c.attempts, _rows.c.subject, _rows.c.event],
        *[_rows.c.give_up_at, _channels.c.name, _channels.c.kind, _channels.c.sealed],
    )
    .outerjoin(_channels, _channels.c.id == _rows.c.channel_id)
    .where(_rows.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(_rows.c.id)
)
# the number of the attempt is the fence of whoever makes it
_record = sa.update(_rows).where(
    _rows.c.id == sa.bindparam("delivery"),
    _rows.c.attempts == sa.bindparam("attempt"),
    _rows.c.state == "waiting",
)
_remove = sa.delete(_rows).where(_rows.c.id == sa.bindparam("delivery"))
_forget_channel = sa.delete(_rows).where(_rows.c.channel_id == sa.bindparam("channel"))


# --- writing ---------------------------------------------------------------------------------------------------------


def write(call: Call[Any], row: sa.Row[Any], before: State, after: State, seq: int) -> None:
    """A run has moved: what the rules want told of it. No statement where no rule wants this state of this flow."""
    words = (after.type.value, after.name)
    known = call.service.part(notification_rules.Rules).current(call)
    wanting = [rule for rule in known if rule.may_want(words, row.flow_id)]
    if not wanting:
        return
    about = call.connection.execute(_about_run, {"id": row.id}).one()
    event = notifications.Event(
        event_id=uuid5(row.id, f"state {seq}"),
        kind="state",
        at=call.now,
        rule="",
        project=about.project,
        flow=about.flow,
        flow_id=row.flow_id,
        run=about.run,
        flow_run_id=row.id,
        attempt=row.attempt,
        from_type=before.type.value,
        state_type=after.type.value,
        state=after.name,
        message=after.message[:LONGEST],
        labels=about.labels,
        url=f"{call.service.settings.url}/flow-runs/{row.id}",
    )
    put(call, wanting, about.project_id, event)


def put(
    call: Call[Any], wanting: Iterable[notification_rules.Rule], project_id: UUID, event: notifications.Event
) -> int:
    """One message for each of the rules that want it; how many."""
    made = [_values(call, rule, event) for rule in wanting if rule.wants(project_id, event.labels)]
    if made:
        call.connection.execute(_write, made)
        call.after_commit(partial(call.service.poke, "outbox"))
    return len(made)


def _values(call: Call[Any], rule: notification_rules.Rule, event: notifications.Event) -> dict[str, Any]:
    text = (
        notification_rules.rendered(rule.text, _placeholders(event, rule.name)) if rule.text else _text(event)
    )
    told = msgspec.structs.replace(event, rule=rule.name, text=text[:LONGEST])
    return {
        "event_id": event.event_id,
        "channel_id": rule.channel_id,
        "rule": rule.name,
        "flow_run_id": event.flow_run_id,
        "about": event.flow_run_id or event.flow_id,
        "subject": f"[Headrace] {event.project}/{event.flow}: {event.state}",
        "event": told,
        "state": "waiting",
        "attempts": 0,
        "next_at": call.now,
        "give_up_at": call.now + PATIENCE,
        "error": "",
        "created_at": call.now,
    }


def _text(event: notifications.Event) -> str:
    what = f"{event.project}/{event.flow}" + (f" · {event.run}" if event.run else "")
    return "\n".join(filter(None, (f"{what}: {event.state}", event.message, event.url)))


def _placeholders(event: notifications.Event, rule: str) -> dict[str, str]:
    return {
        "project": event.project,
        "flow": event.flow,
        "run": event.run,
        "state": event.state,
        "message": event.message,
        "at": f"{event.at:%Y-%m-%d %H:%M:%S} UTC",
        "attempt": str(event.attempt),
        "labels": ", ".join(event.labels),
        "rule": rule,
        "sla": event.sla,
        "url": event.url,
    }


# --- sending ---------------------------------------------------------------------------------------------------------


def next_at(call: Call[Any]) -> datetime | None:
    """When the next message is due, if one waits."""
    return call.connection.execute(_next).scalar()


def claim(call: Call[Any], busy: Collection[UUID]) -> list[sa.Row[Any]]:
    """Messages to send now, oldest first; nobody else gets them for a while. None for the channels that are `busy`."""
    found = call.connection.execute(_due, {"moment": call.now, "busy": list(busy)}).all()
    count: Counter[UUID] = Counter()
    chosen: list[int] = []
    for row in found:
        count[row.channel_id] += 1
        if count[row.channel_id] <= PER_CHANNEL:
            chosen.append(row.id)
    if not chosen:
        return []
    call.connection.execute(_take, {"ids": chosen, "until": call.now + LEASE})
    rows = call.connection.execute(_taken, {"ids": chosen}).all()
    for row in rows:
        if row.sealed is None:  # its channel was deleted in the moment it was written
            call.connection.execute(_remove, {"delivery": row.id})
    return [row for row in rows if row.sealed is not None]


def delivered(call: Call[Any], row: sa.Row[Any], remark: str) -> None:
    """It was taken. `remark` is what the receiver did not like all the same."""
    values = {"state": "delivered", "error": remark, "finished_at": call.now}
    _settle(call, row, values)


def failed(call: Call[Any], row: sa.Row[Any], reason: str) -> None:
    """It was not taken: again later, or given up."""
    if call.now >= row.give_up_at:
        _settle(call, row, {"state": "given_up", "error": reason, "finished_at": call.now})
    else:
        _settle(call, row, {"error": reason, "next_at": call.now + pause(row.attempts)})


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    return min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)


def forget_channel(call: Call[Any], channel_id: UUID) -> None:
    """Drops what a channel was or is to be sent."""
    call.connection.execute(_forget_channel, {"channel": channel_id})


def _settle(call: Call[Any], row: sa.Row[Any], values: dict[str, Any]) -> None:
    guard = {"delivery": row.id, "attempt": row.attempts}
    call.connection.execute(_record.values(values), guard)
