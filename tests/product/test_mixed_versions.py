"""F16: the server of the release before and this one serve one PostgreSQL at once, through the upgrade and after it."""

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

import stack as stacks
from headrace import client, errors
from headrace.wire import operations, runs

#: The release before: its schema is the first revision.
BEFORE = "b0e9502"
ROOT = Path(__file__).parents[2]

FLOW = """
from headrace import flow, task

@task
def add(n: int) -> int:
    return n + 1

@flow
def small(n: int = 1) -> None:
    add(n)
"""


@pytest.fixture
def old_code(tmp_path: Path) -> Path:
    """The sources of the release before, from the repository's history."""
    made = tmp_path / "before"
    made.mkdir()
    packed = subprocess.run(["git", "archive", BEFORE, "src"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        if os.environ.get("CI"):
            pytest.fail("the repository's history is not here; CI needs it")
        pytest.skip("the repository's history is not here")
    subprocess.run(["tar", "x", "-C", str(made)], input=packed.stdout, check=True)
    return made / "src"


class Load(threading.Thread):
    """Makes runs and reads them, and counts what was answered and what was not."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__()
        self.api = client.Client(url, key, patience=0)
        self.served = 0
        self.problems: list[str] = []
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.05):
            try:
                made = self.api.create_flow_run(flow="p/small", parameters={"n": self.served})
                self.api.read_flow_run(made.id)
                self.api.call(operations.list_flow_runs, runs.ListFlowRuns(project="p", limit=20))
                self.api.call(operations.list_run_events, runs.FlowRunRef(flow_run_id=made.id))
            except errors.HeadraceError as error:
                self.problems.append(f"{type(error).__name__}: {error.message}")
            else:
                self.served += 1

    def end(self) -> None:
        self.over.set()
        self.join()
        self.api.close()


def succeeded(api: client.Client, run: Any) -> bool:
    return api.read_flow_run(run.id).state.name == "Success"


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_the_release_before_and_this_one_serve_one_database(
    old_code: Path, postgres: Any, make_stack: stacks.Make
) -> None:
    name = postgres.create()
    shared = {"HEADRACE_SECRET_KEY": "one secret of both servers"}
    old = make_stack(database_url=postgres.url(name), environment={**shared, "PYTHONPATH": str(old_code)})
    new = make_stack(database_url=postgres.url(name), environment=shared)
    old.start(1)
    assert old.local is not None
    (old.folder / "small.py").write_text(FLOW)
    old.register(old.folder / "small.py", "p")
    refused = new.cli("server", "--port", str(new.port))
    assert (refused.returncode, "headrace database upgrade" in refused.stderr) == (2, True)
    loads = [Load(old.url, old.local.user_key)]
    try:
        old.until(lambda: loads[0].served >= 5, "the old server serves")
        done = new.cli("database", "upgrade")
        assert done.returncode == 0, done.stderr
        assert "0001" in done.stderr
        new.local = old.local
        new.server = new._spawn("server", ["-m", "headrace", "server", "--port", str(new.port)])
        new.until(new.is_ready, "the new server is ready")
        (new.folder / "agent.key").write_text(old.local.agent_key)
        new.start_agent("new")
        loads.append(Load(new.url, old.local.user_key))
        before = loads[0].served
        old.until(lambda: loads[1].served >= 10 and loads[0].served >= before + 10, "both serve")
    finally:
        for load in loads:
            load.end()
    assert [load.problems for load in loads] == [[], []]
    # a run made through either is executed by whichever agent claims it
    for api in (old.api, new.api):
        run = api.create_flow_run(flow="p/small")
        old.until(lambda api=api, run=run: succeeded(api, run), "it is executed", 120)
    for stack in (old, new):
        assert "Traceback" not in stack.log("server"), stack.log("server")
    looked = new.cli("doctor")
    assert looked.returncode == 0, looked.stdout
    for process in [*old.agents.values(), *new.agents.values()]:
        old.end(process)
    for stack in (old, new):
        stack.close()
    postgres.drop(name)
