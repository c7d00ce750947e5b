"""Backups: one file for either kind of database, taken beside running servers and put back into either kind.

The file is a ZIP: `manifest.json`, and for each table a member of JSON lines, a row each, with the manifest's SHA-256. It is
read from one state of the database. What it never holds: the secret key, the values of API keys and passwords (of which
the database has hashes alone), sessions. Putting it back begins a new epoch.
"""

import asyncio
import hashlib
import os
import secrets
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace import errors
from headrace.server import app, epochs, migrations, tables
from headrace.settings import Settings
from headrace.web import database as databases
from headrace.web import snapshots
from headrace.web.handlers import Call

FORMAT = 1
#: Rows read, and written, at a time.
ROWS = 2000
#: Tables whose rows are true for the running service alone: who is signed in, which server does what.
LEFT_OUT = frozenset({"sessions", "loop_leases", "compatibility"})

_MANIFEST = "manifest.json"
_PYTHON: dict[type[Any], Any] = {
    sa.Uuid: UUID,
    tables.Instant: datetime,
    sa.LargeBinary: bytes,
    sa.Boolean: bool,
    sa.Float: float,
    sa.BigInteger: int,
    sa.Integer: int,
    sa.Text: str,
}


class Member(msgspec.Struct, frozen=True):
    """One table in the file."""

    columns: list[str]
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of itself. `taken_at` is the database's time of the state that it holds."""

    format: int
    headrace_version: str
    revision: str
    database: str
    taken_at: datetime
    tables: dict[str, Member]

    @property
    def rows(self) -> int:
        return sum(member.rows for member in self.tables.values())


