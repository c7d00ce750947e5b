"""Mapping, reducing and flattening come to the same on every executor."""

from typing import Any

import pytest

from headrace.graph import task, triggers
from small_tasks import add, even, give, numbers, one, total


def test_a_mapped_task_runs_once_for_each_item(bench: Any) -> None:
    state = bench.run(lambda: add.map(numbers(4), task.unmapped(10)))
    assert state.result == [10, 11, 12, 13]
    assert len(state.tasks["add"]) == 4
    assert state.tasks["add"][3].type == "Success"


def test_mapped_tasks_map_on_and_reduce(bench: Any) -> None:
    state = bench.run(lambda: total(add.map(add.map(numbers(5)), add.map(numbers(5)))))
    assert state.result == sum((x + 1) + (x + 1) for x in range(5))


def test_a_list_of_lists_is_flattened(bench: Any) -> None:
    def body() -> Any:
        return add.map(task.flatten(numbers.map([1, 2, 3])))

    assert bench.run(body).result == [1, 1, 2, 1, 2, 3]


def test_mapping_over_nothing_succeeds_with_nothing(bench: Any) -> None:
    state = bench.run(lambda: total(add.map(add.map(numbers(0)))))
    assert (state.type, state.result, state.tasks["add"].result) == ("Success", 0, [])


def test_the_shortest_input_decides_and_a_warning_says_so(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert bench.run(lambda: add.map(numbers(3), numbers(2))).result == [0, 2]
    assert "x has 3, y has 2" in caplog.text


def test_what_is_no_list_cannot_be_mapped_over(bench: Any) -> None:
    state = bench.run(lambda: add.map(one()))
    assert state.type == "Failed"
    assert "'x' cannot be mapped over: it is a int" in state.tasks["add"].message
    assert "sort it" in bench.run(lambda: add.map(give({1, 2}))).tasks["add"].message


def test_a_failed_child_stops_neither_its_siblings_nor_their_successors(bench: Any) -> None:
    state = bench.run(lambda: add.map(even.map(numbers(4))))
    assert [each.name for each in state.tasks["even"]] == ["Success", "Failed", "Success", "Failed"]
    assert [each.name for each in state.tasks["add"]] == [
        "Success",
        "TriggerFailed",
        "Success",
        "TriggerFailed",
    ]
    assert (state.type, state.tasks["even"].message) == ("Failed", "2 of 4 mapped runs failed")


def test_a_reduce_asks_its_trigger_about_the_children(bench: Any) -> None:
    def body() -> None:
        children = even.map(numbers(3))
        total(children)
        give.with_options(trigger=triggers.any_failed, name="alarm")(children)
        give.with_options(trigger=triggers.all_failed, name="ruin")(children)

    state = bench.run(body)
    assert state.tasks["total"].name == "TriggerFailed"
    assert "2 succeeded, 1 failed" in state.tasks["total"].message
    assert state.tasks["ruin"].name == "TriggerFailed"
    values = state.tasks["alarm"].result
    assert (values[0], values[2], str(values[1])) == (0, 2, "1 is odd")
