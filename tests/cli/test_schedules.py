"""`headrace schedule` and `headrace world`, and the library's methods beneath them (V4, V7)."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structures import registration

from headrace import errors
from headrace.cli import main
from headrace.client import Client
from headrace.core import schedules as core
from headrace.wire import flows, operations
from http_client import Http

Run = Callable[..., tuple[int, str]]

PARAMETERS = [
    flows.ParameterSpec(name="day", required=False, default="monday", schema={"type": "string"}),
    flows.ParameterSpec(name="size", required=False, default=1, schema={"type": "integer"}),
]


@pytest.fixture
def api(http: Http) -> Client:
    api = Client(http.url, http.token("administrator"))
    api.create_project("sales")
    api.call(operations.register_flow, registration(parameters=PARAMETERS))
    return api


@pytest.fixture
def run(http: Http, api: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command: its exit status, and what it said on both streams."""
    monkeypatch.setenv("HEADRACE_SERVER_URL", http.url)
    monkeypatch.setenv("HEADRACE_API_KEY", http.token("administrator"))

    def run(*arguments: str) -> tuple[int, str]:
        status = main.execute(["schedule", *arguments] if arguments[0] != "world" else list(arguments))
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def made(run: Run, *described: str) -> dict[str, Any]:
    status, text = run("create", "sales/daily", *described, "-o", "json")
    assert status == 0, text
    return json.loads(text)


def test_a_schedule_is_made_shown_paused_resumed_and_deleted(run: Run) -> None:
    options = ["-z", "Europe/Berlin", "-p", "day=7", "-p", "size=7", "--label", "gpu", "--catch-up", "latest"]
    schedule = made(run, "--cron", "0 6 * * 1-5", *options, "--window", "2d", "--name", "mornings")
    assert schedule["sentence"] == "At 06:00 on Monday to Friday, time of Europe/Berlin."
    assert schedule["schedule"] == {
        "clocks": [
            {
                "clock": "cron",
                "expression": "0 6 * * 1-5",
                "timezone": "Europe/Berlin",
                "parameters": {"day": "7", "size": 7},
                "labels": ["gpu"],
            }
        ],
        "catch_up": "latest",
        "window_seconds": 172800,
    }
    status, text = run("show", "sales/daily/mornings")
    assert status == 0
    assert "06:00:00+01:00" in text
    assert run("pause", "sales/daily")[1] == "mornings of sales/daily is paused\n"
    assert "It is paused" in run("show", schedule["id"])[1]
    assert "schedule paused" in run("list", "--flow", "sales/daily")[1]
    assert "mornings of sales/daily goes on" in run("resume", "sales/daily/mornings")[1]
    assert run("delete", "sales/daily/mornings", "--yes") == (0, "deleted mornings\n")
    assert json.loads(run("list", "-o", "json")[1]) == []


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        (["--every", "15m"], "Every 15 minutes, UTC."),
        (["--every", "2w", "--start", "2026-11-23T09:00"], "Every 2 weeks, counted from 2026-11-23 09:00, UTC."),
        (["--rrule", "FREQ=DAILY;BYHOUR=9", "--end", "2027-01-01"], "By the rule FREQ=DAILY;BYHOUR=9, UTC, until 2027-01-01 00:00."),
        (["--date", "2027-01-01T06:00", "-z", "Asia/Tokyo"], "At 2027-01-01 06:00, time of Asia/Tokyo."),
    ],
)  # fmt: skip
def test_every_clock_can_be_described(run: Run, described: list[str], sentence: str) -> None:
    assert made(run, *described)["sentence"] == sentence


def test_a_preview_needs_no_stored_schedule(run: Run) -> None:
    cron = ["--cron", "30 2 * * *", "-z", "Europe/Berlin"]
    status, text = run("preview", *cron, "--since", "2027-03-26T12:00+00:00", "-n", "2")
    assert status == 0
    assert text.splitlines()[0] == "At 02:30, time of Europe/Berlin."
    assert "does not exist in Europe/Berlin" in text.splitlines()[2]
    made(run, "--every", "1h")
    assert run("preview", "sales/daily", "-n", "3")[1].count("2026-11-22") == 3


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["create", "sales/daily"], 2, "one of --cron, --every, --rrule and --date"),
        (["create", "sales/daily", "--every", "often"], 2, "30s, 5m"),
        (["create", "sales/daily", "--cron", "x"], 2, "five"),
        (["create", "sales/daily", "--every", "1h", "-p", "day"], 2, "NAME=VALUE"),
        (["create", "sales/daily", "--every", "1h", "-p", "dya=1"], 2, "did you mean 'day'"),
        (["create", "sales/dialy", "--every", "1h"], 3, "did you mean 'daily'"),
        (["create", "sales/daily", "--date", "soon"], 2, "ISO time"),
        (["show", "sales"], 2, "PROJECT/FLOW/NAME"),
        (["show", "sales/daily/mornings"], 3, "it has: none"),
        (["pause", "sales/daily"], 2, "say which"),
    ],
)
def test_what_is_wrong_is_said(run: Run, arguments: list[str], status: int, words: str) -> None:
    found, text = run(*arguments)
    assert (found, words in text) == (status, True), text


def test_the_world_is_paused_and_resumed(run: Run) -> None:
    assert run("world") == (0, "nothing is paused\n")
    assert "by administrator: moving house" in run("world", "pause", "--reason", "moving house")[1]
    assert "everything is paused" in run("world")[1]
    assert run("world", "resume") == (0, "nothing is paused\n")


def test_the_library_has_a_method_for_each(api: Client) -> None:
    flow = api.find_flow("sales/daily")
    schedule = api.schedules.create(flow.id, core.every(timedelta(hours=1)), name="hourly")
    assert [found.id for found in api.schedules.list(flow_id=flow.id)] == [schedule.id]
    assert api.schedules.pause(schedule.id).active is False
    assert api.schedules.resume(schedule.id).active is True
    changed = api.schedules.update(schedule.id, schedule=core.every(timedelta(hours=2)), name="even")
    assert (changed.name, changed.sentence) == ("even", "Every 2 hours, UTC.")
    assert len(list(api.list_flow_runs(flow_id=flow.id))) == 10
    since = datetime(2027, 1, 1, tzinfo=UTC)
    assert len(api.schedules.preview(schedule.id, since=since, count=3).firings) == 3
    assert len(api.schedules.preview(core.cron("@daily"), count=4).firings) == 4
    api.schedules.delete(schedule.id)
    with pytest.raises(errors.NotFound):
        api.schedules.read(schedule.id)


def test_r11_a_schedule_s_runs_are_given_a_priority_and_slots(run: Run, api: Client) -> None:
    status, said = run(*("create", "sales/daily", "--cron", "0 6 * * *", "--priority", "5", "--slots", "2"))
    assert status == 0, said
    assert "priority  5" in said
    assert "slots  2" in said
    (made,) = api.schedules.list()
    assert made.schedule is not None
    assert (made.schedule.priority, made.schedule.slots) == (5, 2)
    assert {made.priority for made in api.list_flow_runs()} == {5}
    status, said = run("create", "sales/daily", "--every", "1h", "--priority", "500")
    assert (status, "The schedule's priority is wrong" in said) == (2, True)
