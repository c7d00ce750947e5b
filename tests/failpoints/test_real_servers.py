"""F01, F02: `headrace server` itself, with all its loops, dies in a request; another one is started, and the client goes on."""

import concurrent.futures
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from structures import registration

from failpoints import points
from headrace import client, errors
from headrace.server import doctor
from headrace.wire import agents, flows, operations, runs
from stack import PATIENCE, Make, Stack, make_stack

__all__ = ["make_stack"]

#: pytest's `record_property`.
Record = Callable[[str, Any], None]
DYING = Path(__file__).with_name("dying_server.py")
ONE = "one request"


def dying(make_stack: Make, database_url: str, at: str) -> tuple[Stack, flows.Registered]:
    """A server that will die there, and a flow."""
    stack = make_stack(
        database_url=database_url, program=(str(DYING),), environment={"DIES_AT": at, "DIES_IN": ONE}
    )
    stack.start_server()
    stack.api.create_project("sales")
    return stack, stack.api.call(operations.register_flow, registration())


def revive(stack: Stack, record_property: Record) -> None:
    """The server has died as it was to; an ordinary one takes its place."""
    assert stack.server is not None
    assert stack.server.wait(PATIENCE) == points.KILLED
    stack._program = ("-m", "headrace")
    began = time.monotonic()
    stack.start_server()
    record_property("restart", time.monotonic() - began)


def is_held(stack: Stack) -> bool:
    """Whether an answer is held back."""
    assert stack.local is not None
    key = {"Authorization": f"Bearer {stack.local.user_key}"}
    return b"\nheadrace_held_answers 1" in urllib3.request("GET", f"{stack.url}/metrics", headers=key).data


def check_well(stack: Stack) -> None:
    """Histories without gaps that give the state, no orphans, no lost slots."""
    url = stack.database_url or f"sqlite:///{stack.home / 'server' / 'headrace.db'}"
    report = doctor.examine(url)
    assert report.is_well, report.findings


@pytest.mark.parametrize("at", ["INSERT run_events", "COMMIT", "answer"])
def test_a_client_makes_one_run_however_often_the_server_dies(
    at: str, make_stack: Make, record_property: Record
) -> None:
    stack, flow = dying(make_stack, "", at)
    request = runs.CreateFlowRun(flow_id=flow.flow_id, name="the one")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        making = pool.submit(stack.api.call, operations.create_flow_run, request, request_id=ONE)
        revive(stack, record_property)
        made = making.result(PATIENCE)
    assert [run.id for run in stack.list_runs("sales")] == [made.id]
    check_well(stack)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_grant_that_was_lost_with_the_server_is_given_again_to_the_same_poll(
    kind: str, make_stack: Make, request: pytest.FixtureRequest, record_property: Record
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    stack, _ = dying(make_stack, url, "answer")
    assert stack.local is not None
    with (
        contextlib.closing(client.Client(stack.url, stack.local.agent_key)) as agent,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        said = agents.RegisterAgent(name="one", instance="1", launches=["local"])
        me = agent.call(operations.register_agent, said).id
        poll = runs.ClaimFlowRun(agent_id=me, wait_seconds=20)
        polling = pool.submit(agent.call, operations.claim_flow_run, poll, request_id=ONE, patience=0)
        stack.until(lambda: is_held(stack), "the poll is held")
        made = stack.api.create_flow_run(flow="sales/daily")
        with pytest.raises(errors.Unreachable):
            polling.result(PATIENCE)
        revive(stack, record_property)
        granted = agent.call(operations.claim_flow_run, poll, request_id=ONE, timeout=5).assignment
    assert granted is not None
    assert (granted.flow_run_id, granted.fence, granted.attempt) == (made.id, 1, 1)
    history = stack.api.call(operations.list_run_events, runs.FlowRunRef(flow_run_id=made.id)).items
    assert [event.state.type for event in history] == ["Scheduled", "Submitted"]
    check_well(stack)
