"""What people get wrong, and what machines do to them: one clear message with what to do, a status, nothing half-made."""

import contextlib
import hashlib
import itertools
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import disks
import pytest

import stack as stacks
from headrace.wire import accounts, operations, runs

GOOD = """
from pathlib import Path
from headrace import flow, task

@task
def touch(path: str, n: int) -> None:
    Path(path).touch()

@flow
def good(path: str, n: int = 1) -> None:
    touch(path, n)
"""
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stacks.Stack]:
    """One installation for all tests here; each has files and names of its own."""
    made = stacks.Stack(tmp_path_factory.mktemp("bad"))
    try:
        made.start()
        (made.folder / "good.py").write_text(GOOD)
        made.register(made.folder / "good.py", "p")
        yield made
    finally:
        made.close()


def refused(done: Done, status: int, *words: str) -> None:
    """One message on stderr, of a few lines, with these words; and nothing of our insides."""
    said = done.stderr
    assert done.returncode == status, said + done.stdout
    for word in words:
        assert word in said, f"{word!r} is not in {said!r}"
    assert "Traceback" not in said + done.stdout
    assert "object at 0x" not in said
    assert 0 < len(said.strip().splitlines()) <= 4, said


def contents(stack: stacks.Stack) -> set[str]:
    return {path.name for path in (stack.home / "content").glob("*")}


def made(stack: stacks.Stack) -> tuple[set[str], int]:
    """All that a command could have left half-made: flows and runs, for content is whole or not there.

    Content that was kept before a registration was refused is used by the one that corrects it.
    """
    for name in contents(stack):
        assert hashlib.sha256((stack.home / "content" / name).read_bytes()).hexdigest() == name
    known = {f"{flow.project}/{flow.name}/{flow.current_version}" for flow in stack.api.list_flows()}
    return known, len(list(stack.api.list_flow_runs()))


@contextlib.contextmanager
def nothing_left(stack: stacks.Stack) -> Iterator[None]:
    before = made(stack)
    yield
    assert made(stack) == before


# --- files ---


def test_a_file_that_does_not_import_is_named_with_its_line(stack: stacks.Stack) -> None:
    source = stack.folder / "no_import.py"
    source.write_text("from headrace import flow\n\nimport not_a_module_of_anybody\n")
    with nothing_left(stack):
        done = stack.cli("register", str(source), "--project", "p")
        refused(done, 1, f"{source}:3", "not_a_module_of_anybody")


def test_a_file_with_a_syntax_error_is_named_with_its_line(stack: stacks.Stack) -> None:
    source = stack.folder / "no_syntax.py"
    source.write_text("from headrace import flow\n\ndef f(:\n    pass\n")
    with nothing_left(stack):
        refused(stack.cli("register", str(source), "--project", "p"), 1, f"{source}:3", "SyntaxError")


def test_a_cycle_is_shown_with_its_path(stack: stacks.Stack) -> None:
    source = stack.folder / "cycle.py"
    source.write_text(
        "from headrace import Flow, task\n\n@task\ndef one(): ...\n\n@task\ndef two(x): ...\n\n"
        "with Flow('round') as f:\n    a = one()\n    b = two(a)\n    a.set_upstream(b)\n"
    )
    with nothing_left(stack):
        done = stack.cli("register", str(source), "--project", "p")
        refused(done, 1, str(source), "'round'", "cycle", "one", "two")


def test_a_file_that_is_not_there_is_said(stack: stacks.Stack) -> None:
    refused(stack.cli("register", "nowhere.py", "--project", "p"), 2, "nowhere.py")


# --- names ---


def test_an_unknown_project_is_suggested_and_how_to_make_it(stack: stacks.Stack) -> None:
    stack.api.create_project("sales-reports")
    source = stack.folder / "other.py"
    source.write_text(GOOD.replace("def good", "def other").replace("n: int = 1", "n: int = 7"))
    with nothing_left(stack):
        done = stack.cli("register", str(source), "--project", "sales-report")
        refused(done, 1, "'sales-report'", "did you mean 'sales-reports'")
        done = stack.cli("register", str(source), "--project", "quite-another")
        refused(done, 1, "'quite-another'", "headrace project create quite-another")


def test_a_run_of_an_unknown_project_or_flow_is_refused(stack: stacks.Stack) -> None:
    with nothing_left(stack):
        refused(stack.cli("run", "nowhere/good"), 3, "nowhere")
        refused(stack.cli("run", "p/goood"), 3, "goood", "good")


