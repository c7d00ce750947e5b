"""Notification channels and rules: who is told of what. `outbox.py` has what is to be sent, `channels/` the ways to send."""

import dataclasses
import difflib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors, wire
from headrace.core import labels
from headrace.server import channels, flows, outbox, projects, sealing, tables, tokens
from headrace.server.channels import kinds
from headrace.server.notification_rules import PLACEHOLDERS, WORDS, Rules
from headrace.server.service import Service, handles, prepares, waits
from headrace.web import ids, pages
from headrace.web.handlers import Call, Caller, Run
from headrace.web.outbound import Outbound
from headrace.wire import notifications, operations

LONGEST_NAME = 100
LONGEST_TEXT = 2000
#: Seconds for which an earlier signing secret may still sign.
LONGEST_GRACE = 30 * 24 * 3600

_channels = tables.notification_channels
_rules = tables.notification_rules

_channel_page = (
    sa.select(_channels)
    .where(_channels.c.name > sa.bindparam("after"))
    .order_by(_channels.c.name)
    .limit(sa.bindparam("n"))
)
_channel = sa.select(_channels).where(_channels.c.id == sa.bindparam("id"))
_channel_named = sa.select(_channels.c.id).where(_channels.c.name == sa.bindparam("name"))
_change_channel = sa.update(_channels).where(_channels.c.id == sa.bindparam("channel_id"))
_delete_channel = sa.delete(_channels).where(_channels.c.id == sa.bindparam("channel_id"))
_rules_of = sa.select(_rules.c.name).where(_rules.c.channel_id == sa.bindparam("id"))

_full = (
    sa.select(
        *[_rules, _channels.c.name.label("channel"), tables.flows.c.name.label("flow")],
        tables.projects.c.name.label("project"),
    )
    .join(_channels, _channels.c.id == _rules.c.channel_id)
    .outerjoin(tables.projects, tables.projects.c.id == _rules.c.project_id)
    .outerjoin(tables.flows, tables.flows.c.id == _rules.c.flow_id)
)
_rule_page = (
    _full.where(_rules.c.name > sa.bindparam("after")).order_by(_rules.c.name).limit(sa.bindparam("n"))
)
_rule = _full.where(_rules.c.id == sa.bindparam("id"))
_rule_named = sa.select(_rules.c.id).where(_rules.c.name == sa.bindparam("name"))
_delete_rule = sa.delete(_rules).where(_rules.c.id == sa.bindparam("rule_id"))

#: Looks like a placeholder; whatever else is in braces is text.
_like_a_placeholder = re.compile(r"\{([a-z_]{1,30})\}")


class Secret(msgspec.Struct, frozen=True):
    """What is encrypted of a channel. What is sent is signed with the earlier secret too, until then."""

    target: notifications.Target
    signing_secret: str
    earlier_secret: str = ""
    earlier_until: datetime | None = None

    def signing(self, now: datetime) -> tuple[str, ...]:
        """What signs at this time."""
        both = self.earlier_until is not None and now < self.earlier_until
        return (self.signing_secret, self.earlier_secret) if both else (self.signing_secret,)


@dataclasses.dataclass(frozen=True)
class Sealed:
    """A channel's row as it is made before the transaction; `signing_secret` is for the answer."""

    id: UUID
    kind: str
    shown: str
    sealed: bytes
    signing_secret: str
    #: What it is made of, where it must not have been changed meanwhile.
    before: bytes = b""


# --- channels --------------------------------------------------------------------------------------------------------


@prepares(operations.create_notification_channel)
def seal_new_channel(service: Service, caller: Caller, request: notifications.CreateChannel) -> Sealed:
    signing = tokens.new("") if isinstance(request.target, notifications.Webhook) else ""
    return _sealed(service, ids.uuid7(), Secret(request.target, signing))


@handles(operations.create_notification_channel)
def create_notification_channel(
    call: Call[Service], request: notifications.CreateChannel
) -> notifications.CreatedChannel:
    made: Sealed = call.prepared
    name = _free_name(call, request.name, "channel", _channel_named)
    values = {
        "id": made.id,
        "name": name,
        "kind": made.kind,
        "shown": made.shown,
        "sealed": made.sealed,
        "created_at": call.now,
        "created_by": call.caller.name,
        "updated_at": call.now,
    }
    call.connection.execute(_channels.insert(), values)
    row = call.connection.execute(_channel, {"id": made.id}).one()
    return notifications.CreatedChannel(channel=_channel_answer(row), signing_secret=made.signing_secret)


