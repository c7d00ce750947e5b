"""F16, F17: a database of an older headrace is brought to this one's shape, all of it or nothing; a new one is born with it."""

import asyncio
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import schemas
import sqlalchemy as sa

from headrace import errors
from headrace.server import migrations, tables
from headrace.server.migrations import ddl, derive
from headrace.web import ids
from headrace.web.database import Database
from postgresql import PostgresServer
from running import Portal

_NEXT = '''"""Adds a column."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("projects", sa.Column("motto", sa.Text))
'''
HEAD = migrations.HEAD
Open = Callable[[str], Database]


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A headrace with one more revision."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9001_next.py").write_text(_NEXT.format(head=HEAD))
    monkeypatch.setattr(migrations, "FOLDER", folder)
    monkeypatch.setattr(migrations, "HEAD", "9001")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


def shape(database: Database, portal: Portal) -> tuple[str, list[str]]:
    """The revision, and the columns of the table that the next revision changes."""

    def look(connection: sa.Connection, now: object) -> tuple[str, list[str]]:
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        return revision, [column["name"] for column in sa.inspect(connection).get_columns("projects")]

    return portal.run(database.read(look))


def whole(database: Database, portal: Portal) -> dict[str, object]:
    return portal.run(database.read(lambda connection, now: schemas.shape(connection)))


def test_a_new_database_is_made_once(database: Database, portal: Portal) -> None:
    before = shape(database, portal)
    portal.run(migrations.prepare(database))
    assert shape(database, portal) == before
    assert before[0] == migrations.HEAD


# --- from one revision to the next ---


def test_the_revisions_lead_to_what_the_tables_describe(
    empty_url: str, request: pytest.FixtureRequest, open_database: Open, portal: Portal
) -> None:
    """Column by column, index by index. When this fails: `python -m headrace.server.migrations.derive 0002`."""
    kind = "sqlite" if empty_url.startswith("sqlite") else "postgres"
    old, new = open_database(empty_url), open_database(request.getfixturevalue(f"{kind}_url"))
    portal.run(old.write(lambda connection, now: migrations.make(connection, now, "0001")))
    assert shape(old, portal)[0] == "0001"
    assert portal.run(migrations.upgrade(old)) == ("0001", HEAD)
    assert schemas.differences(whole(old, portal), whole(new, portal)) == []


def test_the_files_of_the_newest_revision_are_up_to_date() -> None:
    for dialect in derive.DIALECTS:
        assert list(ddl.statements(HEAD, dialect)) == derive.revision_sql(HEAD, dialect), (
            f"run: python -m headrace.server.migrations.derive {HEAD}"
        )


def _filled(connection: sa.Connection, now: datetime) -> None:
    """One row in each table that a run needs, as a server of 0001 wrote them: by the columns of then."""
    inspector = sa.inspect(connection)
    project, flow, version, run = (ids.uuid7() for _ in range(4))
    known: dict[str, Any] = {
        "project_id": project, "flow_id": flow, "version_id": version, "queue_id": 1, "flow_run_id": run,
        "state_type": "Scheduled", "on_lost": "crash", "idempotency_key": "one",
    }  # fmt: skip
    made = {"projects": project, "flows": flow, "flow_versions": version, "queues": 1, "flow_runs": run}
    for name in ("projects", "flows", "flow_versions", "queues", "flow_runs", "run_events"):
        table = tables.metadata.tables[name]
        old = {column["name"] for column in inspector.get_columns(name)}
        values = {
            column.name: known.get(column.name, made.get(name) if column.name == "id" else _any(column, now))
            for column in table.columns
            if column.name in old and (not column.nullable or column.name in known)
        }
        connection.execute(sa.insert(table).values(values))


def _any(column: sa.Column[Any], now: datetime) -> Any:
    kinds: dict[type[Any], Any] = {
        sa.Uuid: ids.uuid7(), tables.Instant: now, tables.Json: {}, sa.Boolean: False, sa.Float: 1.0,
        sa.Integer: 0, sa.Text: "x",
    }  # fmt: skip
    return next(value for kind, value in kinds.items() if isinstance(column.type, kind))


def test_what_was_in_an_older_database_is_in_the_upgraded_one(
    empty_url: str, open_database: Open, portal: Portal
) -> None:
    database = open_database(empty_url)

    def fill(connection: sa.Connection, now: datetime) -> None:
        migrations.make(connection, now, "0001")
        _filled(connection, now)

    portal.run(database.write(fill))
    portal.run(migrations.upgrade(database))

    def look(connection: sa.Connection, now: datetime) -> list[Any]:
        runs, queues = tables.flow_runs, tables.queues
        joined = sa.select(
            runs.c.idempotency_key, queues.c.labels_key, sa.func.count(tables.run_events.c.seq)
        )
        joined = joined.join(queues, queues.c.id == runs.c.queue_id).join(tables.run_events)
        epochs = connection.execute(sa.select(tables.epochs.c.number, tables.epochs.c.reason)).all()
        return [*connection.execute(joined.group_by(runs.c.id, queues.c.id)).all(), *epochs]

    assert [tuple(row) for row in portal.run(database.read(look))] == [("one", "x", 1), (1, "made")]
    if database.is_sqlite:
        broken = portal.run(
            database.read(
                lambda connection, now: connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            )
        )
        assert broken == []


