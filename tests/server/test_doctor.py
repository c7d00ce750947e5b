"""I2–I10, live: a database that was damaged in one way is told apart from a sound one, in words, with the ids."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import doctor, tables
from headrace.web import ids
from headrace.wire import operations, runs
from running import Server

_runs, _events = tables.flow_runs, tables.run_events


def lived(server: Server) -> tuple[Life, UUID, UUID]:
    """A server on which much has happened; a finished run and one under way."""
    life = Life(server, retries=2)
    held = life.running()
    life.finish(held, StateType.FAILED)  # and is due again
    life.cancel(held.flow_run_id)
    done = life.running()
    life.finish(done)
    life.release(life.claimed())
    going = life.claimed()
    life.start(going)
    event = runs.TaskEvent(
        slug="extract", map_index=-1, type=StateType.RUNNING, name="Running", at=server.clock.now
    )
    life.server.call(
        operations.write_task_events,
        runs.WriteTaskEvents(flow_run_id=going.flow_run_id, fence=going.fence, seq=0, events=[event]),
        life.by(going),
    )
    return life, done.flow_run_id, going.flow_run_id


def examine(server: Server) -> doctor.Report:
    """As the server's own clock sees it."""
    url = server.service.database.url
    return server.read(lambda call: doctor._examine(doctor.Patient(call.connection, call.now, url)))


def serious(server: Server) -> list[doctor.Finding]:
    return [finding for finding in examine(server).findings if finding.serious]


def change(server: Server, *statements: sa.Executable) -> None:
    """Behind the rules' back, and behind that of the database's constraints where it lets us."""

    def work(call: Any) -> None:
        if call.connection.dialect.name == "postgresql":
            call.connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            call.connection.exec_driver_sql(
                "ALTER TABLE flow_runs DROP CONSTRAINT IF EXISTS ck_flow_runs_finished"
            )
        else:
            call.connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        for statement in statements:
            call.connection.execute(statement)

    server.write(work)


def test_a_sound_database_is_well(server: Server) -> None:
    lived(server)
    report = examine(server)
    assert [finding for finding in report.findings if finding.serious] == []
    assert (report.is_well, report.runs, report.epoch) == (True, 4, 1)
    assert {"histories", "orphans", "slots", "one run each", "revision"} <= set(report.checks)


def of(run: UUID) -> sa.Update:
    return sa.update(_runs).where(_runs.c.id == run)


def event(run: UUID, seq: int) -> sa.Update:
    return sa.update(_events).where(_events.c.flow_run_id == run, _events.c.seq == seq)


def _slot(server: Server, run: UUID) -> list[sa.Executable]:
    limit = ids.uuid7()
    now = server.clock.now
    made = {
        "id": limit, "kind": "label", "what": "x", "size": 1, "when_full": "queue", "created_at": now,
        "created_by": "t", "updated_at": now,
    }  # fmt: skip
    return [
        sa.insert(tables.limits).values(made),
        sa.insert(tables.slots).values(limit_id=limit, number=0, run_id=run, taken_at=now),
    ]


Damage = Callable[[Server, UUID, UUID], list[Any]]

