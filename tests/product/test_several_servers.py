"""H1: three servers on one PostgreSQL behind a plain round-robin proxy, where each request may reach another one."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from three_servers import Several
from websockets.sync.client import connect

import stack as stacks
from headrace import client
from headrace.wire import logs, operations, runs

pytestmark = pytest.mark.postgres

FLOW = """
import logging
import time
from headrace import flow, task

@task
def add(n: int) -> int:
    logging.getLogger("sums").warning("adding to %s", n)
    return n + 1

@task
def wait(seconds: float) -> None:
    time.sleep(seconds)

@flow
def small(n: int = 1) -> None:
    add(add(n))

@flow
def long(seconds: float = 300) -> None:
    wait(seconds)
"""


@pytest.fixture
def several(tmp_path: Path, postgres_url: str) -> Iterator[Several]:
    made = Several(tmp_path / "several", postgres_url)
    try:
        made.start_all()
        made.start_agent("a0", limit=4)
        source = made.folder / "sums.py"
        source.write_text(FLOW)
        made.register(source, "sums")
        yield made
    finally:
        made.close()


def test_every_request_may_reach_another_server(several: Several) -> None:
    made = [several.run("sums/small", n=number) for number in range(3)]
    ended = [several.finished(run) for run in made]
    assert [run.state.type for run in ended] == ["Success"] * 3
    lines = several.api.call(operations.list_logs, logs.ListLogs(flow_run_id=made[0].id, search="adding"))
    assert len(lines.items) == 2
    assert several.proxy is not None
    assert all(several.proxy.served[port] > 5 for port in several.ports)
    assert several.local is not None
    with connect(
        f"ws://127.0.0.1:{several.port}/api/live",
        additional_headers={"Authorization": f"Bearer {several.local.user_key}"},
    ) as socket:
        topic = f"flow_run:{made[0].id}"
        socket.send(msgspec.json.encode({"subscribe": ["flow_runs", topic]}).decode())
        heard = {socket.recv(20), socket.recv(20)}
        assert len(heard) == 2
        several.run("sums/small")
        assert socket.recv(20) == '{"topic":"flow_runs"}'


def test_a_cancel_reaches_a_run_through_whichever_server_it_comes(several: Several) -> None:
    run = several.run("sums/long")
    several.until(lambda: several.api.read_flow_run(run.id).state.type == "Running", "it runs")
    several.api.call(operations.cancel_flow_run, runs.CancelFlowRun(flow_run_id=run.id))
    assert several.finished(run).state.type == "Cancelled"


def test_a_rolling_restart_under_load_is_seen_as_waits_only(several: Several) -> None:
    """Each server in turn ends in order and starts again, while runs are asked for, started and finished."""
    over, made, failures = threading.Event(), list[runs.FlowRun](), list[BaseException]()
    assert several.local is not None
    key = several.local.user_key

    def ask() -> None:
        with contextlib.closing(client.Client(several.url, key, patience=stacks.PATIENCE)) as own:
            while not over.wait(0.3):
                try:
                    made.append(own.create_flow_run(flow="sums/small"))
                    own.read_flow_run(made[0].id)
                except BaseException as error:  # noqa: BLE001 - shown by the test
                    failures.append(error)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        several.until(lambda: len(made) > 2, "runs are made")
        for port in several.ports:
            assert several.end(several.servers[port]) == 0
            several.start_one(port)
    finally:
        over.set()
        for thread in asking:
            thread.join()
    assert not failures
    assert {several.finished(run, 120).state.type for run in made} == {"Success"}
    assert several.agents["a0"].poll() is None


def test_runs_end_when_servers_are_killed(several: Several) -> None:
    """Whichever server did the loops: the others go on with them at once."""
    made = [several.run("sums/small") for _ in range(2)]
    for port in several.ports[:2]:
        several.kill(several.servers[port])
    made.append(several.run("sums/small"))
    assert {several.finished(run).state.type for run in made} == {"Success"}
