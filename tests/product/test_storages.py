"""R5, S15, F72: a flow registered with each storage runs by a real agent, and nothing of a changed one is executed."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import msgspec
import pytest

import storage_rigs
from headrace.wire import flows, operations
from stack import Stack

FLOW = """
import os
from pathlib import Path

{imports}
from headrace import flow, task

Path({marks!r}, "loaded").touch()


@task
def one(path):
    Path(path).touch()
    # what the storage needed is there for the flow's own code too, and is not to be read in its logs
    print("I was given", *[os.environ.get(name) for name in {names!r}])


@flow(storage={code}, log_prints=True)
def daily(path: str):
    one(path)
"""


@pytest.fixture(params=storage_rigs.KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[storage_rigs.Rig]:
    (tmp_path / "rig").mkdir()
    with storage_rigs.rig(request.param, tmp_path / "rig") as made:
        yield made


def test_a_flow_runs_from_its_storage_and_one_flipped_bit_stops_it(
    rig: storage_rigs.Rig, stack: Stack, tmp_path: Path
) -> None:
    # only who registers and the agents have the credentials
    stack._environment |= rig.environment
    stack.start_agent("b0")
    stack.end(stack.agents["a0"])
    marks = tmp_path / "marks"
    marks.mkdir()
    source = stack.folder / "daily.py"
    names = [name for name, value in rig.environment.items() if value in rig.secrets]
    text = FLOW.format(imports=rig.imports, marks=str(marks), names=names, code=rig.code)
    source.write_text(text)
    rig.publish(text)
    stack.register(source, "p")
    (marks / "loaded").unlink()

    ran = stack.finished(stack.run("p/daily", path=str(marks / "ran")))
    assert ran.state.name == "Success", ran.state
    assert (marks / "ran").exists()
    (marks / "loaded").unlink(missing_ok=True)

    (version,) = stack.api.call(
        operations.list_versions, flows.ListVersions(flow_id=stack.flow("p/daily").id)
    ).items
    with mock.patch.dict(os.environ, rig.environment):
        rig.damage(version.storage, lambda data: data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    stopped = stack.finished(stack.run("p/daily", path=str(marks / "again")))
    assert (stopped.state.type, stopped.state.name) == ("Crashed", "ContentMismatch"), stopped.state
    assert stopped.state.code == "content_mismatch"
    assert list(marks.iterdir()) == [marks / "ran"]
    said = stack.log("agent-b0") + stack.log("server")
    seen_by_the_server = dump(stack) + msgspec.json.encode(version).decode() + said
    assert not [each for each in rig.secrets if each in seen_by_the_server]
    assert "I was given" in seen_by_the_server


def dump(stack: Stack) -> str:
    with sqlite3.connect(stack.home / "server" / "headrace.db") as connection:
        text = "\n".join(connection.iterdump())
    connection.close()
    return text
