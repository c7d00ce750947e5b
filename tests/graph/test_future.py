"""Future values: what they allow while a flow is being built, and what they say of the rest."""

import copy

import pytest

from headrace import errors, flow, task


@task
def number(of: int = 1) -> int:
    return of


@task
def pair() -> tuple[int, int]:
    return 3, 4


@task
def total(values):
    return sum(values)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda x: bool(x), "with case"),
        (lambda x: 1 < x < 3, r"\(a < b\) & \(b < c\)"),
        (lambda x: x and 1, "Python cannot branch on it"),
        (lambda x: list(x), r"use `\.map"),
        (lambda x: f"{x}", "cannot be printed or formatted"),
        (lambda x: str(x), "cannot be printed or formatted"),
        (lambda x: len(x), "has no length"),
        (lambda x: 3 in x, "look inside a task"),
        (lambda x: int(x), "is no number"),
        (lambda x: range(x), "is no number"),
        (lambda x: x(), "cannot be called"),
        (lambda x: x.items, r"read `\.items` inside a task"),
        (lambda x: x.__enter__(), "with"),
        (lambda x: x.__setitem__(0, 1), "nothing can be put into it"),
        (lambda x: copy.copy(x), "cannot be pickled"),
    ],
)
def test_what_needs_the_value_now_is_refused_with_the_task_and_the_fix(use, says):
    @flow
    def wrong():
        use(number())

    with pytest.raises(errors.GraphError, match=says) as refused:
        wrong.graph  # noqa: B018 - building is what is tested
    assert "'" in str(refused.value)
    assert "does not exist while the flow is being built" in str(refused.value)


def test_the_error_names_the_task():
    @flow
    def wrong():
        if number():
            pass

    with pytest.raises(errors.GraphError, match="The value of 'number'"):
        wrong()


def test_operators_make_small_tasks():
    @flow
    def arithmetic():
        x = number(10)
        return [
            x + 1, 1 + x, x - 1, 1 - x, x * 2, x / 4, x // 4, x % 4, x**2, -x, abs(-x), +x, ~x,
            x < 11, x <= 10, x > 10, x >= 10, x == 10, x != 10, (x > 5) & (x < 20), (x > 50) | (x < 20), x ^ 3,
            2 * x, 100 / x, 100 // x, 25 % x, 2**x,
        ]  # fmt: skip

    assert arithmetic() == [
        11, 11, 9, -9, 20, 2.5, 2, 2, 100, -10, 10, 10, -11,
        True, True, False, True, True, False, True, True, 9,
        20, 10, 10, 5, 1024,
    ]  # fmt: skip
    assert {node.kind for node in arithmetic.graph.nodes.values()} == {"task", "operator"}


def test_items_of_a_value_are_tasks_and_items_of_several_values_are_not():
    @flow
    def items():
        a, b = pair()
        first = pair()[-1]
        second = total([[1], [2]][0])
        return {"unpacked": (a, b), "first": first, "of": second, "looked up": number(5) + a}

    assert items() == {"unpacked": (3, 4), "first": 4, "of": 1, "looked up": 8}
    assert [node.kind for node in items.graph.nodes.values()].count("operator") == 1


def test_a_list_of_unknown_length_gives_its_items_by_index():
    @task
    def rows():
        return [{"a": 7}]

    @flow
    def look():
        return rows()[0]["a"]

    assert look() == 7


def test_futures_may_lie_in_sets_and_be_keys():
    @flow
    def sets():
        a, b = number(1), number(2)
        return {a, b}, {a: "one", "two": b}

    assert sets() == ({1, 2}, {1: "one", "two": 2})


def test_a_future_can_be_shown_to_a_debugger():
    seen = []

    @flow
    def look():
        seen.append(repr(number()))
        seen.append(hasattr(number(), "_repr_html_"))

    look()
    assert seen == ["<Future number>", False]
