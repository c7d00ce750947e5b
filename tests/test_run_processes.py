"""The real processes of runs: what they load, how they end, what they see and whom they listen to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from agents import Held, Machine, eventually, is_alive, machine_of, writes
from headrace import ThreadExecutor
from headrace.core.states import StateType
from headrace.flows import flow
from headrace.graph.task import task
from headrace.wire.run_configs import LocalRun
from http_client import Http


@pytest.fixture
def machine(http: Http, tmp_path: Path) -> Iterator[Machine]:
    with machine_of(http, tmp_path / "home") as machine:
        yield machine


def _content(machine: Machine) -> Path:
    (path,) = (machine.home / "content").iterdir()
    return path


def test_one_flipped_byte_and_nothing_is_loaded(machine: Machine, tmp_path: Path) -> None:
    run = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    content = bytearray(_content(machine).read_bytes())
    content[-10] ^= 1
    _content(machine).write_bytes(content)
    machine.start_agent()
    ended = machine.finished(run)
    assert (ended.state.type, ended.state.name) == (StateType.CRASHED, "ContentMismatch")
    assert "not what was registered" in ended.state.message
    assert ended.started_at is None
    assert not (tmp_path / "out").exists()


def test_truncated_content_is_called_that(machine: Machine, tmp_path: Path) -> None:
    run = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    _content(machine).write_bytes(_content(machine).read_bytes()[:-100])
    machine.start_agent()
    ended = machine.finished(run)
    assert ended.state.name == "ContentMismatch"
    assert "truncated" in ended.state.message


def test_missing_content_says_what_to_do(machine: Machine, tmp_path: Path) -> None:
    run = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    _content(machine).unlink()
    machine.start_agent()
    ended = machine.finished(run)
    assert ended.state.type is StateType.CRASHED
    assert "register the flow again" in ended.state.message


def test_a_missing_working_directory_is_named(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    config = LocalRun(working_dir=str(tmp_path / "nowhere"))
    run = machine.start(writes, parameters={"path": "x"}, run_config=config)
    ended = machine.finished(run)
    assert (ended.state.type, ended.state.name) == (StateType.CRASHED, "LaunchFailed")
    assert str(tmp_path / "nowhere") in ended.state.message


@task
def burn(path: str) -> None:
    Path(path).touch()
    number = 0
    while True:
        number += 1


@task
def sleep(path: str) -> None:
    Path(path).touch()
    time.sleep(600)


@flow(name="burns")
def burns(path: str) -> None:
    burn(path)


@flow(name="sleeps")
def sleeps(path: str) -> None:
    sleep(path)


@pytest.mark.parametrize("chosen", [burns, sleeps], ids=["busy", "asleep"])
@pytest.mark.parametrize("executor", [None, ThreadExecutor(workers=2)], ids=["local", "thread"])
def test_cancelling_ends_a_run_soon(machine: Machine, tmp_path: Path, chosen: Any, executor: Any) -> None:
    machine.start_agent()
    run = machine.start(chosen.with_options(executor=executor), parameters={"path": str(tmp_path / "here")})
    eventually((tmp_path / "here").exists)
    machine.client.cancel_flow_run(run.id)
    ended = machine.client.wait_for(run.id, timeout=4)
    assert ended.state.type is StateType.CANCELLED, ended.state
    eventually(lambda: not list((machine.home / "agents" / "one" / "journal").iterdir()))


@task
def stubborn(path: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(path).touch()
    while True:
        try:
            time.sleep(600)
        except BaseException:  # noqa: BLE001 - what is told to end and does not
            continue


@flow(name="stubborn-flow")
def stubborn_flow(path: str) -> None:
    stubborn(path)


def test_what_does_not_listen_is_killed(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    run = machine.start(stubborn_flow, parameters={"path": str(tmp_path / "here")})
    eventually((tmp_path / "here").exists)
    machine.client.cancel_flow_run(run.id)
    assert machine.finished(run).state.type is StateType.CANCELLED


def test_a_run_that_hangs_at_its_timeout_has_timed_out(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    run = machine.start(stubborn_flow.with_options(timeout=1), parameters={"path": str(tmp_path / "here")})
    ended = machine.finished(run)
    assert (ended.state.type, ended.state.name) == (StateType.FAILED, "TimedOut")


@task
def leave_a_child(path: str) -> None:
    script = f"import os, time; os.setsid(); open({path!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    while not (Path(path).exists() and Path(path).read_text()):
        time.sleep(0.02)


@flow(name="leaves")
def leaves(path: str) -> None:
    leave_a_child(path)


def test_no_process_of_a_run_outlives_it(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    run = machine.finished(machine.start(leaves, parameters={"path": str(tmp_path / "child")}))
    assert run.state.type is StateType.SUCCESS
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not is_alive(child), 5)


@task
def look_around(path: str) -> None:
    parents = []
    pid = os.getpid()
    while pid > 1:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        parents.append(pid)
        pid = int(fields[1])
    ports = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]
    seen = {"environment": dict(os.environ), "folder": str(Path.cwd()), "pids": parents[:2], "ports": ports}
    Path(path).write_text(json.dumps(seen))


@flow(name="looks-around")
def looks_around(path: str) -> None:
    look_around(path)


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
def test_a_run_is_given_its_own_environment_and_not_the_agents(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold: bool
) -> None:
    monkeypatch.setenv("AGENTS_OWN", "canary-of-the-agent")
    monkeypatch.setenv("DATABASE_PASSWORD", "for the run")
    monkeypatch.setenv("HEADRACE_API_KEY", machine.http.token("agent"))
    machine.start_agent(cold=cold)
    config = LocalRun(env={"PASSWORD": "${DATABASE_PASSWORD}"}, working_dir=str(tmp_path))
    run = machine.start(looks_around, parameters={"path": str(tmp_path / "seen")}, run_config=config)
    assert machine.finished(run).state.type is StateType.SUCCESS
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["environment"]["PASSWORD"] == "for the run"
    assert seen["folder"] == str(tmp_path)
    assert "canary-of-the-agent" not in json.dumps(seen["environment"])
    assert machine.http.token("agent") not in json.dumps(seen["environment"])


def test_an_agents_secret_is_not_given_to_a_run_config(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_API_KEY", "the agent's")
    machine.start_agent()
    run = machine.start(
        writes, parameters={"path": "x"}, run_config=LocalRun(env={"KEY": "${HEADRACE_API_KEY}"})
    )
    ended = machine.finished(run)
    assert ended.state.name == "LaunchFailed"
    assert "HEADRACE_API_KEY" in ended.state.message


def test_neither_agent_nor_run_listens_to_anybody(machine: Machine, tmp_path: Path) -> None:
    agent = machine.start_agent_process()
    held = Held(machine, tmp_path)
    assert held.pid
    pids = [agent.pid, *(child.pid for child in psutil.Process(agent.pid).children(recursive=True))]
    assert held.pid in pids
    listening = [
        connection
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert not listening
    held.go()
    machine.finished(held.run)


def test_a_secret_token_stands_in_no_argument_and_no_environment(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    held = Held(machine, tmp_path)
    pid, supervisor = held.pid, machine.supervisor(held.run)
    key = machine.http.token("agent").encode()
    for process in (pid, supervisor):
        for name in ("cmdline", "environ"):
            assert key not in Path(f"/proc/{process}/{name}").read_bytes()
    directory = machine.directory(held.run)
    assert not (directory / "handover.json").exists()
    assert directory.stat().st_mode & 0o777 == 0o700
    held.go()
    machine.finished(held.run)
