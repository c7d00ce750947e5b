"""R9, R10: approving, rejecting, pausing and marking runs, on the server's side."""

import pytest
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import moves, tables
from headrace.wire import control, operations, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def pause(life: Life, held: runs.Assignment, **asked: object) -> runs.FlowRun:
    request = control.PauseFlowRun(flow_run_id=held.flow_run_id, **asked)  # type: ignore[arg-type]
    return life.server.call(operations.pause_flow_run, request, life.server.as_.member)


def mark(life: Life, run: runs.Assignment | runs.FlowRun, type_: str, reason: str) -> runs.FlowRun:
    run_id = run.id if isinstance(run, runs.FlowRun) else run.flow_run_id
    request = control.MarkFlowRun(flow_run_id=run_id, type=type_, reason=reason)  # type: ignore[arg-type]
    return life.server.call(operations.mark_flow_run, request, life.server.as_.member)


def reject(life: Life, held: runs.Assignment, comment: str = "") -> runs.FlowRun:
    request = control.RejectFlowRun(flow_run_id=held.flow_run_id, comment=comment)
    return life.server.call(operations.reject_flow_run, request, life.server.as_.member)


def resume(life: Life, held: runs.Assignment, comment: str = "") -> runs.FlowRun:
    request = runs.ResumeFlowRun(flow_run_id=held.flow_run_id, comment=comment)
    return life.server.call(operations.resume_flow_run, request, life.server.as_.member)


def orders(life: Life, held: runs.Assignment) -> runs.Orders:
    """What the answer of a heartbeat would carry."""

    def read(call: object) -> runs.RunAnswer:
        return moves.answer(call, moves.load(call, held.flow_run_id, lock=False), held.fence)  # type: ignore[arg-type]

    return life.server.read(read).orders


def waiting(life: Life, message: str = "task 'b' waits") -> runs.Assignment:
    """A run that waits for an approval."""
    held = life.running()
    life.finish(held, StateType.PAUSED, message=message)
    return held


def test_R9_an_approval_says_who_gave_it_and_what_they_said(life: Life) -> None:
    held = waiting(life)
    approved = resume(life, held, "looks right")
    assert approved.state.name == "Resumed"
    assert approved.state.message == f"approved by {life.server.as_.member.name}: looks right"
    assert life.events(held.flow_run_id)[-1].actor.name == life.server.as_.member.name
    life.check()


def test_R9_what_is_rejected_ends_as_cancelled_with_the_reason(life: Life) -> None:
    held = waiting(life)
    rejected = reject(life, held, "not on a Friday")
    assert (rejected.state.type, rejected.state.code) == (StateType.CANCELLED, "rejected")
    assert rejected.state.message == f"rejected by {life.server.as_.member.name}: not on a Friday"
    assert reject(life, held).state == rejected.state, "asking again changes nothing"
    assert life.claim() is None
    with pytest.raises(errors.Conflict, match="only a paused run"):
        resume(life, held)
    life.check()


def test_only_a_paused_run_is_rejected(life: Life) -> None:
    with pytest.raises(errors.Conflict, match="is Running: only a paused run"):
        reject(life, life.running())


def test_R9_a_running_run_is_told_to_pause_and_says_so_until_it_has(life: Life) -> None:
    held = life.running()
    assert orders(life, held) == runs.Orders()
    asked = pause(life, held, comment="the source is down")
    assert (asked.state.type, asked.pausing) == (StateType.RUNNING, True)
    assert orders(life, held) == runs.Orders(pause=True)
    assert pause(life, held).state_version == asked.state_version, "asking again changes nothing"
    event = life.events(held.flow_run_id)[-1]
    who = life.server.as_.member.name
    assert (event.kind, event.state.message) == ("pause", f"to be paused by {who}: the source is down")
    life.finish(held, StateType.PAUSED)
    found = life.read(held.flow_run_id)
    assert (found.state.message, found.pausing) == (f"paused by {who}: the source is down", False)
    assert found.waits is not None
    assert (found.waits.code, who in found.waits.sentence) == ("held", True)
    resume(life, held)
    again = life.claim()
    assert again is not None
    assert again.resumed
    life.start(again)
    assert orders(life, again) == runs.Orders(), "the wish is fulfilled"
    life.check()


