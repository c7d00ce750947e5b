"""PostgreSQL: commands run through asyncpg, many at a time and on any number of servers."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Generator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
import sqlalchemy.exc
import sqlalchemy.pool
from sqlalchemy.util import greenlet_spawn

from headrace import errors
from headrace.web import lines, links

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

CONNECTIONS = 16
READS = 12
#: What a connection keeps prepared: more than there are statements on the hot paths.
STATEMENTS = 300
POOL_SECONDS = 10
STATEMENT_SECONDS = 20
#: Of every session. A server that is stopped or cut off in the middle of a transaction holds up the others only for so long.
_SESSION = {"application_name": "headrace", "timezone": "UTC"}
_LIMITS = {
    "statement_timeout": str(STATEMENT_SECONDS * 1000),
    "lock_timeout": "8000",
    "idle_in_transaction_session_timeout": "10000",
    "jit": "off",
}
#: In a database_url: a pooler gives each transaction another session. So nothing is kept in one: statements have no names,
#: and what a session is told otherwise is told to each transaction, together with its BEGIN.
POOLER = "pooler"
_LOCALLY = "".join(f"; SET LOCAL {name} = {value}" for name, value in _LIMITS.items())
#: How often a command is tried whose transaction lost against another one.
TRIES = 5
#: A serialization failure, a deadlock; and a row that came or went between the command's look and its write: the next
#: try sees it and says so in words.
_RETRIED = frozenset({"40001", "40P01", "23505", "23503"})
#: disk_full; out of memory and too many connections are for a moment.
_FULL = frozenset({"53100"})

#: Cut off in a transaction; a lock that was not to be had; a standby that does not lead yet.
_AWAY = frozenset({"25P03", "55P03", "55000"})

_SYNCHRONOUS = sa.text("SHOW synchronous_commit")
_TIMELINE = sa.text("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")


class Postgres:
    """A PostgreSQL database. Connections are made when they are needed."""

    shared = True
    #: Its disk is PostgreSQL's matter.
    short_of_room = False

    def __init__(self, url: str, clock: Callable[[], datetime] | None) -> None:
        self._clock = clock
        self._engine, self._pooled = _engine(url)
        self._links = links.Links(self._connect, CONNECTIONS)
        #: The one that was found when somebody last looked whether anything was lost; None: nobody has.
        self._timeline: str | None = None
        self.moved = False
        # what only looks must not keep those waiting who have to say that they live
        self._reads = asyncio.Semaphore(READS)

    async def start(self) -> None:
        value = await self.read(lambda connection, now: connection.scalar(_SYNCHRONOUS))
        if value == "off":
            raise errors.SettingsError(
                "PostgreSQL runs with synchronous_commit=off and would lose runs that were acknowledged: turn it on"
                " (ALTER DATABASE … SET synchronous_commit = on)"
            )

    @property
    def waiting(self) -> int:
        """Commands that wait for a connection."""
        return self._links.waiting

    def keep_reserve(self) -> None:
        """There is none."""

    async def write(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        with _translating():
            for tried in range(1, TRIES + 1):
                try:
                    return await self._once("BEGIN", work)
                except (sqlalchemy.exc.DBAPIError, links.RefusedError) as error:
                    if _sqlstate(error) not in _RETRIED or tried == TRIES:
                        raise
                await asyncio.sleep(random.uniform(0, 0.01 * 2**tried))  # noqa: S311 - spreads the tries, hides nothing
        raise AssertionError

    async def read(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        with _translating():
            async with self._reads:
                return await self._once("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work)

    async def settle(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        def found(connection: sa.Connection, now: datetime) -> tuple[T, str]:
            return work(connection, now), str(connection.scalar(_TIMELINE))

        with _translating():
            value, timeline = await self._once("BEGIN", found, anywhere=True)
        self._timeline, self.moved = timeline, False
        return value

    async def line(self, heard: Callable[[str, bool], None]) -> lines.Line:
        with _translating():
            link = await self._connect()
        line = link.line(heard)
        await line.open()
        return line

    async def close(self) -> None:
        await self._links.close()
        await self._engine.dispose()

    async def _once(
        self, how: str, work: Callable[[sa.Connection, datetime], T], *, anywhere: bool = False
    ) -> T:
        try:
            link = await self._begin(how)
        except links.LostError:
            # It had died while it was free, and so may the others. Nothing was sent yet.
            await self._links.forget()
            link = await self._begin(how)
        try:
            return await link.perform(work, self._clock, None if anywhere else self._timeline)
        except links.MovedError:
            self.moved = True
            raise
        finally:
            await self._links.back(link)

    async def _begin(self, how: str) -> links.Link:
        how = how + _LOCALLY if self._pooled else how
        link = await self._links.take(POOL_SECONDS)
        try:
            await link.begin(how)
        except BaseException:
            await self._links.back(link)
            raise
        return link

    async def _connect(self) -> links.Link:
        try:
            return links.Link(await greenlet_spawn(self._engine.sync_engine.connect))
        except Exception as error:
            # what breaks while a new connection is made ready comes as asyncpg's own error, not as SQLAlchemy's
            if type(error).__module__.startswith("asyncpg."):
                raise links.LostError from error
            raise


def _engine(url: str) -> tuple["AsyncEngine", bool]:
    """What makes connections there, and whether they are a pooler's."""
    try:
        from sqlalchemy.ext import asyncio as sa_asyncio

        place = sa.make_url(url).set(drivername="postgresql+asyncpg")
        pooler = place.query.get(POOLER)
        if pooler not in (None, "transaction"):
            raise errors.SettingsError(f"database_url: {POOLER} is transaction or not given, not {pooler!r}")
        kept: dict[str, Any] = {"prepared_statement_cache_size": STATEMENTS}
        kept["server_settings"] = _SESSION | _LIMITS
        if pooler:
            kept = {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: "",
                "server_settings": _SESSION,
            }
        engine = sa_asyncio.create_async_engine(
            place.difference_update_query([POOLER]),
            poolclass=sqlalchemy.pool.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"timeout": POOL_SECONDS, "command_timeout": STATEMENT_SECONDS + 5, **kept},
        )
        return engine, pooler is not None
    except ModuleNotFoundError as error:
        raise errors.SettingsError(
            f"PostgreSQL needs the package {error.name}: pip install 'headrace[postgres]'"
        ) from None
    except sqlalchemy.exc.ArgumentError:
        raise errors.SettingsError("database_url is not a URL: postgresql://USER@HOST/NAME") from None