_KILLED = """
import os, signal, sys
import sqlalchemy as sa
from headrace.server import migrations

left = int(sys.argv[2])

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    global left
    if statement.startswith(("ALTER", "CREATE", "DROP", "INSERT")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

migrations.upgrade_url(sys.argv[1])
"""


def test_an_upgrade_that_is_killed_leaves_the_old_shape_and_the_next_one_succeeds(
    empty_url: str, portal: Portal
) -> None:
    """F17: killed at its first, some middle and its last statement."""

    def on(work: Callable[[Database], Any]) -> Any:
        async def run() -> Any:
            database = Database.open(empty_url)
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())

    on(lambda database: database.write(lambda connection, now: migrations.make(connection, now, "0001")))
    before = on(lambda database: database.read(lambda connection, now: schemas.shape(connection)))
    count = len(list(ddl.statements(HEAD, "sqlite" if empty_url.startswith("sqlite") else "postgresql")))
    for at in (1, count // 3, count - 1):
        done = subprocess.run(
            [sys.executable, "-c", _KILLED, empty_url, str(at)], capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        after = on(lambda database: database.read(lambda connection, now: schemas.shape(connection)))
        assert schemas.differences(after, before) == []
    assert migrations.upgrade_url(empty_url) == ("0001", HEAD)
    assert migrations.upgrade_url(empty_url) == (HEAD, HEAD)


@pytest.mark.postgres
def test_an_upgrade_waits_briefly_for_a_busy_table_and_comes_again(
    postgres: PostgresServer, open_database: Open, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits long for a table keeps everybody behind it waiting."""
    name = postgres.create()
    database = open_database(postgres.url(name))
    portal.run(database.write(lambda connection, now: migrations.make(connection, now, "0001")))

    async def hold() -> asyncpg.Connection:
        """A long transaction of somebody else."""
        connection = await asyncpg.connect(postgres.url(name))
        await connection.execute("BEGIN; LOCK TABLE flow_runs IN ACCESS SHARE MODE")
        return connection

    holding = portal.run(hold())
    monkeypatch.setattr(migrations, "TRIES", 1)
    with pytest.raises(errors.Unavailable, match="nothing was changed"):
        portal.run(migrations.upgrade(database))
    assert shape(database, portal)[0] == "0001"
    portal.run(holding.close())
    assert portal.run(migrations.upgrade(database)) == ("0001", HEAD)


# --- at a server's start ---


@pytest.mark.usefixtures("newer")
def test_an_older_sqlite_database_is_brought_up_to_date_at_the_start(
    sqlite_url: str, open_database: Open, portal: Portal
) -> None:
    database = open_database(sqlite_url)
    portal.run(migrations.prepare(database))
    revision, columns = shape(database, portal)
    assert revision == "9001"
    assert "motto" in columns


@pytest.mark.postgres
@pytest.mark.usefixtures("newer")
def test_an_older_shared_database_waits_for_its_administrator(
    postgres_url: str, open_database: Open, portal: Portal
) -> None:
    database = open_database(postgres_url)
    with pytest.raises(errors.SettingsError, match="headrace database upgrade"):
        portal.run(migrations.prepare(database))
    assert portal.run(migrations.upgrade(database)) == (HEAD, "9001")
    portal.run(migrations.prepare(database))
    assert "motto" in shape(database, portal)[1]


def test_a_server_goes_on_with_a_newer_database_that_allows_it_and_refuses_another(
    database: Database, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database says which the oldest headrace is that may use it."""
    monkeypatch.setattr(migrations, "HEAD", "0001")
    portal.run(migrations.prepare(database))
    monkeypatch.setattr(migrations, "HEAD", "0000")
    with pytest.raises(errors.SettingsError, match="newer headrace"):
        portal.run(migrations.prepare(database))


def test_somebody_elses_database_is_left_alone(tmp_path: Path, open_database: Open, portal: Portal) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    portal.run(
        database.write(lambda connection, now: connection.exec_driver_sql("CREATE TABLE theirs (x)") and None)
    )
    with pytest.raises(errors.SettingsError, match="not headrace's"):
        portal.run(migrations.prepare(database))


def test_the_newest_file_is_the_head() -> None:
    names = sorted(path.name for path in (migrations.FOLDER / "versions").glob("[0-9]*.py"))
    assert names[-1].startswith(migrations.HEAD)


# --- what a revision may not do ---


def _metadata(*changes: sa.Column[Any]) -> sa.MetaData:
    """The tables of 0001 and no more, with something added to projects."""
    found = derive._reflected("0002")
    for column in changes:
        found.tables["projects"].append_column(column)
    return found


def test_a_column_that_older_servers_do_not_write_is_refused() -> None:
    with pytest.raises(ValueError, match=r"projects.motto: make it nullable or give it a server_default"):
        derive.revision_sql("0002", "sqlite", _metadata(sa.Column("motto", sa.Text, nullable=False)))


def test_a_table_that_older_servers_use_is_not_removed() -> None:
    metadata = _metadata()
    metadata.remove(metadata.tables["loop_leases"])
    with pytest.raises(ValueError, match="loop_leases"):
        derive.revision_sql("0002", "sqlite", metadata)
