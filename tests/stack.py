"""An installation as a user starts it: a server, agents, and what they start, each a process of its own.

Every wait has a deadline. What the processes say lies in files, which are shown when a test fails.
"""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil
import pytest
import urllib3

from headrace import client
from headrace.launch import directory as run_directory
from headrace.launch import identity
from headrace.wire import flows, operations, runs

T = TypeVar("T")

#: Seconds for what a user would wait for, on a machine that has much else to do.
PATIENCE = 60.0
#: Times that fit together (core/leases.py checks it), short enough for tests and long enough for a busy machine.
TIMING = {
    "heartbeat": 0.5,
    "lease": 5.0,
    "margin": 1.0,
    "kill": 1.5,
    "pause": 1.5,
    "grace": 2.5,
    "lost_after": 6.0,
}


class Local(msgspec.Struct, frozen=True):
    """What `headrace server --local FILE` writes for this machine."""

    start_url: str
    agent_key: str
    user_key: str


@dataclasses.dataclass(frozen=True)
class RunProcess:
    """A run's supervisor as its directory names it, and the run process below it, once there is one."""

    flow_run_id: str
    fence: int
    supervisor: int
    run: int | None


class Stack:
    """One installation in a folder of its own. `program` is what stands in for `headrace server`."""

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str = "",
        timing: Mapping[str, float] | None = None,
        program: Sequence[str] = ("-m", "headrace"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.logs = folder / "logs"
        for path in (self.home, self.logs):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self.timing = dict(TIMING if timing is None else timing)
        self._program = program
        self._environment = dict(environment or {})
        self.server: subprocess.Popen[bytes] | None = None
        self.agents: dict[str, subprocess.Popen[bytes]] = {}
        self.local: Local | None = None
        self._api: client.Client | None = None

    # --- its processes ---

    def start(self, agents: int = 1, *, limit: int | None = None) -> None:
        """The server, and then so many agents, named a0, a1 and so on."""
        self.start_server()
        for number in range(agents):
            self.start_agent(f"a{number}", limit=limit)

    def start_server(self, *, wait: bool = True) -> None:
        """Starts the server; the second time as the first."""
        path = self.folder / "local.json"
        if self.local is None:
            path.unlink(missing_ok=True)
        arguments = ["server", "--port", str(self.port), "--local", str(path)]
        self.server = self._spawn("server", [*self._program, *arguments])
        if wait:
            self.until(lambda: self.is_ready() and path.exists(), "the server is ready")
            self.local = msgspec.json.decode(path.read_bytes(), type=Local)
            (self.folder / "agent.key").write_text(self.local.agent_key)
            self.api.close()
            self._api = None

    def start_agent(
        self,
        name: str,
        *options: str,
        limit: int | None = None,
        url: str = "",
        before: Sequence[str] = (),
        **environment: str,
    ) -> None:
        """`before` is a command that starts the agent's, elsewhere; what is given by name is set in its environment."""
        arguments = ["agent", "--name", name, *(["--limit", str(limit)] if limit else []), *options]
        own = {
            "HEADRACE_API_KEY_FILE": str(self.folder / "agent.key"),
            "HEADRACE_SERVER_URL": url or self.url,
            **environment,
        }
        self.agents[name] = self._spawn(f"agent-{name}", ["-m", "headrace", *arguments], own, before)

    def _spawn(
        self,
        name: str,
        arguments: Sequence[str],
        own: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*before, sys.executable, *arguments],
                env={**self.environment(), **(own or {})},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own Headrace, and not what the test runner says about warnings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        kept |= {
            "HEADRACE_HOME": str(self.home),
            "HEADRACE_TIMING": msgspec.json.encode(self.timing).decode(),
            "HEADRACE_SERVER_URL": self.url,
            "NO_COLOR": "1",
        }
        if self.database_url:
            kept["HEADRACE_DATABASE_URL"] = self.database_url
        return kept | self._environment

    def is_ready(self) -> bool:
        try:
            answer = urllib3.request("GET", f"{self.url}/readyz", timeout=2, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait(10)

    def end(self, process: subprocess.Popen[bytes], seconds: float = 20.0) -> int:
        """As Ctrl-C or `systemctl stop` would; the answer is its exit status."""
        process.terminate()
        return process.wait(seconds)

    def close(self) -> None:
        """Kills whatever is left, and shows what the processes said."""
        if self._api is not None:
            self._api.close()
        for process in [self.server, *self.agents.values()]:
            if process is not None and process.poll() is None:
                self.kill(process)
        for process in processes_of(self.home):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for path in sorted(self.logs.glob("*.log")):
            sys.stdout.write(f"--- {path.name}\n{path.read_text(errors='replace')[-4000:]}\n")

    def log(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text(errors="replace")

    # --- as a user ---

    @property
    def api(self) -> client.Client:
        """The user's client; it waits for a server that is being started again."""
        if self._api is None:
            key = "" if self.local is None else self.local.user_key
            self._api = client.Client(self.url, key, patience=PATIENCE)
        return self._api

    def cli(
        self, *arguments: str, timeout: float = PATIENCE, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """`headrace …` with the user's key; what is given by name is set in its environment."""
        own = {} if self.local is None else {"HEADRACE_API_KEY": self.local.user_key}
        return subprocess.run(
            [sys.executable, "-m", "headrace", *arguments],
            env={**self.environment(), **own, **environment},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def register(self, source: Path, project: str, **environment: str) -> None:
        """`headrace register FILE`, its project made first."""
        with contextlib.suppress(Exception):
            self.api.create_project(project)
        done = self.cli("register", str(source), "--project", project, **environment)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, flow: str, **parameters: Any) -> runs.FlowRun:
        """Asks for a run of "project/flow"."""
        return self.api.create_flow_run(flow=flow, parameters=parameters)

    def finished(self, run: runs.FlowRun, seconds: float = PATIENCE) -> runs.FlowRun:
        """The run at its end."""
        return self.api.wait_for(run, seconds)

    def list_runs(self, project: str) -> list[runs.FlowRun]:
        return list(self.api.pages(operations.list_flow_runs, runs.ListFlowRuns(project=project, limit=200)))

    def flow(self, name: str) -> flows.Flow:
        return self.api.find_flow(name)

    # --- what there is on the machine ---

    def run_processes(self) -> list[RunProcess]:
        """What runs now, by what the supervisors say of themselves."""
        found: list[RunProcess] = []
        for directory in self.home.glob("agents/*/runs/*"):
            holder = run_directory.read_holder(directory)
            if holder is None or identity.start_time(holder.pid) != holder.started:
                continue
            run_id, _, fence = directory.name.rpartition("-")
            below = children(holder.pid)
            found.append(RunProcess(run_id, int(fence), holder.pid, below[0] if below else None))
        return found

    def until(self, condition: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
        return until(condition, what, seconds)


def until(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Waits until the condition gives something, and answers with it."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process with this data folder in its environment; zombies have none."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("HEADRACE_HOME") == str(home):
                found.append(process)
    return found


@contextlib.contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Processes that get no time, as on a machine that sleeps."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


Make = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Make]:
    """A factory of installations that are gone, with all their processes, when the test ends."""
    made: list[Stack] = []

    def make(**given: Any) -> Stack:
        made.append(Stack(tmp_path / f"stack{len(made)}", **given))
        return made[-1]

    yield make
    for stack in made:
        stack.close()


@pytest.fixture
def stack(make_stack: Make) -> Stack:
    """A server on SQLite and one agent, started."""
    made = make_stack()
    made.start()
    return made
