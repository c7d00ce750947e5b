"""Lists of runs: newest first, filtered, page by page."""

from datetime import timedelta
from typing import Any

import pytest
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import names
from headrace.web import ids
from headrace.wire import operations, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def listed(life: Life, **asked: Any) -> list[str]:
    return [run.name for run in life.server.call(operations.list_flow_runs, runs.ListFlowRuns(**asked)).items]


def test_runs_are_listed_newest_first_page_by_page(life: Life) -> None:
    for name in "abcde":
        life.create(name=name)
    first = life.server.call(operations.list_flow_runs, runs.ListFlowRuns(limit=2))
    life.create(name="newer")
    second = life.server.call(operations.list_flow_runs, runs.ListFlowRuns(limit=2, after=first.next))
    last = life.server.call(operations.list_flow_runs, runs.ListFlowRuns(limit=2, after=second.next))
    assert [run.name for page in (first, second, last) for run in page.items] == list("edcba")
    assert last.next is None


def test_runs_are_filtered_by_state_also_by_derived_ones(life: Life) -> None:
    life.finish(life.running())
    life.create(name="future", due_at=life.server.clock.now + timedelta(hours=1))
    life.create(name="waiting")
    assert listed(life, state=["Late"]) == []
    life.server.clock.advance(16)
    assert listed(life, state=["Late"]) == ["waiting"]
    assert listed(life, state=["Scheduled"]) == ["waiting", "future"]
    assert len(listed(life, state=["Late", "Success"])) == 2
    with pytest.raises(errors.Invalid, match="did you mean 'Success'"):
        listed(life, state=["Sucess"])


def test_runs_are_found_by_a_part_of_the_name_or_the_beginning_of_the_id(life: Life) -> None:
    run = life.create(name="Quarterly 100%")
    life.create(name="other")
    assert listed(life, search="quarter") == ["Quarterly 100%"]
    assert listed(life, search="0%") == ["Quarterly 100%"]
    assert listed(life, search=str(run.id)[:30]) == ["Quarterly 100%"]
    assert listed(life, search=run.id.hex) == ["Quarterly 100%"]
    assert listed(life, search="nothing") == []


def test_runs_are_filtered_by_flow_project_agent_and_time(life: Life) -> None:
    life.create(name="a")
    life.claim()
    moment = life.server.clock.now + timedelta(seconds=1)
    life.server.clock.advance(2)
    life.create(name="b")
    assert listed(life, flow_id=life.flow.flow_id, project="sales") == ["b", "a"]
    assert listed(life, flow_id=ids.uuid7()) == []
    assert listed(life, agent_id=life.agent_id) == ["a"]
    assert listed(life, since=moment) == ["b"]
    assert listed(life, until=moment) == ["a"]
    with pytest.raises(errors.NotFound, match="did you mean 'sales'"):
        listed(life, project="sale")


def test_what_there_is_not_is_not_found(life: Life) -> None:
    for operation in (operations.read_flow_run, operations.list_run_events):
        with pytest.raises(errors.NotFound):
            life.server.call(operation, runs.FlowRunRef(flow_run_id=ids.uuid7()))
    with pytest.raises(errors.NotFound):
        life.server.call(operations.list_task_runs, runs.ListTaskRuns(flow_run_id=ids.uuid7()))


def test_a_history_names_who_did_what(life: Life) -> None:
    held = life.running()
    life.cancel(held.flow_run_id, "enough")
    actors = [(event.actor.kind, event.state.type) for event in life.events(held.flow_run_id)]
    assert actors == [
        ("user", StateType.SCHEDULED),
        ("service_account", StateType.SUBMITTED),
        ("run", StateType.RUNNING),
        ("user", StateType.CANCELLING),
    ]


def test_words_of_a_name_are_enough_and_simple() -> None:
    words = [*names.ADJECTIVES, *names.NOUNS]
    assert len(names.ADJECTIVES) * len(names.NOUNS) > 10_000
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert len(set(names.ADJECTIVES)) == len(names.ADJECTIVES)
    assert len(set(names.NOUNS)) == len(names.NOUNS)
