"""The loop that empties the outbox: claims in one transaction, sends with none open, records in another.

Every server does it, for a claim makes sure that a message is sent by one at a time. While a receiver is slow the others
are sent to all the same, and a message that cannot be sent waits alone.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.server import channels, notification_rules, notifications, outbox
from headrace.server.service import Service
from headrace.server.tables import EPOCH
from headrace.web.handlers import Call
from headrace.web.loops import Loop
from headrace.wire import notifications as wire

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=1)
#: Where no other server writes, a message that comes wakes the loop.
LONGEST_SLEEP = timedelta(seconds=30)
#: While something is on its way it looks for more this often.
LOOK_SECONDS = 0.5


async def run_once(service: Service) -> timedelta | None:
    """Sends what is due until nothing is on its way; keeps the rules in memory fresh."""
    await service.read(service.part(notification_rules.Rules).refresh)
    waits = await _wait(service)
    if waits == timedelta(0):
        await _Round(service).run()
        waits = await _wait(service)
    if service.database.shared:
        return None
    return LONGEST_SLEEP if waits is None else min(max(waits, timedelta(0)), LONGEST_SLEEP)


async def _wait(service: Service) -> timedelta | None:
    """How long until the next message is due; None where none waits."""
    due, now = await service.read(lambda call: (outbox.next_at(call), call.now))
    return None if due is None else max(due - now, timedelta(0))


class _Round:
    """Messages on their way, by the task that sends each."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sending: dict[asyncio.Task[bool], UUID] = {}
        self._sent = 0
        self._now = EPOCH

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                for row in await self._claim():
                    self._sending[group.create_task(self._send(row))] = row.channel_id
                if not self._sending:
                    break
                done, _ = await asyncio.wait(
                    self._sending, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    del self._sending[task]
                    self._sent += task.result()
        if self._sent:
            log.info("the outbox has delivered %s messages", self._sent)

    async def _claim(self) -> list[sa.Row[Any]]:
        on_way = list(self._sending.values())
        if self._service.draining.is_set() or len(on_way) >= outbox.AT_ONCE:
            return []
        busy = {channel for channel in on_way if on_way.count(channel) >= outbox.PER_CHANNEL}

        def take(call: Call[Any]) -> list[sa.Row[Any]]:
            self._now = call.now
            return outbox.claim(call, busy)

        return await self._service.write(take)

    async def _send(self, row: sa.Row[Any]) -> bool:
        """Sends one and records it; whether it was taken. Nothing that happens to it reaches the others."""
        event = msgspec.convert(row.event, wire.Event)
        note = channels.Note(row.subject, event.text, event, self._now)
        try:
            sealed = bytes(row.sealed)
            remark = await notifications.send(self._service, row.channel_id, row.name, sealed, note)
        except errors.HeadraceError as error:
            reason = error.message
        except Exception as error:  # noqa: BLE001 - a message that breaks us never stops the others
            # neither text nor traceback: what broke may be a URL or a password
            reason = f"the server failed: {type(error).__name__}"
            log.error("delivery %s: %s", row.id, reason)  # noqa: TRY400
        else:
            await self._record(lambda call: outbox.delivered(call, row, remark))
            return True
        await self._record(lambda call: outbox.failed(call, row, reason))
        return False

    async def _record(self, work: Callable[[Call[Any]], None]) -> None:
        """What cannot be recorded is sent once more when its claim is over."""
        try:
            await self._service.write(work)
        except errors.HeadraceError as error:
            log.warning("the outcome of a delivery could not be recorded: %s", error)


loop = Loop("outbox", EVERY, run_once)