def test_a_wish_to_pause_outlives_a_retry_and_not_the_run(server: Server) -> None:
    life = Life(server, retries=1)
    held = life.running()
    pause(life, held)
    life.finish(held, StateType.FAILED)
    assert life.read(held.flow_run_id).state.name == "AwaitingRetry"
    again = life.claim()
    assert again is not None
    life.start(again)
    assert orders(life, again) == runs.Orders(pause=True)
    life.finish(again)
    assert life.read(held.flow_run_id).pausing is False
    (row,) = server.rows(tables.flow_runs)
    assert row.pause_wish is None
    life.check()


def test_a_task_that_waits_for_an_approval_is_named_although_a_pause_was_asked_for(life: Life) -> None:
    held = life.running()
    pause(life, held)
    life.finish(held, StateType.PAUSED, message="waits for an approval of 'b'")
    found = life.read(held.flow_run_id)
    assert found.state.message == "waits for an approval of 'b'"
    assert found.waits is not None
    assert found.waits.code == "paused"


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_pause_is_not_given_no_time(life: Life, seconds: float) -> None:
    with pytest.raises(errors.Invalid, match="more than 0"):
        pause(life, life.running(), seconds=seconds)


def test_what_does_not_run_is_not_paused(life: Life) -> None:
    held = life.claimed()
    with pytest.raises(errors.Conflict, match="only a running run can be paused"):
        pause(life, held)


@pytest.mark.parametrize("type_", ["Success", "Failed"])
def test_R10_a_running_run_that_is_marked_ends_so_and_its_process_is_told(life: Life, type_: str) -> None:
    held = life.running()
    marked = mark(life, held, type_, "seen by hand")
    assert (marked.state.type, marked.state.code) == (StateType(type_), "marked")
    assert marked.state.message == f"marked as {type_} by {life.server.as_.member.name}: seen by hand"
    assert marked.fence == held.fence + 1
    assert orders(life, held).superseded
    with pytest.raises(errors.Superseded):
        life.finish(held)
    assert life.read(held.flow_run_id).state == marked.state
    life.check()


def test_R10_a_run_that_was_not_started_is_marked_and_never_starts(life: Life) -> None:
    held = life.claimed()
    mark(life, held, "Success", "done by hand")
    with pytest.raises(errors.Conflict):
        life.start(held)
    mark(life, life.create(), "Failed", "not needed")
    assert life.claim() is None
    life.check()


def test_R10_a_mark_stands_beside_the_state_of_a_finished_run_and_the_last_one_counts(life: Life) -> None:
    held = life.running()
    life.finish(held, StateType.FAILED, message="no", code="task_failed")
    before = life.read(held.flow_run_id)
    first = mark(life, held, "Success", "the numbers are right")
    assert first.state == before.state
    assert first.mark is not None
    assert (first.mark.type, first.mark.reason) == (StateType.SUCCESS, "the numbers are right")
    second = mark(life, held, "Failed", "they are not")
    assert second.mark is not None
    assert second.mark.reason == "they are not"
    kinds = [(event.kind, event.state.type) for event in life.events(held.flow_run_id)]
    assert kinds[-2:] == [("mark", StateType.SUCCESS), ("mark", StateType.FAILED)]
    life.check()


def test_a_mark_needs_a_reason(life: Life) -> None:
    held = life.running()
    for reason in ("", "  "):
        with pytest.raises(errors.Invalid, match="say why"):
            mark(life, held, "Success", reason)
    with pytest.raises(errors.Invalid, match="at most"):
        mark(life, held, "Success", "x" * 2001)
    assert life.read(held.flow_run_id).state.type is StateType.RUNNING
