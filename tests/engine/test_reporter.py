"""The reporter with a real server: in order, through outages, and never against an order."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents import Machine, eventually, machine_of
from cable import Cable
from headrace import errors
from headrace.client import Client
from headrace.core.states import State, StateType
from headrace.engine.reporter import Reporter
from headrace.flows import flow
from headrace.graph.task import task
from headrace.wire import agents, artifacts, operations, runs
from http_client import Http


@task
def nothing() -> None:
    pass


@flow(name="nothing-flow")
def nothing_flow() -> None:
    nothing()


class Started:
    """A run that has started, by hand, and its reporter behind a cable."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.run = machine.start(nothing_flow)
        agent_client = Client(machine.http.url, machine.http.token("agent"))
        about = agents.RegisterAgent(name="by-hand", instance="1", labels=self.run.labels, launches=["local"])
        agent = agent_client.call(operations.register_agent, about)
        claimed = agent_client.call(
            operations.claim_flow_run, runs.ClaimFlowRun(agent_id=agent.id, wait_seconds=5)
        )
        agent_client.close()
        assert claimed.assignment is not None
        self.assignment = claimed.assignment
        self.cable = Cable(machine.http.port)
        self.client = Client(self.cable.url, self.assignment.token)
        start = runs.StartFlowRun(
            flow_run_id=self.run.id,
            fence=self.assignment.fence,
            content_sha256=self.assignment.content_sha256,
            host="here",
            pid=1,
        )
        self.client.call(operations.start_flow_run, start)
        self.lost: list[errors.HeadraceError] = []
        self.ordered = threading.Event()
        self.reporter = Reporter(
            self.client,
            self.run.id,
            self.assignment.fence,
            folder / "spool",
            lost=self.lost.append,
            ordered=self.ordered.set,
        )

    def state(self, name: str, kind: StateType = StateType.RUNNING, message: str = "") -> None:
        self.reporter.task("nothing", -1, State(kind, name, datetime.now(UTC), message))

    def log(self, text: str) -> None:
        self.reporter.log(runs.LogRecord(datetime.now(UTC), 20, "mine", text))

    def show(self, body: artifacts.Body, token: str = "", image: bytes = b"") -> None:
        record = artifacts.ArtifactRecord(at=datetime.now(UTC), body=body, token=token, image=image)
        self.reporter.artifact(record)

    def kept_artifacts(self) -> list[artifacts.Artifact]:
        return list(self.machine.client.artifacts.list(flow_run_id=self.run.id))[::-1]

    def kept_lines(self) -> list[str]:
        return [line.message for line in self.machine.client.list_logs(self.run.id)]

    def kept_states(self) -> list[str]:
        ref = runs.TaskRunRef(flow_run_id=self.run.id, slug="nothing")
        with contextlib.suppress(errors.NotFound):
            return [state.name for state in self.machine.client.call(operations.read_task_run, ref).states]
        return []

    def close(self) -> None:
        self.reporter.close()
        self.client.close()
        self.cable.cut()


@pytest.fixture
def started(http: Http, tmp_path: Path) -> Iterator[Started]:
    with machine_of(http, tmp_path / "home") as machine:
        started = Started(machine, tmp_path)
        yield started
        started.close()


def test_what_was_said_is_there_after_a_flush(started: Started) -> None:
    started.state("Running")
    started.state("Success", StateType.SUCCESS)
    for number in range(1200):
        started.log(f"line {number}")
    assert started.reporter.flush(20)
    assert started.kept_states()[-2:] == ["Running", "Success"]
    assert started.kept_lines() == [f"line {number}" for number in range(1200)]


def test_it_leaves_soon_without_a_flush(started: Started) -> None:
    started.state("Running")
    eventually(lambda: "Running" in started.kept_states(), 5)


def test_an_outage_delays_and_loses_nothing(started: Started) -> None:
    started.state("Running")
    assert started.reporter.flush(20)
    started.cable.cut()
    long = "x" * 60_000
    for number in range(300):
        started.log(f"{number} {long}")
    started.state("Success", StateType.SUCCESS)
    assert not started.reporter.flush(1.0)
    eventually(lambda: len(started.reporter._outbox))
    started.cable.mend()
    assert started.reporter.flush(30)
    assert started.kept_states()[-1] == "Success"
    assert [int(line.split()[0]) for line in started.kept_lines() if line.endswith("x")] == _all_but_dropped(
        started
    )


