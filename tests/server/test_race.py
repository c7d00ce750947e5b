"""Many agents at once: each run goes to exactly one of them."""

import asyncio
from uuid import UUID

import pytest
from lifecycles import CONTENT, Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import tables
from headrace.wire import operations, runs
from running import Server

CLAIMERS = 16


async def claim_all(life: Life, agents: list[UUID]) -> list[tuple[UUID, int]]:
    """All agents claim until nothing is left; what each was given."""
    service, caller = life.server.service, life.server.as_.agent

    async def one(agent_id: UUID) -> list[tuple[UUID, int]]:
        given: list[tuple[UUID, int]] = []
        request = runs.ClaimFlowRun(agent_id=agent_id, wait_seconds=0)
        while (
            found := (await service.call(operations.claim_flow_run, request, caller)).assignment
        ) is not None:
            given.append((found.flow_run_id, found.fence))
        return given

    return [pair for given in await asyncio.gather(*map(one, agents)) for pair in given]


def race(server: Server, count: int) -> None:
    life = Life(server)
    agents = [life.join(f"agent {number}") for number in range(CLAIMERS)]
    request = runs.CreateFlowRun(flow_id=life.flow.flow_id)

    async def create(share: int) -> list[UUID]:
        asked = (
            server.service.call(operations.create_flow_run, request, server.as_.member) for _ in range(share)
        )
        return [(await one).id for one in asked]

    async def create_all() -> list[UUID]:
        made = await asyncio.gather(*(create(count // 8) for _ in range(8)))
        return [run_id for part in made for run_id in part]

    created = server.run(create_all())
    given = server.run(claim_all(life, agents))
    # on PostgreSQL the last runs may be passed over while another agent's transaction holds them
    given += server.run(claim_all(life, agents))
    assert sorted(run_id for run_id, _ in given) == sorted(created)
    assert {fence for _, fence in given} == {1}
    life.check()


def test_sixteen_agents_race_for_two_hundred_runs(server: Server) -> None:
    race(server, 200)


@pytest.mark.slow
def test_sixteen_agents_race_for_a_thousand_runs(server: Server) -> None:
    race(server, 1_000)


def test_waiting_agents_get_all_runs_as_they_are_made(server: Server) -> None:
    """Nobody polls: each run finds an agent that waits, or one that comes back."""
    life = Life(server)
    agents = [life.join(f"agent {number}") for number in range(CLAIMERS)]
    service = server.service
    wanted = 100

    async def all_() -> list[UUID]:
        given: list[UUID] = []
        done = asyncio.Event()

        async def work(agent_id: UUID) -> None:
            request = runs.ClaimFlowRun(agent_id=agent_id, wait_seconds=30)
            while not done.is_set():
                found = (await service.call(operations.claim_flow_run, request, server.as_.agent)).assignment
                if found is not None:
                    given.append(found.flow_run_id)
                    if len(given) == wanted:
                        done.set()

        workers = [asyncio.create_task(work(agent_id)) for agent_id in agents]
        for _ in range(wanted):
            request = runs.CreateFlowRun(flow_id=life.flow.flow_id)
            await service.call(operations.create_flow_run, request, server.as_.member)
        async with asyncio.timeout(25):
            await done.wait()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return given

    given = server.run(all_())
    assert len(set(given)) == wanted
    life.check()


def test_cancelling_while_agents_claim_and_start_starts_nothing_after_the_answer(server: Server) -> None:
    """After an acknowledged cancel of an unstarted run no start is accepted."""
    life = Life(server)
    ids = [life.create().id for _ in range(40)]
    service = server.service
    ended: set[UUID] = set()

    async def start_all() -> list[UUID]:
        started: list[UUID] = []
        request = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=0)
        while (
            held := (await service.call(operations.claim_flow_run, request, server.as_.agent)).assignment
        ) is not None:
            caller = server.as_.run(held.flow_run_id, held.fence)
            start = runs.StartFlowRun(
                flow_run_id=held.flow_run_id, fence=held.fence, content_sha256=CONTENT, host="here", pid=1
            )
            over = held.flow_run_id in ended
            try:
                await service.call(operations.start_flow_run, start, caller)
            except errors.Conflict:
                continue
            assert not over
            started.append(held.flow_run_id)
        return started

    async def cancel_all() -> None:
        for run_id in reversed(ids):
            answer = await service.call(
                operations.cancel_flow_run, runs.CancelFlowRun(flow_run_id=run_id), server.as_.member
            )
            if answer.state.type is StateType.CANCELLED:
                ended.add(run_id)

    async def both() -> list[UUID]:
        started, _ = await asyncio.gather(start_all(), cancel_all())
        return started

    started = server.run(both())
    rows = {row.id: row for row in server.rows(tables.flow_runs)}
    for run_id in ended:
        assert rows[run_id].started_at is None
    for run_id in started:
        assert rows[run_id].state_type in ("Running", "Cancelling")
    assert {row.state_type for row in rows.values()} <= {"Cancelled", "Cancelling", "Running"}
    life.check()