@handles(operations.list_notification_channels)
def list_notification_channels(
    call: Call[Service], request: notifications.ListChannels
) -> wire.Page[notifications.Channel]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, str) if request.after else ""
    rows = call.connection.execute(_channel_page, {"after": after, "n": shown + 1}).all()
    kept, following = pages.cut(rows, shown, lambda row: row.name)
    return wire.Page(items=[_channel_answer(row) for row in kept], next=following)


@prepares(operations.update_notification_channel)
def seal_changed_channel(
    service: Service, caller: Caller, request: notifications.UpdateChannel
) -> Sealed | None:
    if request.target is None:
        return None
    row = service.look(lambda call: read_channel(call, request.channel_id))
    is_webhook = isinstance(request.target, notifications.Webhook)
    if is_webhook != (row.kind == "webhook"):
        raise errors.Conflict(
            f"the channel {row.name!r} is of the kind {row.kind}: a webhook has a signing secret, so it is made as one"
        )
    if not is_webhook:
        return _sealed(service, row.id, Secret(request.target, ""), bytes(row.sealed))
    known = unsealed(service, row.id, row.name, bytes(row.sealed))
    return _sealed(service, row.id, msgspec.structs.replace(known, target=request.target), bytes(row.sealed))


@handles(operations.update_notification_channel)
def update_notification_channel(
    call: Call[Service], request: notifications.UpdateChannel
) -> notifications.Channel:
    row = read_channel(call, request.channel_id)
    values: dict[str, Any] = {"updated_at": call.now}
    if request.name is not None and request.name.strip() != row.name:
        values["name"] = _free_name(call, request.name, "channel", _channel_named)
    made: Sealed | None = call.prepared
    if made is not None:
        _unchanged(row, made)
        values |= {"kind": made.kind, "shown": made.shown, "sealed": made.sealed}
    call.connection.execute(_change_channel.values(values), {"channel_id": row.id})
    return _channel_answer(read_channel(call, row.id))


@prepares(operations.rotate_signing_secret)
def seal_new_secret(service: Service, caller: Caller, request: notifications.RotateSecret) -> Sealed:
    """Receivers need a while to learn the new secret: until then what is sent can be checked with either."""
    if not 0 <= request.grace_seconds <= LONGEST_GRACE:
        sentence = f"from 0 to {LONGEST_GRACE} (30 days)"
        raise errors.Invalid(f"grace_seconds is {sentence}", fields={"grace_seconds": sentence})
    row, now = service.look(lambda call: (read_channel(call, request.channel_id), call.now))
    if row.kind != "webhook":
        raise errors.Conflict(
            f"the channel {row.name!r} is of the kind {row.kind}: only a webhook has a signing secret"
        )
    known = unsealed(service, row.id, row.name, bytes(row.sealed))
    until = now + timedelta(seconds=request.grace_seconds)
    fresh = Secret(
        known.target, tokens.new(""), known.signing_secret, until if request.grace_seconds else None
    )
    return _sealed(service, row.id, fresh, bytes(row.sealed))


@handles(operations.rotate_signing_secret)
def rotate_signing_secret(
    call: Call[Service], request: notifications.RotateSecret
) -> notifications.CreatedChannel:
    made: Sealed = call.prepared
    row = read_channel(call, request.channel_id)
    _unchanged(row, made)
    values = {"sealed": made.sealed, "updated_at": call.now}
    call.connection.execute(_change_channel.values(values), {"channel_id": row.id})
    changed = _channel_answer(read_channel(call, row.id))
    return notifications.CreatedChannel(channel=changed, signing_secret=made.signing_secret)


