"""R7, the Dask executor: where tasks run, what stays on workers, what ends with a run."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest

from dask_runs import block, first, forever, gone, place, run, runner, total, until
from headrace import errors
from headrace.executors import Remote
from headrace.graph import options, task
from headrace.wire import artifacts as wire_artifacts
from headrace.wire import executors

DaskExecutor = executors.DaskExecutor


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", resources={"SEAT": 1}
    ) as made:
        yield made


@pytest.fixture
def shared(cluster: Any) -> DaskExecutor:
    return DaskExecutor(address=cluster.scheduler_address)


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    with distributed.Client(cluster, set_as_default=False) as made:
        yield made


def test_values_stay_on_workers_and_tasks_go_to_them(shared: DaskExecutor, tmp_path: Path) -> None:
    @task.task
    def where_made() -> tuple[int, bytes]:
        return os.getpid(), bytes(3_000_000)

    @task.task
    def where_used(made: tuple[int, bytes]) -> bool:
        return made[0] == os.getpid() and len(made[1]) == 3_000_000

    state = run(lambda: where_used(where_made()), shared, tmp_path)
    assert state.result is True
    made = state.tasks["where_made"].value
    assert isinstance(made, Remote)
    assert made.size > 3_000_000


def test_a_value_that_was_left_behind_says_so(shared: DaskExecutor, tmp_path: Path) -> None:
    @task.task
    def large() -> bytes:
        return bytes(3_000_000)

    state = run(lambda: first(large()), shared, tmp_path)
    assert state.result == 0
    with pytest.raises(errors.ResultError, match="a value on the Dask cluster cannot be had"):
        state.tasks["large"].result  # noqa: B018 - reading it is the point


def test_what_the_flow_returns_comes_back_whatever_its_size(shared: DaskExecutor, tmp_path: Path) -> None:
    @task.task
    def large() -> bytes:
        return bytes(3_000_000)

    assert len(run(lambda: large(), shared, tmp_path).result) == 3_000_000


def test_small_values_of_a_run_without_a_server_come_back(shared: DaskExecutor, tmp_path: Path) -> None:
    state = run(lambda: total(first.map(block.map([1, 2, 3]))), shared, tmp_path)
    assert state.result == 6
    assert [len(child.result) for child in state.tasks["block"]] == [4000] * 3


def test_a_large_list_is_mapped_over_where_it_is(shared: DaskExecutor, tmp_path: Path) -> None:
    @task.task
    def large_list() -> list[bytes]:
        return [bytes([number]) * 5_000_000 for number in range(5)]

    @task.task
    def look(item: bytes) -> tuple[int, int]:
        return item[0], len(item)

    state = run(lambda: look.map(large_list()), shared, tmp_path)
    assert state.result == [(number, 5_000_000) for number in range(5)]
    assert isinstance(state.tasks["large_list"].value, Remote)


def test_a_branch_is_chosen_by_a_value_that_stayed_away(shared: DaskExecutor, tmp_path: Path) -> None:
    from headrace.graph import conditions

    @task.task
    def long_word() -> str:
        return "x" * 10_000

    def body() -> Any:
        word = long_word()
        return conditions.switch(word, {"x" * 10_000: lambda: place(), "y": lambda: first(b"")})

    state = run(body, shared, tmp_path)
    assert (state.name, state.tasks["place"].name, state.tasks["first"].name) == (
        "Success",
        "Success",
        "Skipped",
    )


def test_the_option_dask_says_where_a_task_runs(shared: DaskExecutor, client: Any, tmp_path: Path) -> None:
    pids = client.run(os.getpid)
    for address, pid in pids.items():
        there = place.with_options(dask={"workers": address, "priority": 3})
        assert run(lambda there=there: there.map([1, 2, 3]), shared, tmp_path).result == [pid] * 3
    seated = place.with_options(dask={"resources": {"SEAT": 1}, "retries": 2})
    assert run(lambda: seated(), shared, tmp_path).result in pids.values()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"resource": {"GPU": 1}}, "dask has no 'resource'; there is resources, priority"),
        ({"resources": {"GPU": "1"}}, "dask: resources is {'GPU': '1'}; give amounts by name"),
        ({"workers": []}, None),
        ({"retries": 1.5}, "give a whole number from 0"),
        (["GPU"], "give a dict such as"),
    ],
)
def test_an_option_that_dask_does_not_know_is_refused(given: Any, words: str | None) -> None:
    if words is None:
        assert options.options({"dask": given}, name="x").dask == given
        return
    with pytest.raises(errors.GraphError) as refused:
        options.options({"dask": given}, name="x")
    assert words in str(refused.value)


def test_a_task_begins_for_the_run_when_it_begins_on_its_worker(shared: DaskExecutor, tmp_path: Path) -> None:
    heard: list[tuple[int, str]] = []

    class Hearing:
        def task(self, slug: str, map_index: int, state: Any, **_: Any) -> None:
            heard.append((map_index, state.name))

        def artifact(self, record: Any) -> None: ...
        def on_cancel(self, cancel: Any) -> None: ...

    @task.task(dask={"resources": {"SEAT": 1}})
    def wait(seconds: float) -> None:
        time.sleep(seconds)

    run(lambda: wait.map([0.4] * 4), shared, tmp_path, reporter=Hearing())
    running = 0
    most = 0
    for index, name in heard:
        running += (name == "Running" and index >= 0) - (name == "Success" and index >= 0)
        most = max(most, running)
    # two workers with a seat each: as many as there are seats, however Dask shares them out, and never all four
    assert 1 <= most <= 2, heard
    assert [name for index, name in heard if index == 0] == ["Running", "Success"]


def test_a_running_task_is_cancelled_within_two_seconds(shared: DaskExecutor, tmp_path: Path) -> None:
    import threading

    path = tmp_path / "began"
    running = runner(lambda: forever.map([str(path)] * 8), shared, tmp_path)
    cancelled_at: list[float] = []

    def cancel() -> None:
        until(lambda: path.exists() and len(path.read_text().split()) >= 2, "two tasks run")
        cancelled_at.append(time.monotonic())
        running.cancel()

    watching = threading.Thread(target=cancel)
    watching.start()
    state = running.run()
    took = time.monotonic() - cancelled_at[0]
    watching.join()
    assert (state.type, {child.type for child in state.tasks["forever"]}) == ("Cancelled", {"Cancelled"})
    assert took < 4, took  # two seconds of a machine that does nothing else
    # and the workers are free again
    assert run(lambda: place.map([1, 2]), shared, tmp_path).is_success
    assert len(path.read_text().split()) == 2


def test_the_dashboard_is_shown_on_the_run(shared: DaskExecutor, cluster: Any, tmp_path: Path) -> None:
    state = run(lambda: place(), shared, tmp_path)
    (shown,) = state.artifacts
    assert (shown.key, shown.task) == ("dask-dashboard", None)
    assert isinstance(shown.body, wire_artifacts.Link)
    assert shown.body.url == cluster.dashboard_link


def test_a_cluster_of_the_runs_own_is_closed_with_it(tmp_path: Path) -> None:
    own = DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 2})
    state = run(lambda: place.map([1, 2, 3]), own, tmp_path)
    (pid,) = set(state.result)
    assert gone([pid])


def test_it_is_closed_also_when_the_run_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "began"

    class Breaking:
        def task(self, slug: str, map_index: int, state: Any, **_: Any) -> None:
            if state.name == "Success":
                raise KeyboardInterrupt

        def artifact(self, record: Any) -> None: ...
        def on_cancel(self, cancel: Any) -> None: ...

    @task.task
    def leave_trace() -> None:
        path.write_text(str(os.getpid()))

    own = DaskExecutor(cluster_kwargs={"n_workers": 1, "threads_per_worker": 1})
    with pytest.raises(KeyboardInterrupt):
        run(lambda: leave_trace(), own, tmp_path, reporter=Breaking())
    assert gone([int(path.read_text())])


def test_a_cluster_grows_with_what_there_is_to_do(tmp_path: Path) -> None:
    from dask_runs import gated

    own = DaskExecutor(
        cluster_class="distributed.LocalCluster",
        cluster_kwargs={"n_workers": 0, "threads_per_worker": 1, "processes": False},
        adapt_kwargs={"minimum": 0, "maximum": 3, "interval": "100ms"},
    )
    import threading

    began = threading.Thread(
        target=lambda: (
            until(lambda: len(list(tmp_path.glob("began-*"))) == 3, "three tasks run at once"),
            (tmp_path / "go").touch(),
        )
    )
    began.start()
    state = run(lambda: gated.map(task.unmapped(str(tmp_path)), list(range(6))), own, tmp_path)
    began.join()
    assert state.result == list(range(6))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cluster_class": "nowhere.KubeCluster"}, "there is no cluster class 'nowhere.KubeCluster' here"),
        ({"cluster_class": "KubeCluster"}, "write its dotted name"),
        ({"cluster_kwargs": {"workers": 3}}, "a distributed.LocalCluster cannot be had"),
    ],
)
def test_a_cluster_that_cannot_be_had_is_told(given: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(errors.LaunchError) as told:
        run(lambda: place(), DaskExecutor(**given), tmp_path)
    assert words in str(told.value)


def test_an_address_and_a_cluster_class_are_not_both_given() -> None:
    with pytest.raises(ValueError, match="not both"):
        DaskExecutor(address="tcp://here:1", cluster_class="distributed.LocalCluster")


WITHOUT_DASK = """
import sys
import headrace
from headrace import DaskExecutor, ThreadExecutor, flow, task

