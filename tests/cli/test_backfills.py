"""V6 on the command line."""

import json

import pytest
from structures import registration

from cli_runner import Runner
from headrace.core import schedules
from headrace.wire import flows, operations
from http_client import Http

PERIOD = ("--since", "2026-11-20T06:00", "--until", "2026-11-20T10:00")


@pytest.fixture(autouse=True)
def a_scheduled_flow(http: Http) -> None:
    http.server.call(operations.create_project, flows.CreateProject(name="sales"))
    http.server.call(operations.register_flow, registration(schedules=[schedules.cron("0 * * * *")]))


def test_a_dry_run_lists_the_firings(headrace: Runner) -> None:
    ended = headrace("backfill", "create", "sales/daily", *PERIOD, "--dry-run")
    assert next(line.split("\t")[0] for line in ended.out.splitlines()) == "2026-11-20 06:00:00"
    assert "5 runs; 0 firings left out" in ended.err
    assert headrace("backfill", "list").out == ""


def test_a_backfill_is_made_shown_and_cancelled(headrace: Runner) -> None:
    made = json.loads(
        headrace("backfill", "create", "sales/daily", *PERIOD, "--parallel", "2", "-o", "json").out
    )
    assert (made["total"], made["runs"]) == (5, {"Scheduled": 2})
    assert "2 of 5 (2 Scheduled)" in headrace("backfill", "show", made["id"]).out
    assert "is cancelled: 2 of 5 (2 Cancelled)" in headrace("backfill", "cancel", made["id"]).err
    assert headrace("backfill", "list").out.split("\t")[4] == "cancelled"


def test_a_schedule_may_be_described(headrace: Runner) -> None:
    ended = headrace(
        "backfill", "create", "sales/daily", *PERIOD, "--every", "2h", "-p", "day=friday", "--dry-run"
    )
    assert "3 runs" in ended.err
    assert "day=friday" in ended.out
