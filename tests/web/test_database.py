import asyncio
import contextlib
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from headrace import errors
from headrace.web import sqlite
from headrace.web.database import Database
from postgresql import PostgresServer
from running import Portal, VirtualClock

metadata = sa.MetaData()
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)
insert = notes.insert()
count = sa.select(sa.func.count()).select_from(notes)


def make_notes(connection: sa.Connection, now: datetime) -> None:
    metadata.create_all(connection)


def note(number: int, text: str = "") -> Callable[[sa.Connection, datetime], int]:
    def work(connection: sa.Connection, now: datetime) -> int:
        connection.execute(insert, {"id": number, "text": text})
        return number

    return work


def counted(connection: sa.Connection, now: datetime) -> int:
    return connection.execute(count).scalar_one()


@pytest.fixture
def filled(database: Database, portal: Portal) -> Database:
    portal.run(database.write(make_notes))
    return database


def test_what_was_written_can_be_read(filled: Database, portal: Portal) -> None:
    assert portal.run(filled.write(note(7, "a"))) == 7
    assert portal.run(filled.read(counted)) == 1


def test_a_command_that_fails_leaves_nothing_and_its_neighbours_alone(
    filled: Database, portal: Portal
) -> None:
    def fails(connection: sa.Connection, now: datetime) -> None:
        connection.execute(insert, {"id": 100, "text": ""})
        raise errors.Conflict("no")

    async def all_at_once() -> list[object]:
        works = [note(number) if number % 3 else fails for number in range(30)]
        return await asyncio.gather(*(filled.write(work) for work in works), return_exceptions=True)

    results = portal.run(all_at_once())
    assert [type(result) for result in results] == [
        int if number % 3 else errors.Conflict for number in range(30)
    ]
    assert portal.run(filled.read(counted)) == 20


def test_a_read_cannot_write(filled: Database, portal: Portal) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"readonly|read-only"):
        portal.run(filled.read(note(1)))


def test_a_read_sees_one_state(filled: Database, portal: Portal) -> None:
    wrote = threading.Event()
    looked = threading.Event()

    def look(connection: sa.Connection, now: datetime) -> tuple[int, int]:
        first = counted(connection, now)
        looked.set()
        if filled.is_sqlite:
            assert wrote.wait(10)
        return first, counted(connection, now)

    reading = portal.start(filled.read(look))
    assert looked.wait(10)
    portal.run(filled.write(note(1)))
    wrote.set()
    first, second = reading.result(10)
    assert first == second


def test_the_time_is_the_clocks(filled: Database, portal: Portal, clock: VirtualClock) -> None:
    assert portal.run(filled.write(lambda connection, now: now)) == clock.now
    clock.advance(5)
    assert portal.run(filled.read(lambda connection, now: now)) == clock.now


def test_without_a_clock_the_time_is_the_databases_and_aware(
    database_url: str, open_database: Callable[[str], Database], portal: Portal
) -> None:
    now = portal.run(open_database(database_url).write(lambda connection, now: now))
    assert now.utcoffset() is not None
    assert now.utcoffset().total_seconds() == 0  # type: ignore[union-attr]


def test_a_text_or_number_that_does_not_fit_is_the_requests_fault(filled: Database, portal: Portal) -> None:
    with pytest.raises(errors.Invalid):
        portal.run(filled.write(note(2**70)))
    if not filled.is_sqlite:
        with pytest.raises(errors.Invalid):
            portal.run(filled.write(note(1, "a\0b")))


# --- SQLite ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def notes_on_sqlite(sqlite_url: str, open_database: Callable[[str], Database], portal: Portal) -> Database:
    database = open_database(sqlite_url)
    portal.run(database.write(make_notes))
    return database


def held_up(database: Database, portal: Portal) -> tuple[threading.Event, object]:
    """Keeps the writer busy until the event is set, so that what follows waits together."""
    begun, go = threading.Event(), threading.Event()

    def work(connection: sa.Connection, now: datetime) -> None:
        begun.set()
        assert go.wait(30)

    future = portal.start(database.write(work))
    assert begun.wait(10)
    return go, future


def test_commands_that_wait_share_one_commit(notes_on_sqlite: Database, portal: Portal) -> None:
    before = changes(notes_on_sqlite, portal)
    go, _ = held_up(notes_on_sqlite, portal)
    waiting = [portal.start(notes_on_sqlite.write(note(number))) for number in range(50)]
    all_waiting(portal)
    go.set()
    assert [future.result(10) for future in waiting] == list(range(50))
    assert changes(notes_on_sqlite, portal) - before <= 2


