"""T1: what a task costs that does nothing, in process and without a server: CPU per task, flat and mapped, by executor."""

import tempfile
import time

import peers
from headrace.engine import flow_runner
from headrace.graph import context, graph, task
from headrace.wire import executors
from measure import Row, cpu_of, environment, repeat, report


@task.task
def noop() -> None:
    pass


@task.task
def one(item: int) -> None:
    pass


@task.task
def numbers(count: int) -> list[int]:
    return list(range(count))


def flat(count: int) -> graph.Graph:
    built = graph.Graph("flat")
    with built.building():
        for _ in range(count):
            noop()
    return built


def mapped(count: int) -> graph.Graph:
    built = graph.Graph("mapped")
    with built.building():
        one.map(numbers(count))
    return built


def cpu_per_task(of: graph.Graph, count: int, executor: executors.Executor) -> float:
    """Microseconds of CPU, user and system, of this process and of its workers while it was their parent."""
    started = time.process_time()
    state = flow_runner.FlowRunner(of, run=context.Run("bench", of.name, {}), executor=executor).run()
    used = time.process_time() - started
    assert state.is_success
    return used / count * 1e6


def theirs(count: int = 300) -> dict[str, list[float]]:
    """Microseconds of CPU per task of the peers that need no server: the difference between `count` tasks and one."""
    found: dict[str, list[float]] = {}
    for name in ("dagster", "luigi"):
        if peers.python_of(name):
            with tempfile.TemporaryDirectory() as home, environment(**peers.QUIET, DAGSTER_HOME=home):
                few, many = (cpu_of(peers.command(name, "noop", each)) for each in (1, 1 + count))
            found[name] = [(many - few) / count * 1e6]
    return found


def main() -> None:
    local, threads = executors.LocalExecutor(), executors.ThreadExecutor(workers=4)
    one_thousand, ten_thousand = flat(1_000), mapped(10_000)
    report(
        Row(
            "T1", "no-op task, 1,000 flat, local executor, CPU per task", "µs",
            repeat(15, lambda: cpu_per_task(one_thousand, 1_000, local)), 60, 25, peers=theirs(),
        ),
        Row(
            "T1", "no-op task, 10,000 mapped, local executor, CPU per task", "µs",
            repeat(5, lambda: cpu_per_task(ten_thousand, 10_000, local)), 60, 25,
        ),
        Row(
            "T1", "no-op task, 1,000 flat, 4 threads, CPU per task", "µs",
            repeat(7, lambda: cpu_per_task(one_thousand, 1_000, threads)),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
