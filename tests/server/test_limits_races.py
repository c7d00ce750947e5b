"""I7 under concurrency: agents that claim, runs that end and limits that change, all at once."""

import random

import pytest
from lifecycles import Life
from limiting import HELD, check, make, tick

from headrace import errors
from headrace.core.limits import Kind
from headrace.server import tables
from headrace.wire import limits, operations, runs
from running import Server

SIZE = 3
RUNS = 24


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def holding(life: Life) -> int:
    return sum(run.state_type in HELD for run in life.server.rows(tables.flow_runs))


@pytest.mark.parametrize("seed", [1, 2])
def test_I7_never_more_than_the_limit_and_every_run_gets_its_turn(life: Life, seed: int) -> None:
    chance = random.Random(seed)
    make(life, "flow", "sales/daily", SIZE)
    agents = [life.join(f"agent {number}") for number in range(6)]
    for number in range(RUNS):
        life.create(priority=number % 3)
    done = 0
    going: list[runs.Assignment] = []
    for _ in range(RUNS * 3):
        claims = [
            life.server.begin(
                operations.claim_flow_run,
                runs.ClaimFlowRun(agent_id=agent_id, wait_seconds=0),
                life.server.as_.agent,
            )
            for agent_id in agents
        ]
        ending = chance.sample(going, k=chance.randint(0, len(going)))
        exits = [
            life.server.begin(
                operations.report_exit,
                runs.ReportExit(flow_run_id=held.flow_run_id, fence=held.fence, launched=False),
                life.server.as_.agent,
            )
            for held in ending
        ]
        for future in exits:
            future.result(20)
        going = [held for held in going if held not in ending]
        done += len(ending)
        going += [claimed for future in claims if (claimed := future.result(20).assignment) is not None]
        assert len(going) == holding(life) <= SIZE
        tick(life)
        if done == RUNS:
            break
    assert done == RUNS
    check(life)


def test_a_limit_that_is_made_while_agents_claim_knows_all_that_runs(life: Life) -> None:
    """A claim that saw no limit is not committed behind the limit's back."""
    agents = [life.join(f"agent {number}") for number in range(6)]
    for _ in range(12):
        life.create()
    begun = [
        life.server.begin(
            operations.claim_flow_run,
            runs.ClaimFlowRun(agent_id=agent_id, wait_seconds=0),
            life.server.as_.agent,
        )
        for agent_id in agents
    ]
    made = life.server.begin(
        operations.create_limit, limits.CreateLimit(kind=Kind.FLOW, what="sales/daily", size=1)
    )
    begun += [
        life.server.begin(
            operations.claim_flow_run,
            runs.ClaimFlowRun(agent_id=agent_id, wait_seconds=0),
            life.server.as_.agent,
        )
        for agent_id in agents
    ]
    claimed = [future.result(20).assignment for future in begun]
    made.result(20)
    assert holding(life) == sum(assignment is not None for assignment in claimed)
    check(life)
    assert life.claim() is None
    with pytest.raises(errors.Conflict, match="already"):
        make(life, "flow", "sales/daily", 2)
