"""R9, R10: the same done with many runs that a filter finds, and runs deleted."""

from typing import Any
from uuid import UUID

import pytest
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import removal, tables
from headrace.wire import control, logs, operations, runs
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def bulk(
    life: Life, action: str, *, caller: Any = None, request_id: str | None = None, **asked: Any
) -> control.BulkDone:
    rest = {name: asked.pop(name) for name in ("reason", "mark_as", "dry_run") if name in asked}
    where = runs.ListFlowRuns(**{"flow_id": life.flow.flow_id, **asked})
    request = control.BulkFlowRuns(action=action, where=where, **rest)  # type: ignore[arg-type]
    return life.server.call(operations.bulk_flow_runs, request, caller, request_id)


def every(life: Life, action: str, **asked: Any) -> list[control.BulkDone]:
    """All batches."""
    found = [bulk(life, action, **asked)]
    while found[-1].next is not None:
        found.append(bulk(life, action, **asked, after=found[-1].next))
    return found


def states(life: Life) -> dict[UUID, str]:
    return {row.id: row.state_type for row in life.server.rows(tables.flow_runs)}


def failed(life: Life) -> runs.Assignment:
    held = life.running()
    life.finish(held, StateType.FAILED, code="task_failed", message="no")
    return held


def test_R9_many_are_cancelled_in_batches_and_what_runs_is_told_to_stop(life: Life) -> None:
    running, done = life.running(), life.running()
    life.finish(done)
    waiting = [life.create().id for _ in range(5)]
    preview = bulk(life, "cancel", dry_run=True)
    assert (preview.matched, preview.states, preview.done) == (6, {"Scheduled": 5, "Running": 1}, 0)
    batches = every(life, "cancel", reason="the source is gone", limit=4)
    assert [(batch.matched, batch.done) for batch in batches] == [(4, 4), (2, 2)]
    found = states(life)
    assert {found[run] for run in waiting} == {"Cancelled"}
    assert (found[running.flow_run_id], found[done.flow_run_id]) == ("Cancelling", "Success")
    assert life.read(waiting[0]).state.message == "the source is gone"
    assert bulk(life, "cancel").matched == 0, "again there is nothing to do"
    life.check()


def test_runs_that_come_meanwhile_are_not_met(life: Life) -> None:
    for _ in range(3):
        life.create()
    first = bulk(life, "cancel", limit=2)
    newer = life.create()
    assert first.next is not None
    rest = bulk(life, "cancel", limit=2, after=first.next)
    assert (rest.done, rest.next) == (1, None)
    assert states(life)[newer.id] == "Scheduled"


def test_a_repeated_batch_gives_the_same_answer_and_does_nothing_twice(life: Life) -> None:
    for _ in range(3):
        failed(life)
    first = bulk(life, "rerun", request_id="once")
    assert (first.done, len(first.made)) == (3, 3)
    assert bulk(life, "rerun", request_id="once").made == first.made
    assert len(states(life)) == 6


def test_one_with_which_it_cannot_be_done_is_told_and_holds_up_no_other(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the runs is still asked for by its re-run."""
    held = [failed(life) for _ in range(3)]
    again = every(life, "rerun", state=["Failed"])[0].made
    for run in again[1:]:
        life.cancel(run)
    result = every(life, "delete", state=["Failed"])[0]
    assert (result.matched, result.done, len(result.failed)) == (3, 2, 1)
    (problem,) = result.failed
    assert "still needed" in problem.reason
    assert problem.flow_run_id == life.read(again[0]).restarted_from
    left = states(life)
    assert [run.flow_run_id in left for run in held].count(True) == 1


def test_R10_a_bulk_rerun_takes_what_failed_and_not_what_succeeded(life: Life) -> None:
    bad, good = failed(life), life.running()
    life.finish(good)
    done = bulk(life, "rerun")
    assert (done.matched, done.done) == (1, 1)
    assert life.read(done.made[0]).restarted_from == bad.flow_run_id


def test_paused_runs_are_resumed_or_rejected_together(life: Life) -> None:
    held = [life.running() for _ in range(2)]
    for one in held:
        life.finish(one, StateType.PAUSED)
    assert bulk(life, "resume", limit=1).done == 1
    assert bulk(life, "reject", reason="no").done == 1
    assert sorted(states(life).values()) == ["Cancelled", "Scheduled"]
    life.check()


def test_R10_many_are_marked_with_one_reason(life: Life) -> None:
    bad, waiting = failed(life), life.create()
    done = bulk(life, "mark", mark_as="Success", reason="checked by hand")
    assert (done.matched, done.done) == (2, 2)
    assert life.read(waiting.id).state.type is StateType.SUCCESS
    seen = life.read(bad.flow_run_id)
    assert seen.state.type is StateType.FAILED
    assert seen.mark is not None
    assert seen.mark.reason == "checked by hand"
    for wrong in ({"mark_as": "Success"}, {"reason": "why"}):
        with pytest.raises(errors.Invalid, match="marked as, and why"):
            bulk(life, "mark", **wrong)


def test_without_a_condition_nothing_is_done(life: Life) -> None:
    run = life.create()
    request = control.BulkFlowRuns(action="cancel", where=runs.ListFlowRuns())
    with pytest.raises(errors.Invalid, match="say which runs"):
        life.server.call(operations.bulk_flow_runs, request)
    assert states(life)[run.id] == "Scheduled"


def test_only_an_administrator_deletes(life: Life) -> None:
    failed(life)
    with pytest.raises(errors.Forbidden, match="administrator"):
        bulk(life, "delete", caller=life.server.as_.member)
    assert bulk(life, "delete", caller=life.server.as_.administrator).done == 1
    assert states(life) == {}


def delete(life: Life, run_id: UUID) -> None:
    life.server.call(operations.delete_flow_run, control.DeleteFlowRun(flow_run_id=run_id))


def test_a_deleted_run_is_gone_with_all_that_was_recorded_of_it(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BATCH", 3)  # several transactions
    held, other = life.running(), life.running()
    for one in (held, other):
        records = [runs.LogRecord(life.server.clock.now, 20, "x", f"line {number}") for number in range(10)]
        request = runs.WriteLogs(flow_run_id=one.flow_run_id, fence=one.fence, seq=0, records=records)
        life.server.call(operations.write_logs, request, life.by(one))
        life.finish(one)
    delete(life, held.flow_run_id)
    with pytest.raises(errors.NotFound):
        life.read(held.flow_run_id)
    for table in (tables.logs, tables.run_events, tables.run_streams):
        assert {row.flow_run_id for row in life.server.rows(table)} == {other.flow_run_id}
    lines = life.server.call(operations.list_logs, logs.ListLogs(flow_run_id=other.flow_run_id)).items
    assert len(lines) == 10
    with pytest.raises(errors.NotFound):
        delete(life, held.flow_run_id)


def test_a_run_that_has_not_ended_is_not_deleted(life: Life) -> None:
    held = life.running()
    with pytest.raises(errors.Conflict, match="cancel it before"):
        delete(life, held.flow_run_id)
    assert life.read(held.flow_run_id).state.type is StateType.RUNNING