def _all_but_dropped(started: Started) -> list[int]:
    kept = [int(line.split()[0]) for line in started.kept_lines() if line.endswith("x")]
    dropped = sum(int(line.split()[0]) for line in started.kept_lines() if "lines dropped" in line)
    assert len(kept) + dropped == 300
    return sorted(kept)


def test_an_order_to_cancel_comes_with_the_next_answer(started: Started) -> None:
    called = threading.Event()
    started.reporter.on_cancel(called.set)
    started.machine.client.cancel_flow_run(started.run.id)
    started.state("Running")
    assert started.ordered.wait(5)
    assert not called.is_set()
    started.reporter.cancel()
    started.reporter.cancel()
    assert called.is_set()
    late = threading.Event()
    started.reporter.on_cancel(late.set)
    assert late.is_set()


def test_a_refused_attempt_is_told_and_sends_nothing_more(started: Started) -> None:
    finish: Any = runs.FinishFlowRun(
        flow_run_id=started.run.id, fence=started.assignment.fence, type=StateType.SUCCESS, name="Success"
    )
    started.client.call(operations.finish_flow_run, finish)
    started.state("Running")
    assert not started.reporter.flush(10)
    assert len(started.lost) == 1
    assert "Running" not in [
        task.state.name for task in started.machine.client.list_task_runs(started.run.id)
    ]


def test_lines_that_were_dropped_are_counted_in_one(started: Started) -> None:
    started.reporter.dropped(3)
    started.reporter.dropped(4)
    started.log("after")
    assert started.reporter.flush(10)
    assert any(line.startswith("7 lines dropped") for line in started.kept_lines())


def test_R15_artifacts_survive_an_outage_and_of_a_progress_the_last_word_does(started: Started) -> None:
    started.show(artifacts.Markdown("before"))
    started.show(artifacts.Progress(0.0), token="t")
    assert started.reporter.flush(20)
    started.cable.cut()
    picture = b"\x89PNG\r\n\x1a\n" + bytes(3_000_000)
    for number in range(6):  # more than waits in memory
        started.show(artifacts.Image("image/png", str(number)), image=picture)
    for step in range(1000):
        started.show(artifacts.Progress(step / 1000), token="t")
    eventually(lambda: started.reporter._outbox._in_file)
    assert not started.reporter.flush(0.5)
    started.cable.mend()
    started.show(artifacts.Progress(1.0), token="t")
    assert started.reporter.flush(60)
    first, progress, *images = started.kept_artifacts()
    assert (first.body, progress.body) == (artifacts.Markdown("before"), artifacts.Progress(1.0))
    assert [each.body for each in images] == [artifacts.Image("image/png", str(n)) for n in range(6)]
    assert b"".join(started.machine.client.artifacts.download(images[5].id)) == picture


def test_a_progress_is_sent_now_and_then_and_its_last_word_without_a_flush(started: Started) -> None:
    for step in range(20_000):
        started.show(artifacts.Progress(step / 20_000), token="t")
    started.show(artifacts.Progress(1.0, "all"), token="t")
    eventually(
        lambda: [each.body for each in started.kept_artifacts()] == [artifacts.Progress(1.0, "all")], 10
    )
    assert started.reporter._artifact_seq < 100


def test_a_server_without_artifacts_ends_no_run(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    older = operations.Operation(
        "write_artifacts",
        "POST",
        "/api/flow_runs/{flow_run_id}/of_a_newer_server",
        artifacts.WriteArtifacts,
        runs.Written,
        operations.write_artifacts.needs,
        "What an older server does not know.",
    )
    monkeypatch.setattr(operations, "write_artifacts", older)
    started.show(artifacts.Markdown("lost"))
    started.state("Running")
    assert started.reporter.flush(20)
    monkeypatch.undo()
    started.show(artifacts.Markdown("shown"))
    assert started.reporter.flush(20)
    assert started.lost == []
    assert [each.body for each in started.kept_artifacts()] == [artifacts.Markdown("shown")]
