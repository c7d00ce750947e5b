"""Who gets which run: labels, kinds, due times, repeated requests; and that an agent which waits is woken at once."""

import asyncio
from concurrent.futures import Future
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from lifecycles import Life

from headrace import errors
from headrace.server import claims, tables
from headrace.server.dispatch import Dispatch
from headrace.server.queues import Queue
from headrace.web import ids
from headrace.wire import agents, flows, operations, run_configs, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def wait(life: Life, agent_id: UUID, seconds: float = 20) -> "Future[runs.Claimed]":
    """An agent's long poll; it is known to be held when this returns."""
    before = held(life)
    request = runs.ClaimFlowRun(agent_id=agent_id, wait_seconds=seconds)
    future = life.server.begin(operations.claim_flow_run, request, life.server.as_.agent)

    async def settle() -> None:
        while life.server.service.part(Dispatch).waiting <= before and not future.done():  # noqa: ASYNC110 - nobody says that a poll is held
            await asyncio.sleep(0.005)

    life.server.run(settle())
    return future


def held(life: Life) -> int:
    async def count() -> int:
        return life.server.service.part(Dispatch).waiting

    return life.server.run(count())


def test_the_run_that_waits_longest_goes_first(life: Life) -> None:
    created = [life.create().id for _ in range(5)]
    for place in range(5):
        life.server.clock.advance(0.1)
        claimed = life.claim()
        assert claimed is not None
        created.remove(claimed.flow_run_id)
        assert len(created) == 4 - place
    assert life.claim() is None


@pytest.mark.parametrize(
    ("run_labels", "offer", "taken"),
    [
        (["a"], {"labels": ["a", "b"]}, True),
        (["a", "b"], {"labels": ["a"]}, False),
        ([], {"labels": ["a"]}, True),
        ([], {"labels": ["a"], "takes_unlabelled": False}, False),
        (["a"], {"labels": ["a"], "launches": ["docker"]}, False),
    ],
)
def test_an_agent_gets_a_run_iff_its_labels_and_kinds_contain_the_runs(
    server: Server, run_labels: list[str], offer: dict[str, Any], taken: bool
) -> None:
    life = Life(server, agent=False)
    life.create(labels=run_labels)
    assert (life.claim(life.join("one", **offer)) is not None) is taken


def test_runs_that_nobody_can_take_do_not_keep_others_waiting(life: Life) -> None:
    life.create(labels=["nobody"])
    (template,) = life.server.rows(tables.flow_runs)

    def fill(call: Any) -> None:
        rows = [{**template._mapping, "id": ids.uuid7(), "name": str(number)} for number in range(3_000)]
        call.connection.execute(sa.insert(tables.flow_runs), rows)

    life.server.write(fill)
    wanted = life.create()
    claimed = life.claim()
    assert claimed is not None
    assert claimed.flow_run_id == wanted.id
    if life.server.service.database.is_sqlite:
        assert "ix_flow_runs_claim" in life.server.read(_plan), (
            "the claim must not look at other queues' runs"
        )


def _plan(call: Any) -> str:
    compiled = claims._choose.compile(call.connection, compile_kwargs={"render_postcompile": True})
    text = f"EXPLAIN QUERY PLAN {compiled}"
    rows = call.connection.exec_driver_sql(text, (0,) * text.count("?"))
    return " ".join(str(row[3]) for row in rows)


def test_a_paused_flow_and_a_draining_agent_start_nothing(life: Life) -> None:
    created = life.create()
    life.server.call(operations.update_flow, flows.UpdateFlow(flow_id=life.flow.flow_id, paused=True))
    assert life.claim() is None
    reason = life.read(created.id).waits
    assert reason is not None
    assert reason.code == "flow_paused"
    life.server.call(operations.update_flow, flows.UpdateFlow(flow_id=life.flow.flow_id, paused=False))
    beat = agents.HeartbeatAgent(agent_id=life.agent_id, instance="1", draining=True)
    life.server.call(operations.heartbeat_agent, beat, life.server.as_.agent)
    assert life.claim() is None
    reason = life.read(created.id).waits
    assert reason is not None
    assert reason.code == "agents_draining"


def test_a_claim_whose_answer_was_lost_gives_the_same_run_again(life: Life) -> None:
    life.create()
    life.create()
    first = life.claim(request_id="c1")
    assert first is not None
    assert life.claim(request_id="c1") == first
    life.release(first)
    with pytest.raises(errors.Conflict, match="claim with a new id"):  # another may have it by now
        life.claim(request_id="c1")