#: What is done to (the server, a finished run, one under way) → the check that must find it, and words it must say.
DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "an event is gone": (
        lambda _, done, going: [sa.delete(_events).where(_events.c.flow_run_id == done, _events.c.seq == 1)],
        "histories", "gaps",
    ),
    "the whole history is gone": (
        lambda _, done, going: [sa.delete(_events).where(_events.c.flow_run_id == done)], "histories", "gaps",
    ),
    "the state is not that of the history": (
        lambda _, done, going: [of(done).values(state_type="Failed", state_name="Failed")],
        "histories", "by its history",
    ),
    "a state that does not exist": (
        lambda _, done, going: [of(going).values(state_type="Happy")], "histories", "'Happy'",
    ),
    "a run moved from where it was not": (
        lambda _, done, going: [event(going, 2).values(from_type="Paused")], "histories", "leaves Paused",
    ),
    "a move that nobody may make": (
        lambda _, done, going: [event(done, 1).values(state_type="Paused"), event(done, 2).values(from_type="Paused")],
        "histories", "which nobody may",
    ),
    "a run that went on after its end": (
        lambda _, done, going: [
            event(done, 1).values(state_type="Success"), event(done, 2).values(from_type="Success"),
        ],
        "histories", "had ended",
    ),
    "a fence that fell": (
        lambda _, done, going: [event(going, 1).values(fence=9)], "histories", "lowers the fence",
    ),
    "another fence than by the history": (
        lambda _, done, going: [of(going).values(fence=7)], "histories", "its fence is 7",
    ),
    "more attempts than claims": (
        lambda _, done, going: [of(going).values(attempt=5)], "histories", "attempt is 5",
    ),
    "too many rescues": (
        lambda _, done, going: [of(going).values(rescues=4)], "histories", "rescued 4 times",
    ),
    "more retries than allowed": (
        lambda _, done, going: [of(going).values(retries_used=3)], "histories", "3 of 2 retries",
    ),
    "a lease on a finished run": (
        lambda server, done, going: [of(done).values(lease_until=server.clock.now)], "histories", "holds a lease",
    ),
    "no lease on a run under way": (
        lambda _, done, going: [of(going).values(lease_until=None)], "histories", "nobody holds a lease",
    ),
    "parameters that are no JSON": (
        lambda _, done, going: [sa.text("UPDATE flow_runs SET parameters = '{oops'")], "histories", "parameters cannot be read",
    ),
    "a run under way with an end": (
        lambda server, done, going: [of(going).values(finished_at=server.clock.now)], "histories", "its end is",
    ),
    "a run that is stuck": (
        lambda server, done, going: [of(going).values(lease_until=server.clock.now - timedelta(hours=1))],
        "stuck runs", "held by nobody since",
    ),
    "a task report under a fence of the future": (
        lambda _, done, going: [sa.update(tables.task_runs).values(fence=99)], "task runs", "never had",
    ),
    "a slot that a finished run holds": (
        lambda server, done, going: _slot(server, done), "slots", "not under way",
    ),
    "a current version that is not the flow's": (
        lambda _, done, going: [sa.update(tables.flows).values(current_version_id=ids.uuid7())],
        "orphans", "current version",
    ),
    "no epoch": (lambda _, done, going: [sa.delete(tables.epochs)], "epoch", "no epoch"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_doctor_names_what_is_wrong(server: Server, damage: str) -> None:
    _, done, going = lived(server)
    make, check, words = DAMAGES[damage]
    if server.service.database.is_sqlite:
        server.write(lambda call: call.connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON"))
    change(server, *make(server, done, going))
    found = serious(server)
    assert [finding for finding in found if finding.check == check and words in finding.sentence], found
    assert not examine(server).is_well


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_rows_without_their_parents_are_found(server: Server) -> None:
    """On SQLite in a file that no server holds: below."""
    _, done, _ = lived(server)
    change(server, sa.delete(_runs).where(_runs.c.id == done))
    found = [finding for finding in serious(server) if finding.check == "orphans"]
    assert any("run_events" in finding.sentence and str(done) in finding.ids for finding in found)


def closed(server: Server, tmp_path: Path) -> Path:
    """A copy of the server's file, for tools."""
    server.run(server.service.close())
    path = tmp_path / "copy.db"
    shutil.copy(Path(server.service.database.url.removeprefix("sqlite:///")), path)
    return path


def test_orphans_and_doubles_in_a_file_are_found(sqlite_server: Server, tmp_path: Path) -> None:
    life, done, _ = lived(sqlite_server)
    life.create(idempotency_key="one")
    life.create(idempotency_key="two")
    path = closed(sqlite_server, tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM flow_runs WHERE id = ?", (done.hex,))
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'flow_runs'").fetchone()[0]
        # a table without its constraint, as a lost index would leave it
        connection.execute("CREATE TABLE copy AS SELECT * FROM flow_runs")
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("DROP TABLE flow_runs")
        connection.execute(
            sql.replace("CONSTRAINT uq_flow_runs_flow_id_idempotency_key UNIQUE", "CHECK (1) --")
        )
        connection.execute("INSERT INTO flow_runs SELECT * FROM copy")
        connection.execute("UPDATE flow_runs SET idempotency_key = 'one' WHERE idempotency_key = 'two'")
    connection.close()
    found = {
        finding.check: finding for finding in doctor.examine(f"sqlite:///{path}").findings if finding.serious
    }
    assert str(done) in found["orphans"].ids
    assert "idempotency keys" in found["one run each"].sentence


def test_a_flipped_byte_in_an_index_is_found(sqlite_server: Server, tmp_path: Path) -> None:
    """F15: the file itself is damaged."""
    lived(sqlite_server)
    path = closed(sqlite_server, tmp_path)
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_flow_runs_state'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[page * size - 60] ^= 0xFF
    path.write_bytes(content)
    report = doctor.examine(f"sqlite:///{path}")
    assert "file" in {finding.check for finding in report.findings if finding.serious}


def test_an_older_database_and_an_empty_one_are_named(tmp_path: Path, sqlite_server: Server) -> None:
    path = closed(sqlite_server, tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    report = doctor.examine(f"sqlite:///{path}")
    assert [finding.check for finding in report.findings] == ["revision"]
    assert not report.is_well
    with pytest.raises(errors.SettingsError, match="there is no database"):
        doctor.examine(f"sqlite:///{tmp_path / 'nowhere.db'}")


def test_the_doctor_changes_nothing_and_needs_no_standstill(server: Server) -> None:
    life, *_ = lived(server)
    before = server.rows(_runs)
    report = doctor.examine(server.service.database.url)
    assert report.runs == len(before)
    assert server.rows(_runs) == before
    life.create()
