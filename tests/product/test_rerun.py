"""R10 with real processes: a hundred tasks, killed five times on their way to a failure; the re-run runs the other 28."""

import collections
import os
import re
import signal
from pathlib import Path

import hundred
import pytest

import stack as stacks
from headrace.core.states import StateType
from headrace.wire import runs

SOURCE = Path(hundred.__file__)
TASKS = hundred.BEFORE + hundred.MAPPED + hundred.AFTER
#: Which task is running when somebody is killed, and who it is. Three rescues is all that a run gets.
KILLS = {9: "run", 23: "agent", 41: "supervisor", 58: "run", 66: "agent"}


class Scene:
    """One installation, the flow, and the folder in which its tasks leave their lines."""

    def __init__(self, stack: stacks.Stack) -> None:
        self.stack = stack
        self.folder = stack.folder / "hundred"
        self.folder.mkdir()
        stack.register(SOURCE, "p")

    def lines(self, run_id: object) -> list[int]:
        """The tasks that ended in this run, in order."""
        path = self.folder / "lines"
        said = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [int(number) for number, of in said if of == str(run_id)]

    def kill_at(self, run: runs.FlowRun, number: int, who: str) -> None:
        """Kills while that task runs, once all before it is known to the server."""
        self.stack.until((self.folder / f"at-{number}").exists, f"task {number} runs")
        self.stack.until(lambda: self.succeeded(run) >= number - 1, f"all before task {number} is known")
        if who == "agent":
            self.stack.kill(self.stack.agents["a0"])
            self.stack.start_agent("a0")
        else:
            (process,) = self.stack.until(self.stack.run_processes, "the run's process is found")
            os.kill(process.supervisor if who == "supervisor" else process.run or 0, signal.SIGKILL)
        (self.folder / f"go-{number}").touch()

    def succeeded(self, run: runs.FlowRun) -> int:
        """Task runs that succeeded, the parameter and the parent of mapped ones left out."""
        done = StateType.SUCCESS
        tasks = list(self.stack.api.list_task_runs(run.id, state=[done]))
        children = sum(task.children.get(done, 0) for task in self.stack.api.list_task_runs(run.id))
        return sum(task.slug not in ("folder", "each") for task in tasks) + children


@pytest.mark.timeout(240)
def test_a_hundred_tasks_killed_five_times_on_the_way_to_a_failure_run_28_again(stack: stacks.Stack) -> None:
    scene = Scene(stack)
    for number in KILLS:
        (scene.folder / f"stop-{number}").touch()
    run = stack.run("p/hundred", folder=str(scene.folder))
    for number, who in KILLS.items():
        scene.kill_at(run, number, who)
    failed = stack.finished(run, 120)
    assert (failed.state.type, failed.rescues) == (StateType.FAILED, 3), failed.state
    assert collections.Counter(scene.lines(run.id)) == dict.fromkeys(range(1, hundred.FAILS), 1)

    preview = stack.api.preview_rerun(run.id)
    assert (preview.runs, preview.reused) == (28, 72)
    shown = stack.cli("rerun", run.name, "--preview")
    assert "28 task runs would run, and the results of 72 be taken over" in shown.stderr

    (scene.folder / "mended").touch()
    asked = stack.cli("rerun", run.name, "--watch")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    found = re.search(r"flow-runs/(\S+)", asked.stdout)
    assert found is not None
    (again,) = stack.api.list_flow_runs(restarted_from=run.id)
    assert str(again.id) == found[1]
    assert scene.lines(again.id) == list(range(hundred.FAILS, TASKS + 1))
    names = collections.Counter(task.state.name for task in stack.api.list_task_runs(again.id, slug="each"))
    assert names == {"Cached": hundred.MAPPED}

    # from one map index of the re-run: that child, and what is made of it; the chain of both runs gives the rest
    third = stack.finished(stack.api.rerun(again, [("each", 30)]))
    assert third.state.type is StateType.SUCCESS
    assert scene.lines(third.id) == [hundred.BEFORE + 31, *range(hundred.FAILS, TASKS + 1)]
