"""Branches: what hangs on a comparison, what is skipped, and what joins them."""

import enum

import pytest

from headrace import case, errors, flow, ifelse, merge, switch, task
from headrace.graph import conditions
from headrace.graph.edge import Edge


class Size(enum.Enum):
    SMALL = 1


@task
def look(value):
    return value


@task
def say(word):
    return word


def names(state):
    return {slug: each.name for slug, each in state.tasks.items()}


def test_a_task_inside_a_case_hangs_on_its_comparison():
    @flow
    def body():
        value = look(1)
        with case(value, 1):
            say(value)

    assert body.graph.nodes["say"].upstream == [Edge("look", "say", "word"), Edge("case", "say", case=True)]
    assert body.graph.nodes["case"].kind == "case"


def test_only_the_branch_that_is_true_runs():
    @flow
    def body(value: int):
        seen = look(value)
        with case(seen, 1):
            one = say("one")
            say(one)
        with case(seen, 2):
            two = say("two")
        return merge(one, two)

    state = body.run(2)
    assert state.result == "two"
    assert names(state) | {"seen": ""} == {
        "value": "Success", "look": "Success", "seen": "", "case": "Success", "say": "Skipped", "say-2": "Skipped",
        "case-2": "Success", "say-3": "Success", "merge": "Success",
    }  # fmt: skip
    assert body(1) == "one"


def test_a_merge_of_branches_that_were_all_skipped_is_skipped():
    @flow
    def body():
        with case(look(1), 2):
            one = say("one")
        return merge(one)

    state = body.run()
    assert state.is_success
    assert names(state)["merge"] == "Skipped"
    assert state.result is None


def test_a_case_in_a_case_needs_both():
    @flow
    def body(a: bool, b: bool):
        with case(look(a), True), case(look(b), True):
            both = say("both")
        return merge(both)

    assert [each for each in body.graph.nodes["say"].upstream if each.case] == [
        Edge("case-2", "say", case=True)
    ]
    assert body(True, True) == "both"
    assert body(True, False) is None
    assert body(False, True) is None


def test_switch_makes_each_branch_in_its_case():
    @flow
    def body(size: str):
        return switch(look(size), {"small": lambda: say("a little"), "large": say("a lot")})

    assert body("small") == "a little"
    assert body("large") == "a lot"
    assert body("none") is None


def test_ifelse_decides_by_truth():
    @flow
    def body(rows: list[int]):
        return ifelse(look(rows), lambda: say("some"), lambda: say("none"))

    @flow
    def half(rows: list[int]):
        return ifelse(look(rows), lambda: say("some"))

    assert body([1]) == "some"
    assert body([]) == "none"
    assert half([]) is None


def test_a_comparison_with_another_tasks_value():
    @flow
    def body(value: int):
        with case(look(value), look(3)):
            same = say("same")
        return merge(same)

    assert body(3) == "same"
    assert body(4) is None


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        (True, "True"),
        (None, "None"),
        (3, "3"),
        (Size.SMALL, "SMALL"),
        ("a word of the code", "a value"),
        ((1,), "a value"),
    ],
)
def test_the_schematic_shows_plain_values_and_keeps_others_to_itself(expected, shown):
    @flow
    def body():
        with case(look(1), expected):
            say("x")

    assert conditions.branch(body.graph.nodes["case"]) == shown


def test_conditions_belong_into_a_flow():
    for wrong in (
        lambda: merge(1),
        lambda: switch(1, {}),
        lambda: ifelse(1, 2),
        lambda: case(1, 2).__enter__(),
    ):
        with pytest.raises(errors.GraphError, match="belongs into a flow's body"):
            wrong()


def test_a_switch_without_cases_or_with_a_plain_value_is_refused():
    with pytest.raises(errors.GraphError, match="there are no cases"):
        flow(lambda: switch(look(1), {})).graph  # noqa: B018
    with pytest.raises(errors.GraphError, match="the branch for 1 is 'one'"):
        flow(lambda: switch(look(1), {1: "one"})).graph  # noqa: B018
