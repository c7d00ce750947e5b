"""What was approved is not asked about again, and nothing else counts as approved."""

import pytest
from lifecycles import Life
from test_task_events import reporter

from headrace.core.states import StateType
from headrace.wire import operations, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def known(life: Life, held: runs.Assignment) -> dict[str, str]:
    request = runs.ReadTaskResults(flow_run_id=held.flow_run_id, fence=held.fence)
    answer = life.server.call(operations.read_task_results, request, life.by(held))
    return {item.slug: item.state.name for item in answer.items}


def next_attempt(life: Life) -> runs.Assignment:
    again = life.claim()
    assert again is not None
    life.start(again)
    return again


def test_a_task_is_known_to_be_approved_once_its_paused_run_was(life: Life) -> None:
    run = reporter(life)
    run.send(run.event("a", StateType.SUCCESS), run.event("b", StateType.PAUSED))
    life.finish(run.held, StateType.PAUSED)
    life.server.call(operations.resume_flow_run, runs.ResumeFlowRun(flow_run_id=run.held.flow_run_id))
    assert known(life, next_attempt(life)) == {"a": "Success", "b": "Paused"}


def test_a_task_that_paused_in_a_lost_attempt_is_not_approved(server: Server) -> None:
    life = Life(server, retries=1)
    run = reporter(life)
    run.send(run.event("b", StateType.PAUSED))
    life.finish(run.held, StateType.FAILED)
    assert known(life, next_attempt(life)) == {}
