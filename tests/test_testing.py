"""`headrace.testing`: flows run on a server of the test's own, at the times that the test says."""

import os
import re
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from headrace import Client, context, cron, errors, flow, task, testing
from headrace.core.states import StateType

DOCS = Path(__file__).parent.parent / "docs" / "testing.md"


@task
def double(number: int) -> int:
    return 2 * number


@flow(name="doubles")
def doubles(number: int) -> None:
    double(number)


@task
def second_time() -> None:
    if context.run_attempt < 2:
        raise ConnectionError("not yet")


@flow(name="patient", retries=1, retry_delay=timedelta(hours=3))
def patient() -> None:
    second_time()


@flow(name="nightly", schedule=cron("0 3 * * *"))
def nightly() -> None:
    double(1)


@flow(name="picky", labels=["gpu"])
def picky() -> None:
    double(1)


@task
def vanish() -> None:
    os._exit(7)


@flow(name="vanishes")
def vanishes() -> None:
    vanish()


def test_a_flow_runs_to_its_end_on_a_server_of_the_tests_own() -> None:
    before = dict(os.environ)
    with testing.server() as server:
        run = server.run(doubles, number=4)
        assert run.state.type is StateType.SUCCESS, run.state
        assert Client().read_flow_run(run.id) == run
        tasks = {each.slug: each.state.name for each in server.client.list_task_runs(run.id)}
        assert tasks["double"] == "Success"
        with pytest.raises(errors.Invalid, match="number"):
            server.run(doubles, number="many")
    assert dict(os.environ) == before


def test_a_retry_is_not_waited_for_and_comes_at_its_time() -> None:
    with testing.server() as server:
        began = server.clock.now
        run = server.run(patient)
        assert run.state.type is StateType.SUCCESS, run.state
        assert run.attempt == 2
        assert server.clock.now - began == timedelta(hours=3)


def test_a_schedule_fires_as_time_goes_by() -> None:
    with testing.server() as server:
        server.client.create_project("nights")
        nightly.register(project="nights", client=server.client)
        runs = server.advance(timedelta(days=2, hours=1))
        assert [run.due_at.hour for run in runs] == [3, 3]
        assert [run.state.name for run in runs] == ["Success", "Success"]
        assert runs[1].due_at - runs[0].due_at == timedelta(days=1)


def test_a_run_that_cannot_go_on_says_why() -> None:
    with testing.server() as server, pytest.raises(errors.HeadraceError, match="gpu"):
        server.run(picky)
    with testing.server(labels=["gpu"]) as server:
        assert server.run(picky).state.type is StateType.SUCCESS


def test_a_process_that_ends_without_a_word_has_crashed() -> None:
    with testing.server() as server:
        assert server.run(vanishes).state.type is StateType.CRASHED
        with pytest.raises(errors.NotFound):
            server.client.read_flow_run(UUID(int=1))


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert blocks
    path = tmp_path / "example.py"
    path.write_text("\n".join(blocks))
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(path.read_text(), str(path), "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_") and callable(value)]
    assert tests
    for test in tests:
        test()
