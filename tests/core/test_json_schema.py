"""The checker agrees with msgspec about what fits an annotation, and names the place of what does not."""

import enum
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core import json_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(msgspec.Struct):
    width: int
    unit: str = "cm"


class Tree(msgspec.Struct):
    children: "list[Tree]" = []


ANNOTATIONS: list[Any] = [
    int,
    float,
    str,
    bool,
    None,
    list[int],
    dict[str, float],
    tuple[int, str],
    int | None,
    list[str] | None,
    Colour,
    Size,
    list[Size],
    Literal["a", 1],
    Annotated[int, msgspec.Meta(ge=1, lt=5)],
    Annotated[str, msgspec.Meta(min_length=2, max_length=3)],
    date,
    UUID,
    Any,
]

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(-9, 9)
    | st.sampled_from(["", "a", "red", "2026-11-22", "xyz"])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["width", "unit", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def fits(value: Any, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


@settings(max_examples=400, deadline=None)
@given(value=values, annotation=st.sampled_from(ANNOTATIONS))
def test_a_value_fits_a_schema_when_it_fits_the_annotation(value: Any, annotation: Any) -> None:
    found = json_schema.problems(value, msgspec.json.schema(annotation), "p")
    assert (not found) == fits(value, annotation), found


@pytest.mark.parametrize(
    ("value", "annotation", "problem"),
    [
        ("3", int, {"p": "must be a whole number, not the text '3'"}),
        (True, int, {"p": "must be a whole number, not true"}),
        ([1, "x"], list[int], {"p[1]": "must be a whole number, not the text 'x'"}),
        ({"unit": "m"}, Size, {"p.width": "is missing"}),
        ({"width": "w"}, Size | None, {"p.width": "must be a whole number, not the text 'w'"}),
        ("green", Colour, {"p": "must be one of 'blue', 'red', not 'green'"}),
        (7, Annotated[int, msgspec.Meta(le=5)], {"p": "must be at most 5, not 7"}),
        (7, Annotated[int, msgspec.Meta(le=5)] | None, {"p": "must be at most 5, not 7"}),
        ("x", int | None, {"p": "must be a whole number or null, not the text 'x'"}),
        ("soon", date, {"p": "must be a date like 2026-11-22, not 'soon'"}),
        ([1], tuple[int, str], {"p": "must have at least 2 items, not 1"}),
    ],
)
def test_a_problem_names_its_place_and_what_would_fit(
    value: Any, annotation: Any, problem: dict[str, str]
) -> None:
    assert json_schema.problems(value, msgspec.json.schema(annotation), "p") == problem


def test_a_value_that_is_nested_without_end_is_refused() -> None:
    value: dict[str, Any] = {}
    for _ in range(200):
        value = {"children": [value]}
    assert json_schema.problems(value, msgspec.json.schema(Tree), "p")


def test_an_expression_of_a_user_is_not_run() -> None:
    assert json_schema.problems("a" * 5000, {"type": "string", "pattern": "^(a+)+$b"}, "p") == {}
