"""Mails to people who want to come in: invitations, links for a new password.

They are made and sent after the answer was given, so that neither the answer nor its time tells who has an account, and
only in memory, so that no link lies in the database. What is lost that way is asked for again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from headrace import errors
from headrace.server import channels
from headrace.server.channels import mail
from headrace.server.service import Service
from headrace.settings import Settings
from headrace.web import ids
from headrace.web.handlers import Call
from headrace.web.outbound import Outbound

log = logging.getLogger(__name__)

#: Mails that are sent at once, and that may wait.
AT_ONCE = 4
WAITING = 500


def is_set(settings: Settings) -> bool:
    """Whether this server can send mails."""
    return bool(settings.smtp_url and settings.mail_from)


class Postbox:
    """Mails of one server that are on their way: `service.part(Postbox)`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)

    def post(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does it in a moment; on the event loop's thread only."""
        if len(self._tasks) >= WAITING:
            log.warning("a mail is dropped: %s are waiting already", WAITING)
            return
        task = asyncio.get_running_loop().create_task(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def emptied(self) -> None:
        """Waits until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._room:
            try:
                await work()
            except errors.HeadraceError as error:
                log.warning("a mail was not sent: %s", error)
            except Exception as error:  # noqa: BLE001 - nobody waits for it; its text may hold a link
                log.error("a mail was not sent: %s", type(error).__name__)  # noqa: TRY400 - the same


def after_commit(call: Call[Service], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Does it when the transaction is committed."""
    call.after_commit(lambda: call.service.part(Postbox).post(work))


async def send(service: Service, to: str, subject: str, text: str) -> None:
    """Sends one mail. Raises errors.Undelivered in words that hold no secret."""
    now = await service.read(lambda call: call.now)
    letter = channels.Letter(ids.uuid7(), subject, text, now)
    way = channels.Way(service.part(Outbound), service.settings)
    if refused := await mail.Mail(to=[to], sender="", smtp_url="").post(letter, way):
        raise errors.Undelivered(refused)