# --- parameters ---


def test_a_parameter_of_the_wrong_type_is_named(stack: stacks.Stack) -> None:
    with nothing_left(stack):
        done = stack.cli("run", "p/good", "-p", "path=/tmp/x", "-p", "n=many")
        refused(done, 2, "parameters.n", "whole number", "many")
        refused(stack.cli("run", "p/good", "-p", "n=1"), 2, "path")
        refused(stack.cli("run", "p/good", "-p", "path=x", "-p", "m=1"), 2, "m")


def test_a_parameter_file_that_is_no_json_is_named(stack: stacks.Stack) -> None:
    for text in ("{not json", "[1, 2]"):
        source = stack.folder / "parameters.json"
        source.write_text(text)
        refused(stack.cli("run", "p/good", "--param-file", str(source)), 2, str(source), "JSON")


def test_a_parameter_of_20_mb_is_too_large(stack: stacks.Stack) -> None:
    source = stack.folder / "large.json"
    source.write_text(json.dumps({"path": "x" * 20_000_000}))
    with nothing_left(stack):
        done = stack.cli("run", "p/good", "--param-file", str(source))
        refused(done, 2, "MiB", "keep large data")
        assert len(done.stderr) < 1000


# --- keys, servers, ports ---


def test_a_wrong_key_is_refused(stack: stacks.Stack) -> None:
    for key in ("hru_" + "a" * 43, "wrong", ""):
        refused(stack.cli("runs", HEADRACE_API_KEY=key), 4, "key")


def test_an_expired_key_says_when_it_expired(stack: stacks.Stack) -> None:
    request = accounts.CreateKey(name="short", expires_in_seconds=1.0)
    key = stack.api.call(operations.create_key, request).value

    def expired() -> Done | None:
        done = stack.cli("runs", HEADRACE_API_KEY=key)
        return done if done.returncode else None

    refused(stack.until(expired, "the key expires"), 4, "'short'", "expired on", "new one")


