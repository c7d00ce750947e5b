"""F09: a standby that is behind takes over from PostgreSQL's primary. It is noticed, and no fence is given out twice."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lifecycles import Life

from headrace import errors
from headrace.server import app, epochs, migrations, tables
from headrace.server.loops import takeover
from headrace.settings import Settings
from headrace.testing import Clock as VirtualClock
from headrace.web.database import Database
from headrace.wire import operations, runs
from postgresql import PostgresServer
from running import Portal, Server

pytestmark = pytest.mark.postgres


class Pair(PostgresServer):
    """A primary, and a standby that has what was there when it was copied."""

    def copy(self) -> None:
        self._programs["pg_basebackup"] = str(Path(str(self._programs["psql"])).with_name("pg_basebackup"))
        copied = str(self.folder / "standby")
        self._run("pg_basebackup", "-h", str(self.folder), "-U", "postgres", "-D", copied, "-c", "fast")
        (self.folder / "standby" / "standby.signal").touch()

    def take_over(self) -> None:
        """The primary is gone; the standby has its address."""
        self.stop()
        shutil.rmtree(self.folder / "data")
        (self.folder / "standby").rename(self.folder / "data")
        self.start()
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "promote")


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


@pytest.fixture
def servers(pair: Pair, portal: Portal, tmp_path: Path) -> Iterator[list[Server]]:
    """Two servers on one database, with its own clock."""
    url = pair.url(pair.create())
    migrations.upgrade_url(url)
    opened: list[Database] = []

    async def build() -> Any:
        opened.append(Database.open(url))
        built = app.build(Settings(home=tmp_path), opened[-1], secret=b"a secret of the tests, long enough")
        await takeover.settle(built)
        return built

    yield [Server(portal.run(build()), portal, VirtualClock()), _again(portal.run(build()), portal)]
    for database in opened:
        portal.run(database.close())


def _again(built: Any, portal: Portal) -> Server:
    """A second server, without callers of its own."""
    server = Server.__new__(Server)
    server.service, server.portal, server.clock = built, portal, VirtualClock()
    return server


def look(server: Server) -> None:
    server.run(takeover.run_once(server.service))


def refused(server: Server) -> bool:
    """The server does nothing in a database that another one has now; of lost connections it hears first."""
    for _ in range(50):
        try:
            server.read(lambda call: None)
        except errors.Unavailable as error:
            if "taken over" in error.message:
                return True
        else:
            return False
    return False


def test_f09_a_takeover_by_a_standby_that_is_behind_begins_a_new_epoch(
    pair: Pair, servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = servers
    life = Life(first)
    held = life.running()
    pair.copy()
    # what only the primary knows: an end, and a run that was given out
    life.finish(held)
    lost = life.claimed()
    pair.take_over()

    assert refused(first)
    assert first.service.database.moved
    with caplog.at_level(logging.WARNING):
        look(first)
    assert "epoch 2 begins, 1 unfinished runs have new fences" in caplog.text
    assert not first.service.database.moved
    # the other server finds that it was done
    assert refused(second)
    look(second)
    found = first.rows(tables.epochs)
    assert [(row.number, row.place is not None) for row in found] == [(1, True), (2, True)]
    assert found[1].reason == "taken over by another PostgreSQL server"

    (row,) = first.rows(tables.flow_runs)
    assert (row.id, row.fence) == (held.flow_run_id, held.fence + epochs.JUMP)
    beat = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
    told = first.call(operations.heartbeat_flow_run, beat, life.by(held))
    assert told.orders.superseded
    with pytest.raises(errors.NotFound):
        life.start(lost)


def test_f09_the_same_server_again_is_no_takeover(pair: Pair, servers: list[Server]) -> None:
    first, _ = servers
    pair.restart()

    def epoch() -> int:
        query = sa.select(sa.func.count()).select_from(tables.epochs)
        try:
            return first.read(lambda call: call.connection.execute(query).scalar_one())
        except errors.Unavailable:
            return 0

    assert any(epoch() == 1 for _ in range(50))
    assert not first.service.database.moved
    look(first)
    assert epoch() == 1


def test_f09_a_server_that_starts_after_a_takeover_notices_it_too(pair: Pair, servers: list[Server]) -> None:
    first, _ = servers
    pair.copy()
    url = first.service.database.url
    pair.take_over()
    late = Database.open(url)

    async def build() -> Any:
        built = app.build(Settings(home=Path("/nowhere")), late, secret=b"a secret of the tests, long enough")
        begun = await takeover.settle(built)
        await late.close()
        return begun

    assert first.run(build()).number == 2
