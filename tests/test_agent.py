"""An agent with a real server, and runs as real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import Machine, eventually, machine_of
from http_client import Http

from headrace.core.states import StateType
from headrace.flows import flow
from headrace.graph.task import task


@pytest.fixture
def machine(http: Http, tmp_path: Path) -> Iterator[Machine]:
    with machine_of(http, tmp_path / "home") as machine:
        yield machine


@task
def write(path: str) -> int:
    print("written")
    Path(path).write_text("done")
    return 1


@flow(name="writes")
def writes(path: str) -> None:
    write(path)


@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
def test_a_run_is_claimed_launched_and_reported(machine: Machine, tmp_path: Path, cold: bool) -> None:
    machine.start_agent(cold=cold)
    run = machine.finished(machine.start(writes, parameters={"path": str(tmp_path / "out")}))
    assert run.state.type is StateType.SUCCESS, run.state
    assert (tmp_path / "out").read_text() == "done"
    assert [task.state.name for task in machine.client.list_task_runs(run.id) if task.slug == "write"] == ["Success"]
    eventually(lambda: not list((machine.home / "agents" / "one" / "runs").iterdir()))
