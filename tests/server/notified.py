"""What tests of notifications share: a server that may reach the loopback, with channels and rules, one call each."""

from typing import Any
from uuid import UUID

import msgspec
from lifecycles import Life

from headrace.server import deliveries, notifications, slas
from headrace.server.loops import outbox, timekeeper
from headrace.web import handlers
from headrace.web.outbound import Outbound
from headrace.wire import notifications as wire
from headrace.wire import operations
from running import Server

#: Imported for their handlers.
NOUNS = (deliveries, notifications, slas)


class Notified:
    """A server whose runs somebody is told of."""

    def __init__(self, server: Server, **settings: Any) -> None:
        self.server = server
        server.service.part(Outbound).allow("127.0.0.0/8")
        server.service.settings = msgspec.structs.replace(server.service.settings, **settings)
        self.life = Life(server)

    def channel(
        self, url: str = "", name: str = "ops", target: wire.Target | None = None
    ) -> wire.CreatedChannel:
        request = wire.CreateChannel(name=name, target=target or wire.Webhook(url=url))
        return self.server.call(operations.create_notification_channel, request)

    def rule(self, channel: wire.CreatedChannel, *states: str, name: str = "", **where: Any) -> wire.Rule:
        request = wire.CreateRule(
            name=name or "-".join(states), channel_id=channel.channel.id, states=list(states), **where
        )
        return self.server.call(operations.create_notification_rule, request, self.server.as_.member)

    def deliver(self) -> None:
        """Sends what is due."""
        self.server.run(outbox.run_once(self.server.service))

    def watch(self) -> None:
        """Looks at the SLAs."""
        self.server.run(timekeeper.run_once(self.server.service))

    def deliveries(self, caller: handlers.Caller | None = None, **asked: Any) -> list[wire.Delivery]:
        """Oldest first."""
        answer = self.server.call(operations.list_deliveries, wire.ListDeliveries(**asked), caller)
        return answer.items[::-1]

    def test(self, channel_id: UUID) -> wire.Tested:
        return self.server.call(operations.test_notification, wire.ChannelRef(channel_id=channel_id))
