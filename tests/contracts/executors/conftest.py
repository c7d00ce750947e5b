"""The executors that the conformance suite runs over, and what runs a small flow on one of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.engine import flow_runner, outcome, results
from headrace.graph import context, graph
from headrace.wire import executors

EXECUTORS = {
    "local": executors.LocalExecutor(),
    "thread": executors.ThreadExecutor(workers=3),
    "process": executors.ProcessExecutor(workers=1),
    "dask": executors.DaskExecutor(address="of the fixture"),
}


class Bench:
    """Builds a graph from a function's body and runs it."""

    def __init__(self, executor: executors.Executor, directory: Path) -> None:
        self.executor = executor
        self.store = results.ResultStore(directory / "results")

    def build(self, body: Callable[[], Any]) -> graph.Graph:
        built = graph.Graph("small")
        with built.building():
            built.set_result(body())
        return built

    def runner(self, body: Callable[[], Any] | graph.Graph, **given: Any) -> flow_runner.FlowRunner:
        built = body if isinstance(body, graph.Graph) else self.build(body)
        facts = context.Run("run-1", "small", built.validate(given.pop("parameters", {})))
        return flow_runner.FlowRunner(
            built, run=given.pop("run", facts), executor=self.executor, store=self.store, **given
        )

    def run(self, body: Callable[[], Any] | graph.Graph, **given: Any) -> outcome.FlowState:
        return self.runner(body, **given).run()


@pytest.fixture(scope="session")
def dask_address() -> Iterator[str]:
    """One Dask cluster for all: two worker processes of two threads each."""
    import distributed

    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(params=EXECUTORS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "dask":
        import dask.config

        address = request.getfixturevalue("dask_address")
        # what runs show is the same everywhere but for the dashboard
        with dask.config.set({"distributed.dashboard.link": ""}):
            yield Bench(executors.DaskExecutor(address=address), tmp_path)
    else:
        yield Bench(EXECUTORS[request.param], tmp_path)
