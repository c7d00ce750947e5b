"""PostgreSQL: commands run through asyncpg, many at a time and on any number of servers."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
import sqlalchemy.exc

from headrace import errors

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

T = TypeVar("T")

CONNECTIONS = 16
POOL_SECONDS = 10
STATEMENT_SECONDS = 20
#: How often a command is tried whose transaction lost against another one.
TRIES = 5
#: A serialization failure, a deadlock; and a row that came or went between the command's look and its write: the next
#: try sees it and says so in words.
_RETRIED = frozenset({"40001", "40P01", "23505", "23503"})
#: disk_full; out of memory and too many connections are for a moment.
_FULL = frozenset({"53100"})

_NOW = sa.text("SELECT now()")
_SYNCHRONOUS = sa.text("SHOW synchronous_commit")


class Postgres:
    """A PostgreSQL database. Connections are made when they are needed."""

    shared = True
    #: Its disk is PostgreSQL's matter.
    short_of_room = False

    def __init__(self, url: str, clock: Callable[[], datetime] | None) -> None:
        self._clock = clock
        self._engine = _engine(url)
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def start(self) -> None:
        async with self._transaction(self._reading) as (connection, _):
            value = await connection.scalar(_SYNCHRONOUS)
        if value == "off":
            raise errors.SettingsError(
                "PostgreSQL runs with synchronous_commit=off and would lose runs that were acknowledged: turn it on"
                " (ALTER DATABASE … SET synchronous_commit = on)"
            )

    def keep_reserve(self) -> None:
        """There is none."""

    async def write(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        for tried in range(1, TRIES + 1):
            try:
                return await self._once(self._engine, work)
            except sqlalchemy.exc.DBAPIError as error:
                if _sqlstate(error) not in _RETRIED or tried == TRIES:
                    raise
            await asyncio.sleep(random.uniform(0, 0.01 * 2**tried))  # noqa: S311 - spreads the tries, hides nothing
        raise AssertionError

    async def read(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        return await self._once(self._reading, work)

    async def close(self) -> None:
        await self._engine.dispose()

    async def _once(self, engine: "AsyncEngine", work: Callable[[sa.Connection, datetime], T]) -> T:
        async with self._transaction(engine) as (connection, now):
            return await connection.run_sync(work, now)

    @contextlib.asynccontextmanager
    async def _transaction(
        self, engine: "AsyncEngine"
    ) -> AsyncGenerator[tuple["AsyncConnection", datetime], None]:
        """A connection inside a transaction, with its time. Failures of PostgreSQL itself come out in our words."""
        with _translating():
            async with contextlib.AsyncExitStack() as stack:
                try:
                    connection, now = await self._begin(engine, stack)
                except sqlalchemy.exc.DBAPIError as error:
                    if not error.connection_invalidated:
                        raise
                    # A connection of the pool had died; nothing was sent yet, and the pool is new now.
                    connection, now = await self._begin(engine, stack)
                yield connection, now

    async def _begin(
        self, engine: "AsyncEngine", stack: contextlib.AsyncExitStack
    ) -> tuple["AsyncConnection", datetime]:
        async with contextlib.AsyncExitStack() as own:
            connection = await own.enter_async_context(engine.connect())
            await own.enter_async_context(connection.begin())
            now: datetime = self._clock() if self._clock else (await connection.execute(_NOW)).scalar_one()
            stack.push_async_exit(own.pop_all())
        return connection, now


def _engine(url: str) -> "AsyncEngine":
    try:
        from sqlalchemy.ext import asyncio as sa_asyncio

        return sa_asyncio.create_async_engine(
            sa.make_url(url).set(drivername="postgresql+asyncpg"),
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            connect_args={
                "timeout": POOL_SECONDS,
                "command_timeout": STATEMENT_SECONDS + 5,
                "server_settings": {
                    "application_name": "headrace",
                    "statement_timeout": str(STATEMENT_SECONDS * 1000),
                    "idle_in_transaction_session_timeout": "60000",
                    "timezone": "UTC",
                    "jit": "off",
                },
            },
        )
    except ModuleNotFoundError as error:
        raise errors.SettingsError(
            f"PostgreSQL needs the package {error.name}: pip install 'headrace[postgres]'"
        ) from None
    except sqlalchemy.exc.ArgumentError:
        raise errors.SettingsError("database_url is not a URL: postgresql://USER@HOST/NAME") from None


def _sqlstate(error: sqlalchemy.exc.DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _sentence(error: sqlalchemy.exc.DBAPIError) -> str:
    """PostgreSQL's own words, without the driver's."""
    return str(getattr(error.orig, "__cause__", None) or error.orig)


def _is_bad_value(error: sqlalchemy.exc.DBAPIError) -> bool:
    """asyncpg refuses some values before PostgreSQL sees them, with an error of its own and no state."""
    return type(getattr(error.orig, "__cause__", None)).__name__ == "DataError"


@contextlib.contextmanager
def _translating() -> Generator[None, None, None]:
    try:
        yield
    except sqlalchemy.exc.TimeoutError as error:
        raise errors.Unavailable(
            "the server has more to do than its database allows; try again", retry_after=1
        ) from error
    except sqlalchemy.exc.DBAPIError as error:
        state = _sqlstate(error) or ""
        if state in _FULL:
            raise errors.StorageFull(
                "PostgreSQL's disk is full: nothing was written; free space, then try again"
            ) from error
        if state[:2] in ("28", "3D"):
            raise errors.SettingsError(f"PostgreSQL refuses database_url: {_sentence(error)}") from error
        if state[:2] == "22" or _is_bad_value(error):
            raise errors.Invalid(
                "a number in the request is too large, or a text holds a character that cannot be kept"
            ) from error
        if error.connection_invalidated or state[:2] in ("08", "53", "57") or state == "25P03":
            raise errors.Unavailable(
                "the server's database does not answer; try again", retry_after=1
            ) from error
        raise
    except (ConnectionError, TimeoutError, OSError) as error:
        raise errors.Unavailable("the server's database does not answer; try again", retry_after=1) from error
