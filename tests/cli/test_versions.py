"""V2, V3, V10 on the command line."""

import json

import pytest
from structures import digest, registration

from cli_runner import Runner
from headrace.wire import executors, flows, operations
from http_client import Http


@pytest.fixture(autouse=True)
def two_versions(http: Http) -> None:
    server = http.server
    server.call(operations.create_project, flows.CreateProject(name="sales"))
    server.call(operations.register_flow, registration())
    changed = registration(executor=executors.ThreadExecutor(workers=2), code_sha256=digest("other"))
    server.call(operations.register_flow, changed)


def test_versions_are_listed_and_compared(headrace: Runner) -> None:
    listed = headrace("flow", "versions", "sales/daily").out.splitlines()
    assert [line.split("\t")[:2] for line in listed] == [["2", "current"], ["1", ""]]
    shown = headrace("flow", "diff", "sales/daily").out
    assert shown.startswith("sales/daily: version 1 → 2: executor and code changed\n~ executor executor\n")
    assert "workers: – → 2" in shown
    assert (
        json.loads(headrace("flow", "diff", "sales/daily", "2", "1", "-o", "json").out)["before"]["number"]
        == 2
    )


def test_an_older_version_is_made_current(headrace: Runner) -> None:
    assert headrace("flow", "current", "sales/daily", "1").status == 0
    assert json.loads(headrace("flow", "show", "sales/daily", "-o", "json").out)["current_version"] == 1
    missing = headrace("flow", "current", "sales/daily", "7")
    assert (missing.status, "has no version 7; the newest is 2" in missing.err) == (3, True)


def test_an_archived_flow_is_hidden_and_comes_back(headrace: Runner) -> None:
    headrace("flow", "archive", "sales/daily")
    assert headrace("flows").out == ""
    headrace("flow", "unarchive", "sales/daily")
    assert headrace("flows").out.startswith("sales/daily\t2")


def test_what_goes_is_said_before_a_flow_is_deleted(headrace: Runner) -> None:
    refused = headrace("flow", "delete", "sales/daily", typed="n\n")
    assert "2 versions and 0 schedules go" in refused.err
    assert refused.status == 130
    assert headrace("flow", "delete", "sales/daily", "--version", "1", "--yes").status == 0
    assert headrace("flow", "delete", "sales/daily", "--yes").status == 0
    assert headrace("flow", "show", "sales/daily").status == 3