@handles(operations.delete_notification_channel)
def delete_notification_channel(call: Call[Service], request: notifications.ChannelRef) -> wire.Empty:
    row = read_channel(call, request.channel_id)
    used = list(call.connection.execute(_rules_of, {"id": row.id}).scalars())
    if used:
        raise errors.Conflict(
            f"the channel {row.name!r} is used by rules: delete them first ({', '.join(sorted(used))})"
        )
    outbox.forget_channel(call, row.id)
    call.connection.execute(_delete_channel, {"channel_id": row.id})
    return wire.Empty()


@handles(operations.test_notification)
def look_at_tested_channel(call: Call[Service], request: notifications.ChannelRef) -> notifications.Tested:
    read_channel(call, request.channel_id)
    return notifications.Tested(delivered=False, sentence="")


@waits(operations.test_notification)
async def send_test(
    service: Service, caller: Caller, request: notifications.ChannelRef, run: Run
) -> notifications.Tested:
    """Sends outside of any transaction, past the outbox: whoever asks sees at once what happens."""
    await run()
    row, now = await service.read(lambda call: (read_channel(call, request.channel_id), call.now))
    event = notifications.Event(
        event_id=ids.uuid7(),
        kind="test",
        at=now,
        rule="",
        project="",
        flow="",
        flow_id=None,
        state="Test",
        message=f"{caller.name} tests the channel {row.name!r}.",
        url=service.settings.url,
        text=f"A test of the channel {row.name!r} by {caller.name}. Nothing else is to be done.",
    )
    note = channels.Note("[Headrace] Test of a channel", event.text, event, now)
    try:
        remark = await send(service, row.id, row.name, bytes(row.sealed), note)
    except errors.HeadraceError as error:
        return notifications.Tested(delivered=False, sentence=error.message)
    return notifications.Tested(delivered=True, sentence=remark or f"delivered to {row.shown}")


async def send(service: Service, channel_id: UUID, name: str, sealed: bytes, note: channels.Note) -> str:
    """Sends to a channel; a remark, mostly empty. Raises errors.HeadraceError in words that hold no secret."""
    secret = unsealed(service, channel_id, name, sealed)
    return await kinds.build(secret.target, secret.signing(note.now)).send(note, _way(service))


def read_channel(call: Call[Any], channel_id: UUID) -> sa.Row[Any]:
    """The channel's row. Raises errors.NotFound."""
    row = call.connection.execute(_channel, {"id": channel_id}).one_or_none()
    if row is None:
        raise errors.NotFound(f"there is no notification channel {channel_id}")
    return row


def unsealed(service: Service, channel_id: UUID, name: str, sealed: bytes) -> Secret:
    """Where the channel leads, in the clear. Raises errors.Conflict where the server's secret is another than it was."""
    try:
        plain = sealing.unseal(service.secret, channel_id, sealed)
    except errors.Conflict as error:
        raise errors.Conflict(f"the channel {name!r}: {error.message}") from None
    return msgspec.json.decode(plain, type=Secret)


def _sealed(service: Service, channel_id: UUID, secret: Secret, before: bytes = b"") -> Sealed:
    channel = kinds.build(secret.target)
    channel.check(_way(service))
    sealed = sealing.seal(service.secret, channel_id, msgspec.json.encode(secret))
    kind = str(type(secret.target).__struct_config__.tag)
    return Sealed(channel_id, kind, channel.shown, sealed, secret.signing_secret, before)


def _unchanged(row: sa.Row[Any], made: Sealed) -> None:
    """Of two who change a channel at the same time the later one does not undo what the earlier one did."""
    if bytes(row.sealed) != made.before:
        raise errors.Conflict(
            f"the channel {row.name!r} was changed at the same time: look at it and try again"
        )


def _way(service: Service) -> channels.Way:
    return channels.Way(service.part(Outbound), service.settings)


def _channel_answer(row: sa.Row[Any]) -> notifications.Channel:
    return notifications.Channel(
        id=row.id,
        name=row.name,
        kind=row.kind,
        shown=row.shown,
        created_at=row.created_at,
        created_by=row.created_by,
        updated_at=row.updated_at,
    )


# --- rules -----------------------------------------------------------------------------------------------------------


