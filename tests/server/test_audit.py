"""P6: who did what, when: one entry for each thing that was done, sealed so that changes show."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from lifecycles import Life
from structures import registration

from headrace import errors
from headrace.server import audit as server_audit
from headrace.server import tables
from headrace.server.loops import audit as audit_loop
from headrace.wire import accounts, audit, flows, operations, versions
from headrace.wire import runs as wire_runs
from running import Server


def entries(server: Server, **asked: Any) -> list[audit.Entry]:
    return server.call(operations.list_audit, audit.ListAudit(**asked)).items


def verify(server: Server) -> audit.Verified:
    return server.call(operations.verify_audit, audit.VerifyAudit())


def make_project(server: Server, name: str, request_id: str | None = None) -> flows.Project:
    request = flows.CreateProject(name=name)
    return server.call(operations.create_project, request, server.as_.member, request_id)


def sealed(server: Server) -> None:
    server.clock.advance(11)
    server.run(audit_loop.run_once(server.service))


def test_an_entry_says_who_did_what_to_what(server: Server) -> None:
    project = make_project(server, "sales", "request-1")
    (entry,) = entries(server)
    assert (entry.actor_kind, entry.actor_name, entry.actor_id) == ("user", "member", server.as_.member.id)
    assert (entry.operation, entry.request_id, entry.at) == ("create_project", "request-1", server.clock.now)
    assert (entry.object_kind, entry.object_id, entry.object_name) == ("project", str(project.id), "sales")
    assert entry.details == {"name": "sales"}


def test_a_repeated_request_is_told_once(server: Server) -> None:
    make_project(server, "sales", "request-1")
    make_project(server, "sales", "request-1")
    assert len(entries(server)) == 1


def test_what_was_refused_or_failed_has_no_entry(server: Server) -> None:
    make_project(server, "sales")
    with pytest.raises(errors.Conflict):
        make_project(server, "sales")
    assert len(entries(server)) == 1


def test_what_runs_and_agents_report_is_no_business_of_the_audit_log(server: Server) -> None:
    life = Life(server)
    before = len(entries(server))
    life.finish(life.running())
    assert len(entries(server)) == before
    life.cancel(life.create().id)
    assert [entry.operation for entry in entries(server)][: -before or None] == ["cancel_flow_run"]


@pytest.mark.parametrize("operation", operations.OPERATIONS, ids=lambda one: one.name)
def test_what_changes_anything_is_audited_or_is_in_a_history(
    operation: operations.Operation[Any, Any],
) -> None:
    quiet = (accounts.Permission.AGENT, accounts.Permission.REPORT, accounts.Permission.READ)
    reports = operation.needs in quiet
    assert operation.is_audited == (operation.method != "GET" and not reports and not operation.in_history)
    runs_tell = {"create_flow_run", "pause_flow_run", "reject_flow_run"}
    assert operation.in_history == (operation.name in runs_tell)


def test_large_requests_are_told_in_brief(server: Server) -> None:
    make_project(server, "sales")
    tasks = [flows.TaskSpec(slug=f"t{number}", name=f"t{number}") for number in range(50)]
    server.call(
        operations.register_flow,
        registration(tasks=tasks, edges=[], description="x" * 1000),
        server.as_.registrar,
    )
    (entry, _) = entries(server)
    assert entry.details["structure"]["tasks"] == "(50 items)"
    assert entry.details["structure"]["description"].endswith("… (1000 characters)")


def test_secrets_are_not_in_it(server: Server) -> None:
    request = accounts.CreateUser(name="Ann", email="ann@example.com", password="a canary, not a bird")
    server.call(operations.create_user, request)
    (row,) = server.rows(tables.audit)
    assert "canary" not in str(row)
    assert row.details["password"] == "•••"
    assert (row.object_kind, row.object_name) == ("user", "Ann")


def test_it_can_be_searched(server: Server) -> None:
    life = Life(server)
    make_project(server, "Marketing")
    server.call(operations.archive_flow, versions.ArchiveFlow(flow_id=life.flow.flow_id), server.as_.member)
    found = {
        "by actor": entries(server, actor="MEMB"),
        "by operation": entries(server, operation="archive-flow"),
        "by object": entries(server, object_id=str(life.flow.flow_id)),
        "by text": entries(server, search="market"),
        "by time": entries(server, until=server.clock.now),
    }
    assert {how: [entry.operation for entry in some] for how, some in found.items()} == {
        "by actor": ["archive_flow", "create_project"],
        "by operation": ["archive_flow"],
        "by object": ["archive_flow", "register_flow"],
        "by text": ["create_project"],
        "by time": [],
    }


def test_a_page_follows_the_other(server: Server) -> None:
    for number in range(5):
        make_project(server, f"p{number}")
    first = server.call(operations.list_audit, audit.ListAudit(limit=3))
    second = server.call(operations.list_audit, audit.ListAudit(limit=3, after=first.next))
    names = [entry.object_name for entry in (*first.items, *second.items)]
    assert (names, second.next) == (["p4", "p3", "p2", "p1", "p0"], None)


def test_entries_are_sealed_when_they_have_settled(server: Server) -> None:
    for number in range(3):
        make_project(server, f"p{number}")
    server.run(audit_loop.run_once(server.service))
    assert verify(server).unsealed == 3
    sealed(server)
    whole = verify(server)
    assert (whole.entries, whole.unsealed, whole.last_number, whole.problem) == (3, 0, 3, "")
    make_project(server, "p3")
    sealed(server)
    assert verify(server).last_number == 4


@pytest.mark.parametrize("field", ["actor_name", "details", "at", "sha256"])
def test_a_changed_entry_shows(server: Server, field: str) -> None:
    for number in range(3):
        make_project(server, f"p{number}")
    sealed(server)
    changed = {
        "actor_name": "somebody else",
        "details": {"name": "x"},
        "at": server.clock.now,
        "sha256": "0" * 64,
    }
    second = sa.update(tables.audit).where(tables.audit.c.number == 2).values({field: changed[field]})
    server.write(lambda call: call.connection.execute(second))
    found = verify(server)
    assert (found.broken_at, found.problem) == (2, "entry 2 is not what it was when it was sealed")


def test_a_missing_entry_shows_and_what_retention_takes_does_not(server: Server) -> None:
    for number in range(4):
        make_project(server, f"p{number}")
    sealed(server)
    for number, problem in ((1, ""), (3, "entry 3 is missing")):
        gone = sa.delete(tables.audit).where(tables.audit.c.number == number)
        server.write(lambda call, gone=gone: call.connection.execute(gone))
        assert verify(server).problem == problem


def test_a_setting_says_what_it_was_before(server: Server) -> None:
    life = Life(server)
    request = flows.UpdateFlow(flow_id=life.flow.flow_id, paused=True)
    server.call(operations.update_flow, request)
    (entry, *_) = entries(server)
    assert (entry.details["paused"], entry.before) == (True, {"paused": False})


def test_it_is_downloaded_as_one_line_for_each_entry(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_audit, "BATCH", 2)
    for number in range(5):
        make_project(server, f"p{number}")

    async def download() -> bytes:
        file = await server_audit.download_audit(
            server.service, server.as_.administrator, audit.DownloadAudit(operation="create_project")
        )
        return b"".join([chunk async for chunk in file.chunks])

    lines = [json.loads(line) for line in server.run(download()).splitlines()]
    assert [line["object_name"] for line in lines] == [f"p{number}" for number in range(5)]


def test_a_run_that_is_asked_for_is_in_its_own_history(server: Server) -> None:
    life = Life(server)
    before = len(entries(server))
    run = life.create()
    assert len(entries(server)) == before
    (event,) = life.events(run.id)
    assert event.actor == wire_runs.Actor(kind="user", name="member", id=server.as_.member.id)
