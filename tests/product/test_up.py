"""`headrace up` from its start to Ctrl-C, and again."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
import urllib3

import stack as stacks
from headrace import client
from headrace.wire import operations, runs

PROBE = Path(__file__).with_name("probe.py")
LINK = re.compile(r"Headrace is up: (\S+)")


class Up:
    """`headrace up` in a data folder of its own, as in a terminal. What it says is in `output`."""

    def __init__(self, folder: Path) -> None:
        self.place = stacks.Stack(folder)
        self.output = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> str:
        """The link that it prints."""
        before = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headrace", "up", "--port", str(self.place.port), *options],
                env=self.place.environment(),
                cwd=self.place.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def link() -> str | None:
            assert self.process is not None
            said = self.output.read_bytes()[before:].decode()
            assert self.process.poll() is None, said
            found = LINK.search(said)
            return found[1] if found else None

        return stacks.until(link, "a link is printed", 90)

    @property
    def api(self) -> client.Client:
        local = json.loads((self.place.home / "server" / "local.json").read_bytes())
        return client.Client(self.place.url, local["user_key"], patience=30)

    def part(self, name: str) -> psutil.Process:
        """The process of `headrace server` or `headrace agent` below it."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.ZombieProcess):
                if process.cmdline()[3:4] == [name]:
                    return process
        raise AssertionError(f"there is no {name}")

    def zombies(self) -> list[psutil.Process]:
        assert self.process is not None
        below = psutil.Process(self.process.pid).children()
        return [process for process in below if process.status() == psutil.STATUS_ZOMBIE]

    def interrupt(self) -> int:
        """Ctrl-C; the answer is the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def register(self) -> Path:
        """The probe, and where it writes."""
        folder = self.place.folder / "probe"
        folder.mkdir()
        self.api.create_project("p")
        done = self.place.cli("register", str(PROBE), "--project", "p")
        assert done.returncode == 0, done.stderr
        return folder

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.place.close()
        if self.output.exists():
            sys.stdout.write(self.output.read_text()[-6000:])


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made = Up(tmp_path)
    yield made
    made.close()


def lines(folder: Path, run: runs.FlowRun) -> list[dict[str, object]]:
    path = folder / f"{run.id}.lines"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def in_hand(folder: Path, run: runs.FlowRun) -> bool:
    return any(line["what"] == "start" for line in lines(folder, run))


def test_the_demo_runs_and_its_link_signs_in_once(up: Up) -> None:
    pytest.importorskip("vega_datasets", reason="the demo's records")
    link = urlsplit(up.start("--demo"))
    asked = parse_qs(link.query)
    run_id = asked["next"][0].removeprefix("/flow-runs/")
    run = up.api.call(operations.read_flow_run, runs.FlowRunRef(flow_run_id=run_id))
    assert (run.project, run.state.name) == ("demo", "Success"), run.state

    def sign_in() -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "POST",
            f"{up.place.url}/api/session",
            json={"token": asked["token"][0]},
            headers={"Origin": up.place.url},
            retries=False,
        )

    assert sign_in().status == 200
    assert sign_in().status == 401
    assert up.interrupt() == 0
    assert stacks.processes_of(up.place.home) == []


def test_starting_again_after_ctrl_c_goes_on_with_what_was_asked_for(up: Up) -> None:
    up.start()
    folder = up.register()
    given = {"folder": str(folder), "seconds": 0.1}
    due = datetime.now(UTC) + timedelta(seconds=4)
    waiting = up.api.create_flow_run(flow="p/at-most-once", parameters=given, scheduled_at=due)
    going = up.api.create_flow_run(flow="p/at-least-once", parameters={"folder": str(folder), "seconds": 20})
    stacks.until(lambda: in_hand(folder, going), "the long run has begun")
    assert up.interrupt() == 0
    assert stacks.processes_of(up.place.home) == [], "Ctrl-C leaves no process"
    assert not in_hand(folder, waiting)
    up.start()
    assert up.api.wait_for(waiting, 60).state.name == "Success"
    # its process was ended with the agent; this one may be run again
    stacks.until(lambda: len(lines(folder, going)) > 1, "the long run is executed again")
    assert [line["what"] for line in lines(folder, going)] == ["start", "start"]
    up.api.cancel_flow_run(going.id)
    assert up.api.wait_for(going, 60).state.name == "Cancelled"
    assert up.interrupt() == 0
    assert stacks.processes_of(up.place.home) == []


@pytest.mark.parametrize("part", ["agent", "server"])
def test_a_run_goes_on_while_a_part_is_killed_and_started_again(up: Up, part: str) -> None:
    up.start()
    folder = up.register()
    run = up.api.create_flow_run(flow="p/at-most-once", parameters={"folder": str(folder), "seconds": 3})
    stacks.until(lambda: in_hand(folder, run), "the run has begun")
    killed = up.part(part)
    os.kill(killed.pid, signal.SIGKILL)
    stacks.until(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE, "it is dead")
    run = up.api.wait_for(run, 60)
    assert (run.state.name, run.attempt) == ("Success", 1)
    assert [line["what"] for line in lines(folder, run)] == ["start", "stop"]
    # and what was started again takes the next run
    run = up.api.create_flow_run(flow="p/at-most-once", parameters={"folder": str(folder), "seconds": 0})
    assert up.api.wait_for(run, 60).state.name == "Success"
    assert up.part(part).pid != killed.pid
    stacks.until(lambda: not up.zombies(), "what was left behind is waited for")
    assert up.interrupt() == 0
    assert stacks.processes_of(up.place.home) == []
