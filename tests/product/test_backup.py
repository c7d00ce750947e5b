"""E4, F19: a backup under load, then everything is lost, then it is put back; and nothing runs twice that must not."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

import stack as stacks
from headrace.wire import operations, runs

PROBE = Path(__file__).with_name("probe.py")


class Probe:
    """Runs of the probe, and what they wrote on the disk: the truth, whatever a server says."""

    def __init__(self, stack: stacks.Stack) -> None:
        self.stack = stack
        self.folder = stack.folder / "probe"
        self.folder.mkdir()
        stack.register(PROBE, "p")

    def make(self, flow: str, count: int, seconds: float, labels: Sequence[str] = ()) -> list[str]:
        parameters = {"folder": str(self.folder), "seconds": seconds}
        return [
            str(self.stack.api.create_flow_run(flow=f"p/{flow}", parameters=parameters, labels=labels).id)
            for _ in range(count)
        ]

    def lines(self, run: str) -> list[dict[str, Any]]:
        path = self.folder / f"{run}.lines"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def starts(self, run: str) -> int:
        return sum(line["what"] == "start" for line in self.lines(run))

    def overlaps(self) -> list[str]:
        return [path.stem for path in self.folder.glob("*.lines") if '"overlap"' in path.read_text()]


@contextmanager
def load(stack: stacks.Stack) -> Iterator[None]:
    """Somebody who writes and reads all the time."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.02):
            stack.api.call(operations.list_flow_runs, runs.ListFlowRuns(limit=20))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


def destroy(stack: stacks.Stack) -> None:
    """SQLite's file is gone with all that belongs to it; a PostgreSQL database is replaced by force."""
    for path in (stack.home / "server").glob("headrace.db*"):
        path.unlink()


def unfinished(stack: stacks.Stack) -> list[runs.FlowRun]:
    return [run for run in stack.list_runs("p") if not run.state.type.is_finished]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_what_ran_after_the_backup_does_not_run_twice_after_the_restore(
    kind: str, request: pytest.FixtureRequest, make_stack: stacks.Make
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    stack = make_stack(database_url=url)
    stack.start(2, limit=2)
    probe = Probe(stack)
    once = probe.make("at-most-once", 2, 20.0)
    often = probe.make("at-least-once", 3, 2.5)
    # nobody takes these before the backup
    waiting = probe.make("at-most-once", 3, 0.5, ["later"]) + probe.make("at-least-once", 1, 0.5, ["later"])
    stack.until(lambda: all(map(probe.starts, once)), "runs are under way")
    file = stack.folder / "headrace.backup"
    with load(stack):
        done = stack.cli("backup", str(file))
    assert done.returncode == 0, done.stderr
    # life goes on: what waited is executed, and a run is made that the backup does not know
    own = {"HEADRACE_API_KEY_FILE": str(stack.folder / "agent.key")}
    words = ["agent", "--name", "late", "--label", "later"]
    stack.agents["late"] = stack._spawn("agent-late", ["-m", "headrace", *words], own)
    stack.until(lambda: all(map(probe.starts, waiting)), "runs that the backup knows as waiting")
    lost = probe.make("at-most-once", 1, 120.0, ["later"])
    stack.until(lambda: probe.starts(lost[0]), "a run that the backup does not know")
    assert stack.server is not None
    stack.kill(stack.server)
    destroy(stack)
    done = stack.cli("restore", str(file), *(["--force"] if url else []))
    assert done.returncode == 0, done.stderr
    ended = set(done.stdout.split())
    stack.start_server()
    known = {str(run.id) for run in stack.list_runs("p")}
    assert known == {*once, *often, *waiting}
    # processes of runs that nobody knows any more, and of those that somebody else would have now, are gone
    stack.until(
        lambda: not {one.flow_run_id for one in stack.run_processes()} & set(lost), "orphans are stopped"
    )
    stack.until(lambda: not unfinished(stack), "every run ends", 120)
    found = {str(run.id): run.state for run in stack.list_runs("p")}
    assert [probe.starts(run) for run in once + waiting[:3]] == [1] * 5, "executed once, whatever happened"
    assert probe.overlaps() == []
    assert ended == set(waiting[:3]), "executed after the backup, and not again"
    assert all(found[run].name == "Lost" for run in ended)
    assert all(found[run].name == "Lost" for run in once), "told to stop"
    assert all(found[run].type == "Success" for run in [*often, waiting[3]]), found
    assert (
        stack.finished(stack.run("p/at-most-once", folder=str(probe.folder), seconds=0.1)).state.name
        == "Success"
    )
    looked = stack.cli("doctor")
    assert looked.returncode == 0, looked.stdout + looked.stderr


def test_a_server_under_way_keeps_a_restore_and_an_epoch_from_its_file(make_stack: stacks.Make) -> None:
    stack = make_stack()
    stack.start_server()
    file = stack.folder / "headrace.backup"
    assert stack.cli("backup", str(file)).returncode == 0
    for words in (["restore", str(file), "--force"], ["database", "new-epoch", "--yes"]):
        refused = stack.cli(*words)
        assert refused.returncode == 2
        assert "used by another server" in refused.stderr
    assert stack.is_ready()
    looked = stack.cli("doctor", "-o", "json")
    assert (looked.returncode, json.loads(looked.stdout)["epoch"]) == (0, 1)


def figures(stack: stacks.Stack) -> str:
    assert stack.local is not None
    headers = {"Authorization": f"Bearer {stack.local.user_key}"}
    return urllib3.request("GET", f"{stack.url}/metrics", headers=headers).data.decode()


def test_retention_is_set_and_run_from_the_command_line(make_stack: stacks.Make) -> None:
    """R14."""
    stack = make_stack()
    stack.start(1)
    probe = Probe(stack)
    stack.until(
        lambda: 'headrace_loop_runs_total{loop="janitor"} 1.0' in figures(stack), "the janitor's own round"
    )
    for run in probe.make("at-most-once", 3, 0.0):
        stack.until(lambda run=run: stack.api.read_flow_run(run).state.is_finished, "it ends")
    assert "for ever" in stack.cli("retention", "show").stdout
    assert (
        stack.cli("retention", "set", "flow_runs", "--last", "1", "--flow", "p/at-most-once").returncode == 0
    )
    would = json.loads(stack.cli("retention", "run", "--dry-run", "-o", "json").stdout)
    assert would["flow_runs"] == 2
    assert len(stack.list_runs("p")) == 3
    done = stack.cli("retention", "run")
    assert "2 of flow_runs" in done.stderr
    assert len(stack.list_runs("p")) == 1
    wrong = stack.cli("retention", "set", "logs", "--keep", "soon")
    assert (wrong.returncode, "30d" in wrong.stderr) == (2, True)
