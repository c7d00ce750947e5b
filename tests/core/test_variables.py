"""Names of variables, and those that sound like secrets."""

import pytest

from headrace.core import variables


@pytest.mark.parametrize("name", ["Region", "", "1st", "a-b", "x" * 101, "a b", "a\n", "_a", "ä"])
def test_a_name_is_what_an_environment_variable_can_be(name: str) -> None:
    assert variables.problem(name).startswith("a small letter")


@pytest.mark.parametrize("name", ["a", "region", "x" * 100, "rows_2026"])
def test_a_name(name: str) -> None:
    assert variables.problem(name) == ""


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("db_password", True),
        ("token", True),
        ("github_api_key", True),
        ("apikey", True),
        ("secrets", True),
        ("tokens_per_minute", True),
        ("key_column", False),
        ("tokenizer", False),
        ("secretary", False),
        ("region", False),
    ],
)
def test_a_name_that_sounds_like_a_secret_is_warned_about(name: str, warned: bool) -> None:
    assert ("sounds like a secret" in variables.warning(name)) is warned
