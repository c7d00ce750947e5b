"""What SQLite's planner is told is the same always, whatever it has counted itself on some day."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from headrace.server import migrations
from headrace.server.migrations import statistics
from headrace.web.database import Database
from running import Portal

_KNOWN = "SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY idx"
WANTED = sorted(("flow_runs", index, said) for index, said in statistics.FLOW_RUNS.items())


def known(connection: sa.Connection, now: Any = None) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(_KNOWN)]


def counted(connection: sa.Connection, now: Any = None) -> list[tuple[Any, ...]]:
    """As somebody with a shell does it, or an older headrace at its end."""
    connection.exec_driver_sql(
        "INSERT INTO queues (id, labels_key, labels, kind) VALUES (1, '', '[]', 'local')"
    )
    connection.exec_driver_sql("ANALYZE")
    return known(connection)


def test_a_start_replaces_what_was_counted(
    tmp_path: Path, open_database: Callable[[str], Database], portal: Portal
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'headrace.db'}")
    portal.run(migrations.prepare(database))
    assert portal.run(database.read(known)) == WANTED
    assert portal.run(database.write(counted)) != WANTED
    portal.run(migrations.prepare(database))
    assert portal.run(database.read(known)) == WANTED


def test_every_index_over_all_runs_is_told_of(
    tmp_path: Path, open_database: Callable[[str], Database], portal: Portal
) -> None:
    """One that is not would seem to lead to ten runs a value, and be preferred to those that are."""
    database = open_database(f"sqlite:///{tmp_path / 'headrace.db'}")
    portal.run(migrations.prepare(database))

    def whole(connection: sa.Connection, now: Any) -> set[str]:
        found = connection.exec_driver_sql(
            "SELECT name FROM pragma_index_list('flow_runs') WHERE NOT partial"
        )
        return set(found.scalars())

    assert portal.run(database.read(whole)) == set(statistics.FLOW_RUNS)
