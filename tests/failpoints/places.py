"""Where trials are made: a town on SQLite or PostgreSQL, of which each trial gets a copy of its own."""

import contextlib
import dataclasses
import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
import sqlalchemy.pool

from conftest import make_server
from failpoints import impressions
from failpoints.impressions import Impression, Known
from failpoints.town import Town
from headrace.server import migrations
from headrace.web import snapshots
from headrace.web.database import Database
from postgresql import PostgresServer
from receivers import MailSink, Receiver
from running import Portal, VirtualClock

T = TypeVar("T")


@dataclasses.dataclass
class Copy:
    """A database of a trial's own."""

    place: "Place"
    folder: Path
    url: str

    def look(self) -> Impression:
        """What is there. A file is not touched: who opens it next finds it as the crash has left it."""
        return self._look(lambda connection, _: impressions.take(connection, self.place.known))

    def examine(self) -> tuple[Impression, list[str]]:
        """What is there, and what the doctor says is wrong with it."""

        def work(connection: sa.Connection, url: str) -> tuple[Impression, list[str]]:
            left = impressions.take(connection, self.place.known)
            return left, impressions.ailments(connection, self.place.now, url)

        return self._look(work)

    def _look(self, work: Callable[[sa.Connection, str], T]) -> T:
        if self.place.kind == "postgres":
            return snapshots.look(self.url, lambda connection, _: work(connection, self.url))
        aside = self.folder / "aside"
        aside.mkdir()
        for path in self.folder.glob("headrace.db*"):
            if not path.name.endswith(".lock"):
                shutil.copy(path, aside / path.name)
        try:
            return self.place.files.look(aside / "headrace.db", work)
        finally:
            shutil.rmtree(aside)


class Files:
    """SQLite files looked at through one engine, which knows its statements after the first."""

    def __init__(self) -> None:
        self._path = Path()
        self._engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(self._path, isolation_level=None),
            poolclass=sqlalchemy.pool.NullPool,
        )

    def look(self, path: Path, work: Callable[[sa.Connection, str], T]) -> T:
        self._path = path
        with contextlib.closing(self._engine.connect()) as connection:
            return work(connection, f"sqlite:///{path}")


class Place:
    """A town, and copies of it. `before` is what it holds, `settings` those of its servers, `now` their time."""

    def __init__(self, kind: str, folder: Path, postgres: PostgresServer | None) -> None:
        self.kind = kind
        self._folder = folder
        self._postgres = postgres
        self._numbers = itertools.count(1)
        self.receiver, self.sink = Receiver(), MailSink()
        self.files = Files()
        self.settings: dict[str, Any] = {
            "private_receivers": "127.0.0.0/8",
            "smtp_url": f"smtp://127.0.0.1:{self.sink.port}",
            "mail_from": "headrace@example.com",
        }
        self._name = "" if postgres is None else postgres.create()
        self._url = f"sqlite:///{folder / 'headrace.db'}" if postgres is None else postgres.url(self._name)
        migrations.upgrade_url(self._url)
        self.town = self._town()
        self.now = self.town.now + timedelta(seconds=3)  # so that a sign of life changes something
        self.known = Known(snapshots.look(self._url, lambda connection, _: impressions.rows(connection)))
        with self.copy() as copy:
            self.before, ailments = copy.examine()
        assert not ailments, ailments

    def _town(self) -> Town:
        portal, clock = Portal(), VirtualClock(datetime.now(UTC).replace(microsecond=0))
        database = Database.open(self._url, clock=clock)
        try:
            server = make_server(database, portal, clock, self._folder)
            server.service.settings = msgspec.structs.replace(server.service.settings, **self.settings)
            return Town(server, self.receiver.url)
        finally:
            portal.run(database.close())
            portal.close()

    @contextlib.contextmanager
    def copy(self) -> Iterator[Copy]:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        try:
            if self._postgres is None:
                shutil.copy(self._folder / "headrace.db", folder / "headrace.db")
                yield Copy(self, folder, f"sqlite:///{folder / 'headrace.db'}")
            else:
                name = self._postgres.create(self._name)
                yield Copy(self, folder, self._postgres.url(name))
                self._postgres.drop(name)
        finally:
            shutil.rmtree(folder)

    def close(self) -> None:
        self.receiver.close()
        self.sink.close()
