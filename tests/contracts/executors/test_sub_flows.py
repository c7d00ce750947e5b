"""Flows in flows come to the same on every executor."""

from typing import Any

from headrace import flows
from headrace.graph import task
from small_tasks import add


@flows.flow(name="inner")
def inner(x: int) -> int:
    return add(add(x))


@task.task
def calls_a_flow(x: int) -> int:
    return inner(x)


def test_a_flow_runs_as_a_node_and_inside_a_task(bench: Any) -> None:
    assert bench.run(lambda: [inner(1), calls_a_flow(5)]).result == [3, 7]
