"""Agents and their runs as a test drives them: a real server behind HTTP, real processes, flows that leave traces in files."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from headrace import settings
from headrace.agent import Agent
from headrace.client import Client
from headrace.core import leases
from headrace.flows import Flow, flow
from headrace.graph.task import task
from headrace.launch import process
from headrace.wire import runs
from http_client import Http

T = TypeVar("T")

#: Short, and still safe together.
SHORT = leases.Timing(
    heartbeat=timedelta(seconds=0.5),
    lease=timedelta(seconds=3),
    margin=timedelta(seconds=1),
    grace=timedelta(seconds=4),
    kill=timedelta(seconds=2),
    pause=timedelta(seconds=2),
    lost_after=timedelta(seconds=6),
)


def eventually(look: Callable[[], T], timeout: float = 20.0) -> T:
    """What `look` answers once that is true; looks again in short steps."""
    until = time.monotonic() + timeout
    pause = threading.Event()
    while not (found := look()):
        assert time.monotonic() < until, f"not within {timeout} s"
        pause.wait(0.02)
    return found


class Machine:
    """One machine with its data folder: it registers flows, and runs agents."""

    def __init__(self, http: Http, home: Path) -> None:
        self.http = http
        self.home = home
        #: Where agents and runs find the server; a test may put a cable between.
        self.server_url = http.url
        #: The file of the agents' policy.
        self.policy = ""
        self.client = Client(http.url, http.token("administrator"))
        self._agents: list[tuple[Agent, threading.Thread]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        with contextlib.suppress(Exception):
            self.client.create_project("tests")

    def settings(self) -> settings.Settings:
        return settings.Settings(
            home=self.home,
            server_url=self.server_url,
            api_key=self.http.token("agent"),
            agent_policy=self.policy,
        )

    def start_agent(self, *, cold: bool = False, **options: Any) -> Agent:
        launcher = process.ProcessLauncher() if cold else None
        agent = Agent(
            self.settings(), name=options.pop("name", "one"), launcher=launcher, timing=SHORT, **options
        )
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        self._agents.append((agent, thread))
        return agent

    def start_agent_process(self, name: str = "one", limit: int | None = None) -> subprocess.Popen[bytes]:
        """An agent that can be killed."""
        environment = {
            **os.environ,
            "HEADRACE_API_KEY": self.http.token("agent"),
            "HEADRACE_SERVER_URL": self.server_url,
            "PYTHONPATH": str(Path(__file__).parent),
        }
        script = f"from agents import SHORT; from headrace import agent, settings; agent.Agent(settings.load(), name={name!r}, timing=SHORT, limit={limit}).run()"
        child = subprocess.Popen([sys.executable, "-c", script], env=environment)
        self._processes.append(child)
        return child

    def stop_agents(self) -> None:
        for agent, _ in self._agents:
            agent.stop()
        for _, thread in self._agents:
            thread.join(30)
            assert not thread.is_alive()
        self._agents.clear()
        for child in self._processes:
            child.terminate()
            child.wait(30)
        self._processes.clear()

    def kill_runs(self) -> None:
        """Leaves nothing of a test that has failed: a run goes on without agent and server."""
        for holder in self.home.glob("agents/*/runs/*/holder.json"):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(msgspec.json.decode(holder.read_bytes())["pid"], signal.SIGKILL)

    def start(self, flow: Flow[..., Any], **options: Any) -> runs.FlowRun:
        flow.register(project="tests", client=self.client)
        return self.client.create_flow_run(project="tests", flow=flow.name, **options)

    def finished(self, run: runs.FlowRun | UUID) -> runs.FlowRun:
        return self.client.wait_for(run, timeout=30)

    def directory(self, run: runs.FlowRun, agent: str = "one") -> Path:
        """Where the run's processes have their files."""
        folder = self.home / "agents" / agent / "runs"
        return eventually(lambda: next(folder.glob(f"{run.id}-*"), None))  # type: ignore[return-value]

    def supervisor(self, run: runs.FlowRun) -> int:
        holder = self.directory(run) / "holder.json"
        return eventually(lambda: holder.exists() and msgspec.json.decode(holder.read_bytes())["pid"])


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


@contextlib.contextmanager
def machine_of(http: Http, home: Path) -> Iterator[Machine]:
    before = os.environ.get("HEADRACE_HOME")
    os.environ["HEADRACE_HOME"] = str(home)
    machine = Machine(http, home)
    try:
        yield machine
    finally:
        machine.stop_agents()
        machine.kill_runs()
        machine.client.close()
        if before is None:
            del os.environ["HEADRACE_HOME"]
        else:
            os.environ["HEADRACE_HOME"] = before


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
