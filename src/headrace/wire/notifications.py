"""Notifications: channels (where messages go), rules (what is told), deliveries (what became of each), and SLAs."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from headrace import wire
from headrace.wire.secrets import Secret

# --- channels --------------------------------------------------------------------------------------------------------


class Webhook(wire.Message, frozen=True, tag="webhook", tag_field="kind"):
    """A POST of the event as JSON, signed. The whole URL is kept as a secret; a user and password in it are sent as Basic."""

    url: Secret


class Slack(wire.Message, frozen=True, tag="slack", tag_field="kind"):
    """An incoming webhook of Slack, Mattermost or whatever else takes `{"text": …}`."""

    url: Secret


class Mail(wire.Message, frozen=True, tag="mail", tag_field="kind"):
    """A mail to each of `to`. Without `smtp_url` (smtp://user:password@host:587, smtps://…) the server's settings are used."""

    to: list[str]
    sender: str = ""
    smtp_url: Secret = ""


class Apprise(wire.Message, frozen=True, tag="apprise", tag_field="kind"):
    """Any URL of the library Apprise, where that is installed beside the server."""

    url: Secret


Target = Webhook | Slack | Mail | Apprise


class CreateChannel(wire.Message, frozen=True, kw_only=True):
    name: str
    target: Target


class UpdateChannel(wire.Message, frozen=True, kw_only=True):
    """What is None stays. A webhook keeps its signing secret when it gets another URL."""

    channel_id: UUID
    name: str | None = None
    target: Target | None = None


class RotateSecret(wire.Message, frozen=True, kw_only=True):
    """A webhook's new signing secret. For `grace_seconds` what is sent is signed with the earlier one, too."""

    channel_id: UUID
    grace_seconds: int = 24 * 3600


class ChannelRef(wire.Message, frozen=True, kw_only=True):
    channel_id: UUID


class ListChannels(wire.Message, frozen=True, kw_only=True):
    after: str | None = None
    limit: int = 100


class Channel(wire.Answer, frozen=True, kw_only=True):
    """`shown` is what may be shown of where it leads: a host, recipients; never a path, a token or a password."""

    id: UUID
    name: str
    kind: str
    shown: str
    created_at: datetime
    created_by: str
    updated_at: datetime


class CreatedChannel(wire.Answer, frozen=True, kw_only=True):
    """`signing_secret` signs what a webhook is sent; it is shown in this answer alone, and empty for the other kinds."""

    channel: Channel
    signing_secret: str


class Tested(wire.Answer, frozen=True, kw_only=True):
    """What became of a test message."""

    delivered: bool
    sentence: str


# --- rules -----------------------------------------------------------------------------------------------------------


class CreateRule(wire.Message, frozen=True, kw_only=True):
    """What is told to a channel: runs that come into one of `states` (types or names of states, Late, SlaMissed).

    `project`, `flow` (with `project`, or "project/flow") and `labels` (the run has all of them) narrow it. `text` is the
    message, with the placeholders {project} {flow} {run} {state} {message} {at} {attempt} {labels} {rule} {sla} {url}.
    """

    name: str
    channel_id: UUID
    states: list[str]
    project: str = ""
    flow: str = ""
    labels: list[str] = []
    text: str = ""


class RuleRef(wire.Message, frozen=True, kw_only=True):
    rule_id: UUID


class ListRules(wire.Message, frozen=True, kw_only=True):
    after: str | None = None
    limit: int = 100


class Rule(wire.Answer, frozen=True, kw_only=True):
    id: UUID
    name: str
    channel_id: UUID
    channel: str
    states: list[str]
    project: str | None
    flow: str | None
    labels: list[str]
    text: str
    created_at: datetime
    created_by: str


# --- what is sent, and what became of it -----------------------------------------------------------------------------


class Event(wire.Answer, frozen=True, kw_only=True):
    """The body that a webhook gets. A repeated delivery has the same `event_id`.

    `kind` is state, sla or test; `run`, `flow_run_id` and `attempt` are empty for an SLA of a flow without a run.
    """

    event_id: UUID
    kind: Literal["state", "sla", "test"]
    at: datetime
    rule: str
    project: str
    flow: str
    flow_id: UUID | None
    run: str = ""
    flow_run_id: UUID | None = None
    attempt: int = 0
    from_type: str | None = None
    state_type: str = ""
    state: str = ""
    message: str = ""
    labels: list[str] = []
    sla: str = ""
    url: str = ""
    text: str = ""


DeliveryState = Literal["waiting", "delivered", "given_up"]


class ListDeliveries(wire.Message, frozen=True, kw_only=True):
    """Newest first."""

    state: DeliveryState | None = None
    channel_id: UUID | None = None
    flow_run_id: UUID | None = None
    after: str | None = None
    limit: int = 100


class DeliveryRef(wire.Message, frozen=True, kw_only=True):
    delivery_id: int


class Delivery(wire.Answer, frozen=True, kw_only=True):
    """One message to one channel. `error` is how the last attempt failed, `next_at` when it is tried again."""

    id: int
    event_id: UUID
    channel_id: UUID
    channel: str | None
    rule: str
    flow_run_id: UUID | None
    subject: str
    state: DeliveryState
    attempts: int
    error: str
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None


# --- SLAs ------------------------------------------------------------------------------------------------------------


class FinishedBy(wire.Message, frozen=True, tag="finished_by", tag_field="kind"):
    """At each time of `cron` in `timezone` a run that was due since the time before has ended as Success."""

    cron: str
    timezone: str = "UTC"


class LongerThan(wire.Message, frozen=True, tag="longer_than", tag_field="kind"):
    """No run takes longer than this from its first start to its end."""

    seconds: float


class LateBy(wire.Message, frozen=True, tag="late_by", tag_field="kind"):
    """No run starts later than this after it is due."""

    seconds: float


Promise = FinishedBy | LongerThan | LateBy


class CreateSla(wire.Message, frozen=True, kw_only=True):
    """A promise about a flow's runs. A rule on SlaMissed tells when it is broken."""

    name: str
    flow_id: UUID
    promise: Promise


class SlaRef(wire.Message, frozen=True, kw_only=True):
    sla_id: UUID


class ListSlas(wire.Message, frozen=True, kw_only=True):
    flow_id: UUID | None = None
    after: str | None = None
    limit: int = 100


class Sla(wire.Answer, frozen=True, kw_only=True):
    """`next_at` is the next time at which a run must have ended, for a promise of that kind."""

    id: UUID
    name: str
    flow_id: UUID
    flow: str
    project: str
    promise: Promise
    next_at: datetime | None
    created_at: datetime
    created_by: str


class ListMisses(wire.Message, frozen=True, kw_only=True):
    """Newest first."""

    flow_id: UUID | None = None
    flow_run_id: UUID | None = None
    sla_id: UUID | None = None
    after: str | None = None
    limit: int = 100


class Miss(wire.Answer, frozen=True, kw_only=True):
    """One time that an SLA was not kept, or (without `sla_id`) that a run was late while a rule on Late was there."""

    id: UUID
    sla_id: UUID | None
    sla: str
    flow_id: UUID
    flow_run_id: UUID | None
    at: datetime
    sentence: str
