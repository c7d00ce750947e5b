"""What all measurements share: a stack of real processes, whole-process figures, and one way to print a row."""

import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

# An installed program has its bytecode, written at the first start if not before. Where the environment forbids to
# write it, every start would measure the compiler: 1.5 s of a server's start that its users do not see.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# `timeout 300 python bench/…` ends with what was started, too
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@dataclass
class Row:
    """One figure: what was measured, in which unit, against which goal. `peers` holds the same figure of others, same run.

    `at_p95`: the goal is the 95th percentile's, and not the median's.
    """

    row: str
    what: str
    unit: str
    values: list[float]
    must: float | None = None
    good: float | None = None
    more_is_better: bool = False
    peers: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    notes: str = ""
    at_p95: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]

    @property
    def reached(self) -> str:
        judged = self.p95 if self.at_p95 else self.median

        def within(goal: float) -> bool:
            return judged >= goal if self.more_is_better else judged <= goal

        if self.good is not None and within(self.good):
            return "good"
        if self.must is not None:
            return "must" if within(self.must) else "missed"
        return ""

    @property
    def beside(self) -> str:
        """The peers' medians, with how many values each stands on."""
        return ", ".join(
            f"{name} {statistics.median(values):.4g} (n {len(values)})"
            for name, values in self.peers.items()
            if values
        )


def report(*rows: Row) -> None:
    """Prints the rows for people, and as JSON lines into `$BENCH_OUT` for the page of all results."""
    for row in rows:
        peers = f"; {row.beside}" if row.beside else ""
        goals = {"must": row.must, "good": row.good}
        named = ", ".join(f"{name} {goal:g}" for name, goal in goals.items() if goal is not None)
        goal = f" ({named}: {row.reached})" if named else ""
        print(
            f"{row.row} {row.what}: median {row.median:.4g} {row.unit}, p95 {row.p95:.4g}, n {len(row.values)}{goal}{peers} {row.notes}"
        )
    if out := os.environ.get("BENCH_OUT"):
        with Path(out).open("a") as file:
            for row in rows:
                print(json.dumps(asdict(row) | {"load": os.getloadavg()[0]}), file=file)


def machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def cpu_of(command: Sequence[str], env: dict[str, str] | None = None) -> float:
    """CPU seconds, user and system, of a whole command with its children."""
    before = os.times()
    subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def cpu_seconds(process: psutil.Process, *, ended: bool = False) -> float:
    """CPU seconds that a living process and its living descendants have used; `ended`: and those they have waited for."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system
            if ended:
                total += times.children_user + times.children_system
    return total


def pss_megabytes(process: psutil.Process, *, descendants: bool = True) -> float:
    """Memory of a process (and its descendants), shared pages counted by their share."""
    family = [process, *(process.children(recursive=True) if descendants else [])]
    total = 0.0
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().pss / 1e6
    return total


def repeat(count: int, once: Callable[[], float], warm_up: int = 1) -> list[float]:
    for _ in range(warm_up):
        once()
    return [once() for _ in range(count)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(happened: Callable[[], bool], what: str, seconds: float = 60, pause: float = 0.005) -> None:
    """Waits for it. Raises TimeoutError with what was waited for."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(pause)


@contextlib.contextmanager
def service(command: Sequence[str], log: Path, env: dict[str, str]) -> Iterator[psutil.Process]:
    """A program that runs meanwhile; at the end it is stopped, and what it leaves behind with it, each by its id."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, env={**os.environ, **env}, cwd=log.parent, stdout=output, stderr=output
        )
    process = psutil.Process(started.pid)
    try:
        yield process
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = process.children(recursive=True)
            started.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(15)
            for each in (*family, process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        started.wait()


class Stack:
    """A server and, if wanted, an agent as their users start them, on a folder of their own. No `database_url`: SQLite.

    A `home` that is given stays, with what an earlier stack has left there. `env` is the server's.
    """

    def __init__(
        self,
        *,
        agent: bool = True,
        agents: int = 1,
        database_url: str = "",
        home: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.stays = home is not None
        self.home = home or Path(tempfile.mkdtemp(prefix="headrace-bench-"))
        self.server_env = dict(env or {})
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {"HEADRACE_HOME": str(self.home), "HEADRACE_SERVER_URL": self.url}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.agents = agents if agent else 0
        self.database = ("--database-url", database_url) if database_url else ()
        self.healthy_seconds = 0.0

    def __enter__(self) -> "Stack":
        started = time.perf_counter()
        self.server = self.start(
            *("server", "--port", str(self.port), "--local", str(self.home / "local.json")),
            *self.database,
            env=self.server_env,
        )
        self.wait(self.answers, "the server answers")
        self.healthy_seconds = time.perf_counter() - started
        local = json.loads((self.home / "local.json").read_text())
        self.key: str = local["user_key"]
        self.env["HEADRACE_API_KEY"] = self.key
        os.environ.update(self.env)
        for number in range(self.agents):
            self.start(
                "agent",
                "--name",
                f"bench-{number}",
                "--stop-runs",
                env={"HEADRACE_API_KEY": local["agent_key"]},
            )
        if self.agents:
            self.wait(lambda: self.registered() == self.agents, "the agents are registered")
        return self

    def __exit__(self, *_: Any) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        if not self.stays:
            shutil.rmtree(self.home, ignore_errors=True)

    @property
    def agent(self) -> psutil.Process:
        """The first one; its child is the warm template, which is the parent of what runs."""
        return psutil.Process(self.processes[1].pid)

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> psutil.Process:
        log = (self.home / f"{arguments[0]}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace", *arguments],
            env={**os.environ, **self.env, **(env or {})},
            stdout=log,
            stderr=log,
        )
        self.processes.append(process)
        return psutil.Process(process.pid)

    def registered(self) -> int:
        """How many of its own agents the server knows; others may be of an earlier life."""
        found = self.get("/api/agents?health=healthy")["items"]
        return sum(agent["name"].startswith("bench-") for agent in found)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def wait(self, until: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline or any(process.poll() is not None for process in self.processes):
                logs = "\n".join(path.read_text()[-2000:] for path in self.home.glob("*.log"))
                raise RuntimeError(f"waited in vain until {what}\n{logs}")
            time.sleep(0.005)


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
