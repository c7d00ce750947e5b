"""A world on each kind of database, whose actors live by its clock."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.engine import execute, heartbeat
from headrace.web import sqlite
from headrace.web.database import Database
from model.actors import Time
from model.world import World
from running import Portal, VirtualClock


@pytest.fixture
def world(
    database_url: str, portal: Portal, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Two servers on this database."""
    yield from _world(database_url, portal, clock, tmp_path, monkeypatch)


@pytest.fixture
def sqlite_world(
    sqlite_url: str, portal: Portal, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """The same on SQLite alone."""
    yield from _world(sqlite_url, portal, clock, tmp_path, monkeypatch)


def _world(
    url: str, portal: Portal, clock: VirtualClock, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    # what is durable is proven elsewhere, by killing real processes
    monkeypatch.setattr(sqlite, "_PRAGMAS", (*sqlite._PRAGMAS, "PRAGMA synchronous=OFF"))
    count = 1 if url.startswith("sqlite") else 2  # a SQLite file has one server
    databases = [Database.open(url, clock=clock) for _ in range(count)]
    world = World(databases, portal, clock, home)
    for module in (execute, heartbeat):
        monkeypatch.setattr(module, "time", Time(world))
    yield world
    for database in databases:
        portal.run(database.close())
