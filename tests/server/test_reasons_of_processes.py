"""R12 and R11 with real processes: what a run process says of its own end, and tasks that wait for slots of their tag."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents import Machine, eventually, machine_of
from headrace import ThreadExecutor, unmapped
from headrace.core.limits import Kind
from headrace.core.states import StateType
from headrace.flows import flow
from headrace.graph.task import task
from headrace.storage.local import Local
from headrace.storage.webhook import Webhook
from headrace.wire import flows, limits, operations, runs
from headrace.wire.storage import ExtensionStorage
from http_client import Http
from receivers import Receiver, say


@pytest.fixture
def machine(http: Http, tmp_path: Path) -> Iterator[Machine]:
    with machine_of(http, tmp_path / "home") as machine:
        yield machine


@task
def breaks(how: str) -> None:
    if how == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    if how == "sleep":
        time.sleep(60)
    raise ValueError("no rows")


@flow(name="breaking", timeout=3)
def breaking(how: str) -> None:
    breaks(how)


class Unhappy:
    """Refuses to be loaded where the run is, as code does whose package is not installed there."""

    def __reduce__(self) -> Any:
        return __import__, ("a_package_that_nobody_has",)


def ended(machine: Machine, run: runs.FlowRun) -> tuple[StateType, str]:
    state = machine.finished(run).state
    return state.type, state.code


@pytest.mark.parametrize(
    ("how", "type_", "code"),
    [
        ("raise", StateType.FAILED, "task_failed"),
        ("sleep", StateType.FAILED, "timed_out"),
        ("signal", StateType.CRASHED, "killed"),
        ("exit", StateType.CRASHED, "exit_code"),
    ],
)
def test_R12_a_run_says_why_it_ended(machine: Machine, how: str, type_: StateType, code: str) -> None:
    run = machine.start(breaking, parameters={"how": how})
    machine.start_agent()
    assert ended(machine, run) == (type_, code)


def test_code_that_cannot_be_loaded_and_content_that_is_not_there(machine: Machine) -> None:
    unhappy = Unhappy()

    @task
    def uses() -> Any:
        return unhappy

    @flow(name="unhappy", version="1")
    def whole() -> Any:
        return uses()

    first = machine.start(whole)
    second = machine.start(breaking, parameters={"how": "raise"})
    content = machine.home / "content"
    kept = machine.client.call(operations.list_versions, _versions_of(second))
    digest = kept.items[0].content_sha256
    for path in content.iterdir():
        if digest in path.name:
            path.unlink()
    machine.start_agent()
    assert ended(machine, first) == (StateType.FAILED, "import_failed")
    assert ended(machine, second) == (StateType.CRASHED, "content_missing")


class Acme(Local):
    """A storage of a package that is not installed where the run is."""

    def save(self, content: bytes, sha256: str, *, project: str, flow: str) -> Any:
        return ExtensionStorage(name="acme")


def test_storage_that_is_away_refuses_or_is_not_known(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_STORAGE_SECONDS", "2")
    monkeypatch.setenv("FILES_TOKEN", "token")
    receiver = Receiver()
    where = Webhook(f"{receiver.url}/{{sha256}}", headers={"Authorization": "Bearer ${FILES_TOKEN}"})
    away, refusing, unknown = (
        breaking.with_options(name=name, storage=storage)
        for name, storage in (("away", where), ("refusing", where), ("unknown", Acme()))
    )
    machine.start_agent()
    receiver.usual = say(204)
    refused = machine.start(refusing, parameters={"how": "raise"})
    receiver.usual = say(401)
    assert ended(machine, refused) == (StateType.CRASHED, "storage_refused")
    receiver.usual = say(204)
    unreachable = machine.start(away, parameters={"how": "raise"})
    receiver.close()
    assert ended(machine, unreachable) == (StateType.CRASHED, "storage_unreachable")
    not_known = machine.start(unknown, parameters={"how": "raise"})
    assert ended(machine, not_known) == (StateType.CRASHED, "storage_unknown")


def _versions_of(run: runs.FlowRun) -> Any:
    return flows.ListVersions(flow_id=run.flow_id)


@task(tags={"database"})
def works(number: int, folder: str) -> None:
    """Leaves a mark while it runs, and fails when there is another's."""
    mark = Path(folder) / f"{os.getpid()}-{number}"
    mark.touch()
    time.sleep(0.1)
    together = list(Path(folder).iterdir())
    mark.unlink()
    if len(together) > 1:
        raise ValueError(f"{together} run at once")


@flow(name="working", executor=ThreadExecutor(workers=4))
def working(folder: str) -> Any:
    return works.map(list(range(4)), unmapped(folder))


def test_R11_tasks_of_two_runs_share_the_slots_of_their_tag(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "marks"
    folder.mkdir()
    request = limits.CreateLimit(kind=Kind.TAG, what="database", size=1)
    made = machine.client.call(operations.create_limit, request)
    both = [machine.start(working, parameters={"folder": str(folder)}) for _ in range(2)]
    machine.start_agent()

    def waiting() -> bool:
        seen = machine.client.limits.read("tag", "database")
        return bool(seen.holders and seen.waiters)

    eventually(waiting)
    for run in both:
        assert machine.finished(run).state.type is StateType.SUCCESS
        states = [
            machine.client.call(
                operations.read_task_run,
                runs.TaskRunRef(flow_run_id=run.id, slug="works", map_index=number),
            ).states
            for number in range(4)
        ]
        messages = [state.message for steps in states for state in steps]
        assert "waits for a slot of the tag database" in messages
    seen = machine.client.limits.read("tag", "database")
    assert (seen.limit.id, seen.limit.held, seen.limit.waiting) == (made.id, 0, 0)
