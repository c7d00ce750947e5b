"""H1: what changes at one server wakes those who wait at another, by NOTIFY; what is missed costs a wait and nothing else."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lifecycles import Life

from conftest import make_server
from headrace import errors
from headrace.server import app, dispatch, heartbeats, identity, notices, task_queue
from headrace.server.loops import neighbours as neighbours_loop
from headrace.settings import Settings
from headrace.web import service as services
from headrace.web import wakeups
from headrace.web.database import Database
from headrace.wire import accounts, operations, runs
from postgresql import PostgresServer
from running import Portal, Server, VirtualClock
from stack import until

pytestmark = pytest.mark.postgres

#: Seconds; far below the times after which somebody would look by himself here.
SOON = 20.0


class Second(Server):
    """A server beside another one, which has made the callers."""

    def __init__(self, first: Server, database: Database, home: Path) -> None:
        async def build() -> services.Service:
            return app.build(Settings(home=home), database, secret=first.service.secret)

        self.service = first.portal.run(build())
        self.portal, self.clock, self.as_ = first.portal, first.clock, first.as_


class Pair:
    """Two servers on one database that hear each other. Nobody looks by himself: what arrives was told."""

    def __init__(self, one: Server, other: Server, portal: Portal) -> None:
        self.one, self.other = one, other
        self.portal = portal
        self.lines: list[Future[Any]] = []

    def listen(self) -> None:
        for server in (self.one, self.other):
            self.lines.append(self.portal.start(neighbours_loop.run_once(server.service)))
        self.until(lambda: self.line(self.one).listening and self.line(self.other).listening)

    def line(self, server: Server) -> wakeups.Wakeups:
        return server.service.part(wakeups.Wakeups)

    def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(SOON):
                while not condition():  # noqa: ASYNC110 - what it looks at has no event
                    await asyncio.sleep(0.01)

        self.portal.run(wait())


@pytest.fixture
def pair(
    postgres_url: str, portal: Portal, clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Pair]:
    monkeypatch.setattr(dispatch, "POLL", timedelta(hours=1))
    monkeypatch.setattr(identity, "KEPT", timedelta(hours=1))
    databases = [Database.open(postgres_url, clock=clock) for _ in range(2)]
    one = make_server(databases[0], portal, clock, tmp_path)
    pair = Pair(one, Second(one, databases[1], tmp_path), portal)
    pair.listen()
    yield pair
    for line in pair.lines:
        line.cancel()
        with contextlib.suppress(BaseException):
            line.exception(10)
    for database in databases:
        portal.run(database.close())


def wait_for_a_run(life: Life, at: Server) -> "Future[runs.Claimed]":
    """An agent's claim, held by this server."""
    request = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=60)
    claim = at.begin(operations.claim_flow_run, request, at.as_.agent)
    hub = at.service.part(dispatch.Dispatch)

    async def held() -> None:
        async with asyncio.timeout(SOON):
            while not (hub.waiting and at.service.held):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    at.run(held())
    return claim


def test_a_run_made_at_one_server_is_claimed_at_once_at_another(pair: Pair) -> None:
    life = Life(pair.one)
    claim = wait_for_a_run(life, pair.other)
    made = life.create()
    assert claim.result(SOON).assignment.flow_run_id == made.id


def test_a_run_that_somebody_here_takes_is_not_told_elsewhere(pair: Pair) -> None:
    life = Life(pair.one)
    elsewhere: list[tuple[str, ...]] = []
    pair.line(pair.other).hear("run", lambda *words: elsewhere.append(words))
    claim = wait_for_a_run(life, pair.one)
    made = life.create()
    assert claim.result(SOON).assignment.flow_run_id == made.id
    pair.line(pair.one).tell("run", "the next")
    pair.until(lambda: ("the next",) in elsewhere)
    assert elsewhere == [("the next",)]


def settle(pair: Pair) -> None:
    """All that the one server has said so far has reached the other: words come in their order."""
    heard: list[tuple[str, ...]] = []
    pair.line(pair.other).hear("settled", lambda *words: heard.append(words))
    pair.line(pair.one).tell("settled", "now")
    pair.until(lambda: heard == [("now",)])


def test_a_cancel_order_reaches_a_heartbeat_that_another_server_holds(pair: Pair) -> None:
    life = Life(pair.one)
    held = life.running()
    settle(pair)
    request = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
    beat = pair.other.begin(operations.heartbeat_flow_run, request, life.by(held))
    pair.until(lambda: pair.other.service.part(heartbeats.Heartbeats).batches == 1)
    pair.until(lambda: pair.other.service.held == 1)
    life.cancel(held.flow_run_id)
    assert beat.result(SOON).orders.cancel


def test_a_listener_of_one_server_hears_of_what_another_changes(pair: Pair) -> None:
    life = Life(pair.one)
    hub, listener = pair.other.service.part(notices.Notices), notices.Listener()

    async def first() -> frozenset[str]:
        hub.listen(listener, ["flow_runs"])
        return await listener.wait()  # of a new topic it hears at once

    async def following() -> frozenset[str]:
        async with asyncio.timeout(SOON):
            return await listener.wait()

    pair.portal.run(first())
    life.create()
    assert pair.portal.run(following()) == {"flow_runs"}


def test_a_freed_slot_of_a_tag_wakes_those_who_wait_elsewhere(pair: Pair) -> None:
    async def wait() -> bool:
        service = pair.other.service
        with (
            service.hold() as hold,
            service.part(task_queue.TaskQueue).listening(["database"], hold),
        ):
            pair.one.service.part(task_queue.TaskQueue).wake("database")
            return await hold.wait(SOON)

    assert pair.portal.run(wait())


def test_a_key_revoked_at_one_server_is_refused_at_the_others(pair: Pair) -> None:
    made = pair.one.call(operations.create_key, accounts.CreateKey(name="mine"), pair.one.as_.member)
    shown = services.Bearer(made.value)

    def known(server: Server) -> bool:
        try:
            pair.portal.run(identity.identify(server.service, shown))
        except errors.Unauthenticated:
            return False
        return True

    assert known(pair.one)
    assert known(pair.other)
    pair.one.call(operations.revoke_key, accounts.KeyRef(key_id=made.key.id), pair.one.as_.member)
    assert not known(pair.one)
    until(lambda: not known(pair.other), "the other server has heard of it", SOON)


def test_a_line_that_breaks_is_made_again_and_whoever_waits_looks(pair: Pair) -> None:
    """F13: what was told while nobody listened is found because everybody looks when the line is there again."""
    life = Life(pair.one)
    claim = wait_for_a_run(life, pair.other)
    pair.lines[1].cancel()
    pair.until(lambda: not pair.line(pair.other).listening)
    made = life.create()
    assert not claim.done()
    pair.lines.append(pair.portal.start(neighbours_loop.run_once(pair.other.service)))
    assert claim.result(SOON).assignment.flow_run_id == made.id


def test_a_line_that_postgresql_ends_is_noticed(pair: Pair, postgres: PostgresServer) -> None:
    postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
    )
    pair.until(lambda: not pair.line(pair.one).listening and not pair.line(pair.other).listening)
    assert all(line.result(SOON) for line in pair.lines)
