"""R18 on the command line and in the library: variables are set, read, listed, deleted, and have a history."""

import json

import pytest
from lifecycles import Life

from cli_runner import Runner
from headrace import errors
from headrace.client import Client
from headrace.wire import operations, variables
from http_client import Http


def test_R18_a_variable_from_its_first_value_to_its_end(http: Http, headrace: Runner) -> None:
    Life(http.server)
    made = headrace("variable", "set", "region", "eu-central", "--description", "where")
    assert (made.status, made.err) == (0, 'region is "eu-central" (version 1)\n')
    assert headrace("variable", "get", "region").out == "eu-central\n"
    assert headrace("variable", "set", "rows", "1000").status == 0
    assert headrace("variable", "get", "rows").out == "1000\n"
    assert headrace("variable", "set", "rows", "1000", "--text", "--project", "sales").status == 0
    found = json.loads(headrace("variable", "get", "rows", "--project", "sales", "-o", "json").out)
    assert (found["value"], found["project"], found["version"]) == ("1000", "sales", 1)
    lines = [line.split("\t") for line in headrace("variable", "list").out.splitlines()]
    assert [line[:4] for line in lines] == [
        ["region", '"eu-central"', "", "1"],
        ["rows", "1000", "", "1"],
        ["rows", '"1000"', "sales", "1"],
    ]
    faster = headrace("variable", "set", "rows", "7", "--expect-version", "3")
    assert (faster.status, "has version 1 by now" in faster.err) == (5, True)
    assert headrace("variable", "delete", "rows").err == "rows is deleted\n"
    history = [line.split("\t") for line in headrace("variable", "history", "rows").out.splitlines()]
    assert [(line[0], line[1], line[3]) for line in history] == [
        ("2", "(deleted)", "administrator"),
        ("1", "1000", "administrator"),
    ]
    missing = headrace("variable", "get", "regon")
    assert (missing.status, "did you mean 'region'" in missing.err) == (3, True)


def test_what_a_run_has_read_is_shown(http: Http, headrace: Runner) -> None:
    life = Life(http.server)
    held = life.running()
    headrace("variable", "set", "region", "eu")
    for name in ("region", "rows"):
        request = variables.ReadRunVariable(flow_run_id=held.flow_run_id, fence=held.fence, name=name)
        http.server.call(operations.read_run_variable, request, life.by(held))
    lines = [line.split("\t") for line in headrace("variable", "read-by", held.name).out.splitlines()]
    assert [line[:4] for line in lines] == [["region", "1", '"eu"', ""], ["rows", "none", "", ""]]


def test_a_name_that_sounds_like_a_secret_is_warned_about(headrace: Runner) -> None:
    made = headrace("variable", "set", "db_password", "hunter2")
    assert (made.status, made.err.startswith("warning: 'db_password' sounds like a secret")) == (0, True)


def test_variables_in_the_library(http: Http) -> None:
    life = Life(http.server)
    member, viewer = Client(http.url, http.token("member")), Client(http.url, http.token("viewer"))
    member.variables.set("limits", {"rows": [1, 2]}, expected_version=0)
    assert viewer.variables.read("limits").value == {"rows": [1, 2]}
    assert [each.name for each in viewer.variables.list(search="lim")] == ["limits"]
    with pytest.raises(errors.Forbidden):
        viewer.variables.set("limits", 1)
    member.variables.delete("limits", expected_version=1)
    assert [each.deleted for each in viewer.variables.history("limits")] == [True, False]
    assert list(viewer.variables.read_by(life.create().id)) == []
    member.close()
    viewer.close()