@task
def one():
    return 1

@flow(executor=ThreadExecutor(workers=1))
def numbers():
    one()

assert numbers.run().is_success
print([name for name in sys.modules if name.split(".")[0] in ("dask", "distributed", "tornado")])
"""


def test_a_run_that_does_not_use_dask_does_not_load_it() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT_DASK], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


WITHOUT_INSTALLED = """
import sys
sys.modules["distributed"] = None
from headrace import DaskExecutor, flow, task

@task
def one():
    return 1

@flow(executor=DaskExecutor())
def numbers():
    one()

try:
    numbers.run()
except Exception as error:
    print(error)
"""


def test_dask_that_is_not_installed_is_asked_for() -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_INSTALLED], capture_output=True, text=True, check=True
    )
    assert "pip install 'headrace[dask]'" in told.stdout


def test_logs_of_many_tasks_come_with_their_task_and_in_order(
    shared: DaskExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from headrace.graph import context

    told: list[tuple[int, int]] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "mine":
                facts = context.current()
                assert isinstance(facts, context.Task)
                told.append((facts.map_index, int(record.getMessage())))

    @task.task
    def speak(number: int) -> None:
        for line in range(20):
            logging.getLogger("mine").warning("%d", line)

    listening = Listening()
    logging.getLogger().addHandler(listening)
    try:
        run(lambda: speak.map(list(range(10))), shared, tmp_path)
    finally:
        logging.getLogger().removeHandler(listening)
    for index in range(10):
        assert [line for told_of, line in told if told_of == index] == list(range(20))
