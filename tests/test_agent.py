"""An agent with a real server, and runs as real processes."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from agents import Machine, eventually, is_alive, machine_of
from cable import Cable
from headrace import ThreadExecutor, errors, launch
from headrace.agent import Agent
from headrace.client import Client
from headrace.core.states import StateType
from headrace.flows import flow
from headrace.graph.task import task
from headrace.launch import journal
from headrace.wire import agents, operations, runs
from headrace.wire.run_configs import LocalRun
from http_client import Http


@pytest.fixture
def machine(http: Http, tmp_path: Path) -> Iterator[Machine]:
    with machine_of(http, tmp_path / "home") as machine:
        yield machine


@task
def write(path: str) -> int:
    sys.stdout.write("inside the task\n")
    logging.getLogger("mine").info("a line")
    Path(path).write_text("done")
    return 1


@flow(name="writes")
def writes(path: str) -> None:
    write(path)


@task
def touch(path: str, after: str) -> None:
    Path(path).touch()


@task
def hold(pid_path: str, go_path: str) -> str:
    """Says who it is, and goes on when the test says so."""
    draft = Path(pid_path).with_suffix(".draft")
    draft.write_text(str(os.getpid()))
    draft.rename(pid_path)
    while not Path(go_path).exists():
        time.sleep(0.02)
    return "went on"


@flow(name="holds")
def holds(pid_path: str, go_path: str, after_path: str) -> None:
    touch(after_path, hold(pid_path, go_path))


class Held:
    """A run that waits in its task."""

    def __init__(self, machine: Machine, folder: Path, on_lost: Any = "crash") -> None:
        self.pid_path, self.go_path, self.after_path = folder / "pid", folder / "go", folder / "after"
        paths = {name: str(getattr(self, name)) for name in ("pid_path", "go_path", "after_path")}
        self.run = machine.start(holds.with_options(on_lost=on_lost), parameters=paths)

    @property
    def pid(self) -> int:
        eventually(self.pid_path.exists)
        return int(self.pid_path.read_text())

    def go(self) -> None:
        self.go_path.touch()


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
def test_a_run_is_claimed_launched_and_reported(machine: Machine, tmp_path: Path, cold: bool) -> None:
    machine.start_agent(cold=cold)
    run = machine.finished(machine.start(writes, parameters={"path": str(tmp_path / "out")}))
    assert run.state.type is StateType.SUCCESS, run.state
    assert (tmp_path / "out").read_text() == "done"
    found = {task.slug: task.state.name for task in machine.client.list_task_runs(run.id)}
    assert found["write"] == "Success"
    lines = [(line.logger, line.message, line.task) for line in machine.client.list_logs(run.id)]
    assert ("mine", "a line", "write") in lines
    assert not any("inside the task" in message for _, message, _ in lines)
    eventually(lambda: not list((machine.home / "agents" / "one" / "runs").iterdir()))
    assert not list((machine.home / "agents" / "one" / "journal").iterdir())


def test_a_killed_run_process_is_reported_with_its_signal(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    held = Held(machine, tmp_path)
    os.kill(held.pid, signal.SIGKILL)
    ended = machine.client.wait_for(held.run.id, timeout=5)
    assert ended.state.type is StateType.CRASHED
    assert "SIGKILL" in ended.state.message


def test_a_run_dies_with_its_supervisor(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    held = Held(machine, tmp_path)
    pid = held.pid
    os.kill(machine.supervisor(held.run), signal.SIGKILL)
    eventually(lambda: not is_alive(pid), 5)
    ended = machine.client.wait_for(held.run.id, timeout=5)
    assert ended.state.type is StateType.CRASHED
    assert "supervis" in ended.state.message


def test_a_run_survives_its_agent_and_template_and_the_next_agent_takes_it_over(
    machine: Machine, tmp_path: Path
) -> None:
    first = machine.start_agent_process()
    held = Held(machine, tmp_path)
    pid = held.pid
    children = psutil.Process(first.pid).children()
    assert children, "the template"
    for process in (first.pid, *(child.pid for child in children)):
        os.kill(process, signal.SIGKILL)
    first.wait(10)
    assert is_alive(pid)
    machine.start_agent()
    eventually(lambda: any(agent.runs_in_hand for agent in _agents(machine)))
    held.go()
    ended = machine.finished(held.run)
    assert ended.state.type is StateType.SUCCESS, ended.state
    assert ended.attempt == 1
    eventually(lambda: not list((machine.home / "agents" / "one" / "journal").iterdir()))


def test_what_ended_while_there_was_no_agent_is_reported_by_the_next(
    machine: Machine, tmp_path: Path
) -> None:
    first = machine.start_agent_process()
    held = Held(machine, tmp_path)
    supervisor = machine.supervisor(held.run)
    first.kill()
    first.wait(10)
    os.kill(held.pid, signal.SIGKILL)
    eventually(lambda: not is_alive(supervisor))
    machine.start_agent()
    ended = machine.finished(held.run)
    assert ended.state.type is StateType.CRASHED
    assert "SIGKILL" in ended.state.message


def test_a_run_that_was_written_down_and_not_launched_is_given_back(machine: Machine, tmp_path: Path) -> None:
    run = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    agent = Agent(machine.settings(), name="one")
    assert agent._register()
    with contextlib.closing(Client(settings=machine.settings())) as client:
        request = runs.ClaimFlowRun(agent_id=agent._id, wait_seconds=5)  # type: ignore[arg-type]
        assignment = client.call(operations.claim_flow_run, request).assignment
    assert assignment is not None
    name = f"{run.id}-{assignment.fence}"
    directory = machine.home / "agents" / "one" / "runs" / name
    directory.mkdir(parents=True)
    (directory / "handover.json").write_text("{}")
    state = launch.LaunchState("local", name, str(directory))
    entry = journal.Entry(flow_run_id=run.id, fence=assignment.fence, name=run.name, state=state)
    journal.Journal(machine.home / "agents" / "one" / "journal").write(entry, first=True)
    machine.start_agent()
    ended = machine.finished(run)
    assert ended.state.type is StateType.SUCCESS
    assert ended.attempt == 2


def _agents(machine: Machine) -> list[Any]:
    return machine.client.call(operations.list_agents, agents.ListAgents()).items


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


def test_two_agents_of_one_name_do_not_share_a_data_folder(machine: Machine) -> None:
    machine.start_agent(name="one")
    eventually(lambda: _agents(machine))
    with pytest.raises(errors.Conflict, match="'one' runs already"):
        Agent(machine.settings(), name="one").run()


def test_a_refused_key_is_told_plainly(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    wrong = msgspec.structs.replace(machine.settings(), api_key="hr_wrong")
    agent = Agent(wrong, name="refused")
    thread = threading.Thread(target=agent.run)
    thread.start()
    eventually(lambda: "refuses this agent's key" in caplog.text)
    agent.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_an_agent_that_ends_leaves_its_runs_running(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent()
    held = Held(machine, tmp_path)
    pid = held.pid
    machine.stop_agents()
    assert is_alive(pid)
    held.go()
    assert machine.finished(held.run).state.type is StateType.SUCCESS


def test_an_agent_that_waits_ends_after_its_runs(machine: Machine, tmp_path: Path) -> None:
    agent = machine.start_agent(wait=True)
    held = Held(machine, tmp_path)
    assert held.pid
    agent.stop()
    eventually(lambda: any(one.draining for one in _agents(machine)))
    later = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    held.go()
    machine.stop_agents()
    assert machine.client.read_flow_run(held.run.id).state.type is StateType.SUCCESS
    assert machine.client.read_flow_run(later.id).state.type is StateType.SCHEDULED


def test_an_agent_can_end_its_runs_with_itself(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent(stop_runs=True)
    held = Held(machine, tmp_path)
    pid = held.pid
    machine.stop_agents()
    assert not is_alive(pid)
    assert machine.finished(held.run).state.type is StateType.CRASHED


def test_a_limit_holds_back_further_runs(machine: Machine, tmp_path: Path) -> None:
    machine.start_agent(limit=1)
    held = Held(machine, tmp_path)
    assert held.pid
    second = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    held.go()
    machine.finished(held.run)
    assert machine.finished(second).state.type is StateType.SUCCESS
    assert (tmp_path / "out").stat().st_mtime_ns > held.after_path.stat().st_mtime_ns


def test_an_outage_of_the_server_loses_nothing(machine: Machine, tmp_path: Path) -> None:
    cable = Cable(machine.http.port)
    machine.server_url = cable.url
    machine.start_agent()
    held = Held(machine, tmp_path)
    assert held.pid
    cable.cut()
    held.go()
    eventually(held.after_path.exists)
    assert machine.client.read_flow_run(held.run.id).state.type is StateType.RUNNING
    cable.mend()
    ended = machine.finished(held.run)
    assert ended.state.type is StateType.SUCCESS
    states = {one.slug: one.state.name for one in machine.client.list_task_runs(held.run.id)}
    assert states["hold"] == "Success"
    machine.stop_agents()
    cable.cut()


def test_a_run_that_may_be_started_again_ends_itself_when_its_server_is_away(
    machine: Machine, tmp_path: Path
) -> None:
    cable = Cable(machine.http.port)
    machine.server_url = cable.url
    machine.start_agent()
    held = Held(machine, tmp_path, on_lost="reschedule")
    pid = held.pid
    cable.cut()
    eventually(lambda: not is_alive(pid), 15)
    held.pid_path.unlink()
    held.go()
    cable.mend()
    ended = machine.finished(held.run)
    assert ended.state.type is StateType.SUCCESS, ended.state
    assert ended.rescues == 1
    machine.stop_agents()
    cable.cut()