def changes(database: Database, portal: Portal) -> int:
    """SQLite's count of commits by others, as a reader sees it."""
    with contextlib.closing(sqlite3.connect(database.url.removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        header = Path(database.url.removeprefix("sqlite:///")).read_bytes()[24:28]
    return int.from_bytes(header, "big")


def all_waiting(portal: Portal) -> None:
    """Everything that was started before has reached its first wait."""

    async def nothing() -> None:
        return

    portal.run(nothing())


def test_a_group_that_is_lost_is_replayed_one_by_one(notes_on_sqlite: Database, portal: Portal) -> None:
    tries: list[int] = []

    def loses_all(connection: sa.Connection, now: datetime) -> None:
        tries.append(1)
        connection.exec_driver_sql("INSERT OR ROLLBACK INTO notes VALUES (1, 'a'), (1, 'b')")

    go, _ = held_up(notes_on_sqlite, portal)
    first = [portal.start(notes_on_sqlite.write(note(number))) for number in (11, 12)]
    bad = portal.start(notes_on_sqlite.write(loses_all))
    last = [portal.start(notes_on_sqlite.write(note(number))) for number in (13, 14)]
    all_waiting(portal)
    go.set()
    assert [future.result(10) for future in first + last] == [11, 12, 13, 14]
    with pytest.raises(sa.exc.IntegrityError):
        bad.result(10)
    assert len(tries) == 2
    assert portal.run(notes_on_sqlite.read(counted)) == 4


def test_a_full_disk_refuses_what_does_not_fit_and_keeps_the_rest(
    notes_on_sqlite: Database, portal: Portal
) -> None:
    def limit(connection: sa.Connection, now: datetime) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}")

    portal.run(notes_on_sqlite.write(limit))
    go, _ = held_up(notes_on_sqlite, portal)
    small = [portal.start(notes_on_sqlite.write(note(number))) for number in range(5)]
    large = portal.start(notes_on_sqlite.write(note(100, "x" * 4096 * 100)))
    more = [portal.start(notes_on_sqlite.write(note(number))) for number in range(5, 10)]
    all_waiting(portal)
    go.set()
    assert [future.result(10) for future in small + more] == list(range(10))
    with pytest.raises(errors.StorageFull, match="disk is full"):
        large.result(10)
    assert portal.run(notes_on_sqlite.read(counted)) == 10
    assert portal.run(notes_on_sqlite.write(note(11))) == 11


def test_more_commands_than_may_wait_are_refused(
    notes_on_sqlite: Database, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WAITING", 3)
    go, _ = held_up(notes_on_sqlite, portal)
    waiting = [portal.start(notes_on_sqlite.write(note(number))) for number in range(3)]
    all_waiting(portal)
    with pytest.raises(errors.Unavailable) as refused:
        portal.run(notes_on_sqlite.write(note(9)))
    assert refused.value.facts["retry_after"]
    go.set()
    assert [future.result(10) for future in waiting] == [0, 1, 2]


def test_a_file_that_another_program_holds_is_unavailable_and_recovers(
    notes_on_sqlite: Database, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def impatient(connection: sa.Connection, now: datetime) -> None:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")

    portal.run(notes_on_sqlite.write(impatient))
    path = notes_on_sqlite.url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(errors.Unavailable, match="another program"):
            portal.run(notes_on_sqlite.write(note(1)))
        other.execute("ROLLBACK")
    assert portal.run(notes_on_sqlite.write(note(1))) == 1


def test_a_second_server_is_refused_and_told_who_holds_the_file(
    sqlite_url: str, open_database: Callable[[str], Database]
) -> None:
    open_database(sqlite_url)
    with pytest.raises(errors.SettingsError, match=rf"used by another server \(process {os.getpid()}\)"):
        Database.open(sqlite_url)


def test_a_closed_database_leaves_no_lock_and_can_be_opened_again(sqlite_url: str, portal: Portal) -> None:
    for _ in range(2):
        database = Database.open(sqlite_url)
        portal.run(database.write(lambda connection, now: None))
        portal.run(database.close())
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    assert [file.name for file in path.parent.iterdir() if file.name.startswith(path.name)] == [path.name]


def hold_and_die(url: str, ready: "multiprocessing.synchronize.Event") -> None:
    Database.open(url)
    ready.set()
    threading.Event().wait()


def test_the_lock_dies_with_its_process(sqlite_url: str, open_database: Callable[[str], Database]) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hold_and_die, args=(sqlite_url, ready))
    other.start()
    assert ready.wait(30)
    with pytest.raises(errors.SettingsError):
        Database.open(sqlite_url)
    other.kill()
    other.join()
    open_database(sqlite_url)


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(errors.SettingsError, match=r"x\.db cannot be (opened|used)"):
        Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    assert not (tmp_path / "x.db.lock").exists()


def test_a_damaged_file_is_refused(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 4] = b"\xff" * (4096 * 3)
    path.write_bytes(content)
    with pytest.raises(errors.SettingsError, match=r"damaged|cannot be"):
        Database.open(sqlite_url)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(errors.SettingsError):
        Database.open(url)


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

pg = pytest.mark.postgres


@pytest.fixture
def notes_on_postgres(
    postgres_url: str, open_database: Callable[[str], Database], portal: Portal
) -> Database:
    database = open_database(postgres_url)
    portal.run(database.write(make_notes))
    return database


@pg
def test_a_command_that_loses_against_another_is_tried_again(
    notes_on_postgres: Database, portal: Portal
) -> None:
    """Both look, find nothing and insert the same row: the second sees the first one's when it is tried again."""
    tries: list[int] = []

    def once_only(connection: sa.Connection, now: datetime) -> bool:
        tries.append(1)
        if connection.execute(count).scalar_one():
            return False
        connection.exec_driver_sql("SELECT pg_sleep(0.05)")
        connection.execute(insert, {"id": 1, "text": ""})
        return True

    async def both() -> list[bool]:
        return await asyncio.gather(notes_on_postgres.write(once_only), notes_on_postgres.write(once_only))

    assert sorted(portal.run(both())) == [False, True]
    assert len(tries) == 3


@pg
def test_a_deadlock_is_invisible(notes_on_postgres: Database, portal: Portal) -> None:
    for number in (1, 2):
        portal.run(notes_on_postgres.write(note(number)))
    update = sa.update(notes).where(notes.c.id == sa.bindparam("number")).values(text=notes.c.text + "x")

    def in_order(*numbers: int) -> Callable[[sa.Connection, datetime], None]:
        def work(connection: sa.Connection, now: datetime) -> None:
            connection.exec_driver_sql("SET LOCAL deadlock_timeout = '20ms'")
            for number in numbers:
                connection.execute(update, {"number": number})
                connection.exec_driver_sql("SELECT pg_sleep(0.05)")

        return work

    async def both() -> None:
        await asyncio.gather(notes_on_postgres.write(in_order(1, 2)), notes_on_postgres.write(in_order(2, 1)))

    portal.run(both())
    texts = portal.run(
        notes_on_postgres.read(
            lambda connection, now: connection.execute(sa.select(notes.c.text)).scalars().all()
        )
    )
    assert texts == ["xx", "xx"]


@pg
def test_a_database_that_restarts_is_unavailable_at_most_once_and_then_serves(
    postgres: PostgresServer, notes_on_postgres: Database, portal: Portal
) -> None:
    portal.run(notes_on_postgres.write(note(1)))
    postgres.restart()
    for number in (2, 3):
        portal.run(notes_on_postgres.write(note(number)))
    assert portal.run(notes_on_postgres.read(counted)) == 3


@pg
def test_a_database_that_is_not_there_is_unavailable(
    postgres: PostgresServer, open_database: Callable[[str], Database], portal: Portal
) -> None:
    with pytest.raises(errors.SettingsError, match='"nothing_of_this_name" does not exist'):
        portal.run(open_database(postgres.url("nothing_of_this_name")).start())
    with pytest.raises(errors.Unavailable):
        portal.run(open_database("postgresql://postgres@127.0.0.1:1/x").start())


@pg
def test_a_database_that_forgets_what_it_acknowledged_is_refused(
    postgres: PostgresServer, postgres_url: str, open_database: Callable[[str], Database], portal: Portal
) -> None:
    name = postgres_url.split("/")[3].split("?")[0]
    postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with pytest.raises(errors.SettingsError, match="synchronous_commit"):
        portal.run(open_database(postgres_url).start())
