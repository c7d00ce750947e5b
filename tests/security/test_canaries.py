"""What stays with the user: strings planted in code, values and environment are neither sent nor in the server's database.

The whole way is real: a file is registered, an agent runs it, and every byte that any client sends is recorded.
"""

import asyncio
import base64
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from recorder import Recorder

import stack as stacks
from headrace.web import database as databases

#: Where each is planted. Unlike any word, and never whole in this file's flow but where it belongs.
PLANTED = {
    place: f"kanarie-{place}-{number * 7919:x}"
    for number, place in enumerate(
        (
            *("body", "docstring", "comment", "default", "closure", "module", "environment"),
            *("returned", "mapped", "local", "line", "flow-body", "flow-docstring", "decorated"),
        ),
        101,
    )
}
PRINTED = "kanarie-printed-d1b2"
PARAMETER = "kanarie-parameter-77aa"

HELPER = '''
"""A module of the user's, beside the flow."""

CONSTANT = "{module}"


def use(value):
    return len(CONSTANT) + len(value)
'''

FLOW = '''
import os
from pathlib import Path

import canary_helper
from headrace import LocalRun, flow, task

RESULTS = Path(__file__).with_name("results")


def make(secret):
    @task(name="closure")
    def inner() -> int:
        return len(secret)

    return inner


enclosed = make("{closure}")


@task(name="plain")
def plain(given: str = "{default}") -> str:
    """{docstring}"""
    found = "{body}"  # {comment}
    print("{printed}")
    canary_helper.use(found)
    return "{returned}" + given + os.environ.get("CANARY", "") + found


@task(name="many")
def many() -> list[str]:
    return ["{mapped}", "{mapped}-2"]


@task(name="each", retries=1)
def each(item: str) -> str:
    return item + "{decorated}"


@task(name="failing")
def failing() -> None:
    held = "{local}"
    raise ValueError("boom" + held[:0])  # {line}


@flow(log_prints=True, on_lost="reschedule", results=RESULTS, run_config=LocalRun(env={"CANARY": "${CANARY}"}))
def canaries(open_to_all: str = "{parameter}") -> None:
    """{flow-docstring}"""
    inside = "{flow-body}"
    value = plain()
    enclosed()
    each.map(many())
    failing(upstream=[value])
'''


def disguises(text: str) -> Iterator[bytes]:
    """The text as it could be hidden in a request or a row."""
    plain = text.encode()
    yield plain
    yield plain.hex().encode()
    yield text.encode("utf-16-le")
    yield plain[::-1]
    yield urllib.parse.quote(text, safe="").encode()
    for shift in range(3):
        # what of base64 does not depend on the neighbours
        yield base64.b64encode(b"\0" * shift + plain)[4 if shift else 0 : -4].rstrip(b"=")


def found_in(content: bytes, texts: dict[str, str]) -> set[str]:
    return {place for place, text in texts.items() if any(each in content for each in disguises(text))}


async def _dump(url: str) -> bytes:
    """Every value of every table, as text and as bytes."""
    database = databases.Database.open(url)

    def read(connection: sa.Connection, now: datetime) -> bytes:
        metadata = sa.MetaData()
        metadata.reflect(connection)
        assert "flow_versions" in metadata.tables
        parts: list[bytes] = []
        for table in metadata.tables:
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
        return b"\0".join(parts)

    try:
        return await database.read(read)
    finally:
        await database.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_nothing_planted_in_code_values_or_environment_is_sent_or_kept(
    kind: str, request: pytest.FixtureRequest, make_stack: Callable[..., stacks.Stack], tmp_path: Path
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    stack = make_stack(database_url=url, environment={"CANARY": PLANTED["environment"]})
    stack.start_server()
    recorder = Recorder(stack.port)
    request.addfinalizer(recorder.close)
    words = {**PLANTED, "printed": PRINTED, "parameter": PARAMETER}
    for name, text in (("canary_helper.py", HELPER), ("canaries.py", FLOW)):
        for place, word in words.items():
            text = text.replace("{" + place + "}", word)
        (tmp_path / name).write_text(text)
    stack.start_agent("a0", url=recorder.url)
    stack.api.create_project("p")
    done = stack.cli(
        "register", str(tmp_path / "canaries.py"), "--project", "p", HEADRACE_SERVER_URL=recorder.url
    )
    assert done.returncode == 0, done.stderr
    run = stack.finished(stack.run("p/canaries"))
    tasks = {task.slug: task.state for task in stack.api.list_task_runs(run.id) if task.map_index < 0}
    assert {slug: state.name for slug, state in tasks.items()} == {
        "open_to_all": "Success",
        "plain": "Success",
        "closure": "Success",
        "many": "Success",
        "each": "Success",
        "failing": "Failed",
    }
    # the planted strings were really there: in the content, and in the results beside the flow
    kept = b"".join(path.read_bytes() for path in (stack.home / "content").iterdir())
    assert {"body", "default", "closure", "module"} <= found_in(kept, PLANTED)
    results = b"".join(path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file())
    assert {"returned", "mapped", "environment"} <= found_in(results, PLANTED)
    assert stack.server is not None
    for agent in stack.agents.values():
        stack.end(agent)
    stack.end(stack.server)
    recorder.close()
    sent = b"\n".join(bytes(each) for each in recorder.sent)
    database = asyncio.run(_dump(url or f"sqlite:///{stack.home / 'server' / 'headrace.db'}"))
    if kind == "sqlite":
        database += b"".join(
            path.read_bytes() for path in (stack.home / "server").iterdir() if path.name != "secret.key"
        )
    visible = {"printed": PRINTED, "parameter": PARAMETER}
    assert b"/finish" in sent, "run, agent and registration went through the recorder"
    assert b"/claim" in sent
    assert found_in(sent, visible) == set(visible), "what is open by design is found, so the search finds"
    assert found_in(database, visible) == set(visible)
    assert found_in(sent, PLANTED) == set()
    assert found_in(database, PLANTED) == set()
    # keys are sent, and kept as hashes only
    assert stack.local is not None
    keys = {"agent": stack.local.agent_key, "user": stack.local.user_key}
    assert found_in(database, keys) == set()
    assert found_in(stack.log("server").encode(), {**PLANTED, **keys}) == set()
