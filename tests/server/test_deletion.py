"""V10, V3: what goes with a flow or a version is said first, then ends; history stays."""

import pytest
from lifecycles import Life
from structures import digest, registration

from headrace import errors
from headrace.core import schedules
from headrace.core.states import StateType
from headrace.server import deletion, tables
from headrace.server import registration as server_registration
from headrace.server.loops import closing
from headrace.wire import flows, operations, versions
from headrace.wire import runs as wire_runs
from running import Server

assert server_registration


@pytest.fixture
def life(server: Server) -> Life:
    return Life(server)


def archive(life: Life, archived: bool = True) -> flows.Flow:
    request = versions.ArchiveFlow(flow_id=life.flow.flow_id, archived=archived)
    return life.server.call(operations.archive_flow, request, life.server.as_.member)


def preview(life: Life, number: int | None = None) -> versions.Deletion:
    request = versions.PreviewDeletion(flow_id=life.flow.flow_id, number=number)
    return life.server.call(operations.preview_deletion, request, life.server.as_.viewer)


def delete(life: Life, confirm: str = "sales/daily") -> versions.Deletion:
    request = versions.DeleteFlow(flow_id=life.flow.flow_id, confirm=confirm)
    return life.server.call(operations.delete_flow, request)


def delete_version(life: Life, number: int) -> versions.Deletion:
    listed = life.server.call(operations.list_versions, flows.ListVersions(flow_id=life.flow.flow_id)).items
    found = next(version for version in listed if version.number == number)
    request = versions.DeleteVersion(version_id=found.id, confirm=preview(life, number).confirm)
    return life.server.call(operations.delete_version, request)


def test_an_archived_flow_makes_no_runs_and_comes_back_whole(life: Life) -> None:
    life.register(schedules=[schedules.cron("0 6 * * *")])
    waiting = life.create()
    assert archive(life).archived_at is not None
    assert [run.id for run in life.server.rows(tables.flow_runs)] == [waiting.id]
    assert life.claim() is None
    with pytest.raises(errors.Conflict, match="archived"):
        life.create()
    assert life.server.call(operations.list_flows, flows.ListFlows()).items == []
    listed = life.server.call(operations.list_flows, flows.ListFlows(archived=True)).items
    assert [flow.name for flow in listed] == ["daily"]

    assert archive(life, archived=False).archived_at is None
    held = life.claim()
    assert held is not None
    assert held.flow_run_id == waiting.id
    assert len(life.server.rows(tables.flow_runs)) == 11  # ten ahead again


def test_registering_an_archived_flow_brings_it_back(life: Life) -> None:
    archive(life)
    assert life.register().message == "unchanged (version 1)"
    assert life.create().state.type is StateType.SCHEDULED


def test_what_goes_with_a_flow_is_said_and_must_be_confirmed(life: Life) -> None:
    life.register(schedules=[schedules.cron("0 6 * * *")])
    life.finish(life.running())
    life.running()
    life.create()
    said = preview(life)
    assert (said.versions, said.schedules, said.waiting, said.running, said.kept) == (1, 1, 11, 1, 1)
    with pytest.raises(errors.Conflict, match="ends 11 waiting and 1 running runs") as refused:
        delete(life, confirm="daily")
    assert refused.value.facts["confirm"] == "sales/daily"
    assert life.create().state.type is StateType.SCHEDULED


def test_a_deleted_flow_ends_its_runs_and_frees_its_name(life: Life) -> None:
    life.register(schedules=[schedules.cron("0 6 * * *")])
    done, held, waiting = life.running(), None, None
    life.finish(done)
    held, waiting = life.running(), life.create()
    delete(life)
    assert life.server.rows(tables.schedules) == []
    ended = life.read(waiting.id).state
    assert (ended.type, ended.code) == (StateType.CANCELLED, "deleted")
    assert ended.message == "the flow was deleted by administrator"
    assert life.read(held.flow_run_id).state.type is StateType.CANCELLING
    assert life.finish(held, StateType.CANCELLED).state.type is StateType.CANCELLED
    assert life.read(done.flow_run_id).flow.startswith("daily (deleted ")
    with pytest.raises(errors.NotFound, match="there is no flow 'daily'"):
        life.server.call(operations.find_flow, flows.FindFlow(flow="sales/daily"))
    for archived in (False, True):
        assert life.server.call(operations.list_flows, flows.ListFlows(archived=archived)).items == []
    again = life.server.call(operations.register_flow, registration())
    assert (again.version, again.flow_id != life.flow.flow_id) == (1, True)
    assert len(life.server.rows(tables.flow_runs)) == 3
    life.check()


def test_more_runs_than_a_transaction_ends_are_ended_by_the_loop(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "BATCH", 2)
    monkeypatch.setattr(deletion, "_open", deletion._open.limit(2))
    for _ in range(5):
        life.create()
    delete(life)
    states = [run.state_type for run in life.server.rows(tables.flow_runs)]
    assert sorted(states) == ["Cancelled"] * 2 + ["Scheduled"] * 3
    while life.server.run(closing.run_once(life.server.service)) is not None:
        pass
    assert {run.state_type for run in life.server.rows(tables.flow_runs)} == {"Cancelled"}


def test_a_version_goes_with_the_runs_that_need_it(life: Life) -> None:
    pinned = life.create(version=1)
    held = life.claim()
    assert held is not None
    life.start(held)
    later, open_ = life.create(version=1), life.create()
    with pytest.raises(errors.Conflict, match="version 1 is the current one"):
        preview(life, 1)
    life.register(code_sha256=digest("other code"))
    assert (preview(life, 1).waiting, preview(life, 1).running) == (1, 1)
    delete_version(life, 1)
    assert life.read(pinned.id).state.type is StateType.CANCELLING
    assert life.read(later.id).state.type is StateType.CANCELLED
    assert life.read(open_.id).state.type is StateType.SCHEDULED
    taken = life.claim()
    assert taken is not None
    assert (taken.flow_run_id, taken.version) == (open_.id, 2)
    with pytest.raises(errors.NotFound, match="has no version 1"):
        life.create(version=1)
    listed = life.server.call(operations.list_versions, flows.ListVersions(flow_id=life.flow.flow_id)).items
    assert [version.number for version in listed] == [2]


def test_the_number_of_a_deleted_version_is_not_used_again(life: Life) -> None:
    life.register(code_sha256=digest("2"))
    life.server.call(operations.make_current, versions.MakeCurrent(flow_id=life.flow.flow_id, number=1))
    delete_version(life, 2)
    assert life.register(code_sha256=digest("2")).version == 3


def test_an_unknown_flow_is_named(life: Life) -> None:
    delete(life)
    for request in (
        wire_runs.CreateFlowRun(flow_id=life.flow.flow_id),
        wire_runs.CreateFlowRun(project="sales", flow="daily"),
    ):
        with pytest.raises(errors.HeadraceError):
            life.server.call(operations.create_flow_run, request)
    with pytest.raises(errors.NotFound):
        delete(life)
