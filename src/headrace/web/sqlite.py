"""SQLite: one writer thread that commits many commands at once, reader threads beside it, one server per file.

Measured on two busy cores: 400 durable commits a second one by one, 2,500 in groups. Every command of a group has a
savepoint of its own, so that one that fails leaves the others alone; when the group itself fails (a full disk rolls
back all of it, savepoints included) its members are replayed one by one.
"""

import asyncio
import collections
import contextlib
import dataclasses
import logging
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
import sqlalchemy.exc
import sqlalchemy.pool

from headrace import errors
from headrace.web import filelock, lines
from headrace.web import reserve as reserves

T = TypeVar("T")

log = logging.getLogger(__name__)

#: The most commands in one commit.
GROUP = 256
#: The most commands that wait; one more is refused.
WAITING = 4096
READERS = 4
#: How long SQLite waits for a lock that another program (a backup, a shell) holds.
BUSY_SECONDS = 5
#: Larger files are not checked at each start: quick_check reads every page.
CHECKED_SIZE = 32 * 1024 * 1024
#: A disk with less has no room for the files that SQLite lays beside the database when it opens it.
OPENING = 1024 * 1024

_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)


@dataclasses.dataclass(eq=False, slots=True)
class _Job:
    work: Callable[[sa.Connection, datetime], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    value: Any = None
    error: BaseException | None = None


class _GroupLostError(Exception):
    """SQLite has rolled the whole transaction back."""


class Sqlite:
    """A SQLite file, held by this process alone."""

    shared = False
    #: Nobody takes a file over.
    moved = False

    def __init__(self, path: str, clock: Callable[[], datetime], reserve: int | None = None) -> None:
        """`reserve`: how many bytes of the disk are kept for the day when it is full; None leaves that as it is."""
        if not path or path == ":memory:":
            raise errors.SettingsError("a server's database is a file: sqlite:///PATH")
        self.path = Path(path).expanduser().absolute()
        self._clock = clock
        self._lock = self._locked()
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(self.path)),
            poolclass=sqlalchemy.pool.NullPool,
            connect_args={"isolation_level": None, "check_same_thread": False},
        )
        try:
            self._reserve = None if reserve is None else reserves.Reserve(self.path, reserve)
            self._check_where_there_is_room()
            self.keep_reserve()
            self._writer = _Writer(self._connect(), clock, self._give_up_reserve)
        except BaseException:
            self._let_go()
            raise
        self._reads: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._serve_reads, name=f"headrace-reader-{number}", daemon=True)
            for number in range(READERS)
        ]
        for thread in self._readers:
            thread.start()
        self._closed = False

    def _locked(self) -> filelock.FileLock:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return filelock.FileLock(
                self.path.with_name(self.path.name + ".lock"),
                f"the database {self.path} is used by another server",
            )
        except OSError as error:
            raise errors.SettingsError(
                f"the database {self.path} cannot be opened: {error.strerror or error}. Make that possible, or name"
                " another (HEADRACE_DATABASE_URL)."
            ) from None

    async def start(self) -> None:
        """Everything was checked when it was opened."""

    @property
    def short_of_room(self) -> bool:
        """The disk was full, and only its reserve lets anything be written."""
        return self._reserve is not None and self._reserve.spent

    @property
    def waiting(self) -> int:
        """Commands in the writer's queue."""
        return self._writer.waiting

    def keep_reserve(self) -> None:
        """Takes the reserve, when there is room for it."""
        if self._reserve is not None and not self._reserve.take() and not self._reserve.spent:
            log.warning("the disk has no room for the reserve %s", self._reserve.path)

    def _give_up_reserve(self) -> bool:
        return self._reserve is not None and self._reserve.give_up()

    async def write(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._writer.put(job)
        return await job.future

    async def read(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        if self._closed:
            raise errors.Unavailable("the server is stopping", retry_after=1)
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._reads.put(job)
        return await job.future

    async def settle(self, work: Callable[[sa.Connection, datetime], T]) -> T:
        return await self.write(work)

    async def line(self, heard: Callable[[str, bool], None]) -> lines.Line:
        raise errors.Unavailable("a SQLite file has one server: there are no others to speak with")

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.close()
        for _ in self._readers:
            self._reads.put(None)
        for thread in self._readers:
            thread.join()
        self._engine.dispose()
        self._let_go()

    def _let_go(self) -> None:
        """A file in which nothing was ever written, for want of room, is not left behind."""
        if self.path.exists() and self.path.stat().st_size == 0:
            self.path.unlink()
        self._lock.release()

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect()
        raw = _raw(connection)
        for pragma in _PRAGMAS:
            raw.execute(pragma)
        return connection

    def _check_where_there_is_room(self) -> None:
        """Even opening it takes room: on a full disk that of the reserve."""
        try:
            self._check()
        except errors.SettingsError:
            if shutil.disk_usage(self.path.parent).free >= OPENING or not self._give_up_reserve():
                raise
            self._check()

    def _check(self) -> None:
        """Refuses a file that is no database or is damaged, in words."""
        try:
            with contextlib.closing(self._connect()) as connection:
                if self.path.stat().st_size <= CHECKED_SIZE:
                    (found,) = _raw(connection).execute("PRAGMA quick_check(1)").fetchone()
                    if found != "ok":
                        raise errors.SettingsError(
                            f"the database {self.path} is damaged ({found}): restore a backup, or move it away"
                        )
        except sqlalchemy.exc.DBAPIError as error:
            raise errors.SettingsError(f"the database {self.path} cannot be opened: {error.orig}") from None
        except sqlite3.Error as error:
            raise errors.SettingsError(f"the database {self.path} cannot be used: {error}") from None

    def _serve_reads(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            raw = _raw(connection)
            raw.execute("PRAGMA query_only=ON")
            while (job := self._reads.get()) is not None:
                if job.future.cancelled():
                    continue
                try:
                    raw.execute("BEGIN")
                    job.value = job.work(connection, self._clock())
                except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
                    job.error = _translated(error)
                finally:
                    if raw.in_transaction:
                        raw.execute("ROLLBACK")
                _deliver([job])


class _Writer:
    """The one thread that writes."""

    def __init__(
        self, connection: sa.Connection, clock: Callable[[], datetime], make_room: Callable[[], bool]
    ) -> None:
        """`make_room` is asked when the disk is full: True when there is room now."""
        self._connection = connection
        self._make_room = make_room
        self._raw = _raw(connection)
        self._clock = clock
        self._jobs: collections.deque[_Job] = collections.deque()
        self._awake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="headrace-writer", daemon=True)
        self._thread.start()

    def put(self, job: _Job) -> None:
        with self._awake:
            if self._closing:
                raise errors.Unavailable("the server is stopping", retry_after=1)
            if len(self._jobs) >= WAITING:
                raise errors.Unavailable("the server has more to write than it can; try again", retry_after=1)
            self._jobs.append(job)
            self._awake.notify()

    @property
    def waiting(self) -> int:
        return len(self._jobs)

    def close(self) -> None:
        """Writes what waits, then ends."""
        with self._awake:
            self._closing = True
            self._awake.notify()
        self._thread.join()

    def _run(self) -> None:
        while jobs := self._take():
            self._commit(jobs)
            _deliver(jobs)
        self._connection.close()

    def _take(self) -> list[_Job]:
        with self._awake:
            while not self._jobs and not self._closing:
                self._awake.wait()
            count = min(len(self._jobs), GROUP)
            return [self._jobs.popleft() for _ in range(count)]

    def _commit(self, jobs: list[_Job]) -> None:
        """Runs the jobs in one transaction; each has its value or error when this returns."""
        wanted = [job for job in jobs if not job.future.cancelled()]
        try:
            self._together(wanted)
        except (sqlite3.Error, sqlalchemy.exc.DBAPIError, _GroupLostError) as error:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
            cause = error.__cause__ if isinstance(error, _GroupLostError) else error
            if _code(cause or error) == sqlite3.SQLITE_FULL and self._make_room():
                self._commit(wanted)
            elif len(wanted) == 1:
                wanted[0].error = _translated(cause or error)
            elif _is_locked(error):  # another program holds the file: one wait for all, not one each
                for job in wanted:
                    job.error = _translated(error)
            else:
                for job in wanted:
                    self._commit([job])

    def _together(self, jobs: list[_Job]) -> None:
        raw = self._raw
        raw.execute("BEGIN IMMEDIATE")
        for job in jobs:
            job.value = job.error = None
            raw.execute("SAVEPOINT command")
            try:
                job.value = job.work(self._connection, self._clock())
            except BaseException as error:
                if not raw.in_transaction or _is_full(error):
                    raise _GroupLostError from error
                job.error = _translated(error)
                raw.execute("ROLLBACK TO command")
            raw.execute("RELEASE command")
        raw.execute("COMMIT")


def _raw(connection: sa.Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _deliver(jobs: list[_Job]) -> None:
    """Hands the answers over: one wake-up a loop, whatever their number."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, own in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, own)


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.value)


def _code(error: BaseException) -> int | None:
    """SQLite's primary result code."""
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_full(error: BaseException) -> bool:
    return _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _is_locked(error: BaseException) -> bool:
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translated(error: BaseException) -> BaseException:
    """SQLite's refusals that are no fault of our code, in our words."""
    if isinstance(error, OverflowError):
        return errors.Invalid("a number in the request is too large")
    code = _code(error)
    ours: errors.HeadraceError
    if code == sqlite3.SQLITE_FULL:
        ours = errors.StorageFull(
            "the server's disk is full: nothing was written; free space on it, then try again"
        )
    elif _is_locked(error):
        ours = errors.Unavailable("another program holds the server's database; try again", retry_after=1)
    elif code == sqlite3.SQLITE_IOERR:
        ours = errors.Unavailable("the server's disk refuses to read or write its database", retry_after=5)
    else:
        return error
    ours.__cause__ = error
    return ours
