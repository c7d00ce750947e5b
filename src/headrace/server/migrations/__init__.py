"""The database's shape: made from the tables when the database is new, migrated by Alembic when it is older.

Alembic is imported only where a migration is due: it costs most of a second.
"""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace import errors
from headrace.server import tables
from headrace.web import database as databases

#: The revision that `tables` describes: a change there brings a new file in `versions/` and raises this.
HEAD = "0001"
FOLDER = Path(__file__).parent

#: Any number, the same in all servers: one of them makes or migrates a shared database at a time.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(7400)")
_PATIENT = sa.text("SET LOCAL statement_timeout = 0")
_VERSIONS = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
)
_REVISION = sa.select(_VERSIONS.c.version_num)


async def prepare(database: databases.Database) -> None:
    """Makes a new database, migrates an older SQLite one; for an older shared one it says what to do.

    Raises errors.SettingsError where people must act first.
    """
    found = await database.write(_make_or_find)
    if found == HEAD:
        return
    if found > HEAD:
        raise errors.SettingsError(
            f"the database was made by a newer headrace (revision {found}, this one knows {HEAD}): upgrade headrace"
        )
    if database.shared:
        raise errors.SettingsError(
            f"the database is of an older headrace (revision {found}, needed {HEAD}):"
            " make a backup, then run `headrace database upgrade`"
        )
    await database.write(_upgrade)


async def upgrade(database: databases.Database) -> tuple[str, str]:
    """Brings the database to this version's shape; the revisions before and after. One transaction: all of it or nothing."""
    found = await database.write(_make_or_find)
    if found < HEAD:
        await database.write(_upgrade)
    return found, max(found, HEAD)


def upgrade_url(url: str) -> tuple[str, str]:
    """`upgrade` for the database at this URL, which no server may be using when it is a SQLite file."""

    async def run() -> tuple[str, str]:
        database = databases.Database.open(url)
        try:
            return await upgrade(database)
        finally:
            await database.close()

    return asyncio.run(run())


def _make_or_find(connection: sa.Connection, now: datetime) -> str:
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
    names = sa.inspect(connection).get_table_names()
    if _VERSIONS.name in names:
        return connection.execute(_REVISION).scalar_one()
    if names:
        raise errors.SettingsError(
            "the database holds tables that are not headrace's: give headrace one of its own"
        )
    tables.metadata.create_all(connection, checkfirst=False)
    _VERSIONS.create(connection)
    connection.execute(_VERSIONS.insert(), {"version_num": HEAD})
    return HEAD


def _upgrade(connection: sa.Connection, now: datetime) -> None:
    from alembic.runtime.environment import EnvironmentContext

    if connection.dialect.name == "postgresql":
        connection.execute(_PATIENT)
        connection.execute(_LOCK)
    config, scripts = _scripts()

    def steps(revision: Any, context: Any) -> Any:
        return scripts._upgrade_revs("head", revision)  # noqa: SLF001 - what `alembic upgrade` itself calls

    connection.execute(
        sa.text("SELECT 1")
    )  # so that Alembic finds our transaction, and begins none of its own
    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=tables.metadata)
        environment.run_migrations()


def _scripts() -> tuple[Any, Any]:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    return config, ScriptDirectory.from_config(config)
