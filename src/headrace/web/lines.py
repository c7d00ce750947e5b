"""A line between servers: PostgreSQL's LISTEN and NOTIFY on a connection of its own."""

import contextlib
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from headrace import errors

CHANNEL = "headrace"
#: Seconds that sending may take.
PATIENCE = 5.0


class Line:
    """One server's line to the others. `heard` is called with each message and whether it is its own, and with "" when the line
    has ended."""

    def __init__(
        self, driver: Any, heard: Callable[[str, bool], None], drop: Callable[[], Awaitable[None]]
    ) -> None:
        self._driver = driver
        self._heard = heard
        self._drop = drop

    @property
    def lost(self) -> bool:
        closed: bool = self._driver.is_closed()
        return closed

    async def open(self) -> None:
        """Begins to listen. Raises errors.Unavailable."""
        self._driver.add_termination_listener(self._ended)
        with self._translating():
            await self._driver.add_listener(CHANNEL, self._hear)

    async def tell(self, message: str) -> None:
        """Sends a message to all who listen, this server too. Raises errors.Unavailable."""
        with self._translating():
            await self._driver.execute(f"SELECT pg_notify('{CHANNEL}', $1)", message, timeout=PATIENCE)

    async def close(self) -> None:
        await self._drop()

    def _hear(self, driver: Any, sender: int, channel: str, message: str) -> None:
        self._heard(message, sender == driver.get_server_pid())

    def _ended(self, driver: Any) -> None:
        self._heard("", False)

    @contextlib.contextmanager
    def _translating(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            raise errors.Unavailable(
                f"the connection on which servers wake each other has ended: {error}"
            ) from error
