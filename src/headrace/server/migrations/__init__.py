"""The database's shape: made from the tables when the database is new, migrated by Alembic when it is older.

A revision only adds, so that servers of the revision before go on while it is made and beside it afterwards. Alembic is
imported only where a migration is due: it costs most of a second.
"""

import asyncio
import logging
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc

from headrace import errors
from headrace.server import tables
from headrace.server.migrations import statistics
from headrace.web import database as databases
from headrace.web import ids

log = logging.getLogger(__name__)

#: The revision that `tables` describes: a change there brings new files in `versions/` and raises this.
HEAD = "0002"
#: The oldest revision whose servers may use a database of HEAD. They refuse to start on one that says a later.
OLDEST = "0001"
FOLDER = Path(__file__).parent

#: Any number, the same in all servers: one of them makes or migrates a shared database at a time.
_LOCK = sa.text("SELECT pg_advisory_xact_lock(7400)")
_PATIENT = sa.text("SET LOCAL statement_timeout = 0")
#: Who waits for a table's lock keeps all others waiting behind it, and may wait for one of them: better to give up, and to
#: come again, before PostgreSQL looks for a deadlock (after a second) and ends the other, who may be a reader.
_BRIEF = sa.text("SET LOCAL lock_timeout = '300ms'")
_NOT_NOW = "55P03"
TRIES = 30
_VERSIONS = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
)
_REVISION = sa.select(_VERSIONS.c.version_num)
_compatibility = tables.compatibility
_epochs = tables.epochs


async def prepare(database: databases.Database) -> None:
    """Makes a new database, migrates an older SQLite one; for an older shared one it says what to do.

    Raises errors.SettingsError where people must act first.
    """
    found = await database.write(make_or_find)
    if found == HEAD:
        await database.write(lambda connection, now: statistics.settle(connection))
        return
    if found > HEAD:
        oldest = await database.read(lambda connection, now: _oldest(connection))
        if oldest <= HEAD:
            log.warning("the database is of a newer headrace (revision %s, this one knows %s)", found, HEAD)
            return
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
    """Brings the database to this version's shape; the revisions before and after. One transaction: all of it or nothing.

    Raises errors.Unavailable when others never let go of a table for long enough.
    """
    found = await database.write(make_or_find)
    for tried in range(1, TRIES + 1):
        if found >= HEAD:
            break
        try:
            await database.write(_upgrade)
            break
        except errors.Unavailable as error:
            if not _is_busy(error):
                raise
            if tried == TRIES:
                raise errors.Unavailable(
                    f"the database was too busy for its upgrade {TRIES} times: nothing was changed; try again when"
                    " there is less to do"
                ) from error
        await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - spreads the tries, hides nothing
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


def revision_of(connection: sa.Connection) -> str | None:
    """The database's revision; None where there are no tables. Raises errors.SettingsError where they are not ours."""
    names = sa.inspect(connection).get_table_names()
    if _VERSIONS.name in names:
        return connection.execute(_REVISION).scalar_one()
    if names:
        raise errors.SettingsError(
            "the database holds tables that are not headrace's: give headrace one of its own"
        )
    return None


def make_or_find(connection: sa.Connection, now: datetime) -> str:
    """The revision of the database, which is made when there is nothing."""
    lock(connection)
    found = revision_of(connection)
    if found is None:
        tables.metadata.create_all(connection, checkfirst=False)
        _VERSIONS.create(connection)
        connection.execute(_VERSIONS.insert(), {"version_num": HEAD})
        _settle(connection, now)
    return found or HEAD


def make(connection: sa.Connection, now: datetime, revision: str) -> None:
    """Makes an empty database as it was at this revision."""
    if revision == HEAD:
        make_or_find(connection, now)
    else:
        _migrate(connection, revision)


def clear(connection: sa.Connection) -> None:
    """Removes everything."""
    found = sa.MetaData()
    found.reflect(connection)
    found.drop_all(connection)


def lock(connection: sa.Connection) -> None:
    """Lets others wait who would make, migrate or restore the same database."""
    if connection.dialect.name == "postgresql":
        connection.execute(_PATIENT)
        connection.execute(_LOCK)


def bring_up(connection: sa.Connection, now: datetime) -> None:
    """From whatever revision to HEAD."""
    if revision_of(connection) != HEAD:
        _migrate(connection, HEAD)
    _settle(connection, now)


def _is_busy(error: errors.Unavailable) -> bool:
    """Whether somebody else held a table for too long."""
    cause = error.__cause__
    return isinstance(cause, sqlalchemy.exc.DBAPIError) and getattr(cause.orig, "sqlstate", None) == _NOT_NOW


def _upgrade(connection: sa.Connection, now: datetime) -> None:
    lock(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(_BRIEF)
        names = ", ".join(sorted(sa.inspect(connection).get_table_names()))
        connection.exec_driver_sql(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")  # then nothing waits
    bring_up(connection, now)


def _migrate(connection: sa.Connection, to: str) -> None:
    from alembic.runtime.environment import EnvironmentContext

    config, scripts = _scripts()

    def steps(revision: Any, context: Any) -> Any:
        return scripts._upgrade_revs(to, revision)  # noqa: SLF001 - what `alembic upgrade` itself calls

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


def _settle(connection: sa.Connection, now: datetime) -> None:
    """What a database of HEAD says of itself: who may use it, and that it has begun to live."""
    connection.execute(sa.delete(_compatibility))
    connection.execute(_compatibility.insert(), {"one": 1, "oldest_revision": OLDEST})
    if connection.execute(sa.select(_epochs.c.number).limit(1)).first() is None:
        values = {"number": 1, "id": ids.uuid7(), "reason": "made", "began_at": now}
        connection.execute(_epochs.insert(), values)
    statistics.settle(connection)


def _oldest(connection: sa.Connection) -> str:
    return connection.execute(sa.select(_compatibility.c.oldest_revision)).scalar_one()
