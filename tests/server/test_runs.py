"""Asking for runs, and what a run's life looks like from there."""

from datetime import timedelta
from typing import Any

import pytest
from lifecycles import Life
from structures import digest, structure

from headrace import errors
from headrace.core.states import StateType
from headrace.server import tables
from headrace.wire import flows, operations, run_configs, runs, storage
from running import Server


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def test_a_run_goes_from_scheduled_to_success_with_its_whole_history(life: Life) -> None:
    created = life.create(parameters={"day": "friday"}, name="first")
    assert (created.state.type, created.attempt, created.fence) == (StateType.SCHEDULED, 0, 0)
    held = life.claim()
    assert held is not None
    assert (held.flow_run_id, held.attempt, held.fence) == (created.id, 1, 1)
    assert held.parameters == {"day": "friday"}
    life.advance(held, "Starting")
    started = life.start(held)
    assert (started.state.type, started.version) == (StateType.RUNNING, 3)
    result = runs.ResultRef(location="/results/1", size=3)
    life.finish(held, result=result)
    read = life.read(created.id)
    assert (read.state.type, read.result, read.agent, read.host, read.pid) == (
        StateType.SUCCESS,
        result,
        "one",
        "here",
        7,
    )
    names = [event.state.name for event in life.events(created.id)]
    assert names == ["Scheduled", "Submitted", "Starting", "Running", "Success"]
    life.check()


def test_parameters_come_from_the_flow_its_settings_and_the_request_in_this_order(life: Life) -> None:
    assert life.create().parameters == {"day": "monday"}
    settings = flows.UpdateFlow(flow_id=life.flow.flow_id, default_parameters={"day": "tuesday"})
    life.server.call(operations.update_flow, settings)
    assert life.create().parameters == {"day": "tuesday"}
    assert life.create(parameters={"day": "sunday"}).parameters == {"day": "sunday"}


@pytest.mark.parametrize(
    ("parameters", "field", "words"),
    [
        ({"day": 3}, "parameters.day", "must be a text, not 3"),
        ({"dya": "x"}, "parameters.dya", "did you mean 'day'"),
    ],
)
def test_a_wrong_parameter_is_named(life: Life, parameters: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        life.create(parameters=parameters)
    assert words in caught.value.fields[field]
    assert life.server.rows(tables.flow_runs) == []


def test_a_missing_parameter_is_named(server: Server) -> None:
    life = Life(
        server, parameters=[flows.ParameterSpec(name="year", required=True, schema={"type": "integer"})]
    )
    with pytest.raises(errors.Invalid) as caught:
        life.create()
    assert caught.value.fields == {"parameters.year": "is missing and has no default"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"flow_id": None, "project": "slaes", "flow": "daily"}, "did you mean 'sales'"),
        ({"flow_id": None, "project": "sales", "flow": "dayli"}, "did you mean 'daily'"),
        ({"version": 9}, "has no version 9; the newest is 1"),
    ],
)
def test_what_there_is_not_is_named_with_a_suggestion(life: Life, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.NotFound, match=words):
        life.create(**asked)


def test_a_run_is_asked_for_by_names_too(life: Life) -> None:
    assert life.create(flow_id=None, project="sales", flow="daily", version=1).version == 1


def test_the_same_idempotency_key_gives_the_same_run(life: Life) -> None:
    first = life.create(idempotency_key="k")
    assert life.create(idempotency_key="k", parameters={"day": "other"}).id == first.id
    assert life.create(idempotency_key="l").id != first.id
    assert len(life.server.rows(tables.flow_runs)) == 2


def test_a_repeated_request_makes_one_run(life: Life) -> None:
    request = runs.CreateFlowRun(flow_id=life.flow.flow_id)
    first = life.server.call(operations.create_flow_run, request, request_id="r1")
    again = life.server.call(operations.create_flow_run, request, request_id="r1")
    assert first == again
    assert len(life.server.rows(tables.flow_runs)) == 1


def test_labels_come_from_the_request_the_settings_or_the_version_in_this_order(server: Server) -> None:
    life = Life(server, labels=["version"])
    assert life.create().labels == ["version"]
    server.call(operations.update_flow, flows.UpdateFlow(flow_id=life.flow.flow_id, labels=["group"]))
    assert life.create().labels == ["group"]
    assert life.create(labels=["run", "b", "run"]).labels == ["b", "run"]
    assert life.create(labels=[]).labels == []


def test_content_on_a_machines_disk_keeps_that_machines_label_whatever_labels_are_given(life: Life) -> None:
    here = flows.RegisterFlow(
        structure=structure(labels=["here"]), storage=storage.LocalStorage(path="/content/daily", host="here")
    )
    life.server.call(operations.register_flow, here)
    assert life.create().labels == ["here"]
    assert life.create(labels=["gpu"]).labels == ["gpu", "here"]


def test_a_run_config_can_be_given_for_one_run(life: Life) -> None:
    config = run_configs.LocalRun(env={"A": "1"})
    life.create(run_config=config)
    held = life.claim()
    assert held is not None
    assert held.run_config == config


