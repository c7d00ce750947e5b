"""R18 in a flow without a server: the environment is asked, then the default."""

from typing import Any

import pytest

from headrace import errors, variables
from headrace.client import connection
from headrace.flows import flow
from headrace.graph import task


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """In no run of a server, whatever another test did."""
    monkeypatch.setattr(connection, "_inside", None)


@task.task
def look() -> list[Any]:
    return [variables.get("region"), variables.get("rows"), variables.get("missing", None)]


@flow(name="looks")
def looks() -> list[Any]:
    return look()  # type: ignore[return-value] - a value of the future


def test_R18_without_a_server_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_VARIABLE_REGION", "eu-central")
    monkeypatch.setenv("HEADRACE_VARIABLE_ROWS", '{"most": 1000}')
    assert looks() == ["eu-central", {"most": 1000}, None]


def test_what_is_nowhere_says_where_to_set_it() -> None:
    with pytest.raises(errors.NotFound, match="set HEADRACE_VARIABLE_REGION in the environment"):
        variables.get("region")
    assert variables.get("region", []) == []
    with pytest.raises(errors.Invalid, match="no name for a variable"):
        variables.get("Region", 1)
