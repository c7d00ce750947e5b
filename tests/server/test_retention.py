"""R14, F20: history goes by rules, a few rows at a time; what is not finished stays, and who reads is not disturbed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from lifecycles import Life

from headrace import errors
from headrace.core.states import StateType
from headrace.server import removal, tables
from headrace.server.loops import audit as audit_loop
from headrace.server.loops import janitor
from headrace.web import ids
from headrace.wire import audit, operations, retention, runs, versions
from headrace.wire import logs as wire_logs
from running import Server

DAY = 86400.0


def set_rule(server: Server, kind: str, **limits: Any) -> retention.Retention:
    return server.call(operations.set_retention, retention.SetRetention(kind=kind, **limits))


def finished(life: Life, logs: int = 0) -> UUID:
    """A run that ended now, with so many log records and one reported task state."""
    held = life.running()
    for begin in range(0, logs, 1000):
        lines = [
            runs.LogRecord(at=life.server.clock.now, level=20, logger="t", message=f"line {begin + number}")
            for number in range(min(1000, logs - begin))
        ]
        request = runs.WriteLogs(flow_run_id=held.flow_run_id, fence=held.fence, seq=begin, records=lines)
        life.server.call(operations.write_logs, request, life.by(held))
    event = runs.TaskEvent(
        slug="extract", map_index=-1, type=StateType.RUNNING, name="Running", at=life.server.clock.now
    )
    request = runs.WriteTaskEvents(flow_run_id=held.flow_run_id, fence=held.fence, seq=0, events=[event])
    life.server.call(operations.write_task_events, request, life.by(held))
    life.finish(held)
    return held.flow_run_id


def later(life: Life) -> UUID:
    """A run that is not due for years."""
    return life.create(due_at=life.server.clock.now + timedelta(days=1000)).id


def sweep(server: Server, budget: timedelta = removal.BUDGET) -> retention.Round:
    return server.run(removal.sweep(server.service, budget))


def left(server: Server) -> set[UUID]:
    return {row.id for row in server.rows(tables.flow_runs)}


def orphans(server: Server) -> list[str]:
    """Rows of runs that are gone."""
    known = left(server)
    found: list[str] = []
    for table, column in (*removal.owned(), (tables.run_events, tables.run_events.c.flow_run_id)):
        for row in server.rows(table):
            owner = row._mapping[column.name]
            if owner is not None and owner not in known:
                found.append(f"{table.name}: {owner}")
    return found


def test_nothing_of_a_run_goes_unless_somebody_says_so(server: Server) -> None:
    life = Life(server)
    run = finished(life)
    server.clock.advance(1000 * DAY)
    done = sweep(server)
    assert run in left(server)
    assert (done.complete, "flow_runs" in done.removed) == (True, False)


def test_finished_runs_go_by_their_age_with_all_that_belongs_to_them(server: Server) -> None:
    life = Life(server)
    old = finished(life, logs=3)
    waiting, going = later(life), life.running().flow_run_id
    server.clock.advance(31 * DAY)
    new = finished(life)
    set_rule(server, "flow_runs", seconds=30 * DAY)
    would = server.call(operations.preview_retention, retention.PreviewRetention()).would_remove
    done = sweep(server)
    assert left(server) == {waiting, going, new}
    assert old not in left(server)
    assert orphans(server) == []
    assert done.complete
    assert done.removed["flow_runs"] == would["flow_runs"] == 1
    assert done.removed["logs"] == would["logs"] == 3
    assert sweep(server).removed.get("flow_runs") is None
    life.check()


def test_the_last_runs_of_each_flow_are_kept_by_count(server: Server) -> None:
    life = Life(server)
    of_one = []
    for _ in range(5):
        of_one.append(finished(life))
        server.clock.advance(60)
    open_ = later(life)
    first, life.flow = life.flow, life.register(name="weekly")
    of_other = [finished(life) for _ in range(5)]  # all at one moment
    set_rule(server, "flow_runs", runs=2)
    set_rule(server, "flow_runs", flow_id=first.flow_id, runs=4)
    sweep(server)
    assert left(server) == {*of_one[1:], open_, *of_other[3:]}
    assert orphans(server) == []
    shown = server.call(operations.read_retention, retention.ReadRetention(flow_id=first.flow_id))
    assert {limit.kind: (limit.runs, limit.origin) for limit in shown.limits}["flow_runs"] == (4, "flow")
    assert [(rule.flow, rule.runs) for rule in shown.overrides] == [("daily", 4)]
    server.call(operations.reset_retention, retention.ResetRetention(kind="flow_runs", flow_id=first.flow_id))
    sweep(server)
    assert left(server) == {*of_one[3:], open_, *of_other[3:]}


def test_a_flow_may_keep_what_the_installation_lets_go(server: Server) -> None:
    life = Life(server)
    run = finished(life)
    set_rule(server, "flow_runs", seconds=DAY)
    set_rule(server, "flow_runs", flow_id=life.flow.flow_id)
    server.clock.advance(400 * DAY)
    sweep(server)
    assert left(server) == {run}


def test_logs_and_task_histories_go_alone_while_the_run_stays(server: Server) -> None:
    life = Life(server)
    old = finished(life, logs=2500)
    server.clock.advance(15 * DAY)
    new = finished(life, logs=4)
    set_rule(server, "logs", seconds=14 * DAY)
    set_rule(server, "task_run_states", seconds=14 * DAY)
    done = sweep(server)
    assert done.removed["logs"] == 2500
    assert left(server) == {old, new}
    assert {row.flow_run_id for row in server.rows(tables.logs)} == {new}
    assert {row.flow_run_id for row in server.rows(tables.task_run_states)} == {new}
    assert {row.flow_run_id for row in server.rows(tables.task_runs)} == {old, new}
    life.check()
    # what was looked at is not looked at again, and what grows old later still goes
    server.clock.advance(15 * DAY)
    assert sweep(server).removed["logs"] == 4


def test_a_round_is_many_small_transactions_and_goes_on_where_one_ended(server: Server) -> None:
    life = Life(server)
    for logs in (2300, 10, 700):
        finished(life, logs)
    server.clock.advance(DAY)
    set_rule(server, "flow_runs", seconds=3600)
    rounds = 0
    while not sweep(server, timedelta(0)).complete:
        rounds += 1
        # who reads meanwhile finds a run with its history, or not at all
        for run in left(server):
            assert life.read(run).state.name == "Success"
            assert [event.seq for event in life.events(run)] == [0, 1, 2, 3]
        assert orphans(server) == []
    assert rounds >= 3, "one transaction a round"
    assert left(server) == set()
    shown = server.call(operations.read_retention, retention.ReadRetention()).rounds
    assert sum(round_.removed.get("logs", 0) for round_ in shown) == 3010


def test_one_transaction_removes_no_more_than_a_batch(server: Server) -> None:
    life = Life(server)
    run = finished(life, logs=2300)
    kind = removal.retention.KINDS["flow_runs"]
    sizes = []
    while run in left(server):
        count, _ = server.write(lambda call: removal._remove(call, kind, [run]))
        sizes.append(count.total())
    assert sizes[:2] == [removal.BATCH, removal.BATCH]
    assert max(sizes) <= removal.BATCH


def test_a_log_is_read_page_by_page_while_it_goes(server: Server) -> None:
    life = Life(server)
    run = finished(life, logs=3000)
    server.clock.advance(DAY)
    set_rule(server, "logs", seconds=3600)
    request = wire_logs.ListLogs(flow_run_id=run, limit=200)
    first = server.call(operations.list_logs, request)
    seen = [line.message for line in first.items]
    following = first.next
    while following:
        sweep(server, timedelta(0))
        page = server.call(
            operations.list_logs, wire_logs.ListLogs(flow_run_id=run, limit=200, after=following)
        )
        seen += [line.message for line in page.items]
        following = page.next
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, key=lambda message: int(message.split()[1]))


def test_a_finished_run_stays_while_its_parent_or_its_restart_goes_on(server: Server) -> None:
    life = Life(server)
    held = life.running()
    going, child, source = held.flow_run_id, finished(life), finished(life)
    runs_ = tables.flow_runs

    def relate(call: Any) -> None:
        of = {"parent_run_id": going}
        call.connection.execute(sa.update(runs_).where(runs_.c.id == child).values(of))
        call.connection.execute(sa.update(runs_).where(runs_.c.id == going).values(restarted_from=source))

    server.write(relate)
    finished(life)
    set_rule(server, "flow_runs", runs=0)
    sweep(server)
    assert left(server) == {going, child, source}
    life.finish(held)
    sweep(server)
    assert left(server) == set()


def test_the_janitor_goes_by_the_rules_too_and_forgets_old_request_ids(server: Server) -> None:
    life = Life(server)
    caller = server.as_.administrator
    life.server.call(
        operations.set_retention, retention.SetRetention(kind="flow_runs", runs=0), caller, "one"
    )
    run = finished(life)
    assert server.rows(tables.requests)
    assert server.run(janitor.run_once(server.service)) is None
    assert run not in left(server)
    assert [row.id for row in server.rows(tables.requests) if row.flow_run_id is None] == ["one"]
    server.clock.advance(8 * DAY)
    server.run(janitor.run_once(server.service))
    assert server.rows(tables.requests) == []


def test_a_rule_that_makes_no_sense_is_refused_in_words(server: Server) -> None:
    Life(server)
    for kind, limits, word in (
        ("flow_run", {"runs": 1}, "did you mean 'flow_runs'"),
        ("flow_runs", {"seconds": 0.0}, "seconds"),
        ("flow_runs", {"runs": -1}, "runs"),
        ("requests", {"runs": 1}, "not counted"),
        ("requests", {"seconds": 10.0}, "3600"),
        ("requests", {"seconds": 7200.0, "flow_id": ids.uuid7()}, "installation"),
    ):
        with pytest.raises(errors.Invalid, match=word):
            set_rule(server, kind, **limits)
    with pytest.raises(errors.NotFound):
        set_rule(server, "logs", runs=1, flow_id=ids.uuid7())


def test_people_run_a_round_themselves(server: Server) -> None:
    life = Life(server)
    finished(life)
    set_rule(server, "flow_runs", runs=0)
    done = server.call(operations.run_retention, retention.RunRetention(seconds=5.0))
    assert (done.complete, done.removed["flow_runs"]) == (True, 1)
    with pytest.raises(errors.Invalid):
        server.call(operations.run_retention, retention.RunRetention(seconds=1000.0))


def test_a_deleted_flow_goes_after_its_last_run(server: Server) -> None:
    life = Life(server)
    finished(life)
    confirm = versions.DeleteFlow(flow_id=life.flow.flow_id, confirm="sales/daily")
    server.call(operations.delete_flow, confirm)
    server.clock.advance(100 * DAY)
    sweep(server)
    assert len(server.rows(tables.flows)) == 1
    set_rule(server, "flow_runs", seconds=DAY)
    sweep(server)
    server.clock.advance(1)
    sweep(server)
    assert [server.rows(table) for table in (tables.flow_runs, tables.flow_versions, tables.flows)] == [
        [],
        [],
        [],
    ]


def test_the_audit_log_goes_from_its_sealed_beginning(server: Server) -> None:
    Life(server)
    server.clock.advance(11)
    server.run(audit_loop.run_once(server.service))
    server.clock.advance(3 * DAY)
    set_rule(server, "audit", seconds=2 * DAY)
    server.clock.advance(11)
    sweep(server)
    assert [row.operation for row in server.rows(tables.audit)] == ["set_retention"]
    server.run(audit_loop.run_once(server.service))
    found = server.call(operations.verify_audit, audit.VerifyAudit())
    assert (found.entries, found.problem) == (1, "")
