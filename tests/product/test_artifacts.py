"""R15 and R18 with real processes: what tasks show, in the run's process and in workers, is on the server, live, and through
an outage; all processes of a run read one version of a variable.
"""

import json
from pathlib import Path
from uuid import UUID

import pytest
import showing

import stack as stacks
from headrace.core.states import StateType
from headrace.wire import artifacts, runs

SOURCE = Path(showing.__file__)


def share(stack: stacks.Stack, run_id: UUID) -> float | None:
    """Where the progress is that the server shows."""
    for each in stack.api.artifacts.list(flow_run_id=run_id, kind="progress"):
        assert isinstance(each.body, artifacts.Progress)
        return each.body.share
    return None


def folder_of(stack: stacks.Stack, name: str) -> Path:
    folder = stack.folder / name
    folder.mkdir()
    return folder


def check(stack: stacks.Stack, run: runs.FlowRun, version: int) -> None:
    shown = {each.kind: each for each in stack.api.artifacts.list(flow_run_id=run.id)}
    assert len(shown) == 5
    assert {each.task for each in shown.values()} == {"show"}
    report = shown["markdown"]
    assert (report.key, report.version, report.title) == ("report", version, "The report")
    assert report.body == artifacts.Markdown("# From eu")
    assert shown["table"].body == artifacts.Table(["day", "sum"], [["monday", 3]])
    assert shown["link"].body == artifacts.Link("https://example.com/report", "the report")
    assert shown["progress"].body == artifacts.Progress(1.0, "rows")
    assert b"".join(stack.api.artifacts.download(shown["image"].id)) == showing.PNG


@pytest.mark.timeout(180)
def test_what_tasks_show_and_read_in_threads_and_in_processes(stack: stacks.Stack) -> None:
    stack.register(SOURCE, "p")
    for number, flow in enumerate(("in-threads", "in-processes"), 1):
        folder = folder_of(stack, flow)
        stack.api.variables.set("region", "eu")
        run = stack.run(f"p/{flow}", folder=str(folder))
        stack.until((folder / "half-way").exists, "the task is half-way")
        stack.until(lambda run=run: share(stack, run.id) == 0.5, "the server shows it while it goes on")
        # too late for this run: it has asked already
        stack.api.variables.set("region", "us")
        stack.api.variables.set("rows", 10, project="p")
        (folder / "go").touch()
        done = stack.finished(run)
        assert done.state.type is StateType.SUCCESS, done.state
        check(stack, done, version=1)
        seen = json.loads((folder / "seen").read_text())
        assert [row[1:] for row in seen] == [[run.name, "eu", 10]] * 3
        read = {each.name: (each.version, each.project) for each in stack.api.variables.read_by(run.id)}
        assert read == {"region": (2 * number - 1, ""), "rows": (number, "p")}


@pytest.mark.timeout(180)
def test_an_outage_loses_nothing_that_was_shown(stack: stacks.Stack) -> None:
    stack.register(SOURCE, "p")
    stack.api.variables.set("region", "eu")
    folder = folder_of(stack, "outage")
    (folder / "go").touch()
    first = stack.finished(stack.run("p/in-processes", folder=str(folder)))
    assert first.state.type is StateType.SUCCESS, first.state
    (folder / "go").unlink()
    (folder / "half-way").unlink()
    run = stack.run("p/in-processes", folder=str(folder))
    stack.until((folder / "half-way").exists, "the task is half-way")
    assert stack.server is not None
    stack.kill(stack.server)
    (folder / "go").touch()
    stack.start_server()
    done = stack.finished(run)
    assert done.state.type is StateType.SUCCESS, done.state
    check(stack, done, version=2)
