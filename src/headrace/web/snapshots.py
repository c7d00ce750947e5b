"""One look at a database from outside, beside the server that may be using it: one state of it, and nothing is changed."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import sqlalchemy.exc
import sqlalchemy.pool

from headrace import errors
from headrace.web import database as databases

T = TypeVar("T")


def look(url: str, work: Callable[[sa.Connection, datetime], T]) -> T:
    """What `work` returns. Raises errors.SettingsError where there is no such database, errors.Unavailable."""
    if url.startswith("sqlite:///"):
        return _at_file(Path(url.removeprefix("sqlite:///")).expanduser().absolute(), work)
    return asyncio.run(_at_server(url, work))


def _at_file(path: Path, work: Callable[[sa.Connection, datetime], T]) -> T:
    if not path.is_file():
        raise errors.SettingsError(f"there is no database {path}")
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sqlalchemy.pool.NullPool,
        connect_args={"isolation_level": None},
    )
    try:
        with contextlib.closing(engine.connect()) as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=5000")
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.exec_driver_sql("BEGIN")
            return work(connection, datetime.now(UTC))
    except sqlalchemy.exc.DBAPIError as error:
        raise errors.SettingsError(f"the database {path} cannot be read: {error.orig}") from error
    except sqlite3.Error as error:
        raise errors.SettingsError(f"the database {path} cannot be read: {error}") from error


async def _at_server(url: str, work: Callable[[sa.Connection, datetime], T]) -> T:
    database = databases.Database.open(url)
    try:
        return await database.read(work)
    finally:
        await database.close()
