"""The reaper under a virtual clock: when a run counts as lost, and when nothing is done because nobody listened."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import reports, tables
from headrace.server.leasing import Leasing
from headrace.server.loops import reaper
from headrace.wire import agents, operations, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    """A server whose reaper has run long enough that its first amnesty is over."""
    life = Life(server)
    watch(server)
    return life


def watch(server: Server) -> None:
    keeper = server.service.part(Leasing)
    keeper.monotonic = lambda: server.clock.now.timestamp()
    pass_time(server, 21)


def pass_time(server: Server, seconds: float) -> None:
    """Moves the clock on in steps of a second; the reaper looks at each."""
    for _ in range(int(seconds)):
        server.clock.advance(1)
        server.run(reaper.run_once(server.service))


def trust(server: Server) -> None:
    """The reaper has looked just now, and nothing was wrong with the time."""
    keeper = server.service.part(Leasing)
    keeper._looked = (server.clock.now, keeper.monotonic())


def test_a_claim_that_nobody_launches_is_given_to_another_three_times(life: Life) -> None:
    held = life.claimed()
    for rescues in (1, 2, 3):
        pass_time(life.server, 19)
        assert life.read(held.flow_run_id).state.type is StateType.SUBMITTED
        pass_time(life.server, 2)
        rescued = life.read(held.flow_run_id)
        assert (rescued.state.name, rescued.rescues) == ("Rescued", rescues)
        with pytest.raises(errors.Superseded):
            life.start(held)
        life.server.call(
            operations.heartbeat_agent,
            agents.HeartbeatAgent(agent_id=life.agent_id, instance="1"),
            life.server.as_.agent,
        )
        again = life.claim()
        assert again is not None
        held = again
    pass_time(life.server, 21)
    assert life.read(held.flow_run_id).state.type is StateType.CRASHED
    life.check()


def test_an_agent_that_is_launching_keeps_its_run(life: Life) -> None:
    held = life.claimed()
    for _ in range(8):
        pass_time(life.server, 15)
        beat = agents.HeartbeatAgent(
            agent_id=life.agent_id,
            instance="1",
            runs=[agents.RunInHand(flow_run_id=held.flow_run_id, fence=held.fence)],
        )
        assert life.server.call(operations.heartbeat_agent, beat, life.server.as_.agent).tear_down == []
    assert life.start(held).state.type is StateType.RUNNING


def test_a_run_that_may_not_repeat_is_unreachable_first_and_crashed_after_its_time(life: Life) -> None:
    held = life.running()
    pass_time(life.server, 60)
    seen = life.read(held.flow_run_id)
    assert (seen.state.type, seen.unreachable) == (StateType.RUNNING, True)
    found = life.server.call(operations.list_flow_runs, runs.ListFlowRuns(state=["Unreachable"]))
    assert [run.id for run in found.items] == [held.flow_run_id]
    pass_time(life.server, 61)
    lost = life.read(held.flow_run_id)
    assert (lost.state.type, lost.state.name, lost.unreachable) == (StateType.CRASHED, "Lost", False)
    assert "nothing has been heard" in lost.state.message
    assert life.claim() is None, "it is not started again"
    life.check()


def test_a_run_that_comes_back_in_time_goes_on(life: Life) -> None:
    held = life.running()
    pass_time(life.server, 100)
    beat = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)

    def renew(call: object) -> None:
        reports.heartbeat_flow_run(call, beat)  # type: ignore[arg-type]

    life.server.write(renew)
    assert not life.read(held.flow_run_id).unreachable
    pass_time(life.server, 19)
    life.finish(held)
    assert life.read(held.flow_run_id).state.type is StateType.SUCCESS


def test_a_flow_says_itself_after_which_time_its_runs_are_lost(server: Server) -> None:
    life = Life(server, lost_after_seconds=40.0)
    watch(server)
    held = life.running()
    pass_time(server, 39)
    assert life.read(held.flow_run_id).state.type is StateType.RUNNING
    pass_time(server, 2)
    assert life.read(held.flow_run_id).state.type is StateType.CRASHED


def test_a_run_that_may_repeat_is_rescued_after_lease_and_grace(server: Server) -> None:
    life = Life(server, on_lost="reschedule")
    watch(server)
    held = life.running()
    pass_time(server, 34)
    assert life.read(held.flow_run_id).state.type is StateType.RUNNING
    pass_time(server, 2)
    rescued = life.read(held.flow_run_id)
    assert (rescued.state.name, rescued.fence) == ("Rescued", held.fence + 1)
    again = life.claim()
    assert again is not None
    assert again.resumed
    life.start(again)
    with pytest.raises(errors.Superseded):
        life.finish(held)
    life.finish(again)
    assert life.read(held.flow_run_id).state.type is StateType.SUCCESS
    life.check()


def test_a_run_without_any_lease_is_rescued_too(server: Server) -> None:
    life = Life(server, on_lost="reschedule")
    watch(server)
    held = life.running()
    server.write(lambda call: call.connection.execute(sa.update(tables.flow_runs).values(lease_until=None)))
    pass_time(server, 1)
    assert life.read(held.flow_run_id).state.name == "Rescued"


def test_a_cancelled_run_whose_process_is_gone_ends(life: Life) -> None:
    held = life.running()
    life.cancel(held.flow_run_id)
    pass_time(life.server, 34)
    assert life.read(held.flow_run_id).state.type is StateType.CANCELLING
    pass_time(life.server, 2)
    assert life.read(held.flow_run_id).state.type is StateType.CANCELLED
    life.check()


def test_runs_that_it_may_not_move_do_not_keep_it_from_the_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "PAGE", 2)
    monkeypatch.setattr(reaper, "_suspects", reaper._suspects.limit(2))
    life = Life(server)
    watch(server)
    stuck = [life.running() for _ in range(5)]
    claimed = life.claimed()
    pass_time(server, 22)
    assert life.read(claimed.flow_run_id).state.name == "Rescued"
    assert {life.read(held.flow_run_id).state.type for held in stuck} == {StateType.RUNNING}


def test_a_suspect_that_showed_itself_meanwhile_is_left_alone(life: Life) -> None:
    held = life.claimed()
    life.server.clock.advance(25)
    life.advance(held, "Starting")
    trust(life.server)
    assert life.server.write(lambda call: reaper.sweep(call, held.flow_run_id)) is False
    assert life.read(held.flow_run_id).state.name == "Starting"


@pytest.mark.parametrize("why", ["start", "clock", "stopped", "database"])
def test_after_a_time_in_which_nobody_listened_leases_count_once_more(server: Server, why: str) -> None:
    life = Life(server, on_lost="reschedule")
    if why != "start":
        watch(server)
    held = life.running()
    keeper = server.service.part(Leasing)
    match why:
        case "start":
            server.clock.advance(3600)
            keeper.monotonic = lambda: server.clock.now.timestamp()
        case "clock":
            keeper.monotonic = lambda: server.clock.now.timestamp() - 3600
            server.clock.advance(3600)
        case "stopped":
            server.clock.advance(3600)
        case _:
            keeper.forget()
            server.clock.advance(3600)
    server.run(reaper.run_once(server.service))
    assert life.read(held.flow_run_id).state.type is StateType.RUNNING
    pass_time(server, 19)
    assert life.read(held.flow_run_id).state.type is StateType.RUNNING
    pass_time(server, 20)
    assert life.read(held.flow_run_id).state.name == "Rescued"


@pytest.mark.parametrize("what", ["nothing", "the clock", "the process"])
def test_time_that_jumps_between_the_look_and_the_deed_ends_nobody(life: Life, what: str) -> None:
    held = life.running()
    hour, server = timedelta(hours=1), life.server
    if what == "the clock":
        standing = server.clock.now.timestamp()
        server.service.part(Leasing).monotonic = lambda: standing
    server.service.part(Leasing).look(server.clock.now, reaper.EVERY)
    server.clock.advance(hour.total_seconds())
    if what == "nothing":
        trust(server)
    assert server.write(lambda call: reaper.sweep(call, held.flow_run_id)) is (what == "nothing")
    is_lost = life.read(held.flow_run_id).state.type is StateType.CRASHED
    assert is_lost is (what == "nothing")


def test_a_server_that_was_away_longer_than_lost_after_ends_no_run_that_still_reports(life: Life) -> None:
    held = life.running()
    life.server.clock.advance(timedelta(minutes=10).total_seconds())
    life.server.run(reaper.run_once(life.server.service))
    life.finish(held)
    pass_time(life.server, 30)
    assert life.read(held.flow_run_id).state.type is StateType.SUCCESS