def test_a_run_is_named_by_two_words(life: Life) -> None:
    name = life.create().name
    assert len(name.split("-")) == 2
    assert name.islower()


def test_a_run_in_the_future_is_not_claimed_before_its_time(life: Life) -> None:
    due_at = life.server.clock.now + timedelta(minutes=1)
    created = life.create(due_at=due_at)
    assert created.waits is not None
    assert created.waits.code == "not_due"
    assert life.claim() is None
    life.server.clock.advance(60)
    held = life.claim()
    assert held is not None
    assert held.due_at == due_at


def test_a_run_takes_the_version_that_is_current_when_it_is_claimed(life: Life) -> None:
    waiting, pinned = life.create(), life.create(version=1)
    life.register(code_sha256=digest("newer"), content_sha256=digest("newer content"), on_lost="reschedule")
    claimed = {held.flow_run_id: held for held in (life.claim(), life.claim()) if held is not None}
    assert claimed[waiting.id].version == 2
    assert claimed[waiting.id].content_sha256 == digest("newer content")
    assert claimed[waiting.id].on_lost == "reschedule"
    assert claimed[pinned.id].version == 1


def test_a_run_keeps_its_version_when_its_parameters_do_not_fit_the_newer_one(life: Life) -> None:
    life.create(parameters={"day": "friday"})
    life.register(code_sha256=digest("newer"), parameters=[])
    held = life.claim()
    assert held is not None
    assert held.version == 1


def test_a_newer_version_with_other_labels_sends_the_run_to_other_agents(life: Life) -> None:
    created = life.create()
    life.register(code_sha256=digest("newer"), labels=["gpu"])
    assert life.claim() is None
    assert life.read(created.id).labels == ["gpu"]
    held = life.claim(life.join("big", labels=["gpu"]))
    assert held is not None
    assert (held.flow_run_id, held.version) == (created.id, 2)


def test_a_cancelled_unstarted_run_never_starts(life: Life) -> None:
    waiting = life.create()
    assert life.cancel(waiting.id, "not now").state.message == "not now"
    assert life.claim() is None
    held = life.claimed()
    cancelled = life.cancel(held.flow_run_id)
    assert cancelled.state.type is StateType.CANCELLED
    with pytest.raises(errors.Superseded):
        life.start(held)
    assert life.read(held.flow_run_id).started_at is None
    life.check()


def test_a_running_run_is_told_to_stop_and_ends_when_it_has(life: Life) -> None:
    held = life.running()
    assert life.cancel(held.flow_run_id).state.type is StateType.CANCELLING
    assert life.cancel(held.flow_run_id).state.type is StateType.CANCELLING
    life.finish(held, StateType.CANCELLED)
    assert life.read(held.flow_run_id).state.type is StateType.CANCELLED
    life.check()


def test_a_run_that_finished_first_stays_finished(life: Life) -> None:
    held = life.running()
    life.cancel(held.flow_run_id)
    life.finish(held)
    assert life.read(held.flow_run_id).state.type is StateType.SUCCESS
    with pytest.raises(errors.Conflict, match="Success"):
        life.cancel(held.flow_run_id)
    life.check()


def test_a_paused_run_goes_on_when_it_is_approved(life: Life) -> None:
    held = life.running()
    life.finish(held, StateType.PAUSED)
    paused = life.read(held.flow_run_id)
    assert paused.waits is not None
    assert paused.waits.code == "paused"
    request = runs.ResumeFlowRun(flow_run_id=held.flow_run_id)
    assert life.server.call(operations.resume_flow_run, request).state.name == "Resumed"
    again = life.claim()
    assert again is not None
    assert (again.resumed, again.attempt, again.fence) == (True, 2, held.fence + 1)
    with pytest.raises(errors.Superseded):
        life.finish(held)
    with pytest.raises(errors.Conflict, match="only a paused run"):
        life.server.call(operations.resume_flow_run, request)
    life.check()


def test_a_run_process_starts_child_runs_and_sees_no_others(life: Life) -> None:
    stranger = life.create()
    held = life.claim()
    assert held is not None
    life.start(held)
    request = runs.CreateFlowRun(flow_id=life.flow.flow_id)
    child = life.server.call(operations.create_flow_run, request, life.by(held))
    assert child.parent_run_id == held.flow_run_id
    assert (child.created_by.kind, child.created_by.id) == ("run", held.flow_run_id)
    see = life.server.call(operations.list_flow_runs, runs.ListFlowRuns(), life.by(held))
    assert {run.id for run in see.items} == {held.flow_run_id, child.id}
    other = life.create()
    with pytest.raises(errors.NotFound):
        life.server.call(operations.read_flow_run, runs.FlowRunRef(flow_run_id=other.id), life.by(held))
    with pytest.raises(errors.NotFound):
        life.server.call(operations.cancel_flow_run, runs.CancelFlowRun(flow_run_id=other.id), life.by(held))
    assert stranger.id == held.flow_run_id
    life.finish(held)
    with pytest.raises(errors.Superseded):
        life.server.call(operations.create_flow_run, request, life.by(held))
