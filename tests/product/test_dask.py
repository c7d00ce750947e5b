"""R7 with real processes: a registered flow runs on a Dask cluster of its own, and what its tasks say reaches the server."""

import os
from pathlib import Path

import psutil

from headrace.wire import artifacts, logs, operations, runs
from stack import Stack

FLOW = """
import logging
import os
import time
from pathlib import Path

from headrace import DaskExecutor, flow, task, unmapped


@task
def block(number):
    logging.getLogger("mine").warning("block %d", number)
    return bytes([number]) * 10_000


@task
def add(blocks, folder):
    Path(folder, "pid").write_text(str(os.getpid()))
    return sum(block[0] for block in blocks)


@task(log_prints=True)
def show(number):
    print("the sum is", number)


@task
def hold(folder):
    Path(folder, "new").write_text(str(os.getpid()))
    Path(folder, "new").rename(Path(folder, "pid"))
    while True:
        time.sleep(0.01)


two = DaskExecutor(cluster_kwargs={"n_workers": 2, "threads_per_worker": 1})


@flow(executor=two)
def sums(folder: str):
    show(add(block.map([1, 2, 3, 4]), folder))


@flow(executor=two)
def holds(folder: str):
    hold(folder)
"""


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_flow_runs_on_a_dask_cluster_of_its_own(stack: Stack, tmp_path: Path) -> None:
    source = stack.folder / "dask_flows.py"
    source.write_text(FLOW)
    stack.register(source, "p")
    run = stack.finished(stack.run("p/sums", folder=str(tmp_path)))
    lines = [
        each.message for each in stack.api.pages(operations.list_logs, logs.ListLogs(flow_run_id=run.id))
    ]
    assert run.state.name == "Success", (run.state, lines)
    assert "the sum is 10" in lines
    assert sorted(line for line in lines if line.startswith("block ")) == [f"block {n}" for n in (1, 2, 3, 4)]
    assert not [line for line in lines if "distributed" in line]
    (dashboard,) = stack.api.call(
        operations.list_artifacts, artifacts.ListArtifacts(flow_run_id=run.id)
    ).items
    assert (dashboard.key, dashboard.kind) == ("dask-dashboard", "link")
    children = stack.api.call(
        operations.list_task_runs, runs.ListTaskRuns(flow_run_id=run.id, slug="block")
    ).items
    assert [child.state.name for child in children] == ["Success"] * 4
    assert all(child.started_at and child.finished_at for child in children)
    pid = int((tmp_path / "pid").read_text())
    stack.until(lambda: not is_alive(pid), "the cluster is gone")


def test_a_cluster_ends_with_a_run_that_is_cancelled_and_with_one_that_is_killed(
    stack: Stack, tmp_path: Path
) -> None:
    source = stack.folder / "dask_flows.py"
    source.write_text(FLOW)
    stack.register(source, "p")
    path = tmp_path / "pid"
    run = stack.run("p/holds", folder=str(tmp_path))
    stack.until(path.exists, "the task has begun")
    worker = int(path.read_text())
    stack.api.cancel_flow_run(run.id)
    assert stack.finished(run).state.type == "Cancelled"
    stack.until(lambda: not is_alive(worker), "the cluster is gone")

    path.unlink()
    run = stack.run("p/holds", folder=str(tmp_path))
    stack.until(path.exists, "the task has begun")
    worker = int(path.read_text())
    process = stack.api.read_flow_run(run.id).pid
    assert process is not None
    os.kill(process, 9)
    stack.until(lambda: not is_alive(worker), "the cluster is gone")