def write(url: str, path: Path) -> Manifest:
    """Makes the backup of this database at `path`: whole or not at all, for its owner only."""
    if path.exists():
        raise errors.Conflict(f"{path} is there already: a backup overwrites nothing")
    draft = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            manifest = snapshots.look(url, lambda connection, now: _dump(connection, now, file))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise errors.SettingsError(
            f"the backup cannot be written to {path}: {error.strerror or error}"
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def read(path: Path) -> Manifest:
    """What a backup says of itself. Raises errors.Invalid where it is none, or is not for this headrace."""
    try:
        with zipfile.ZipFile(path) as file:
            manifest = msgspec.json.decode(file.read(_MANIFEST), type=Manifest)
    except OSError as error:
        raise errors.Invalid(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, KeyError, msgspec.DecodeError) as error:
        raise errors.Invalid(f"{path} is no backup, or not a whole one: {error}") from None
    if manifest.format != FORMAT or manifest.revision > migrations.HEAD:
        raise errors.Invalid(
            f"{path} is of headrace {manifest.headrace_version} (revision {manifest.revision}), and this one knows"
            f" {migrations.HEAD}: upgrade headrace"
        )
    return manifest


def restore(settings: Settings, path: Path, *, force: bool = False) -> tuple[Manifest, epochs.Begun]:
    """Puts a backup into the database of the settings, in one transaction, and begins a new epoch there.

    Raises errors.Conflict where there is something, unless by `force`, and errors.Invalid where the file is damaged: the
    database is then as it was.
    """
    manifest = read(path)

    def work(call: Call[Any]) -> epochs.Begun:
        migrations.lock(call.connection)
        _empty(call.connection, settings.database, force)
        migrations.make(call.connection, call.now, manifest.revision)
        with zipfile.ZipFile(path) as file:
            _load(call.connection, file, manifest)
        migrations.bring_up(call.connection, call.now)
        return epochs.begin(
            call, f"restored from a backup of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC", manifest.taken_at
        )

    return manifest, asyncio.run(_write(settings, work))


def begin_epoch(settings: Settings) -> epochs.Begun:
    """For a database that was put back by other means."""

    def work(call: Call[Any]) -> epochs.Begun:
        migrations.lock(call.connection)
        if migrations.revision_of(call.connection) != migrations.HEAD:
            raise errors.SettingsError("upgrade the database first: headrace database upgrade")
        return epochs.begin(call, "put back to an earlier state")

    return asyncio.run(_write(settings, work))


async def _write(settings: Settings, work: Callable[[Call[Any]], epochs.Begun]) -> epochs.Begun:
    """One transaction of a server that serves nobody."""
    database = databases.Database.open(settings.database)
    service = app.build(settings, database, secret=secrets.token_bytes(32))
    try:
        return await service.write(work)
    finally:
        await service.close()


# --- taking it ---


def _dump(connection: sa.Connection, now: datetime, target: Any) -> Manifest:
    revision = migrations.revision_of(connection)
    if revision is None:
        raise errors.SettingsError("the database is empty: there is nothing to back up")
    if revision > migrations.HEAD:
        raise errors.SettingsError(
            f"the database is of a newer headrace (revision {revision}, this one knows {migrations.HEAD}): use that one"
        )
    members: dict[str, Member] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for table in _present(connection):
            with file.open(f"{table.name}.jsonl", "w", force_zip64=True) as member:
                members[str(table.name)] = _dump_table(connection, table, member)
        manifest = Manifest(
            format=FORMAT,
            headrace_version=metadata.version("headrace"),
            revision=revision,
            database=connection.dialect.name,
            taken_at=now,
            tables=members,
        )
        file.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _present(connection: sa.Connection) -> Iterator[sa.Table]:
    """The tables that the database has, parents first, with the columns that it has: it may be of an older revision."""
    there = sa.inspect(connection)
    names = set(there.get_table_names())
    for table in tables.metadata.sorted_tables:
        if table.name in names - LEFT_OUT:
            has = {column["name"] for column in there.get_columns(table.name)}
            yield _plain(table, [column.name for column in table.columns if column.name in has])


def _plain(table: sa.Table, names: Sequence[str]) -> sa.Table:
    """The table with these columns, JSON being text: it is passed on as it is."""
    columns = [
        sa.Column(
            name,
            sa.Text() if isinstance(table.c[name].type, tables.Json) else table.c[name].type,
            primary_key=table.c[name].primary_key,
        )
        for name in names
    ]
    return sa.Table(table.name, sa.MetaData(), *columns)


def _dump_table(connection: sa.Connection, table: sa.Table, target: Any) -> Member:
    """Page by page along the primary key, so that neither side holds more than a page."""
    digest, count = hashlib.sha256(), 0
    key = list(table.primary_key.columns)
    at = [list(table.columns).index(column) for column in key]
    first = sa.select(*table.columns).order_by(*key).limit(ROWS)
    rows: Sequence[Any] = connection.execute(first).all()
    while rows:
        lines = b"".join(msgspec.json.encode(tuple(row)) + b"\n" for row in rows)
        digest.update(lines)
        target.write(lines)
        count += len(rows)
        last = [sa.literal(rows[-1][index], column.type) for index, column in zip(at, key, strict=True)]
        rows = (
            connection.execute(first.where(sa.tuple_(*key) > sa.tuple_(*last))).all()
            if len(rows) == ROWS
            else []
        )
    return Member([str(column.name) for column in table.columns], count, digest.hexdigest())


# --- putting it back ---


def _empty(connection: sa.Connection, url: str, force: bool) -> None:
    """Makes sure that there is nothing, by force where that is wanted."""
    if not sa.inspect(connection).get_table_names():
        return
    if not force:
        where = sa.make_url(url).render_as_string(hide_password=True)
        raise errors.Conflict(
            f"the database {where} is not empty: restore into an empty one, or replace what it holds with --force"
        )
    migrations.revision_of(connection)  # somebody else's tables are not ours to remove
    migrations.clear(connection)


def _load(connection: sa.Connection, file: zipfile.ZipFile, manifest: Manifest) -> None:
    for table in reversed(tables.metadata.sorted_tables):
        if table.name in manifest.tables:  # rows that a new database is born with
            connection.execute(sa.delete(table))
    for table in tables.metadata.sorted_tables:
        if table.name in manifest.tables:
            member = manifest.tables[table.name]
            _load_table(connection, _plain(table, member.columns), file, member)
            if connection.dialect.name == "postgresql":
                _go_on_counting(connection, table)
    unknown = manifest.tables.keys() - tables.metadata.tables.keys()
    if unknown:
        raise errors.Invalid(
            f"the backup has tables that this headrace does not know: {', '.join(sorted(unknown))}"
        )


def _load_table(connection: sa.Connection, table: sa.Table, file: zipfile.ZipFile, member: Member) -> None:
    # the type is made at run time
    row_type: Any = tuple.__class_getitem__(tuple(_python_type(column) | None for column in table.columns))
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row_type)
    insert, names = sa.insert(table), [column.name for column in table.columns]
    digest, count, waiting = hashlib.sha256(), 0, list[dict[str, Any]]()
    try:
        with file.open(f"{table.name}.jsonl") as lines:
            for line in lines:
                digest.update(line)
                waiting.append(dict(zip(names, decoder.decode(line), strict=True)))
                if len(waiting) == ROWS:
                    connection.execute(insert, waiting)
                    count, waiting = count + len(waiting), []
    except (zipfile.BadZipFile, KeyError, msgspec.DecodeError, EOFError) as error:
        raise errors.Invalid(f"the backup is damaged at table {table.name}: {error}") from None
    if waiting:
        connection.execute(insert, waiting)
    if (count + len(waiting), digest.hexdigest()) != (member.rows, member.sha256):
        raise errors.Invalid(f"the backup is damaged: table {table.name} is not what its manifest says")


def _python_type(column: sa.Column[Any]) -> Any:
    return next(python for kind, python in _PYTHON.items() if isinstance(column.type, kind))


def _go_on_counting(connection: sa.Connection, table: sa.Table) -> None:
    """Where PostgreSQL counts up ids itself, it goes on behind those that came with the backup."""
    counted = table.autoincrement_column
    if counted is not None:
        following = sa.select(sa.func.coalesce(sa.func.max(counted), 0) + 1).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(table.name, counted.name)
        connection.execute(sa.select(sa.func.setval(sequence, following, False)))