def test_an_agent_with_a_wrong_key_says_so_and_takes_nothing(stack: stacks.Stack) -> None:
    (stack.folder / "wrong.key").write_text("hrs_" + "b" * 43)
    with (stack.logs / "agent-wrong.log").open("ab") as log:
        agent = subprocess.Popen(
            [sys.executable, "-m", "headrace", "agent", "--name", "wrong"],
            env={**stack.environment(), "HEADRACE_API_KEY_FILE": str(stack.folder / "wrong.key")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        stack.until(lambda: "key" in stack.log("agent-wrong"), "the agent says what is wrong")
        assert "headrace key create" in stack.log("agent-wrong")
        assert stack.end(agent) == 0
        assert "Traceback" not in stack.log("agent-wrong")
    finally:
        agent.kill()
        agent.wait()


def test_an_unreachable_server_is_named_soon(stack: stacks.Stack) -> None:
    port = stacks.free_port()
    began = time.monotonic()
    done = stack.cli("runs", HEADRACE_SERVER_URL=f"http://127.0.0.1:{port}")
    refused(done, 6, str(port), "headrace up")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("command", ["server", "up"])
def test_a_port_in_use_is_said_before_anything_is_made(
    command: str, stack: stacks.Stack, tmp_path: Path
) -> None:
    other = stacks.Stack(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = other.cli(command, "--port", port)
    assert done.returncode != 0
    refused(done, done.returncode, port, "in use", "--port")
    assert not list(other.home.rglob("*.db*"))
    assert stacks.processes_of(other.home) == []


def test_a_second_server_on_one_database_is_refused(stack: stacks.Stack) -> None:
    done = stack.cli("server", "--port", str(stacks.free_port()))
    refused(done, 2, "headrace.db")
    assert stack.is_ready()


def test_a_setting_that_does_not_fit_is_named(stack: stacks.Stack, tmp_path: Path) -> None:
    refused(stack.cli("server", HEADRACE_PORT="many"), 2, "port")
    refused(stack.cli("server", HEADRACE_TIMING='{"leese": 1}', HEADRACE_HOME=str(tmp_path)), 2, "'leese'")
    refused(stack.cli("server", HEADRACE_TIMING='{"lease": 1}', HEADRACE_HOME=str(tmp_path)), 2, "timing")
    assert not list(tmp_path.rglob("*.db"))


# --- content ---

damages = {
    "truncated": lambda content: content[: len(content) // 2],
    "one flipped byte": lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
    "other bytes": lambda content: b"something else",
    "empty": lambda content: b"",
}
numbers = itertools.count()


@pytest.mark.parametrize("damage", damages)
def test_content_that_is_not_what_was_registered_is_not_loaded(damage: str, stack: stacks.Stack) -> None:
    name = f"damaged{next(numbers)}"
    source = stack.folder / f"{name}.py"
    # the flow says so when it is only loaded
    source.write_text(
        "import os\nfrom pathlib import Path\nfrom headrace import flow, task\n\n"
        "class Trap:\n    def __reduce__(self):\n        return (open, (str(Path(__file__).with_suffix('.loaded')), 'w'))\n\n"
        f"trap = Trap()\n\n@task\ndef work():\n    return trap\n\n@flow\ndef {name}():\n    work()\n"
    )
    earlier = contents(stack)
    stack.register(source, "p")
    before = contents(stack)
    (new,) = before - earlier
    path = stack.home / "content" / new
    path.write_bytes(damages[damage](path.read_bytes()))
    run = stack.finished(stack.run(f"p/{name}"))
    assert (run.state.type, run.state.name) == ("Crashed", "ContentMismatch"), run.state
    assert "register the flow again" in run.state.message.lower()
    if damage == "truncated":
        assert "truncated" in run.state.message
    assert not source.with_suffix(".loaded").exists()
    assert contents(stack) == before
    # registered again it is whole again, and the trap shows that it would have been sprung
    stack.register(source, "p")
    assert stack.finished(stack.run(f"p/{name}")).state.name == "Success"
    assert source.with_suffix(".loaded").exists()


def test_content_that_is_gone_is_named(stack: stacks.Stack) -> None:
    source = stack.folder / "gone.py"
    source.write_text(GOOD.replace("def good", "def gone").replace("n: int = 1", "n: int = 9"))
    before = contents(stack)
    stack.register(source, "p")
    (new,) = contents(stack) - before
    (stack.home / "content" / new).unlink()
    run = stack.finished(stack.run("p/gone", path="/dev/null"))
    assert run.state.type == "Crashed"
    assert "register the flow again" in run.state.message


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small(tmp_path / "disk", 4) as folder:
        yield folder


def test_a_full_disk_is_said_and_the_server_goes_on_when_there_is_room(
    small_disk: Path, make_stack: stacks.Make
) -> None:
    stack = make_stack(environment={"HEADRACE_DATABASE_URL": f"sqlite:///{small_disk}/headrace.db"})
    stack.start(0)
    (stack.folder / "good.py").write_text(GOOD)
    stack.register(stack.folder / "good.py", "p")
    run = stack.run("p/good", path="/dev/null")
    filler = disks.fill(small_disk)
    refusals = 0
    for number in range(400):
        done_run = None
        with contextlib.suppress(Exception):
            request = runs.CreateFlowRun(
                project="p", flow="good", parameters={"path": f"{number}" + "x" * 20000}
            )
            done_run = stack.api.call(operations.create_flow_run, request, patience=0)
        if done_run is None:
            refusals += 1
            break
    assert refusals, "the disk was not full"
    done = stack.cli("run", "p/good", "-p", "path=" + "x" * 20000)
    refused(done, 6, "disk is full", "free space")
    assert stack.api.read_flow_run(run.id).state.name == "Scheduled", "it can still be read"
    before = len(list(stack.api.list_flow_runs()))
    filler.unlink()
    assert stack.cli("run", "p/good", "-p", "path=x").returncode == 0
    assert len(list(stack.api.list_flow_runs())) == before + 1
    assert stack.server is not None
    assert "Traceback" not in stack.log("server")
    assert stack.end(stack.server) == 0


def test_a_server_that_starts_on_a_full_disk_says_so(small_disk: Path, tmp_path: Path) -> None:
    filler = disks.fill(small_disk)
    other = stacks.Stack(tmp_path / "other", environment={"HEADRACE_HOME": str(small_disk / "home")})
    done = other.cli("server", "--port", str(other.port), timeout=30)
    assert done.returncode != 0
    refused(done, done.returncode, str(small_disk))
    assert re.search(r"disk|space", done.stderr), done.stderr
    filler.unlink()
    assert not list(small_disk.rglob("*.db")), "a half-made database would stop the next start"
