"""What run processes and agents report, and what becomes of reports that come twice, late or from the wrong one."""

from datetime import timedelta

import pytest
from lifecycles import Life
from structures import digest

from headrace import errors
from headrace.core import leases
from headrace.core.states import StateType
from headrace.server import tables
from headrace.server.heartbeats import Heartbeats
from headrace.server.leasing import Leasing
from headrace.wire import operations, runs
from running import Server

#: Answers of heartbeats are held for the time between two: here for a moment.
FAST = leases.Timing(heartbeat=timedelta(milliseconds=300))


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def test_only_the_registered_content_starts(life: Life) -> None:
    held = life.claimed()
    with pytest.raises(errors.ContentMismatch, match="register the flow again"):
        life.start(held, content=digest("other bytes"))
    life.finish(held, StateType.CRASHED, name="ContentMismatch", message="other bytes")
    assert life.read(held.flow_run_id).state.name == "ContentMismatch"
    life.check()


def test_a_token_of_another_attempt_starts_nothing(life: Life) -> None:
    held = life.claimed()
    request = runs.StartFlowRun(
        flow_run_id=held.flow_run_id, fence=held.fence, content_sha256=digest("content"), host="here", pid=1
    )
    with pytest.raises(errors.Forbidden):
        life.server.call(
            operations.start_flow_run, request, life.server.as_.run(held.flow_run_id, held.fence + 1)
        )


def test_a_repeated_start_is_harmless_and_a_second_process_is_refused(life: Life) -> None:
    held = life.running()
    assert life.start(held).state.type is StateType.RUNNING
    with pytest.raises(errors.Superseded, match="already"):
        life.start(held, pid=8)
    assert [event.state.name for event in life.events(held.flow_run_id)] == [
        "Scheduled",
        "Submitted",
        "Running",
    ]


def test_a_final_report_whose_answer_was_lost_can_be_repeated(life: Life) -> None:
    held = life.running()
    first = life.finish(held, request_id="final")
    assert life.finish(held, request_id="final") == first
    assert life.finish(held).version == first.version
    with pytest.raises(errors.Superseded, match="it is Success"):
        life.finish(held, StateType.FAILED)
    assert life.read(held.flow_run_id).state.type is StateType.SUCCESS
    life.check()


def test_a_failure_is_tried_again_as_often_as_the_flow_says(server: Server) -> None:
    life = Life(server, retries=2, retry_delay_seconds=30)
    held = life.running()
    run_id = held.flow_run_id
    for attempt in (2, 3):
        answer = life.finish(held, StateType.FAILED, message="no luck")
        assert (answer.state.name, answer.state.message) == ("AwaitingRetry", "no luck")
        waiting = life.read(run_id)
        assert waiting.waits is not None
        assert waiting.waits.code == "awaiting_retry"
        assert life.claim() is None
        server.clock.advance(30)
        again = life.claim()
        assert again is not None
        assert (again.flow_run_id, again.attempt) == (run_id, attempt)
        held = again
        life.start(held)
    assert life.finish(held, StateType.FAILED).state.type is StateType.FAILED
    assert life.claim() is None
    life.check()


def test_a_late_result_of_a_superseded_holder_is_kept_and_changes_nothing(life: Life) -> None:
    held = life.running()
    life.exit(held, exit_code=-9)
    crashed = life.read(held.flow_run_id)
    assert (crashed.state.type, crashed.fence) == (StateType.CRASHED, held.fence + 1)
    assert "signal 9" in crashed.state.message
    with pytest.raises(errors.Superseded, match="kept in the run's history"):
        life.finish(held, message="I did it")
    after = life.read(held.flow_run_id)
    assert after.state == crashed.state
    *_, last = life.events(held.flow_run_id)
    assert (last.kind, last.state.type, last.state.message, last.fence) == (
        "note",
        StateType.SUCCESS,
        "I did it",
        held.fence,
    )
    life.check()


def test_an_exit_after_the_final_report_changes_nothing(life: Life) -> None:
    held = life.running()
    life.finish(held)
    answer = life.exit(held, exit_code=0)
    assert answer.state.type is StateType.SUCCESS
    assert len(life.events(held.flow_run_id)) == 4


