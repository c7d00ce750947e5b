"""The client's methods for notifications: `Client().notifications`, and for SLAs: `Client().slas`."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from uuid import UUID

from headrace.client.connection import Connection
from headrace.wire import notifications, operations


class Notifications:
    """Who is told of what: channels (where messages go), rules (what is told), deliveries (what became of each)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create_channel(self, name: str, target: notifications.Target) -> notifications.CreatedChannel:
        """Adds a place to send to: `Webhook(url=…)`, `Slack(url=…)`, `Mail(to=[…])` or `Apprise(url=…)` of
        `headrace.wire.notifications`. A webhook's `signing_secret` is in this answer and nowhere else.
        """
        request = notifications.CreateChannel(name=name, target=target)
        return self._connection.call(operations.create_notification_channel, request)

    def update_channel(
        self, channel_id: UUID, *, name: str | None = None, target: notifications.Target | None = None
    ) -> notifications.Channel:
        """Changes what is given; a webhook keeps its signing secret."""
        request = notifications.UpdateChannel(channel_id=channel_id, name=name, target=target)
        return self._connection.call(operations.update_notification_channel, request)

    def rotate_secret(
        self, channel_id: UUID, *, grace: timedelta = timedelta(days=1)
    ) -> notifications.CreatedChannel:
        """A webhook's new signing secret, in this answer and nowhere else. For `grace` the earlier one signs too."""
        request = notifications.RotateSecret(channel_id=channel_id, grace_seconds=int(grace.total_seconds()))
        return self._connection.call(operations.rotate_signing_secret, request)

    def channels(self) -> Iterator[notifications.Channel]:
        """All channels by name, without their secrets."""
        return self._connection.pages(operations.list_notification_channels, notifications.ListChannels())

    def delete_channel(self, channel_id: UUID) -> None:
        """Removes it. Raises errors.Conflict while a rule uses it."""
        request = notifications.ChannelRef(channel_id=channel_id)
        self._connection.call(operations.delete_notification_channel, request)

    def test(self, channel_id: UUID) -> notifications.Tested:
        """Sends a test message now; the answer says what happened."""
        request = notifications.ChannelRef(channel_id=channel_id)
        return self._connection.call(operations.test_notification, request, timeout=60)

    def create_rule(
        self,
        name: str,
        channel_id: UUID,
        states: Sequence[str],
        *,
        project: str = "",
        flow: str = "",
        labels: Sequence[str] = (),
        text: str = "",
    ) -> notifications.Rule:
        """Tells the channel of runs that come into one of the states (types or names, Late, SlaMissed).

        `flow` may be written "project/flow"; a run must have all of `labels`. `text` may hold {flow}, {state} and the like.
        """
        request = notifications.CreateRule(
            name=name,
            channel_id=channel_id,
            states=list(states),
            project=project,
            flow=flow,
            labels=list(labels),
            text=text,
        )
        return self._connection.call(operations.create_notification_rule, request)

    def rules(self) -> Iterator[notifications.Rule]:
        """All rules by name."""
        return self._connection.pages(operations.list_notification_rules, notifications.ListRules())

    def delete_rule(self, rule_id: UUID) -> None:
        self._connection.call(operations.delete_notification_rule, notifications.RuleRef(rule_id=rule_id))

    def deliveries(
        self,
        *,
        state: notifications.DeliveryState | None = None,
        channel_id: UUID | None = None,
        flow_run_id: UUID | None = None,
    ) -> Iterator[notifications.Delivery]:
        """What became of each message, newest first."""
        request = notifications.ListDeliveries(state=state, channel_id=channel_id, flow_run_id=flow_run_id)
        return self._connection.pages(operations.list_deliveries, request)

    def retry(self, delivery_id: int) -> notifications.Delivery:
        """Sends a message again that was not delivered. Raises errors.Conflict where it was."""
        request = notifications.DeliveryRef(delivery_id=delivery_id)
        return self._connection.call(operations.retry_delivery, request)


class Slas:
    """What is promised of a flow's runs, and when it was not kept."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, flow_id: UUID, name: str, promise: notifications.Promise) -> notifications.Sla:
        """`FinishedBy(cron="0 7 * * *", timezone="Europe/Berlin")`, `LongerThan(seconds=…)` or `LateBy(seconds=…)`
        of `headrace.wire.notifications`.
        """
        request = notifications.CreateSla(flow_id=flow_id, name=name, promise=promise)
        return self._connection.call(operations.create_sla, request)

    def list(self, *, flow_id: UUID | None = None) -> Iterator[notifications.Sla]:
        return self._connection.pages(operations.list_slas, notifications.ListSlas(flow_id=flow_id))

    def delete(self, sla_id: UUID) -> None:
        """Takes it back; its misses go with it."""
        self._connection.call(operations.delete_sla, notifications.SlaRef(sla_id=sla_id))

    def misses(
        self, *, flow_id: UUID | None = None, flow_run_id: UUID | None = None, sla_id: UUID | None = None
    ) -> Iterator[notifications.Miss]:
        """Newest first."""
        request = notifications.ListMisses(flow_id=flow_id, flow_run_id=flow_run_id, sla_id=sla_id)
        return self._connection.pages(operations.list_sla_misses, request)
