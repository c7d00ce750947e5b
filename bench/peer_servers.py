"""Peers' servers as their manuals start them, on SQLite, each in a folder of its own; and how a run is asked of them."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import peers
from measure import free_port, service, until

#: Path and JSON body of a POST that asks for a run whose first line writes the time into this file.
Asking = Callable[[Path], tuple[str, dict[str, Any]]]


@dataclass
class Server:
    """A peer that answers. `env` is what its programs need; `parts` are its processes, the server first."""

    name: str
    port: int
    folder: Path
    env: dict[str, str]
    parts: list[psutil.Process]
    healthy_seconds: float
    asking: Asking | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def post(self, path: str, body: Any) -> Any:
        return Connection(self).post(path, body)

    def add(self, *command: str) -> psutil.Process:
        """One more of its processes."""
        log = self.folder / f"part-{len(self.parts)}.log"
        process = self.stack.enter_context(service(command, log, self.env))
        self.parts.append(process)
        return process


class Connection:
    """One kept connection that speaks JSON. Raises OSError for whatever is no success."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self._headers = {"Content-Type": "application/json", **server.headers}

    def post(self, path: str, body: Any) -> Any:
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise OSError(f"{path}: {answer.status} {text[:200]!r}")
        return json.loads(text)


@contextlib.contextmanager
def started(name: str) -> Generator[Server | None]:
    """The peer's server once it is healthy; None where the peer is not installed."""
    if peers.python_of(name) is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as made:
        port, folder = free_port(), Path(made)
        command, env, health = _COMMANDS[name](port, folder)
        began = time.perf_counter()
        with service(command, folder / "server.log", env) as process:
            until(lambda: _answers(port, health) or _ended(process), f"{name} is healthy", 400, pause=0.02)
            if _ended(process):
                raise RuntimeError(f"{name}: {(folder / 'server.log').read_text()[-2000:]}")
            seconds = time.perf_counter() - began
            server = Server(name, port, folder, env, [process], seconds)
            with server.stack:
                yield server


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def _prefect(port: int, folder: Path) -> tuple[list[str], dict[str, str], str]:
    env = {
        **peers.QUIET,
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        # a worker asks every 15 s unless it is told otherwise; this is the shortest that its manual names
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    program = str(peers.program_of("prefect"))
    return [program, "server", "start", "--host", "127.0.0.1", "--port", str(port)], env, "/api/health"


def _dagster(port: int, folder: Path) -> tuple[list[str], dict[str, str], str]:
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    env = {**peers.QUIET, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(peers.PROGRAMS)}
    program = str(peers.program_of("dagster", "dagster-webserver"))
    return [program, "-m", "dagster_jobs", "-h", "127.0.0.1", "-p", str(port)], env, "/server_info"


def _luigi(port: int, folder: Path) -> tuple[list[str], dict[str, str], str]:
    command = [str(peers.program_of("luigi", "luigid")), "--port", str(port), "--address", "127.0.0.1"]
    return [*command, "--state-path", str(folder / "state")], dict(peers.QUIET), "/"


def _airflow(port: int, folder: Path) -> tuple[list[str], dict[str, str], str]:
    """Its database is made before the clock runs; others make theirs at the start."""
    program = str(peers.program_of("airflow"))
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(peers.PROGRAMS / "airflow_dags.py", dags)
    env = {
        **peers.QUIET,
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__API_AUTH__JWT_SECRET": "measured" * 8,
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": "measured" * 4,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "PATH": f"{Path(program).parent}:/usr/bin:/bin",
    }
    subprocess.run(
        [program, "db", "migrate"],
        env={**os.environ, **env},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    command = [program, "api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return command, env, "/api/v2/version"


_COMMANDS = {"prefect": _prefect, "dagster": _dagster, "luigi": _luigi, "airflow": _airflow}


def with_runs(server: Server, *, agent: bool = True) -> Server:
    """Makes its runs known, and starts what carries them out. Afterwards `server.asking` says how to ask for one."""
    if server.name == "prefect":
        server.post("/api/work_pools/", {"name": "bench", "type": "process"})
        subprocess.run(
            peers.command("prefect", "deploy"),
            env={**os.environ, **server.env},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (deployment,) = server.post("/api/deployments/filter", {})
        path = f"/api/deployments/{deployment['id']}/create_flow_run"
        server.asking = lambda file: (
            path,
            {"state": {"type": "SCHEDULED"}, "parameters": {"path": str(file)}},
        )
        if agent:
            server.add(
                str(peers.program_of("prefect")), "worker", "start", "--pool", "bench", "--type", "process"
            )
            until(
                lambda: server.post("/api/deployments/filter", {})[0]["status"] == "READY",
                "the worker is there",
                120,
                pause=0.3,
            )
    elif server.name == "dagster":
        server.asking = lambda file: ("/graphql", {"query": _LAUNCH, "variables": {"asked": _launch(file)}})
        if agent:
            server.add(str(peers.program_of("dagster", "dagster-daemon")), "run", "-m", "dagster_jobs")
    elif server.name == "airflow":
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/auth/token", timeout=30) as answer:
            server.headers["Authorization"] = f"Bearer {json.load(answer)['access_token']}"
        server.asking = lambda file: (
            "/api/v2/dags/first_line/dagRuns",
            {"logical_date": None, "dag_run_id": uuid.uuid4().hex, "conf": {"path": str(file)}},
        )
        program = str(peers.program_of("airflow"))
        server.add(program, "dag-processor")
        first = server.folder / "first"
        # asked for a dag that it does not know yet, it refuses
        until(lambda: _accepted(server, first), "the dag is known", 180, pause=1)
        if agent:
            server.add(program, "scheduler")
            until(first.exists, "the scheduler is there", 300, pause=0.5)
    return server


_LAUNCH = """
mutation($asked: ExecutionParams!) {
  launchRun(executionParams: $asked) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""


def _launch(file: Path) -> dict[str, Any]:
    return {
        "selector": {
            "repositoryLocationName": "dagster_jobs",
            "repositoryName": "__repository__",
            "jobName": "first_line",
        },
        "runConfigData": {"ops": {"note": {"config": {"path": str(file)}}}},
        "mode": "default",
    }


def seconds_to_first_line(server: Server, count: int, most: float = 90) -> list[float]:
    """From asking to the first line of the user's code, `count` times, one after the other; a refusal is asked again."""
    assert server.asking is not None
    found = []
    for number in range(count):
        file = server.folder / f"first-line-{number}"
        asked = time.time()
        until(lambda file=file: _accepted(server, file), "the run is accepted", most, pause=0.2)
        until(lambda file=file: file.exists() and bool(file.read_text()), "the run has begun", most)
        found.append(float(file.read_text()) - asked)
    return found


def _accepted(server: Server, file: Path) -> bool:
    assert server.asking is not None
    try:
        server.post(*server.asking(file))
    except OSError:
        return False
    return True


def creations(server: Server, count: int, clients: int = 16) -> tuple[float, int]:
    """Runs created per second by so many clients, and how many were refused."""
    assert server.asking is not None
    asking = server.asking
    refused: list[str] = []

    def work() -> None:
        connection = Connection(server)
        for _ in range(count // clients):
            try:
                connection.post(*asking(server.folder / "nobody"))
            except (OSError, http.client.HTTPException) as error:
                refused.append(str(error))
                connection = Connection(server)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = count // clients * clients - len(refused)
    return made / (time.perf_counter() - began), len(refused)
