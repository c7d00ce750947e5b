"""Links: the connections to PostgreSQL that a server keeps, each with what it has prepared.

SQLAlchemy's asyncio layer opens, begins and closes each time anew, a coroutine and a greenlet for each: of 5 ms of CPU that
making a run took, it had more than half. So a connection is SQLAlchemy's once and for good (it believes to be in one long
transaction), while BEGIN and COMMIT go to the driver itself.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.util import greenlet_spawn

from headrace import errors
from headrace.web import lines

T = TypeVar("T")

#: in_failed_sql_transaction; data_exception
_FAILED, INVALID = "25P02", "22000"

#: After a failure to connect nobody tries again for so long, times two with each further failure, up to the longest: a
#: database that comes back is not met by everybody at once.
PAUSE, LONGEST_PAUSE = 0.05, 1.0

#: With the time the timeline: it changes when a standby takes over, or the past is played back, and in no other case.
_NOW = "SELECT now(), left(pg_walfile_name(pg_current_wal_lsn()), 8)"


class BusyError(Exception):
    """All connections are in use."""


class LostError(Exception):
    """The connection has ended. What was being committed on it is committed, or it is not."""


class MovedError(Exception):
    """Another PostgreSQL server has taken over since: what this one acknowledged last may be lost."""


class RefusedError(Exception):
    """PostgreSQL does not do what the driver was asked for directly; `sqlstate` is its code for the reason."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class Link:
    """One connection to PostgreSQL."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._driver: Any = connection.connection.driver_connection
        #: It was left in the middle of something.
        self._broken = False

    @property
    def lost(self) -> bool:
        return self._broken or self._connection.invalidated or self._driver.is_closed()

    async def begin(self, how: str) -> None:
        """Raises LostError where nothing was begun because the connection had ended before."""
        await self._say(how)

    async def perform(
        self,
        work: Callable[[sa.Connection, datetime], T],
        clock: Callable[[], datetime] | None,
        timeline: str | None = None,
    ) -> T:
        """What `work` returns inside the transaction that was begun, after COMMIT. What it raises comes after ROLLBACK.

        Raises MovedError, and does nothing, on another timeline than this one.
        """
        try:
            now = clock() if clock else await self._now(timeline)
            value = await greenlet_spawn(work, self._connection, now)
            await self._commit()
        except BaseException as error:
            self._broken = True
            if isinstance(error, Exception) and not self._driver.is_closed():
                await self._say("ROLLBACK")
                self._broken = False
            raise
        return value

    async def _now(self, timeline: str | None) -> datetime:
        now, found = await self._say(_NOW, self._driver.fetchrow)
        if timeline not in (None, found):
            raise MovedError
        return now

    def line(self, heard: Callable[[str, bool], None]) -> lines.Line:
        """The connection as a line to other servers; it is good for nothing else then."""
        return lines.Line(self._driver, heard, self.drop)

    async def drop(self) -> None:
        """Ends it at once, whatever it is doing."""
        self._driver.terminate()
        with contextlib.suppress(Exception):  # it is of no use any more, however it takes that
            await greenlet_spawn(self._connection.invalidate)
            await greenlet_spawn(self._connection.close)

    async def _say(self, words: str, how: Callable[[str], Awaitable[Any]] | None = None) -> Any:
        try:
            return await (how or self._driver.execute)(words)
        except BaseException as error:
            sqlstate: str | None = getattr(error, "sqlstate", None)
            if sqlstate is not None and not self._driver.is_closed():
                raise RefusedError(sqlstate) from error
            self._broken = True
            if isinstance(error, Exception) and self._driver.is_closed():
                raise LostError from error
            raise

    async def _commit(self) -> None:
        if await self._say("COMMIT") != "COMMIT":  # a failed transaction is rolled back, without an error
            raise RefusedError(_FAILED)


class Links:
    """At most so many links, made when they are needed. The one that was used last is used next."""

    def __init__(self, connect: Callable[[], Awaitable[Link]], most: int) -> None:
        self._connect = connect
        #: How many wait for one.
        self.waiting = 0
        self._free: list[Link] = []
        self._places = asyncio.Semaphore(most)
        self._closed = False
        self._failures = 0
        self._failure: BaseException | None = None
        self._paused_until = 0.0

    async def take(self, seconds: float) -> Link:
        """A link for one transaction, to be given `back`. Raises BusyError, and whatever connecting raises."""
        if self._closed:
            raise errors.Unavailable("the server is stopping", retry_after=1)
        if self._places.locked():
            await self._wait(seconds)
        else:
            await self._places.acquire()
        try:
            while self._free:
                link = self._free.pop()
                if not link.lost:
                    return link
                await link.drop()
            return await self._open()
        except BaseException:
            self._places.release()
            raise

    async def back(self, link: Link) -> None:
        """It is free again; one that is of no use is ended."""
        try:
            if link.lost or self._closed:
                await link.drop()
            else:
                self._free.append(link)
        finally:
            self._places.release()

    async def forget(self) -> None:
        """Ends those that are free: the database was away, and they with it."""
        free, self._free = self._free, []
        for link in free:
            await link.drop()

    async def close(self) -> None:
        """Ends them; those in use end when they are given back."""
        self._closed = True
        await self.forget()

    async def _wait(self, seconds: float) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError:
            raise BusyError from None
        finally:
            self.waiting -= 1

    async def _open(self) -> Link:
        if self._failure is not None and time.monotonic() < self._paused_until:
            raise self._failure.with_traceback(None)
        try:
            link = await self._connect()
        except Exception as error:
            self._failure = error
            pause = min(PAUSE * 2**self._failures, LONGEST_PAUSE)
            self._failures = min(self._failures + 1, 10)
            self._paused_until = time.monotonic() + random.uniform(pause / 2, pause)  # noqa: S311 - spreads the tries
            raise
        self._failures, self._failure = 0, None
        return link