def _sqlstate(error: sqlalchemy.exc.DBAPIError | links.RefusedError) -> str | None:
    return error.sqlstate if isinstance(error, links.RefusedError) else getattr(error.orig, "sqlstate", None)


def _cause(error: sqlalchemy.exc.DBAPIError | links.RefusedError) -> BaseException | None:
    """The driver's own error."""
    return (error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error).__cause__  # type: ignore[union-attr]


def _is_bad_value(error: sqlalchemy.exc.DBAPIError | links.RefusedError) -> bool:
    """asyncpg refuses some values before PostgreSQL sees them, with an error of its own and no state."""
    return type(_cause(error)).__name__ == "DataError"


@contextlib.contextmanager
def _translating() -> Generator[None, None, None]:
    try:
        yield
    except links.MovedError as error:
        raise errors.Unavailable(
            "another PostgreSQL server has taken over the database: what it does not know is being looked after",
            retry_after=1,
        ) from error
    except links.BusyError as error:
        raise errors.Unavailable(
            "the server has more to do than its database allows; try again", retry_after=1
        ) from error
    except (sqlalchemy.exc.DBAPIError, links.RefusedError) as error:
        state = _sqlstate(error) or ""
        if state in _FULL:
            raise errors.StorageFull(
                "PostgreSQL's disk is full: nothing was written; free space, then try again"
            ) from error
        if state[:2] in ("28", "3D"):
            raise errors.SettingsError(
                f"PostgreSQL refuses database_url: {_cause(error) or error}"
            ) from error
        if state[:2] == "22" or _is_bad_value(error):
            raise errors.Invalid(
                "a number in the request is too large, or a text holds a character that cannot be kept"
            ) from error
        gone = isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated
        if gone or state[:2] in ("08", "53", "57") or state in _AWAY:
            raise errors.Unavailable(
                "the server's database does not answer; try again", retry_after=1
            ) from error
        raise
    except (links.LostError, TimeoutError, OSError) as error:
        raise errors.Unavailable("the server's database does not answer; try again", retry_after=1) from error
