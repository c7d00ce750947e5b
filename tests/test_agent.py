"""An agent with a real server: what it claims, reports, takes over after its own end, and leaves."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from agents import Held, Machine, eventually, is_alive, machine_of, writes
from cable import Cable
from headrace import errors, launch
from headrace.agent import Agent
from headrace.client import Client
from headrace.core.states import StateType
from headrace.launch import journal
from headrace.wire import agents, operations, runs
from http_client import Http


@pytest.fixture
def machine(http: Http, tmp_path: Path) -> Iterator[Machine]:
    with machine_of(http, tmp_path / "home") as machine:
        yield machine


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


def test_an_agent_that_was_killed_while_it_was_full_claims_at_once_when_it_is_back(
    machine: Machine, tmp_path: Path
) -> None:
    """Its last claim was answered, and is not asked for again; nobody else could take the second run."""
    first = machine.start_agent_process(limit=1)
    held = Held(machine, tmp_path)
    assert held.pid
    first.kill()
    first.wait(10)
    second = machine.start(writes, parameters={"path": str(tmp_path / "out")})
    held.go()
    machine.start_agent(limit=1)
    assert machine.client.wait_for(second, timeout=20).state.type is StateType.SUCCESS


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