def test_an_exit_of_a_run_that_may_repeat_schedules_it_again_three_times(server: Server) -> None:
    life = Life(server, on_lost="reschedule")
    held = life.running()
    for _ in range(3):
        assert life.exit(held, exit_code=1).state.name == "Rescued"
        again = life.claim()
        assert again is not None
        held = again
        life.start(held)
    assert life.exit(held, exit_code=1).state.type is StateType.CRASHED
    assert life.read(held.flow_run_id).rescues == 3
    life.check()


def test_a_launch_that_failed_says_why(life: Life) -> None:
    held = life.claimed()
    life.exit(held, launched=False, message="no such image")
    state = life.read(held.flow_run_id).state
    assert (state.type, state.name, state.message) == (StateType.CRASHED, "LaunchFailed", "no such image")


def test_a_released_run_goes_to_another_agent_at_once(life: Life) -> None:
    held = life.claimed()
    assert life.release(held).state.name == "Released"
    again = life.claim(life.join("two"))
    assert again is not None
    assert (again.flow_run_id, again.fence) == (held.flow_run_id, held.fence + 2)
    with pytest.raises(errors.Superseded):
        life.start(held)
    with pytest.raises(errors.Superseded):
        life.release(held)


def test_the_shown_step_of_a_launch_never_goes_back(life: Life) -> None:
    held = life.claimed()
    life.advance(held, "SettingUp")
    with pytest.raises(errors.Conflict, match="got to SettingUp"):
        life.advance(held, "PullingImage")


def test_a_heartbeat_renews_the_lease_and_changes_no_state(life: Life) -> None:
    life.server.service.part(Leasing).timing = FAST
    held = life.running()
    version = life.read(held.flow_run_id).state_version
    life.server.clock.advance(10)
    request = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
    answer = life.server.call(operations.heartbeat_flow_run, request, life.by(held))
    assert answer.orders == runs.Orders()
    (row,) = life.server.rows(tables.flow_runs)
    assert row.lease_until == life.server.clock.now + FAST.lease
    assert row.version == version


def test_heartbeats_are_written_together(life: Life) -> None:
    life.server.service.part(Leasing).timing = FAST
    held = [life.running() for _ in range(20)]
    asked = [
        (runs.HeartbeatFlowRun(flow_run_id=one.flow_run_id, fence=one.fence), life.by(one)) for one in held
    ]
    answers = [life.server.begin(operations.heartbeat_flow_run, request, caller) for request, caller in asked]
    assert {future.result(30).orders for future in answers} == {runs.Orders()}
    assert life.server.service.part(Heartbeats).batches < 10


def test_a_held_heartbeat_brings_the_order_to_cancel_at_once(life: Life) -> None:
    held = life.running()  # its heartbeats are five seconds apart
    request = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
    answer = life.server.begin(operations.heartbeat_flow_run, request, life.by(held))
    life.cancel(held.flow_run_id)
    assert answer.result(4).orders == runs.Orders(cancel=True)


def test_whoever_lost_the_run_hears_so_by_its_heartbeat(life: Life) -> None:
    held = life.running()
    life.exit(held, exit_code=1)
    request = runs.HeartbeatFlowRun(flow_run_id=held.flow_run_id, fence=held.fence)
    answer = life.server.call(operations.heartbeat_flow_run, request, life.by(held))
    assert answer.orders.superseded
    assert life.read(held.flow_run_id).state.type is StateType.CRASHED


def test_without_the_fence_check_a_superseded_holder_would_overwrite_its_successor(server: Server) -> None:
    """What the switch is for: it shows that the check is what protects."""
    life = Life(server, on_lost="reschedule")
    old = life.running()
    life.exit(old, exit_code=1)
    new = life.claim()
    assert new is not None
    life.start(new)
    with pytest.raises(errors.Superseded):
        life.finish(old, StateType.FAILED)
    server.service.part(Leasing).checks_fences = False
    life.finish(old, StateType.FAILED)
    assert life.read(new.flow_run_id).state.type is StateType.FAILED
