"""E3: what `/metrics` tells an operator: each figure seen to move, and each in the documentation."""

import asyncio
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import limiting
import pytest
from lifecycles import Life
from notified import Notified

from headrace import errors
from headrace.server import dispatch, figures, leasing
from headrace.web import handlers, serving
from headrace.web.figures import Histogram
from headrace.wire import operations, runs
from http_client import Http
from receivers import Receiver, soon
from running import Server, VirtualClock

DOCUMENTED = Path(__file__).parents[2] / "docs" / "operations.md"


def told(server: Server, name: str) -> Any:
    """A figure's value, or its values by their labels."""
    found = {figure.name: figure for figure in server.run(figures.read(server.service))}[name]
    if not found.labels:
        return found.values[()]
    return {key[0]: value for key, value in found.values.items() if value}


def test_runs_that_have_not_ended_are_told_by_state(server: Server) -> None:
    life = Life(server)
    life.running()
    life.create()
    life.create()
    assert told(server, "headrace_runs") == {"Scheduled": 2, "Running": 1}


def test_runs_that_ended_are_counted(server: Server) -> None:
    life = Life(server)
    held = life.running()
    life.finish(held)
    assert told(server, "headrace_runs_ended") == {"Success": 1}
    assert told(server, "headrace_runs") == {}


def test_late_runs_are_told(server: Server, clock: VirtualClock) -> None:
    life = Life(server)
    life.create()
    life.create(due_at=clock.now + timedelta(hours=1))
    assert told(server, "headrace_runs_late") == 0
    clock.advance(20)
    assert told(server, "headrace_runs_late") == 1


def test_runs_of_which_nothing_is_heard_are_told(server: Server, clock: VirtualClock) -> None:
    life = Life(server)
    life.running()
    server.service.part(leasing.Leasing).amnesty_until = None
    assert told(server, "headrace_runs_unreachable") == 0
    clock.advance(30)
    assert told(server, "headrace_runs_unreachable") == 1


def test_runs_that_are_held_back_are_told(server: Server) -> None:
    life = Life(server)
    limiting.make(life, "flow", "sales/daily", 1)
    life.running()
    life.create()
    assert life.claim() is None
    assert told(server, "headrace_runs_held_back") == 1


def test_the_wait_of_claimed_runs_is_told(server: Server, clock: VirtualClock) -> None:
    life = Life(server)
    life.create()
    clock.advance(3)
    assert life.claim() is not None
    waited = told(server, "headrace_run_wait_seconds")
    assert isinstance(waited, Histogram)
    assert waited.seconds == pytest.approx(3)
    assert dict(waited.buckets)["2.5"] == 0
    assert dict(waited.buckets)["5"] == 1


def test_agents_that_wait_are_told(server: Server) -> None:
    life = Life(server)
    request = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=30)
    held = server.begin(operations.claim_flow_run, request, server.as_.agent)
    soon(lambda: server.service.part(dispatch.Dispatch).waiting)
    assert told(server, "headrace_claims_held") == 1
    server.portal.run(drained(server))
    held.result(10)
    assert told(server, "headrace_claims_held") == 0


async def drained(server: Server) -> None:
    server.service.drain()


def test_agents_are_told_by_health(server: Server, clock: VirtualClock) -> None:
    life = Life(server)
    assert told(server, "headrace_agents") == {"healthy": 1}
    clock.advance(300)
    life.join("two")
    assert told(server, "headrace_agents") == {"gone": 1, "healthy": 1}


def test_what_is_still_to_be_told_is_counted(server: Server, clock: VirtualClock) -> None:
    receiver = Receiver()
    try:
        notified = Notified(server)
        notified.rule(notified.channel(f"{receiver.url}/hook"), "Success")
        notified.life.finish(notified.life.running())
        clock.advance(7)
        assert told(server, "headrace_outbox_waiting") == 1
        assert told(server, "headrace_outbox_oldest_seconds") == pytest.approx(7)
        notified.deliver()
        assert told(server, "headrace_outbox_waiting") == 0
    finally:
        receiver.close()


def test_commands_that_wait_for_the_writer_are_counted(sqlite_server: Server) -> None:
    server = sqlite_server
    busy, over = threading.Event(), threading.Event()

    def hold(call: handlers.Call[Any]) -> None:
        busy.set()
        over.wait(10)

    held = server.portal.start(server.service.write(hold))
    assert busy.wait(10)
    others = [server.portal.start(server.service.write(lambda call: None)) for _ in range(3)]
    soon(lambda: server.service.database.waiting == 3)
    over.set()
    for each in [held, *others]:
        each.result(10)
    assert server.service.database.waiting == 0


def test_the_event_loop_s_lag_is_measured(sqlite_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LAG_SECONDS", 0.01)
    lag = Histogram()

    async def hold_up() -> asyncio.Task[None]:
        measuring = asyncio.create_task(serving._measure(lag))
        await asyncio.sleep(0)
        threading.Event().wait(0.3)  # the event loop does nothing else meanwhile
        return measuring

    measuring = sqlite_server.run(hold_up())
    soon(lambda: lag.seconds)
    sqlite_server.run(ended(measuring))
    assert lag.seconds > 0.2


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()


def shown(http: Http) -> str:
    return http.request("GET", "/metrics", token=http.token("viewer")).body.decode()


def test_each_figure_is_documented_and_each_that_is_documented_is_there(http: Http) -> None:
    there = set(re.findall(r"^# TYPE (headrace_\w+) ", shown(http), re.MULTILINE))
    written = set(re.findall(r"^\| `(headrace_\w+)", DOCUMENTED.read_text(), re.MULTILINE))
    assert there == written


def test_what_is_looked_up_is_looked_up_seldom(http: Http) -> None:
    service, asked = http.server.service, list[int]()
    read = service.figures

    async def counting(owner: Any) -> Any:
        asked.append(1)
        return await read(owner)

    service.figures = counting
    shown(http)
    shown(http)
    assert len(asked) == 1


def test_the_server_s_own_figures_are_there_when_the_database_is_not(http: Http) -> None:
    async def away(owner: Any) -> Any:
        raise errors.Unavailable("the server's database does not answer")

    http.server.service.figures = away
    text = shown(http)
    assert "headrace_requests_total" in text
    assert "headrace_agents" not in text
