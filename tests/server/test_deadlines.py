"""What ends when its time is over: pauses, runs whose processes do not keep their time-out (F62), and late runs."""

from datetime import timedelta
from typing import Any

import pytest
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import heartbeats, reports
from headrace.server.leasing import Leasing
from headrace.server.loops import reaper
from headrace.wire import control, flows, operations, runs
from running import Server


def watched(server: Server, **structure: Any) -> Life:
    """A flow on a server whose reaper has run long enough that its first amnesty is over."""
    life = Life(server, **structure)
    server.service.part(Leasing).monotonic = lambda: server.clock.now.timestamp()
    pass_time(server, 21)
    return life


def pass_time(server: Server, seconds: float) -> None:
    """In steps of a second; the reaper looks at each."""
    for _ in range(int(seconds)):
        server.clock.advance(1)
        server.run(reaper.run_once(server.service))


def live_on(life: Life, held: runs.Assignment, since: int, until: int) -> None:
    """The same, while the run's supervisor sends its signs of life and says for how many seconds it has been running."""
    for second in range(since, until):
        if second % 5 == 0:
            beat(life, held, second)
        pass_time(life.server, 1)


def beat(life: Life, held: runs.Assignment, ran: float) -> runs.RunAnswer:
    sign = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence, running_seconds=ran)
    return life.server.write(lambda call: reports.heartbeat_flow_run(call, sign))


def state(life: Life, run: runs.Assignment | runs.FlowRun) -> tuple[StateType, str, str]:
    found = life.read(run.id if isinstance(run, runs.FlowRun) else run.flow_run_id).state
    return found.type, found.name, found.code


def update(life: Life, **settings: float) -> flows.Flow:
    return life.server.call(
        operations.update_flow,
        flows.UpdateFlow(flow_id=life.flow.flow_id, **settings),  # type: ignore[arg-type]
    )


def test_R9_a_pause_ends_at_its_time_out_and_not_before(server: Server) -> None:
    life = watched(server)
    held = life.running()
    life.finish(held, StateType.PAUSED, message="waits for an approval", pause_seconds=30.0)
    assert life.read(held.flow_run_id).pause_ends_at == server.clock.now + timedelta(seconds=30)
    pass_time(server, 29)
    assert state(life, held)[0] is StateType.PAUSED
    pass_time(server, 2)
    assert state(life, held) == (StateType.FAILED, "TimedOut", "pause_timed_out")
    life.check()


def test_a_pause_without_a_time_out_has_no_end(server: Server) -> None:
    life = watched(server)
    held = life.running()
    life.finish(held, StateType.PAUSED)
    server.clock.advance(timedelta(days=400))
    pass_time(server, 25)
    assert state(life, held)[0] is StateType.PAUSED


def test_a_run_that_was_approved_in_time_is_not_ended_by_the_pause_that_is_over(server: Server) -> None:
    life = watched(server)
    held = life.running()
    life.finish(held, StateType.PAUSED, pause_seconds=30.0)
    server.call(operations.resume_flow_run, runs.ResumeFlowRun(flow_run_id=held.flow_run_id))
    assert life.read(held.flow_run_id).pause_ends_at is None
    pass_time(server, 40)
    assert state(life, held)[:2] == (StateType.SCHEDULED, "Resumed")


def test_whoever_asks_for_a_pause_says_how_long_it_may_last(server: Server) -> None:
    life = watched(server)
    held = life.running()
    asked = control.PauseFlowRun(flow_run_id=held.flow_run_id, seconds=10)
    server.call(operations.pause_flow_run, asked)
    life.finish(held, StateType.PAUSED)
    pass_time(server, 11)
    assert state(life, held) == (StateType.FAILED, "TimedOut", "pause_timed_out")


def test_F62_a_run_whose_supervisor_lives_and_does_not_keep_the_time_out_is_ended(server: Server) -> None:
    life = watched(server, timeout_seconds=60.0, retries=2)
    held = life.running()
    live_on(life, held, 0, 60 + 21)
    assert state(life, held)[0] is StateType.RUNNING, "its own processes come first"
    assert beat(life, held, 84).orders.superseded
    assert state(life, held) == (StateType.FAILED, "TimedOut", "timed_out"), (
        "nobody knows whether it has stopped"
    )
    with pytest.raises(errors.Superseded):
        life.finish(held)
    life.check()


def test_a_run_that_is_not_heard_of_is_lost_and_not_timed_out(server: Server) -> None:
    life = watched(server, timeout_seconds=5.0)
    held = life.running()
    pass_time(server, 100)
    assert state(life, held)[0] is StateType.RUNNING, "it may have ended in time and be about to say so"
    life.finish(held)
    assert state(life, held)[0] is StateType.SUCCESS


