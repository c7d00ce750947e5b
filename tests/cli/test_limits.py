"""R11 and R12 on the command line and in the library: limits are set and shown, and runs are found by their reasons."""

import json
from uuid import UUID

import pytest
from lifecycles import Life

from cli_runner import Runner
from headrace import errors
from headrace.client import Client
from headrace.core.states import StateType
from http_client import Http


@pytest.fixture
def life(http: Http) -> Life:
    return Life(http.server)


def test_R11_a_limit_is_set_shown_changed_and_deleted(life: Life, headrace: Runner) -> None:
    made = headrace("limits", "set", "flow", "sales/daily", "1", "--when-full", "skip")
    assert (made.status, made.err) == (0, "flow sales/daily: 0 of 1 held, 0 waiting (skip)\n")
    held = life.claimed()
    waiting = life.create()
    assert life.claim() is None
    lines = [line.split("\t") for line in headrace("limits", "show", "flow", "sales/daily").out.splitlines()]
    assert [(line[0], line[1]) for line in lines] == [("holds", held.name), ("waits", waiting.name)]
    shown = headrace("runs", "show", str(waiting.id)).out
    assert f"held by {held.name}" in shown
    assert "(limit_full)" in shown
    assert headrace("limits", "set", "flow", "sales/daily", "2").status == 0
    (listed,) = json.loads(headrace("limits", "-o", "json").out)
    assert (listed["size"], listed["held"], listed["when_full"]) == (2, 1, "skip")
    assert headrace("limits").out == "flow\tsales/daily\t2\t1\t0\tskip\n"
    assert headrace("limits", "delete", "flow", "sales/daily").status == 0
    missing = headrace("limits", "delete", "flow", "sales/daily")
    assert (missing.status, "limited are: none" in missing.err) == (3, True)
    wrong = headrace("limits", "set", "flow", "sales/dayly", "2")
    assert (wrong.status, "did you mean 'daily'" in wrong.err) == (3, True)


def test_R12_runs_are_found_by_reason_and_say_what_to_do(life: Life, headrace: Runner) -> None:
    held = life.running()
    life.finish(held, StateType.FAILED, message="task 'load' failed: no", code="task_failed")
    assert headrace("runs", "--reason", "task_failed").out.startswith(held.name)
    assert headrace("runs", "--reason", "lost").out == ""
    assert headrace("runs", "--reason", "task_fail").status == 2
    assert "task_failed: Read the task's logs" in headrace("runs", "show", held.name).out


def test_a_run_is_asked_for_with_a_priority_and_slots(life: Life, headrace: Runner) -> None:
    made = json.loads(headrace("run", "sales/daily", "--priority", "4", "--slots", "2", "-o", "json").out)
    assert (made["priority"], made["slots"]) == (4, 2)
    assert life.read(UUID(made["id"])).priority == 4


def test_limits_in_the_library(life: Life, http: Http) -> None:
    api = Client(http.url, http.token("administrator"))
    with pytest.raises(ValueError, match="queue_up"):
        api.limits.set("tag", "db", 3, when_full="queue_up")
    made = api.limits.set("tag", "db", 3)
    assert api.limits.set("tag", "db", 5).id == made.id
    assert [limit.size for limit in api.limits.list(kind="tag")] == [5]
    assert api.limits.read("tag", "db").holders == []
    member = Client(http.url, http.token("member"))
    with pytest.raises(errors.Forbidden):
        member.limits.set("tag", "db", 9)
    assert [limit.size for limit in member.limits.list()] == [5]
    api.limits.delete("tag", "db")
    with pytest.raises(errors.NotFound, match="limited are: none"):
        api.limits.read("tag", "db")
    api.close()
    member.close()
