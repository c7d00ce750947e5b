"""E4, F19: a backup is one state of the database, is put back whole or not at all, and begins a new epoch."""

import asyncio
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import backup, doctor, epochs, tables
from headrace.settings import Settings
from headrace.web.database import Database
from postgresql import PostgresServer
from running import Server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'target' / 'headrace.db'}")
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    name = postgres.create()
    yield Settings(home=tmp_path, database_url=postgres.url(name))
    postgres.drop(name)


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""

    async def read() -> dict[str, list[tuple[Any, ...]]]:
        database = Database.open(url)
        try:
            return await database.read(
                lambda connection, now: {
                    table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
                    for table in tables.metadata.sorted_tables
                }
            )
        finally:
            await database.close()

    return asyncio.run(read())


def url_of(server: Server) -> str:
    return server.service.database.url


def taken(server: Server, folder: Path) -> Path:
    path = folder / "headrace.backup"
    backup.write(url_of(server), path)
    return path


def state(url: str, run: UUID) -> Any:
    return next(row for row in _runs(url) if row.id == run)


def _runs(url: str) -> list[Any]:
    async def read() -> list[Any]:
        database = Database.open(url)
        try:
            return await database.read(
                lambda connection, now: list(connection.execute(sa.select(tables.flow_runs)))
            )
        finally:
            await database.close()

    return asyncio.run(read())


def test_everything_comes_back_in_either_kind_of_database(
    server: Server, target: Settings, tmp_path: Path
) -> None:
    life = Life(server)
    held = life.running()
    life.finish(held, result={"location": "ü\u2028", "size": 1, "type": "x", "serializer": "json"})
    life.create(due_at=server.clock.now + timedelta(days=1000))
    path = taken(server, tmp_path)
    manifest, begun = backup.restore(target, path)
    before, after = rows(url_of_closed(server)), rows(target.database)
    changed = {"epochs", "flow_runs", "run_events"}
    for table in before.keys() - changed - backup.LEFT_OUT:
        assert after[table] == before[table], table
    assert manifest.tables["flow_runs"].rows == 2
    assert (begun.number, begun.fenced, begun.crashed) == (2, 1, [])
    assert state(target.database, held.flow_run_id).result == {
        "location": "ü\u2028",
        "size": 1,
        "type": "x",
        "serializer": "json",
    }
    assert [finding for finding in doctor.examine(target.database).findings if finding.serious] == []
    assert path.stat().st_mode & 0o077 == 0


def url_of_closed(server: Server) -> str:
    """The server's database, which is let go: a SQLite file is one process's."""
    server.run(server.service.close())
    return url_of(server)


def test_after_a_restore_older_processes_are_superseded_and_what_may_have_run_is_not_run_again(
    server: Server, target: Settings, tmp_path: Path
) -> None:
    """F09, F19: mode crash runs at most once, whatever happened after the backup."""
    life = Life(server)
    running, claimed = life.running(), life.claimed()
    due = life.create().id
    later = life.create(due_at=server.clock.now + timedelta(days=1000)).id
    path = taken(server, tmp_path)
    _, begun = backup.restore(target, path)
    found = {row.id: row for row in _runs(target.database)}
    # whether these two were executed after the backup nobody knows
    assert set(begun.crashed) == {claimed.flow_run_id, due}
    for run in (claimed.flow_run_id, due):
        assert (found[run].state_type, found[run].state_name) == ("Crashed", "Lost")
        assert "at most once" in found[run].state_message
    # in hand: the reaper ends it by the usual rules; not due before: it cannot have been started
    assert found[running.flow_run_id].state_type == "Running"
    assert found[later].state_type == "Scheduled"
    assert found[running.flow_run_id].fence == running.fence + epochs.JUMP
    assert all(row.fence >= epochs.JUMP for row in found.values())
    assert doctor.examine(target.database).is_well


def test_a_run_that_may_repeat_waits_until_older_processes_must_be_gone(
    server: Server, target: Settings, tmp_path: Path
) -> None:
    life = Life(server, on_lost="reschedule")
    due = life.create().id
    path = taken(server, tmp_path)
    _, begun = backup.restore(target, path)
    assert begun.crashed == []
    found = state(target.database, due)
    assert found.state_type == "Scheduled"
    (epoch,) = [row for row in rows(target.database)["epochs"] if row[0] == 2]
    assert found.not_before >= epoch[3] + timedelta(seconds=35)


def test_a_restore_replaces_nothing_unless_it_is_told_to(
    server: Server, target: Settings, tmp_path: Path
) -> None:
    life = Life(server)
    path = taken(server, tmp_path)
    backup.restore(target, path)
    with pytest.raises(errors.Conflict, match="--force"):
        backup.restore(target, path)
    run = life.create().id
    second = tmp_path / "second.backup"
    backup.write(url_of(server), second)
    with pytest.raises(errors.Conflict, match="overwrites nothing"):
        backup.write(url_of(server), second)
    _, begun = backup.restore(target, second, force=True)
    assert begun.crashed == [run]
    assert doctor.examine(target.database).is_well


