"""The database, SQLite or PostgreSQL: commands are functions of a connection and a time, each in its own transaction.

`await database.write(function)` answers after COMMIT and not before. A function may be called again when its
transaction could not be committed, so it has no effect but on the connection.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import sqlalchemy as sa

from headrace import errors
from headrace.web import lines, postgres, sqlite

T = TypeVar("T")

#: One command: it gets a connection inside a transaction, and the transaction's time.
Work = Callable[[sa.Connection, datetime], T]
#: Replaces the database's time; for tests.
Clock = Callable[[], datetime]


class Backend(Protocol):
    """One kind of database."""

    @property
    def shared(self) -> bool: ...

    @property
    def short_of_room(self) -> bool: ...

    @property
    def waiting(self) -> int: ...

    @property
    def moved(self) -> bool: ...

    def keep_reserve(self) -> None: ...

    async def start(self) -> None: ...

    async def write(self, work: Work[T]) -> T: ...

    async def read(self, work: Work[T]) -> T: ...

    async def settle(self, work: Work[T]) -> T: ...

    async def line(self, heard: Callable[[str, bool], None]) -> lines.Line: ...

    async def close(self) -> None: ...


class Database:
    """A database that is open.

    Attributes
    ----------
    url: where it is; a password is part of it, so it is not for logs.
    """

    def __init__(self, url: str, backend: Backend) -> None:
        self.url = url
        self._backend = backend

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None, reserve: int | None = None) -> "Database":
        """Opens `sqlite:///PATH` or `postgresql://…`. `clock` replaces the database's time; `reserve` bytes beside a SQLite
        file are kept for the day when its disk is full.

        A SQLite file is locked for this process; PostgreSQL is not contacted before `start`, `read` or `write`.
        Raises errors.SettingsError, also when another server uses the file.
        """
        if url.startswith("sqlite:///"):
            return cls(url, sqlite.Sqlite(url.removeprefix("sqlite:///"), clock or _now, reserve))
        if url.startswith(("postgresql://", "postgres://")):
            return cls(url, postgres.Postgres(url, clock))
        scheme = url.partition(":")[0]
        raise errors.SettingsError(
            f"there is no database {scheme!r}: database_url is sqlite:///PATH or postgresql://USER@HOST/NAME"
        )

    @property
    def shared(self) -> bool:
        """Whether other servers may use it at the same time."""
        return self._backend.shared

    @property
    def short_of_room(self) -> bool:
        """The disk was full, and only its reserve lets anything be written: what can be done without is to be left out."""
        return self._backend.short_of_room

    @property
    def waiting(self) -> int:
        """How many commands wait for the writer, or for a connection."""
        return self._backend.waiting

    @property
    def moved(self) -> bool:
        """Another PostgreSQL server has taken over: nothing is read or written before somebody has settled that."""
        return self._backend.moved

    def keep_reserve(self) -> None:
        """Takes the reserve again, when there is room for it."""
        self._backend.keep_reserve()

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite:")

    async def start(self) -> None:
        """Checks that it can be used. Raises errors.Unavailable where it does not answer, SettingsError where it must not be used so."""
        await self._backend.start()

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, after its transaction is committed. What it raises rolls its transaction back.

        Raises errors.Unavailable (also when too many wait) and errors.StorageFull.
        """
        return await self._backend.write(work)

    async def read(self, work: Work[T]) -> T:
        """What `work` returns; it sees one state of the database and cannot write."""
        return await self._backend.read(work)

    async def settle(self, work: Work[T]) -> T:
        """As `write`, wherever the database is by now. From here on it is where it should be."""
        return await self._backend.settle(work)

    async def line(self, heard: Callable[[str, bool], None]) -> lines.Line:
        """A line to the other servers of a database that is shared. Raises errors.Unavailable."""
        return await self._backend.line(heard)

    async def close(self) -> None:
        """Ends what is under way and lets the database go."""
        await self._backend.close()


def _now() -> datetime:
    return datetime.now(UTC)
