"""F16: the server of the release before and this one serve one PostgreSQL at once, through the upgrade and after it."""

import subprocess
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
import urllib3

import stack as stacks
from lacking import missing

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
        # a shallow checkout has none; with the first release this asks the package index instead
        missing("the release before is in the repository's history, which is not here")
    subprocess.run(["tar", "x", "-C", str(made)], input=packed.stdout, check=True)
    return made / "src"


class Api:
    """Plain requests: what each release's own client would send, and no more."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": str(uuid.uuid4())}
        answer = urllib3.request(
            method, f"{self.url}/api/{path}", json=body, headers=headers, timeout=30, retries=False
        )
        assert answer.status == 200, f"{method} {path}: {answer.status} {answer.data.decode()}"
        return answer.json()

    def make(self, project: str, due_at: str | None = None) -> str:
        """A run of the release whose project it is: content is loaded by the release that made it."""
        body = {
            "project": project,
            "flow": "small",
            "parameters": {"n": 1},
            "due_at": due_at,
            "labels": [project],
        }
        made: str = self.ask("POST", "flow_runs", body)["id"]
        return made

    def state(self, run: str) -> str:
        name: str = self.ask("GET", f"flow_runs/{run}")["state"]["name"]
        return name


class Load(threading.Thread):
    """Makes runs and reads them, and counts what was answered and what was not."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self.api = api
        self.served = 0
        self.problems: list[str] = []
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.05):
            try:
                run = self.api.make(
                    "old", "2099-01-01T00:00:00Z"
                )  # only made: executing is somebody else's matter
                self.api.state(run)
                self.api.ask("GET", "flow_runs?project=old&limit=20")
                self.api.ask("GET", f"flow_runs/{run}/events")
            except (AssertionError, urllib3.exceptions.HTTPError) as error:
                self.problems.append(str(error))
            else:
                self.served += 1

    def end(self) -> None:
        self.over.set()
        self.join()


def _start_agent(stack: stacks.Stack, name: str) -> None:
    own = {"HEADRACE_API_KEY_FILE": str(stack.folder / "agent.key")}
    words = ["agent", "--name", name, "--label", name]
    stack.agents[name] = stack._spawn(f"agent-{name}", ["-m", "headrace", *words], own)


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
    old.start_server()
    _start_agent(old, "old")
    assert old.local is not None
    (old.folder / "small.py").write_text(FLOW)
    old.register(old.folder / "small.py", "old")
    refused = new.cli("server", "--port", str(new.port))
    assert (refused.returncode, "headrace database upgrade" in refused.stderr) == (2, True)
    apis = [Api(old.url, old.local.user_key), Api(new.url, old.local.user_key)]
    loads = [Load(apis[0])]
    try:
        old.until(lambda: loads[0].served >= 5, "the old server serves")
        done = new.cli("database", "upgrade")
        assert done.returncode == 0, done.stderr
        assert "0001" in done.stderr
        new.local = old.local
        new.server = new._spawn("server", ["-m", "headrace", "server", "--port", str(new.port)])
        new.until(new.is_ready, "the new server is ready")
        (new.folder / "agent.key").write_text(old.local.agent_key)
        _start_agent(new, "new")
        (new.folder / "small.py").write_text(FLOW)
        new.register(new.folder / "small.py", "new")
        loads.append(Load(apis[1]))
        before = loads[0].served
        old.until(lambda: loads[1].served >= 10 and loads[0].served >= before + 10, "both serve")
    finally:
        for load in loads:
            load.end()
    assert [load.problems for load in loads] == [[], []]
    # a run made through either server is executed by an agent of either
    for api in apis:
        for project in ("old", "new"):
            run = api.make(project)
            old.until(lambda api=api, run=run: api.state(run) == "Success", "it is executed")
    for stack in (old, new):
        assert "Traceback" not in stack.log("server"), stack.log("server")
    looked = new.cli("doctor")
    assert looked.returncode == 0, looked.stdout
    for process in [*old.agents.values(), *new.agents.values()]:
        old.end(process)
    for stack in (old, new):
        stack.close()
    postgres.drop(name)
