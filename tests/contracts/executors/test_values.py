"""Values go from task to task, in order and with their context, on every executor."""

from pathlib import Path
from typing import Any

from headrace.graph import context, parameters, task
from small_tasks import add, give, noted, one, pair


def test_values_go_from_task_to_task(bench: Any) -> None:
    state = bench.run(lambda: add(add(one(), 10), y=one()))
    assert (state.type, state.result) == ("Success", 12)
    assert [each.name for each in state.tasks.values()] == ["Success"] * len(state.tasks)


def test_futures_are_filled_in_inside_collections(bench: Any) -> None:
    state = bench.run(lambda: give({"list": [one(), 2], "tuple": (one(),), "set": {one()}, one(): "key"}))
    assert state.result == {"list": [1, 2], "tuple": (1,), "set": {1}, 1: "key"}


def test_a_task_with_several_values_is_unpacked(bench: Any) -> None:
    def body() -> Any:
        number, word = pair()
        return [word, add(number)]

    assert bench.run(body).result == ["seven", 8]


def test_an_edge_without_data_orders(bench: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "order")

    def body() -> None:
        first = give.with_options(name="first")(1)
        give.with_options(name="second")(2, upstream=[noted(path, 1, upstream=[first])])

    state = bench.run(body)
    moments = [state.tasks[slug].state.at for slug in ("first", "noted", "second")]
    assert moments == sorted(moments)


def test_parameters_reach_tasks_and_context(bench: Any) -> None:
    def body() -> Any:
        return given(parameters.Parameter("day", default="Monday"))

    assert bench.run(body, parameters={"day": "Friday"}).result == "Friday Friday"
    assert bench.run(body).result == "Monday Monday"


@task.task
def given(day: str) -> str:
    return f"{day} {context.context.parameters['day']}"


def test_the_context_tells_a_task_what_it_is(bench: Any) -> None:
    state = bench.run(lambda: about_me.map([1, 2]))
    assert state.result == ["about_me[0] of run-1, attempt 1", "about_me[1] of run-1, attempt 1"]


@task.task
def about_me(value: int) -> str:
    me = context.context
    return f"{me.task_slug}[{me.map_index}] of {me.run_id}, attempt {me.attempt}"