def _rewritten(path: Path, change: Any) -> Path:
    """The same backup with other members."""
    other = path.with_name("other.backup")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        members = {name: old.read(name) for name in old.namelist()}
        change(members)
        for name, content in members.items():
            new.writestr(name, content)
    return other


def _another_fence(members: dict[str, bytes]) -> None:
    members["flow_runs.jsonl"] = members["flow_runs.jsonl"].replace(b'"Scheduled"', b'"Submitted"')


def _one_row_less(members: dict[str, bytes]) -> None:
    members["run_events.jsonl"] = b"".join(members["run_events.jsonl"].splitlines(keepends=True)[1:])


def _no_table(members: dict[str, bytes]) -> None:
    del members["run_events.jsonl"]


def _no_json(members: dict[str, bytes]) -> None:
    members["flow_runs.jsonl"] = b"[1, 2\n"


def _no_manifest(members: dict[str, bytes]) -> None:
    del members["manifest.json"]


def _of_the_future(members: dict[str, bytes]) -> None:
    manifest = msgspec.json.decode(members["manifest.json"])
    members["manifest.json"] = msgspec.json.encode(manifest | {"revision": "9999"})


@pytest.mark.parametrize(
    "damage", [_another_fence, _one_row_less, _no_table, _no_json, _no_manifest, _of_the_future]
)
def test_a_damaged_backup_is_refused_and_the_database_stays_as_it_was(
    sqlite_server: Server, target: Settings, tmp_path: Path, damage: Any
) -> None:
    life = Life(sqlite_server)
    path = taken(sqlite_server, tmp_path)
    backup.restore(target, path)
    before = rows(target.database)
    life.create()
    second = tmp_path / "second.backup"
    backup.write(url_of(sqlite_server), second)
    with pytest.raises(errors.Invalid, match="backup"):
        backup.restore(target, _rewritten(second, damage), force=True)
    assert rows(target.database) == before


def test_half_a_file_is_no_backup(sqlite_server: Server, target: Settings, tmp_path: Path) -> None:
    path = taken(sqlite_server, tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(errors.Invalid, match="not a whole one"):
        backup.restore(target, path)


def test_a_backup_is_one_state_while_others_write(server: Server, tmp_path: Path) -> None:
    """Every run in it has its whole history, though runs are made and moved meanwhile."""
    life = Life(server)
    for _ in range(5):
        life.finish(life.running())
    going = True

    async def write_on() -> int:
        count = 0
        while going:
            await asyncio.to_thread(life.create)
            count += 1
        return count

    writing = server.portal.start(write_on())
    taken_at = [tmp_path / f"{number}.backup" for number in range(3)]
    for path in taken_at:
        backup.write(url_of(server), path)
    going = False
    assert writing.result(60) > 0
    for path in taken_at:
        with zipfile.ZipFile(path) as file:
            runs = {
                row[0]: row[manifest_columns(file, "flow_runs").index("version")]
                for row in map(msgspec.json.decode, file.read("flow_runs.jsonl").splitlines())
            }
            events: dict[str, list[int]] = {}
            for row in map(msgspec.json.decode, file.read("run_events.jsonl").splitlines()):
                events.setdefault(row[0], []).append(row[1])
        assert {run: list(range(version + 1)) for run, version in runs.items()} == events


def manifest_columns(file: zipfile.ZipFile, table: str) -> list[str]:
    return msgspec.json.decode(file.read("manifest.json"))["tables"][table]["columns"]


def test_no_session_and_no_secret_is_in_a_backup(server: Server, tmp_path: Path) -> None:
    path = taken(server, tmp_path)
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        content = b"".join(file.read(name) for name in names)
    assert "sessions.jsonl" not in names
    assert b"a secret of the tests" not in content


def test_a_database_that_was_put_back_by_other_means_begins_an_epoch_by_hand(
    server: Server, tmp_path: Path
) -> None:
    life = Life(server)
    run = life.create().id
    settings = Settings(home=tmp_path, database_url=url_of_closed(server))
    begun = backup.begin_epoch(settings)
    assert (begun.number, begun.crashed) == (2, [run])
    assert state(settings.database, run).state_type == StateType.CRASHED


@pytest.mark.postgres
def test_ids_that_postgresql_counts_go_on_behind_those_of_the_backup(
    sqlite_server: Server, postgres: PostgresServer, tmp_path: Path
) -> None:
    """From SQLite to PostgreSQL: a new queue there takes a number that is free."""
    life = Life(sqlite_server)
    for label in ("one", "two"):
        life.create(labels=[label])
    path = taken(sqlite_server, tmp_path)
    name = postgres.create()
    settings = Settings(home=tmp_path, database_url=postgres.url(name))
    backup.restore(settings, path)

    async def insert() -> int:
        database = Database.open(settings.database)
        queue = {"labels_key": "three", "labels": ["three"], "kind": "local"}
        try:
            return await database.write(
                lambda connection, now: connection.execute(
                    sa.insert(tables.queues).returning(tables.queues.c.id), queue
                ).scalar_one()
            )
        finally:
            await database.close()

    known = {row[0] for row in rows(settings.database)["queues"]}
    assert asyncio.run(insert()) == max(known) + 1
    postgres.drop(name)