def test_a_claim_is_the_same_however_long_it_may_be_held(life: Life) -> None:
    life.create()
    first = life.claim(request_id="c1")
    assert first is not None
    request = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=3)
    again = life.server.call(operations.claim_flow_run, request, life.server.as_.agent, "c1")
    assert again.assignment == first


def test_an_empty_claim_can_be_repeated_with_the_same_request_id(life: Life) -> None:
    assert life.claim(request_id="c1") is None
    life.create()
    assert life.claim(request_id="c1") is not None


def test_an_account_does_not_claim_for_the_agent_of_another(life: Life) -> None:
    request = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=0)
    with pytest.raises(errors.Forbidden, match="another account"):
        life.server.call(operations.claim_flow_run, request, life.server.as_.member)
    with pytest.raises(errors.NotFound, match="register again"):
        life.server.call(
            operations.claim_flow_run, runs.ClaimFlowRun(agent_id=ids.uuid7()), life.server.as_.agent
        )


def test_a_waiting_agent_is_woken_by_a_new_run(life: Life) -> None:
    future = wait(life, life.agent_id)
    created = life.create()
    assert created.waits is not None
    assert created.waits.code == "starting"
    claimed = future.result(10).assignment
    assert claimed is not None
    assert claimed.flow_run_id == created.id
    assert held(life) == 0


def test_a_waiting_agent_is_woken_by_a_released_run(life: Life) -> None:
    claimed = life.claimed()
    future = wait(life, life.join("two"))
    life.release(claimed)
    again = future.result(10).assignment
    assert again is not None
    assert again.flow_run_id == claimed.flow_run_id


def test_one_waiter_is_woken_for_a_run_and_the_others_go_on_waiting(sqlite_server: Server) -> None:
    life = Life(sqlite_server)
    futures = [wait(life, life.join(f"agent {number}")) for number in range(5)]
    created = life.create()
    done = [future for future in futures if _answered(future)]
    assert len(done) == 1
    assert done[0].result().assignment.flow_run_id == created.id
    assert held(life) == 4


def test_a_waiter_that_goes_away_passes_its_run_on(sqlite_server: Server) -> None:
    life = Life(sqlite_server)
    first, second = wait(life, life.join("first")), wait(life, life.join("second"))
    hub = sqlite_server.service.part(Dispatch)
    run = life.create(due_at=sqlite_server.clock.now + timedelta(hours=1))

    async def wake_and_go() -> None:
        queue = Queue(1, frozenset(), "local")
        hub.offer(run.id, queue)
        first.cancel()

    # due before anybody is woken: the second looks at once, and once only
    sqlite_server.clock.advance(3600)
    sqlite_server.run(wake_and_go())
    assert second.result(10).assignment.flow_run_id == run.id


def test_a_run_that_is_due_soon_wakes_an_agent_at_its_time(life: Life) -> None:
    """The timer is real, the database's time is the test's: it is moved on before the timer ends."""
    created = life.create(due_at=life.server.clock.now + timedelta(seconds=0.5))
    future = wait(life, life.agent_id)
    life.server.clock.advance(0.5)
    claimed = future.result(10).assignment
    assert claimed is not None
    assert claimed.flow_run_id == created.id


def test_a_poll_ends_without_a_run_when_its_time_is_over(life: Life) -> None:
    assert wait(life, life.agent_id, 0.2).result(10).assignment is None
    assert held(life) == 0


def test_a_draining_server_answers_at_once(sqlite_server: Server) -> None:
    life = Life(sqlite_server)
    future = wait(life, life.agent_id)
    sqlite_server.portal.loop.call_soon_threadsafe(sqlite_server.service.drain)
    assert future.result(10).assignment is None


def test_a_run_says_why_it_waits(server: Server) -> None:
    life = Life(server, agent=False)

    def code(**asked: Any) -> str:
        reason = life.create(**asked).waits
        assert reason is not None
        return reason.code

    assert code() == "no_agent"
    life.join("one", labels=["a"])
    assert code(run_config=run_configs.DockerRun(image="x")) == "no_launcher"
    assert code(labels=["a", "b"]) == "labels_missing"
    assert code(labels=["a"]) == "agents_busy"
    server.clock.advance(12)
    assert code(labels=["a"]) == "agents_late"
    server.clock.advance(12)
    assert code(labels=["a"]) == "no_agent"


def _answered(future: Any) -> bool:
    try:
        future.result(2)
    except TimeoutError:
        return False
    return True
