"""F08, F10, F11: PostgreSQL restarted under load, and held up by somebody who does not go on."""

import asyncio
import itertools
from datetime import datetime

import pytest
import sqlalchemy as sa

from headrace import errors
from headrace.web import links, many
from headrace.web.database import Database
from postgresql import PostgresServer
from running import Portal

pytestmark = pytest.mark.postgres

metadata = sa.MetaData()
effects = sa.Table(
    "effects",
    metadata,
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("note", sa.Text),
)
_find = sa.select(effects.c.tries).where(effects.c.request_id == sa.bindparam("request"))


@pytest.fixture
def kept(postgres_url: str, portal: Portal) -> Database:
    database = Database.open(postgres_url)
    portal.run(database.write(lambda connection, now: metadata.create_all(connection)))
    yield database
    portal.run(database.close())


def once(request: str):
    """One effect for one request id, as every mutating operation has it."""

    def work(connection: sa.Connection, now: datetime) -> bool:
        if connection.execute(_find, {"request": request}).one_or_none() is not None:
            return False
        connection.execute(sa.insert(effects), {"request_id": request, "tries": 1})
        return True

    return work


def test_nothing_that_was_acknowledged_is_lost_when_postgresql_crashes_under_load(
    postgres: PostgresServer, kept: Database, portal: Portal
) -> None:
    """F08: immediate stop and start while eight write; each unknown outcome is settled by the same request again."""
    acknowledged: set[str] = set()
    asked: set[str] = set()
    over = asyncio.Event()
    numbers = itertools.count()

    async def write() -> None:
        while not over.is_set():
            request = f"r{next(numbers)}"
            asked.add(request)
            while True:
                try:
                    await kept.write(once(request))
                    break
                except errors.Unavailable:
                    await asyncio.sleep(0.02)
            acknowledged.add(request)

    async def crash() -> None:
        for _ in range(2):
            before = len(acknowledged)
            while len(acknowledged) < before + 40:  # noqa: ASYNC110 - until there is load again
                await asyncio.sleep(0.01)
            await asyncio.to_thread(postgres.restart)
        over.set()

    async def both() -> None:
        async with asyncio.timeout(50):
            await asyncio.gather(crash(), *(write() for _ in range(8)))

    portal.run(both())
    stored = portal.run(
        kept.read(lambda connection, now: set(connection.execute(sa.select(effects.c.request_id)).scalars()))
    )
    assert acknowledged <= stored
    assert stored == asked == acknowledged


def test_a_failed_transaction_is_not_committed_without_a_word(kept: Database, portal: Portal) -> None:
    """PostgreSQL answers COMMIT of one with ROLLBACK, and no error."""

    def swallows(connection: sa.Connection, now: datetime) -> None:
        connection.execute(sa.insert(effects), {"request_id": "a", "tries": 1})
        with pytest.raises(sa.exc.DBAPIError):
            connection.exec_driver_sql("SELECT nothing")

    with pytest.raises(links.RefusedError):
        portal.run(kept.write(swallows))
    assert portal.run(kept.write(once("a")))


def test_connections_are_used_again_and_lost_ones_are_not(kept: Database, portal: Portal) -> None:
    def session(connection: sa.Connection, now: datetime) -> int:
        return connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()

    first = portal.run(kept.write(session))
    assert portal.run(kept.read(session)) == first
    kill = sa.text("SELECT pg_terminate_backend(:pid)")
    other = Database.open(kept.url)
    portal.run(other.write(lambda connection, now: connection.execute(kill, {"pid": first}).all()))
    portal.run(other.close())
    assert portal.run(kept.write(session)) != first


def test_a_command_that_is_given_up_leaves_no_half_used_connection(kept: Database, portal: Portal) -> None:
    def slow(connection: sa.Connection, now: datetime) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(30)")

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await kept.write(slow)

    portal.run(give_up())
    for number in range(20):
        assert portal.run(kept.write(once(f"after {number}")))


@pytest.mark.parametrize("count", [1, many.MANY, 1000])
def test_many_rows_are_inserted_whichever_way_is_fastest(kept: Database, portal: Portal, count: int) -> None:
    rows = [
        {"request_id": f"{number}", "tries": number, "note": None if number % 2 else "ä"}
        for number in range(count)
    ]
    portal.run(kept.write(lambda connection, now: many.insert(connection, effects, rows)))
    found = portal.run(
        kept.read(lambda connection, now: connection.execute(sa.select(effects)).mappings().all())
    )
    assert sorted(found, key=lambda row: row["tries"]) == rows


def test_rows_that_do_not_fit_are_refused_as_those_of_an_insert(kept: Database, portal: Portal) -> None:
    def insert(**value: object):
        rows = [{"request_id": f"{number}", "tries": 1, "note": "", **value} for number in range(many.MANY)]
        return kept.write(lambda connection, now: many.insert(connection, effects, rows))

    for bad in ({"note": "a\0b"}, {"tries": 2**70}):
        with pytest.raises(errors.Invalid):
            portal.run(insert(**bad))
    with pytest.raises(
        links.RefusedError
    ):  # after as many tries as a row has that somebody else may have made
        portal.run(insert(request_id="same"))


def test_a_list_of_values_has_one_of_few_lengths() -> None:
    assert {len(many.padded({f"{number}" for number in range(count)})) for count in range(1, 100)} == {
        2**power for power in range(8)
    }
    assert many.padded(set[str]()) == []
    assert many.padded({"b", "a", "c"}) == ["a", "b", "c", "c"]


def test_a_pooler_is_one_of_transactions(portal: Portal) -> None:
    with pytest.raises(errors.SettingsError, match="pooler is transaction or not given, not 'session'"):
        Database.open("postgresql://headrace@db.internal/headrace?pooler=session")


def test_a_pooler_s_sessions_keep_nothing(postgres_url: str, portal: Portal) -> None:
    """What a session is told otherwise is told to each transaction; no statement has a name there."""
    database = Database.open(f"{postgres_url}&pooler=transaction")
    ask = sa.text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    named = sa.text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")

    def look(connection: sa.Connection, now: datetime) -> tuple[tuple[str, ...], int]:
        return tuple(connection.execute(ask).one()), connection.execute(named).scalar_one()

    try:
        for do in (database.write, database.read):
            assert portal.run(do(look)) == (("8s", "20s"), 0)
        assert portal.run(database.settle(look)) == (("8s", "20s"), 0)
    finally:
        portal.run(database.close())
