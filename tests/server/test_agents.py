"""Agents: who they are, how they are, and what they hear."""

from typing import Any

import pytest
from lifecycles import Life

from headrace import errors
from headrace.server import tables
from headrace.web import ids
from headrace.wire import agents, operations, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def read(life: Life) -> agents.Agent:
    return life.server.call(operations.read_agent, agents.AgentRef(agent_id=life.agent_id))


def beat(life: Life, *held: Any, instance: str = "1") -> agents.AgentOrders:
    request = agents.HeartbeatAgent(
        agent_id=life.agent_id,
        instance=instance,
        runs=[agents.RunInHand(flow_run_id=one.flow_run_id, fence=one.fence) for one in held],
    )
    return life.server.call(operations.heartbeat_agent, request, life.server.as_.agent)


def test_an_agent_that_starts_again_is_the_same_agent(life: Life) -> None:
    request = agents.RegisterAgent(
        name="one", instance="2", launches=["local"], labels=["b", "a", "b"], host="here"
    )
    again = life.server.call(operations.register_agent, request, life.server.as_.agent)
    assert again.id == life.agent_id
    assert again.labels == ["a", "b"]
    with pytest.raises(errors.Conflict, match="name of its own"):
        beat(life, instance="1")


def test_agents_of_two_accounts_may_have_one_name(life: Life) -> None:
    request = agents.RegisterAgent(name="one", instance="1", launches=["local"])
    other = life.server.call(operations.register_agent, request, life.server.as_.administrator)
    assert other.id != life.agent_id


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"launches": ["docekr"]}, "launches"),
        ({"launches": []}, "launches"),
        ({"name": " "}, "name"),
        ({"labels": ["a b"]}, "labels"),
    ],
)
def test_a_wrong_registration_is_refused(sqlite_server: Server, wrong: dict[str, Any], field: str) -> None:
    life = Life(sqlite_server)
    with pytest.raises(errors.Invalid) as caught:
        life.join(**{"name": "two", **wrong})
    assert field in caught.value.fields


def test_health_follows_the_last_contact(life: Life) -> None:
    assert read(life).health == "healthy"
    life.server.clock.advance(11)
    assert read(life).health == "late"
    life.server.clock.advance(10)
    assert read(life).health == "gone"
    for health in ("healthy", "late", "gone"):
        page = life.server.call(operations.list_agents, agents.ListAgents(health=health))
        assert [agent.id for agent in page.items] == ([life.agent_id] if health == "gone" else [])
    beat(life)
    assert read(life).health == "healthy"


def test_an_agent_is_shown_with_its_runs_and_what_it_could_take(life: Life) -> None:
    held = life.running()
    life.create()
    life.create(labels=["gpu"])
    seen = read(life)
    assert [run.id for run in seen.runs_in_hand] == [held.flow_run_id]
    assert seen.could_take == 1
    life.finish(held)
    seen = read(life)
    assert (seen.runs_in_hand, [run.state for run in seen.last_runs]) == ([], ["Success"])


def test_an_agent_hears_what_it_must_tear_down(life: Life) -> None:
    kept, cancelled, exited = life.claimed(), life.claimed(), life.running()
    life.cancel(cancelled.flow_run_id)
    life.exit(exited, exit_code=1)
    assert set(beat(life, kept, cancelled, exited).tear_down) == {cancelled.flow_run_id, exited.flow_run_id}


def test_a_heartbeat_renews_only_what_the_agent_has_not_started(life: Life) -> None:
    claimed, running = life.claimed(), life.running()
    before = {row.id: row.lease_until for row in life.server.rows(tables.flow_runs)}
    life.server.clock.advance(5)
    beat(life, claimed, running)
    after = {row.id: row.lease_until for row in life.server.rows(tables.flow_runs)}
    assert after[claimed.flow_run_id] > before[claimed.flow_run_id]
    assert after[running.flow_run_id] == before[running.flow_run_id], "its own process renews that"


def test_another_account_does_not_speak_for_an_agents_runs(life: Life) -> None:
    held = life.claimed()
    request = runs.ReportExit(flow_run_id=held.flow_run_id, fence=held.fence)
    with pytest.raises(errors.Forbidden):
        life.server.call(operations.report_exit, request, life.server.as_.registrar)


def test_a_removed_agent_is_gone_and_is_told_to_register_again(life: Life) -> None:
    life.server.call(operations.delete_agent, agents.AgentRef(agent_id=life.agent_id))
    with pytest.raises(errors.NotFound, match="register again"):
        beat(life)
    with pytest.raises(errors.NotFound):
        life.server.call(operations.delete_agent, agents.AgentRef(agent_id=ids.uuid7()))


def test_agents_are_listed_by_name_page_by_page(life: Life) -> None:
    for name in ("c", "a", "b"):
        life.join(name, labels=["x"])
    first = life.server.call(operations.list_agents, agents.ListAgents(limit=2))
    second = life.server.call(operations.list_agents, agents.ListAgents(limit=2, after=first.next))
    assert [agent.name for agent in [*first.items, *second.items]] == ["a", "b", "c", "one"]
    labelled = life.server.call(operations.list_agents, agents.ListAgents(label="x"))
    assert len(labelled.items) == 3
