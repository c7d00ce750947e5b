"""R16: SLAs: not finished by a time, longer than, late by; each miss recorded once and told by the same rules."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from notified import Notified

from headrace import errors
from headrace.server import tables
from headrace.wire import notifications as wire
from headrace.wire import operations
from receivers import Receiver
from running import Server


def promise(told: Notified, kept: wire.Promise, name: str = "promise") -> wire.Sla:
    request = wire.CreateSla(name=name, flow_id=told.life.flow.flow_id, promise=kept)
    return told.server.call(operations.create_sla, request, told.server.as_.member)


def misses(told: Notified, **asked: object) -> list[wire.Miss]:
    """Oldest first."""
    request = wire.ListMisses(**asked)  # type: ignore[arg-type]
    return told.server.call(operations.list_sla_misses, request, told.server.as_.viewer).items[::-1]


def test_a_run_that_takes_too_long_is_told_once(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "SlaMissed", text="{sla}: {run} {message}")
    sla = promise(told, wire.LongerThan(seconds=60), "quick")
    held = told.life.running()
    told.server.clock.advance(60)
    told.watch()
    assert misses(told) == []
    told.server.clock.advance(1)
    for _ in range(3):
        told.watch()
        told.server.clock.advance(10)
    (miss,) = misses(told, flow_run_id=held.flow_run_id)
    assert (miss.sla_id, miss.sla, miss.sentence) == (sla.id, "quick", "It has taken longer than 60 s.")
    told.deliver()
    run = told.life.read(held.flow_run_id)
    (body,) = receiver.bodies
    assert (body["kind"], body["state"], body["state_type"]) == ("sla", "SlaMissed", "Running")
    assert body["text"] == f"quick: {run.name} SLA quick: It has taken longer than 60 s."
    assert body["url"].endswith(f"/flow-runs/{run.id}")


def test_a_run_that_ended_between_two_looks_is_seen_too(told: Notified) -> None:
    promise(told, wire.LongerThan(seconds=60))
    told.watch()
    slow, quick = told.life.running(), told.life.running()
    told.life.finish(quick)
    told.server.clock.advance(61)
    told.life.finish(slow)
    told.server.clock.advance(1)
    told.watch()
    assert [each.flow_run_id for each in misses(told)] == [slow.flow_run_id]


def test_a_run_that_starts_late_breaks_its_promise(told: Notified) -> None:
    promise(told, wire.LateBy(seconds=30))
    waiting = told.life.create()
    later = told.life.create(due_at=told.server.clock.now + timedelta(hours=1))
    told.server.clock.advance(31)
    told.watch()
    assert [each.flow_run_id for each in misses(told)] == [waiting.id]
    assert misses(told)[0].sentence == "It had not started later than 30 s."
    told.server.clock.advance(3600 - 31)
    told.watch()
    assert later.id not in {each.flow_run_id for each in misses(told)}


def test_another_flows_runs_have_not_promised(told: Notified) -> None:
    promise(told, wire.LateBy(seconds=1))
    other = told.life.register(name="other", code_sha256="3" * 64)
    told.life.create(flow_id=other.flow_id)
    told.server.clock.advance(60)
    told.watch()
    assert misses(told) == []


def at(told: Notified, hour: int, minute: int = 0, day: int = 23) -> None:
    told.server.clock.now = datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_flow_that_has_not_succeeded_by_its_time_is_told_with_the_local_time(
    told: Notified, receiver: Receiver
) -> None:
    """07:00 in Berlin is 06:00 UTC in November."""
    told.rule(told.channel(receiver.url), "SlaMissed")
    sla = promise(told, wire.FinishedBy(cron="0 7 * * *", timezone="Europe/Berlin"), "morning")
    assert sla.next_at == datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    at(told, 5)
    kept = told.life.running()
    at(told, 5, 59)
    told.life.finish(kept)
    at(told, 6, 1)
    told.watch()
    assert misses(told) == []
    at(told, 5, day=24)
    late = told.life.running()
    at(told, 6, 1, day=24)
    told.watch()
    told.watch()
    told.life.finish(late)
    (miss,) = misses(told, flow_id=told.life.flow.flow_id)
    assert miss.sentence == (
        "No run that was due since 2026-11-23 06:00 UTC had succeeded by 2026-11-24 07:00 Europe/Berlin."
    )
    # yesterday's late run is not today's
    at(told, 6, 1, day=25)
    told.watch()
    assert len(misses(told)) == 2
    told.deliver()
    assert [body["flow_run_id"] for body in receiver.bodies] == [None, None]
    assert receiver.bodies[0]["url"].endswith(f"/flows/{told.life.flow.flow_id}")


def test_times_that_passed_while_no_server_ran_are_looked_at_afterwards(told: Notified) -> None:
    promise(told, wire.FinishedBy(cron="0 * * * *"))
    at(told, 13, 30, day=22)
    held = told.life.running()
    told.life.finish(held)
    at(told, 16, 30, day=22)
    for _ in range(5):
        told.watch()
    # 13:00 was missed, 14:00 kept, 15:00 and 16:00 missed
    assert [each.sentence.split()[-2] for each in misses(told)] == ["13:00", "15:00", "16:00"]
    at(told, 16, 30, day=30)
    for _ in range(200):
        told.watch()
        if told.server.rows(tables.slas)[0].next_at > told.server.clock.now:
            break
    assert len(misses(told)) < 60, "of a week without a server only the last days are told"


def test_a_late_run_is_told_once_while_a_rule_wants_it(told: Notified, receiver: Receiver) -> None:
    told.life.create()
    told.server.clock.advance(16)
    told.watch()
    assert misses(told) == []
    told.rule(told.channel(receiver.url), "Late")
    for _ in range(3):
        told.watch()
        told.server.clock.advance(16)
    (miss,) = misses(told)
    assert (miss.sla_id, miss.sla) == (None, "")
    told.deliver()
    assert [(body["state"], body["state_type"]) for body in receiver.bodies] == [("Late", "Scheduled")]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (wire.LongerThan(seconds=0), "more than 0 seconds"),
        (wire.LateBy(seconds=-1), "more than 0 seconds"),
        (wire.LateBy(seconds=1e12), "at most a year"),
        (wire.FinishedBy(cron="7 o'clock"), "five"),
        (wire.FinishedBy(cron="0 7 * * *", timezone="Europe/Berln"), "Berln"),
    ],
)
def test_a_promise_that_nobody_can_keep_is_refused(
    sqlite_server: Server, kept: wire.Promise, words: str
) -> None:
    with pytest.raises(errors.Invalid, match=words):
        promise(Notified(sqlite_server), kept)


def test_slas_are_listed_and_deleted_with_their_misses(told: Notified) -> None:
    sla = promise(told, wire.LateBy(seconds=1))
    with pytest.raises(errors.Conflict, match="already"):
        promise(told, wire.LateBy(seconds=2))
    other = promise(told, wire.LongerThan(seconds=2), "other")
    told.life.create()
    told.server.clock.advance(5)
    told.watch()
    assert len(misses(told, sla_id=sla.id)) == 1
    request = wire.ListSlas(flow_id=told.life.flow.flow_id)
    assert told.server.call(operations.list_slas, request).items == [sla, other]
    told.server.call(operations.delete_sla, wire.SlaRef(sla_id=sla.id))
    assert misses(told) == []
    for missing in (sla.id, uuid4()):
        with pytest.raises(errors.NotFound):
            told.server.call(operations.delete_sla, wire.SlaRef(sla_id=missing))
    with pytest.raises(errors.NotFound):
        told.server.call(
            operations.create_sla, wire.CreateSla(name="x", flow_id=uuid4(), promise=wire.LateBy(seconds=1))
        )
