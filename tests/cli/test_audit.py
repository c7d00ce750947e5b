"""P6 on the command line."""

import json

import pytest

from cli_runner import Runner
from headrace.server.loops import audit as audit_loop
from http_client import Http


@pytest.fixture(autouse=True)
def two_projects(headrace: Runner) -> None:
    for name in ("sales", "marketing"):
        assert headrace("project", "create", name).status == 0


def test_the_log_is_listed_and_searched(headrace: Runner) -> None:
    whole = headrace("audit", "list").out.splitlines()
    assert [line.split("\t")[1:4] for line in whole] == [
        ["administrator", "create_project", "project marketing"],
        ["administrator", "create_project", "project sales"],
    ]
    found = json.loads(headrace("audit", "list", "--search", "sal", "-o", "json").out)
    assert [entry["object_name"] for entry in found] == ["sales"]


def test_the_chain_is_verified(headrace: Runner, http: Http) -> None:
    assert "2 are not sealed yet" in headrace("audit", "verify").err
    http.server.clock.advance(11)
    http.server.run(audit_loop.run_once(http.server.service))
    ended = headrace("audit", "verify")
    assert (ended.status, "2 entries are whole" in ended.err) == (0, True)