@handles(operations.create_notification_rule)
def create_notification_rule(call: Call[Service], request: notifications.CreateRule) -> notifications.Rule:
    name = _free_name(call, request.name, "rule", _rule_named)
    read_channel(call, request.channel_id)
    project_id, flow_id = _place(call, request)
    values: dict[str, Any] = {
        "id": ids.uuid7(),
        "name": name,
        "channel_id": request.channel_id,
        "states": _checked_states(request.states),
        "project_id": project_id,
        "flow_id": flow_id,
        "labels": list(labels.normalised(request.labels)),
        "text": _checked_text(request.text),
        "created_at": call.now,
        "created_by": call.caller.name,
    }
    call.connection.execute(_rules.insert(), values)
    call.after_commit(call.service.part(Rules).forget)
    return _rule_answer(call.connection.execute(_rule, {"id": values["id"]}).one())


@handles(operations.list_notification_rules)
def list_notification_rules(
    call: Call[Service], request: notifications.ListRules
) -> wire.Page[notifications.Rule]:
    shown = pages.limit(request.limit)
    after = pages.read(request.after, str) if request.after else ""
    rows = call.connection.execute(_rule_page, {"after": after, "n": shown + 1}).all()
    kept, following = pages.cut(rows, shown, lambda row: row.name)
    return wire.Page(items=[_rule_answer(row) for row in kept], next=following)


@handles(operations.delete_notification_rule)
def delete_notification_rule(call: Call[Service], request: notifications.RuleRef) -> wire.Empty:
    if call.connection.execute(_delete_rule, {"rule_id": request.rule_id}).rowcount == 0:
        raise errors.NotFound(f"there is no notification rule {request.rule_id}")
    call.after_commit(call.service.part(Rules).forget)
    return wire.Empty()


def _free_name(call: Call[Service], name: str, what: str, named: sa.Select[Any]) -> str:
    """The name without spaces around it, if nobody has it."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        sentence = f"1 to {LONGEST_NAME} printable characters"
        raise errors.Invalid(f"the name of a notification {what} has {sentence}", fields={"name": sentence})
    if call.connection.execute(named, {"name": name}).first():
        raise errors.Conflict(f"there is already a notification {what} {name!r}", fields={"name": "taken"})
    return name


def _place(call: Call[Service], request: notifications.CreateRule) -> tuple[UUID | None, UUID | None]:
    """The ids of project and flow, where they are named."""
    project, _, flow = request.flow.rpartition("/")
    project = request.project or project
    if flow and not project:
        raise errors.Invalid("name the flow's project too", fields={"project": "missing"})
    if not project:
        return None, None
    found = projects.find(call.connection, project)
    if found is None:
        near = difflib.get_close_matches(project, projects.names(call.connection), 1)
        hint = f", did you mean {near[0]!r}?" if near else "; `headrace project list` shows them"
        raise errors.NotFound(f"there is no project {project!r}{hint}")
    return found.id, flows.find(call.connection, project, flow) if flow else None


def _checked_states(words: Sequence[str]) -> list[str]:
    if not words:
        raise errors.Invalid("a rule names at least one state", fields={"states": "none given"})
    for word in words:
        if word not in WORDS:
            near = difflib.get_close_matches(word, WORDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(WORDS)}"
            raise errors.Invalid(f"nobody can be told of {word!r}: {hint}", fields={"states": hint})
    return list(dict.fromkeys(words))


def _checked_text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise errors.Invalid(
            f"the text has at most {LONGEST_TEXT} characters", fields={"text": f"longer than {LONGEST_TEXT}"}
        )
    for found in _like_a_placeholder.finditer(text):
        name = found[1]
        if name not in PLACEHOLDERS:
            near = difflib.get_close_matches(name, PLACEHOLDERS, 1)
            known = " ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            hint = f"did you mean {{{near[0]}}}?" if near else f"there are {known}"
            raise errors.Invalid(f"there is no placeholder {{{name}}}: {hint}", fields={"text": hint})
    return text


def _rule_answer(row: sa.Row[Any]) -> notifications.Rule:
    return notifications.Rule(
        id=row.id,
        name=row.name,
        channel_id=row.channel_id,
        channel=row.channel,
        states=row.states,
        project=row.project,
        flow=row.flow,
        labels=row.labels,
        text=row.text,
        created_at=row.created_at,
        created_by=row.created_by,
    )
