"""R7, F73: what happens on Dask when workers die, when the scheduler dies, and where versions differ."""

import logging
import os
import random
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest

from dask_runs import first, gated, gone, kill, place, run, slow_block, total, until, worker_pids
from headrace import errors
from headrace.graph import task
from headrace.wire import executors

#: HEADRACE_NEMESIS=1 takes the whole number.
TASKS = 10_000 if os.environ.get("HEADRACE_NEMESIS") else 2_000
DaskExecutor = executors.DaskExecutor


class Killing(threading.Thread):
    """Kills half of the workers at random moments, `waves` times."""

    def __init__(self, address: str, waves: int, seed: int) -> None:
        super().__init__()
        self._client = distributed.Client(address, set_as_default=False)
        self._waves = waves
        self._random = random.Random(seed)
        self._over = threading.Event()
        self.killed: list[int] = []

    def run(self) -> None:
        for _ in range(self._waves):
            if self._over.wait(self._random.uniform(0.5, 2.5)):
                return
            pids = worker_pids(self._client)
            for pid in self._random.sample(pids, (len(pids) + 1) // 2):
                kill(pid)
                self.killed.append(pid)

    def end(self) -> None:
        self._over.set()
        self.join()
        self._client.close()


@pytest.mark.timeout(600)
def test_half_of_the_workers_are_killed_and_nothing_is_lost(tmp_path: Path) -> None:
    with distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as cluster:
        killing = Killing(cluster.scheduler_address, waves=2, seed=7)
        killing.start()
        try:
            state = run(
                lambda: total(first.map(slow_block.map(list(range(TASKS))))),
                DaskExecutor(address=cluster.scheduler_address),
                tmp_path,
            )
        finally:
            killing.end()
        assert state.result == sum(range(TASKS)), state
        assert len(killing.killed) >= 2
        with distributed.Client(cluster, set_as_default=False) as client:
            until(lambda: not any(client.processing().values()), "nothing is left running")
            pids = worker_pids(client)
    assert gone([*pids, *killing.killed])


def test_a_task_that_kills_every_worker_fails_with_that_reason(tmp_path: Path) -> None:
    @task.task
    def deadly() -> None:
        os.kill(os.getpid(), 9)

    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        import dask.config

        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
            cluster.scheduler.allowed_failures = 0
            state = run(lambda: deadly(), DaskExecutor(address=cluster.scheduler_address), tmp_path)
    assert state.is_failure
    assert "1 Dask workers died while they ran it" in state.tasks["deadly"].message


@contextmanager
def apart(*, workers: int = 1, **environment: str) -> Iterator[tuple[str, int]]:
    """A scheduler and workers as processes of their own: its address and its process id."""
    env = {**os.environ, **environment}
    file = f"/tmp/headrace-dask-{os.getpid()}-{time.monotonic_ns()}.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*dask, "--port", "0", "--dashboard-address", ":0", "--scheduler-file", file],
        stderr=subprocess.DEVNULL,
    )
    crew: list[subprocess.Popen[bytes]] = []
    try:
        until(lambda: Path(file).exists() and Path(file).read_text().endswith("}"), "the scheduler is there")
        worker = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "--scheduler-file",
            file,
            "--nthreads",
            "1",
        ]
        for _ in range(workers):
            crew.append(subprocess.Popen([*worker, "--no-nanny"], env=env, stderr=subprocess.DEVNULL))
        import json

        address = json.loads(Path(file).read_text())["address"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
            client = distributed.Client(address, set_as_default=False)
        with client:
            client.wait_for_workers(workers, timeout=60)
        yield address, scheduler.pid
    finally:
        for process in (*crew, scheduler):
            process.kill()
            process.wait()
        Path(file).unlink(missing_ok=True)


def test_a_scheduler_that_is_lost_for_good_fails_the_run_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.executors import dask_cluster

    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 2.0)
    with apart() as (address, pid):
        killing = threading.Thread(
            target=lambda: (until((tmp_path / "began-1").exists, "the task runs"), kill(pid))
        )
        killing.start()
        state = run(lambda: gated(str(tmp_path), 1), DaskExecutor(address=address), tmp_path)
        killing.join()
        (tmp_path / "go").touch()
    assert state.is_failure
    assert f"Dask: {address} cannot be had" in state.message


def test_a_lost_scheduler_is_started_again_and_kept_results_are_not_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "runs"

    @task.task(persist=True)
    def noted() -> int:
        with path.open("a") as file:
            file.write("x\n")
        return 20

    def body() -> Any:
        return total([noted(), gated(str(tmp_path), 1)])

    def kill_scheduler() -> None:
        until((tmp_path / "began-1").exists, "the second task runs")
        (scheduler,) = [
            child
            for child in psutil.Process().children(recursive=True)
            if "distributed.Scheduler" in " ".join(child.cmdline())
        ]
        scheduler.kill()
        (tmp_path / "go").touch()

    own = DaskExecutor(
        cluster_class="distributed.deploy.subprocess.SubprocessCluster",
        cluster_kwargs={"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"},
    )
    killing = threading.Thread(target=kill_scheduler)
    killing.start()
    state = run(body, own, tmp_path)
    killing.join()
    assert state.result == 21, state
    assert path.read_text() == "x\n"
    assert not [child for child in psutil.Process().children(recursive=True) if "dask" in child.cmdline()]


@pytest.mark.parametrize(
    ("package", "is_fatal"), [("headrace", True), ("cloudpickle", False), ("distributed", False)]
)
def test_other_versions_are_told_by_name(
    package: str, is_fatal: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker finds the facts of another version first: on its path stands what such an installation would have."""
    facts = tmp_path / f"{package}-0.0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n")
    with apart(PYTHONPATH=str(tmp_path)) as (address, _):
        executor = DaskExecutor(address=address)
        if is_fatal:
            with pytest.raises(errors.LaunchError) as refused:
                run(lambda: place(), executor, tmp_path)
            assert f"other versions than the run: {package} is " in str(refused.value)
            assert "here and 0.0.1 on tcp://" in str(refused.value)
        else:
            with caplog.at_level(logging.WARNING):
                assert run(lambda: place(), executor, tmp_path).is_success
            assert f"which may go wrong: {package} is " in caplog.text


def test_a_value_that_cannot_be_made_again_fails_those_who_need_it(tmp_path: Path) -> None:
    path = tmp_path / "made"

    @task.task
    def once() -> bytes:
        if path.exists():
            raise OSError("the source is exhausted")
        path.write_text(str(os.getpid()))
        return bytes(10_000)

    @task.task
    def kill_its_maker(after: Any) -> None:
        kill(int(path.read_text()))

    def body() -> Any:
        made = once()
        return first(
            made,
            upstream=[kill_its_maker.with_options(name="killer")(gated(str(tmp_path), 1, upstream=[made]))],
        )

    (tmp_path / "go").touch()
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        cluster.scheduler.allowed_failures = 0
        state = run(body, DaskExecutor(address=cluster.scheduler_address), tmp_path)
    assert state.is_failure
    assert state.tasks["once"].is_success