def test_a_time_out_counts_from_the_start_of_each_attempt(server: Server) -> None:
    life = watched(server, timeout_seconds=60.0, retries=1)
    held = life.running()
    live_on(life, held, 0, 50)
    life.finish(held, StateType.FAILED)
    again = life.claim()
    assert again is not None
    life.start(again)
    live_on(life, again, 0, 60)
    beat(life, held, 110)
    assert state(life, again)[0] is StateType.RUNNING, "the attempt before does not speak for this one"


def test_a_supervisor_that_does_not_say_for_how_long_it_runs_is_believed(server: Server) -> None:
    life = watched(server, timeout_seconds=60.0)
    held = life.running()
    for _ in range(30):
        by_hand = heartbeats.Beat(held.flow_run_id, held.fence)
        server.write(lambda call, sign=by_hand: heartbeats.renew(call, [sign]) and None)
        pass_time(server, 5)
    assert state(life, held)[0] is StateType.RUNNING


def test_a_held_heartbeat_hears_at_once_that_the_run_has_overrun(server: Server) -> None:
    life = watched(server, timeout_seconds=60.0)
    held = life.running()
    sign = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence, running_seconds=84)
    answer = server.call(operations.heartbeat_flow_run, sign, life.by(held))
    assert answer.orders.superseded
    assert state(life, held) == (StateType.FAILED, "TimedOut", "timed_out")


def test_H2_late_is_what_was_due_a_while_ago_as_the_flow_says(server: Server) -> None:
    life = Life(server)
    run = life.create()

    def found() -> list[Any]:
        request = runs.ListFlowRuns(state=["Late"])
        return [each.id for each in server.call(operations.list_flow_runs, request).items]

    server.clock.advance(14)
    assert (life.read(run.id).late, found()) == (False, [])
    server.clock.advance(2)
    assert (life.read(run.id).late, found()) == (True, [run.id])
    assert update(life, late_after_seconds=3600).late_after_seconds == 3600
    assert (life.read(run.id).late, found()) == (False, [])
    server.clock.advance(3600)
    assert (life.read(run.id).late, found()) == (True, [run.id])
    assert update(life, late_after_seconds=0).late_after_seconds is None


def test_late_runs_are_only_shown_where_nobody_wants_them_cancelled(server: Server) -> None:
    life = watched(server)
    run = life.create()
    server.clock.advance(timedelta(days=3))
    pass_time(server, 25)
    assert state(life, run)[0] is StateType.SCHEDULED


def test_H2_a_flow_whose_late_runs_are_cancelled_says_why(server: Server) -> None:
    life = watched(server)
    update(life, cancel_late_seconds=60)
    run, later = life.create(), life.create(due_at=server.clock.now + timedelta(seconds=30))
    pass_time(server, 59)
    assert state(life, run)[0] is StateType.SCHEDULED
    pass_time(server, 2)
    assert state(life, run) == (StateType.CANCELLED, "Cancelled", "late_cancelled")
    event = life.events(run.id)[-1]
    assert event.actor.kind == "system"
    assert state(life, later)[0] is StateType.SCHEDULED
    assert life.claim() is not None, "the other one can still be had"
    life.check()


def test_a_run_that_has_been_started_before_is_never_too_late(server: Server) -> None:
    life = watched(server, retries=1)
    update(life, cancel_late_seconds=60)
    held = life.running()
    life.finish(held, StateType.FAILED)
    pass_time(server, 100)
    assert state(life, held)[:2] == (StateType.SCHEDULED, "AwaitingRetry")


def test_after_an_outage_agents_have_a_while_to_take_what_waited(server: Server) -> None:
    life = watched(server)
    update(life, cancel_late_seconds=60)
    run = life.create()
    server.service.part(Leasing).forget()
    server.clock.advance(3600)
    pass_time(server, 15)
    assert state(life, run)[0] is StateType.SCHEDULED
    pass_time(server, 10)
    assert state(life, run)[0] is StateType.CANCELLED


def test_lost_after_is_the_flows_setting_before_its_versions(server: Server) -> None:
    life = watched(server, lost_after_seconds=100.0)
    update(life, lost_after_seconds=40)
    held = life.running()
    pass_time(server, 42)
    assert state(life, held)[0] is StateType.CRASHED
    update(life, lost_after_seconds=0)
    held = life.running()
    pass_time(server, 42)
    assert state(life, held)[0] is StateType.RUNNING


def test_lost_after_holds_for_a_run_that_takes_a_newer_version(server: Server) -> None:
    life = watched(server, lost_after_seconds=100.0)
    update(life, lost_after_seconds=40)
    life.create()
    life.register(code_sha256="f" * 64, lost_after_seconds=200.0)
    held = life.claim()
    assert held is not None
    life.start(held)
    pass_time(server, 42)
    assert state(life, held)[0] is StateType.CRASHED


@pytest.mark.parametrize("name", ["late_after_seconds", "cancel_late_seconds", "lost_after_seconds"])
def test_a_time_that_is_none_is_refused(server: Server, name: str) -> None:
    with pytest.raises(errors.Invalid, match=name):
        update(Life(server), **{name: -1.0})
