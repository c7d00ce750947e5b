"""Keys of cached values and templates of targets."""

import dataclasses
import os
import subprocess
import sys
from typing import Any

import pytest

from headrace import errors
from headrace.engine import caching
from headrace.graph import caching as policies

FACTS: dict[str, Any] = {"parameters": {"day": "Monday"}, "map_index": 2}


@dataclasses.dataclass
class Point:
    x: int
    tags: set[str]


def first(a: int) -> int:
    return a + 1


def second(a: int) -> int:
    return a + 2


def key(function: Any = first, inputs: Any = None, **given: Any) -> str:
    policy = policies.CachePolicy(**given)
    return caching.key("t", function, policy, None, inputs or {"a": 1, "b": 2}, FACTS)


def test_equal_values_have_one_token_and_different_ones_do_not() -> None:
    assert caching.token({"a": 1, "b": {3, 1, 2}}) == caching.token({"b": {2, 3, 1}, "a": 1})
    assert caching.token(Point(1, {"x", "y"})) == caching.token(Point(1, {"y", "x"}))
    tokens = [caching.token(each) for each in (1, 1.0, True, "1", b"1", [1], (1,), {1}, {1: 1}, None)]
    assert len(set(tokens)) == len(tokens)
    assert caching.token(["ab", "c"]) != caching.token(["a", "bc"])


def test_a_token_is_the_same_in_every_process() -> None:
    code = "from headrace.engine import caching; print(caching.token({'a', 'b', ('c', 1)}).hex())"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {caching.token({"a", "b", ("c", 1)}).hex() + "\n"}


def test_the_key_counts_code_and_what_the_policy_names() -> None:
    assert key() == key()
    assert key() != key(second)
    assert key() != key(inputs={"a": 1, "b": 3})
    assert caching.key(
        "t", first, policies.CachePolicy(inputs=("a",)), None, {"a": 1, "b": 2}, FACTS
    ) == caching.key("t", first, policies.CachePolicy(inputs=("a",)), None, {"a": 1, "b": 3}, FACTS)
    later = {**FACTS, "parameters": {"day": "Tuesday"}}
    by_parameters = policies.CachePolicy(inputs=False, parameters=True)
    assert caching.key("t", first, by_parameters, None, {}, FACTS) != caching.key(
        "t", first, by_parameters, None, {}, later
    )


def test_an_input_that_the_policy_names_and_the_task_lacks_is_an_error() -> None:
    with pytest.raises(errors.Invalid, match=r"the input 'aa', which there is not .did you mean 'a'"):
        caching.key("t", first, policies.CachePolicy(inputs=("aa",)), None, {"a": 1}, FACTS)


def test_an_input_without_a_stable_form_asks_for_a_key() -> None:
    with pytest.raises(errors.Invalid, match=r"'a' has no stable form.*cache_key"):
        key(inputs={"a": (x for x in "ab")})


def test_a_template_is_filled_from_inputs_and_facts() -> None:
    assert caching.fill("{parameters[day]}/{a}-{map_index}.csv", "t", {"a": "x"}, FACTS) == "Monday/x-2.csv"
    assert caching.fill(lambda a: f"of {a}", "t", {"a": "x"}, FACTS) == "of x"
    with pytest.raises(
        errors.Invalid, match=r"asks for 'map_indx', which there is not .did you mean 'map_index'"
    ):
        caching.fill("{map_indx}", "t", {}, FACTS)
