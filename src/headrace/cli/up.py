"""`headrace up`: a server and an agent of this machine under one supervisor, and one link that signs you in."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import psutil

from headrace import client, errors, settings
from headrace.cli import output
from headrace.wire import flows as wire_flows
from headrace.wire import operations
from headrace.wire import runs as wire_runs

#: How long the parts may take to end by themselves before they are killed.
_PATIENCE = 20.0


class Local(msgspec.Struct, frozen=True):
    """What the server writes for this machine at its start: the link that signs in, and keys for the agent and the user."""

    start_url: str
    agent_key: str
    user_key: str


class Part:
    """One of the processes that `up` keeps running; restarted with growing pauses when it ends by itself."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.arguments = arguments
        self.environment = environment
        self.failures = 0
        self.restart_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "headrace", *self.arguments],
            env={**os.environ, **self.environment},
            # a Ctrl-C of the terminal reaches `up` alone, which then ends its parts in order
            start_new_session=True,
        )

    def look(self, now: float) -> None:
        """Restarts the part if it has ended: at once the first time, then after 1, 2, 4 … 30 s."""
        if self.process is None:
            if now >= self.restart_at:
                self.start()
            return
        code = self.process.poll()
        if code is not None:
            pause = min(30.0, 2.0 ** (self.failures - 1)) if self.failures else 0.0
            output.say(
                f"the {self.name} ended with status {code}; starting it again"
                + (f" in {pause:.0f} s" if pause else "")
            )
            self.failures += 1
            self.restart_at = now + pause
            self.process = None

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@click.command()
@click.option("--host", help="What the server listens on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Its port.  [default: 7400]")
@click.option("--demo", is_flag=True, help="Register the sample flow, run it, and open the link on its run.")
def up(host: str | None, port: int | None, demo: bool) -> int:
    """Start a server and an agent on this machine; Ctrl-C ends both and leaves nothing behind.

    Everything is kept in the data folder (HEADRACE_HOME), so starting again goes on where it stopped.
    """
    found = settings.load(host=host, port=port)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: stop.set())
    _adopt_orphans()
    parts: list[Part] = []
    try:
        local = _start_server(found, parts, stop)
        _start_agent(found, local, parts)
        api = client.Client(server_url=found.url, api_key=local.user_key)
        link = local.start_url
        if demo:
            link = f"{local.start_url}&next=/flow-runs/{_demonstrate(api, stop)}"
        output.say("")
        click.echo(f"Headrace is up: {link}")
        output.say("This link signs you in, once. Ctrl-C stops everything.")
        while not stop.wait(0.5):
            for part in parts:
                part.look(time.monotonic())
            _reap_orphans(parts)
    except _Stopped:
        pass
    finally:
        output.say("stopping …")
        for part in reversed(parts):
            part.stop()
        _end_orphans()
    return 0


class _Stopped(Exception):
    """Ctrl-C before everything was up."""


def _start_server(found: settings.Settings, parts: list[Part], stop: threading.Event) -> Local:
    folder = found.home / "server"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "local.json"
    path.unlink(missing_ok=True)
    arguments = ["server", "--host", found.host, "--port", str(found.port), "--local", str(path)]
    server = Part("server", arguments, {})
    server.start()
    parts.append(server)
    _wait(lambda: path.exists() and _answers(found.url), server, stop)
    return msgspec.json.decode(path.read_bytes(), type=Local)


def _start_agent(found: settings.Settings, local: Local, parts: list[Part]) -> None:
    key_file = found.home / "server" / "agent.key"
    _write(key_file, local.agent_key)
    settings.save_profile("default", server_url=found.url, api_key=local.user_key)
    # by file, so that the key stands in no process's arguments or environment
    environment = {"HEADRACE_API_KEY_FILE": str(key_file), "HEADRACE_SERVER_URL": found.url}
    agent = Part("agent", ["agent", "--name", "local", "--stop-runs"], environment)
    agent.start()
    parts.append(agent)


def _demonstrate(api: client.Client, stop: threading.Event) -> str:
    """Registers the sample flow, runs it, and waits for its end; the answer is the run's id."""
    from headrace.cli import files

    with contextlib.suppress(errors.Conflict):
        api.call(
            operations.create_project, wire_flows.CreateProject(name="demo", description="The sample flow")
        )
    (sample,) = files.load(Path(__file__).with_name("seattle_weather.py"))
    sample.register(project="demo", client=api)
    made = api.call(operations.create_flow_run, wire_runs.CreateFlowRun(project="demo", flow=sample.name))
    output.say(f"running demo/{sample.name} as {made.name} …")
    deadline = time.monotonic() + 60
    while not stop.is_set() and time.monotonic() < deadline:
        run = api.read_flow_run(made.id)
        if run.state.is_finished:
            output.say(f"{run.name}: {output.state(run.state)} {run.state.message}".rstrip())
            break
        stop.wait(0.2)
    if stop.is_set():
        raise _Stopped
    return str(made.id)


def _wait(ready: Callable[[], bool], part: Part, stop: threading.Event) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if stop.wait(0.05):
            raise _Stopped
        code = part.process.poll() if part.process else None
        if code is not None:
            # the part has said on stderr why
            raise errors.Unavailable(f"the {part.name} did not start")
        if time.monotonic() > deadline:
            raise errors.Unavailable(f"the {part.name} was not ready after 60 s")


def _answers(url: str) -> bool:
    import urllib3

    try:
        return urllib3.request("GET", f"{url}/readyz", timeout=1, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _adopt_orphans() -> None:
    """Whatever our parts leave behind becomes our child, so that we can end it (Linux)."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        libc: Any = ctypes.CDLL(None)
        libc.prctl(set_child_subreaper, 1, 0, 0, 0)


def _reap_orphans(parts: list[Part]) -> None:
    """Takes the exit statuses of what we were given; those of the parts are left to them."""
    own = {part.process.pid for part in parts if part.process is not None}
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, 0)


def _end_orphans() -> None:
    left = psutil.Process().children(recursive=True)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
