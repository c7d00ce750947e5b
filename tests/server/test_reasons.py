"""R12: every code of core/reasons.py is caused here, by what it speaks of, and read from the run."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from lifecycles import Life
from limiting import make

from headrace import errors
from headrace.core import reasons
from headrace.core.limits import WhenFull
from headrace.core.states import Reason, StateType
from headrace.server import deadlines, lateness, tables
from headrace.server.dispatch import Dispatch
from headrace.wire import agents, control, flows, operations, run_configs, runs, schedules, versions
from running import Server

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "reasons.md"

Cause = Callable[[Life], Reason]
CAUSES: dict[str, Cause] = {}


def cause(*codes: str) -> Callable[[Cause], Cause]:
    def register(function: Cause) -> Cause:
        CAUSES.update(dict.fromkeys(codes, function))
        return function

    return register


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server, agent=False)


@pytest.mark.parametrize("code", list(reasons.BY_NAME))
def test_R12_every_code_is_caused_by_what_it_speaks_of(life: Life, code: str) -> None:
    """A code of the table without a cause here fails, and so does a sentence with an empty place."""
    reason = CAUSES[code](life)
    assert reason.code == code
    assert "{" not in reason.sentence
    pattern = re.sub(r"\\\{\w+(:g)?\\\}", ".+", re.escape(reasons.BY_NAME[code].sentence))
    assert re.search(pattern, reason.sentence), reason.sentence


def test_every_cause_is_of_a_code_in_the_table() -> None:
    assert set(CAUSES) == set(reasons.BY_NAME)


def test_the_reference_is_printed_from_the_table() -> None:
    assert REFERENCE.read_text() == reasons.as_markdown(), (
        "run `python -m headrace.core.reasons > docs/reference/reasons.md`"
    )


def test_runs_are_found_by_the_reason_for_which_they_ended(life: Life) -> None:
    life.agent_id = life.join("one")
    held = life.running()
    life.finish(held, StateType.FAILED, message="task 'load' failed: no", code="task_failed")
    life.finish(life.running())

    def found(code: str) -> list[Any]:
        request = runs.ListFlowRuns(reason=[code])
        return [run.id for run in life.server.call(operations.list_flow_runs, request).items]

    assert found("task_failed") == [held.flow_run_id]
    assert found("lost") == []
    assert life.events(held.flow_run_id)[-1].state.code == "task_failed"
    with pytest.raises(errors.Invalid, match="did you mean 'task_failed'"):
        found("task_fail")


def test_a_code_that_this_server_does_not_know_is_no_reason_to_refuse_a_report(life: Life) -> None:
    life.agent_id = life.join("one")
    held = life.running()
    life.finish(held, StateType.FAILED, message="no", code="struck_by_lightning")
    assert life.read(held.flow_run_id).state.code == ""


def waits(life: Life, **asked: Any) -> Reason:
    found = life.create(**asked).waits
    assert found is not None
    return found


def why(life: Life, held: runs.Assignment) -> Reason:
    """Why a run waits, or why it ended."""
    run = life.read(held.flow_run_id)
    return run.waits or Reason(run.state.code, run.state.message)


def running(life: Life, **structure: Any) -> runs.Assignment:
    if structure:
        life.register(**structure)
    life.agent_id = life.join("one")
    return life.running()


@cause("everything_paused")
def everything_paused(life: Life) -> Reason:
    life.server.call(operations.update_settings, schedules.UpdateSettings(paused=True))
    return waits(life)


@cause("flow_paused")
def flow_paused(life: Life) -> Reason:
    life.server.call(operations.update_flow, flows.UpdateFlow(flow_id=life.flow.flow_id, paused=True))
    return waits(life)


@cause("flow_archived")
def flow_archived(life: Life) -> Reason:
    run = life.create(due_at=life.server.clock.now + timedelta(hours=1))
    life.server.write(
        lambda call: call.connection.execute(sa.update(tables.flows).values(archived_at=call.now))
    )
    found = life.read(run.id).waits
    assert found is not None
    return found


@cause("awaiting_retry")
def awaiting_retry(life: Life) -> Reason:
    held = running(life, retries=1, retry_delay_seconds=60)
    life.finish(held, StateType.FAILED, message="no", code="task_failed")
    return why(life, held)


@cause("not_due")
def not_due(life: Life) -> Reason:
    return waits(life, due_at=life.server.clock.now + timedelta(hours=1))


@cause("limit_full")
def limit_full(life: Life) -> Reason:
    make(life, "flow", "sales/daily", 1)
    life.agent_id = life.join("one")
    life.claimed()
    run = life.create()
    assert life.claim() is None
    found = life.read(run.id).waits
    assert found is not None
    return found


@cause("limit_stopped")
def limit_stopped(life: Life) -> Reason:
    make(life, "flow", "sales/daily", 0)
    life.agent_id = life.join("one")
    run = life.create()
    assert life.claim() is None
    found = life.read(run.id).waits
    assert found is not None
    return found


@cause("starting")
def starting(life: Life) -> Reason:
    life.agent_id = life.join("one")
    claim = runs.ClaimFlowRun(agent_id=life.agent_id, wait_seconds=20)
    future = life.server.begin(operations.claim_flow_run, claim, life.server.as_.agent)
    hub = life.server.service.part(Dispatch)

    async def settle() -> None:
        while not hub.waiting:  # noqa: ASYNC110 - nobody says that a poll is held
            await asyncio.sleep(0.005)

    life.server.run(settle())
    found = waits(life)
    future.result(10)
    return found


@cause("no_agent")
def no_agent(life: Life) -> Reason:
    return waits(life)


@cause("no_launcher")
def no_launcher(life: Life) -> Reason:
    life.join("one")
    return waits(life, run_config=run_configs.DockerRun(image="x"))


@cause("unlabelled")
def unlabelled(life: Life) -> Reason:
    life.join("one", takes_unlabelled=False, labels=["a"])
    return waits(life)


@cause("labels_missing")
def labels_missing(life: Life) -> Reason:
    life.join("one", labels=["a"])
    return waits(life, labels=["a", "b"])


@cause("agents_draining")
def agents_draining(life: Life) -> Reason:
    beat = agents.HeartbeatAgent(agent_id=life.join("one"), instance="1", draining=True)
    life.server.call(operations.heartbeat_agent, beat, life.server.as_.agent)
    return waits(life)


@cause("agents_late")
def agents_late(life: Life) -> Reason:
    life.join("one")
    life.server.clock.advance(12)
    return waits(life)


@cause("agents_busy")
def agents_busy(life: Life) -> Reason:
    life.join("one")
    return waits(life)


@cause("launching")
def launching(life: Life) -> Reason:
    life.agent_id = life.join("one")
    return why(life, life.claimed())


@cause("paused")
def paused(life: Life) -> Reason:
    held = running(life)
    life.finish(held, StateType.PAUSED)
    return why(life, held)


@cause("held")
def held_by_somebody(life: Life) -> Reason:
    held = running(life)
    life.server.call(operations.pause_flow_run, control.PauseFlowRun(flow_run_id=held.flow_run_id))
    life.finish(held, StateType.PAUSED)
    return why(life, held)


@cause("rejected")
def rejected(life: Life) -> Reason:
    held = running(life)
    life.finish(held, StateType.PAUSED)
    life.server.call(operations.reject_flow_run, control.RejectFlowRun(flow_run_id=held.flow_run_id))
    return why(life, held)


@cause("marked")
def marked(life: Life) -> Reason:
    held = running(life)
    asked = control.MarkFlowRun(flow_run_id=held.flow_run_id, type="Success", reason="done by hand")
    life.server.call(operations.mark_flow_run, asked)
    return why(life, held)


@cause("pause_timed_out")
def pause_timed_out(life: Life) -> Reason:
    held = running(life)
    life.finish(held, StateType.PAUSED, pause_seconds=60.0)
    life.server.clock.advance(61)
    assert life.server.write(lambda call: deadlines.end(call, held.flow_run_id))
    return why(life, held)


@cause("late_cancelled")
def late_cancelled(life: Life) -> Reason:
    asked = flows.UpdateFlow(flow_id=life.flow.flow_id, cancel_late_seconds=60)
    life.server.call(operations.update_flow, asked)
    run = life.create()
    life.server.clock.advance(61)
    assert life.server.write(lambda call: lateness.cancel(call, run.id))
    found = life.read(run.id).state
    return Reason(found.code, found.message)


@cause("cancelling")
def cancelling(life: Life) -> Reason:
    held = running(life)
    life.cancel(held.flow_run_id)
    return why(life, held)


@cause("cancelled")
def cancelled(life: Life) -> Reason:
    """The one who cancelled is the reason, whoever reports the end."""
    held = running(life)
    life.cancel(held.flow_run_id)
    life.finish(held, StateType.CANCELLED, message="cancelled while it ran", code="")
    assert life.read(held.flow_run_id).state.code == "cancelled"
    unstarted = life.create()
    life.cancel(unstarted.id)
    ended = life.read(unstarted.id).state
    return Reason(ended.code, ended.message)


@cause("limit_cancelled")
def limit_cancelled(life: Life) -> Reason:
    make(life, "flow", "sales/daily", 1, when_full=WhenFull.CANCEL_NEW)
    life.agent_id = life.join("one")
    life.claimed()
    run = life.create()
    assert life.claim() is None
    ended = life.read(run.id).state
    return Reason(ended.code, ended.message)


@cause("deleted")
def deleted(life: Life) -> Reason:
    run = life.create()
    request = versions.DeleteFlow(flow_id=life.flow.flow_id, confirm="sales/daily")
    life.server.call(operations.delete_flow, request)
    ended = life.read(run.id).state
    return Reason(ended.code, ended.message)


@cause("exit_code")
def exit_code(life: Life) -> Reason:
    held = running(life)
    life.exit(held, exit_code=3)
    return why(life, held)


@cause("killed")
def killed(life: Life) -> Reason:
    held = running(life)
    life.exit(held, exit_code=-9)
    return why(life, held)


@cause("out_of_memory")
def out_of_memory(life: Life) -> Reason:
    held = running(life)
    life.exit(held, exit_code=137, code="out_of_memory", message="its limit was 512 MiB")
    return why(life, held)


@cause("vanished")
def vanished(life: Life) -> Reason:
    held = running(life)
    life.exit(held)
    return why(life, held)


@cause("launch_failed")
def launch_failed(life: Life) -> Reason:
    life.agent_id = life.join("one")
    held = life.claimed()
    life.exit(held, launched=False, message="no such image")
    return why(life, held)


def sweep(life: Life, held: runs.Assignment) -> None:
    assert life.lose(held.flow_run_id)


@cause("agent_gone")
def agent_gone(life: Life) -> Reason:
    life.agent_id = life.join("one")
    life.create()
    held = None
    for _ in range(4):
        held = life.claim()
        assert held is not None
        sweep(life, held)
    assert held is not None
    assert life.read(held.flow_run_id).state.name == "Lost"
    return why(life, held)


@cause("lost")
def lost(life: Life) -> Reason:
    held = running(life)
    sweep(life, held)
    return why(life, held)


# What run processes say themselves is caused in tests/engine; here it comes through to who reads the run.
SAID = {
    "task_failed": (StateType.FAILED, "Failed"),
    "timed_out": (StateType.FAILED, "TimedOut"),
    "flow_failed": (StateType.FAILED, "Failed"),
    "import_failed": (StateType.FAILED, "Failed"),
    "storage_unreachable": (StateType.CRASHED, "Crashed"),
    "storage_refused": (StateType.CRASHED, "Crashed"),
    "storage_unknown": (StateType.CRASHED, "Crashed"),
    "content_missing": (StateType.CRASHED, "Crashed"),
    "content_mismatch": (StateType.CRASHED, "ContentMismatch"),
}


def _said(code: str) -> Cause:
    def report(life: Life) -> Reason:
        life.agent_id = life.join("one")
        held = life.claimed()
        type_, name = SAID[code]
        if type_ is StateType.FAILED:
            life.start(held)
        said = reasons.because(code, task="load", why="it did not work", seconds=5)
        life.finish(held, type_, name=name, message=said.sentence, code=code)
        return why(life, held)

    return report


CAUSES.update({code: _said(code) for code in SAID})

# What an agent sees of containers and pods is caused in tests/docker and tests/kubernetes.
SEEN = (
    "not_admitted",
    "image_missing",
    "image_without_headrace",
    "program_missing",
    "wrong_architecture",
    "name_clash",
    "volume_missing",
    "no_device",
    "engine_down",
    "engine_restarted",
    "stopped",
    "removed",
    "unschedulable",
    "quota_full",
    "cluster_refused",
    "pod_refused",
    "evicted",
    "job_deadline",
)


def _seen(code: str) -> Cause:
    def report(life: Life) -> Reason:
        life.agent_id = life.join("one")
        held = life.claimed()
        life.exit(held, launched=False, message=f"no run for {code}", code=code)
        return why(life, held)

    return report


CAUSES.update({code: _seen(code) for code in SEEN})
