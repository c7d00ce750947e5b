"""Wake-ups between servers on one database: hints that something has changed, never what is to be done about it.

Each server holds one connection on which it listens, and tells the others there what it tells itself after a commit: many
hints at once, never in the transaction that made the change, for PostgreSQL lets all commits that notify wait for one another.
A hint that is lost costs time and nothing else: whoever waits looks again by itself, once a second or with its next heartbeat.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable

import msgspec

from headrace import errors
from headrace.web import lines

log = logging.getLogger(__name__)

#: The shortest time between two messages; the first after a silence goes at once.
GAP = 0.05
#: Bytes of one message. PostgreSQL takes 7,999.
LARGEST = 7_500
#: After so long a silence a message to itself shows that the connection lives; so long it may take.
SILENCE, PATIENCE = 15.0, 5.0

#: What is done about a hint of one kind. Without words anything of this kind may have changed.
Action = Callable[..., None]


class DeafError(errors.Unavailable):
    """Messages do not arrive."""


class Wakeups:
    """One a service: `service.part(wakeups.Wakeups)`. Used on the event loop's thread only."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}
        self._pending: dict[tuple[str, ...], None] = {}
        self._due = asyncio.Event()
        self._nonce = ""
        #: Whether the other servers are heard; for the tests and for those who measure.
        self.listening = False

    def hear(self, kind: str, action: Action) -> None:
        """The action is called with the words of each hint of this kind that another server gives, and with none when
        hints may have been missed.
        """
        self._actions[kind] = action

    def tell(self, kind: str, *words: str) -> None:
        """Gives the other servers a hint, soon; each once, however often it is given until then."""
        if self.listening:
            self._pending[kind, *words] = None
            self._due.set()

    async def keep(self, line: lines.Line) -> None:
        """Speaks with the other servers until the connection ends. Raises errors.Unavailable when it has."""
        self._pending.clear()
        await self._check(line)
        for action in self._actions.values():
            action()
        self.listening = True
        try:
            while True:
                await self._wait()
                if line.lost:
                    raise errors.Unavailable("the connection on which servers wake each other has ended")
                await self._send(line)
                await asyncio.sleep(GAP)
        finally:
            self.listening = False

    def heard(self, message: str, own: bool) -> None:
        """A message has come, or (an empty one) the connection has ended. This server knows what it has told itself."""
        if not message:
            self._due.set()
            return
        try:
            hints = msgspec.json.decode(message, type=list[list[str]])
        except msgspec.DecodeError:
            log.warning("something else speaks on the channel %s: %.100s", lines.CHANNEL, message)
            return
        for kind, *words in hints:
            if kind == "hello" and own:
                self._nonce = words[0]
                self._due.set()
            elif not own and (action := self._actions.get(kind)) is not None:
                action(*words)

    async def _check(self, line: lines.Line) -> None:
        """A message to itself must come back: through a pooler that gives each transaction another session none would."""
        nonce = secrets.token_hex(8)
        await line.tell(_message([("hello", nonce)]))
        try:
            async with asyncio.timeout(PATIENCE):
                while self._nonce != nonce:
                    self._due.clear()
                    await self._due.wait()
        except TimeoutError:
            raise DeafError(
                "PostgreSQL's notices do not arrive (is database_url a pooler's?): servers look every second instead"
            ) from None

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(SILENCE):
                await self._due.wait()
        except TimeoutError:
            pass
        self._due.clear()

    async def _send(self, line: lines.Line) -> None:
        pending, self._pending = list(self._pending), {}
        if not pending:
            await line.tell("[]")
        while pending:
            message, pending = _first(pending)
            await line.tell(message)


def _message(hints: list[tuple[str, ...]]) -> str:
    return msgspec.json.encode(hints).decode()


def _first(hints: list[tuple[str, ...]]) -> tuple[str, list[tuple[str, ...]]]:
    """A message with as many of the hints as it holds, and the others. One that is too long says only of what kind it is."""
    sizes = itertools.accumulate((len(msgspec.json.encode(hint)) + 1 for hint in hints), initial=1)
    count = sum(size <= LARGEST for size in sizes) - 1
    if not count:
        return _message([hints[0][:1]]), hints[1:]
    return _message(hints[:count]), hints[count:]
