"""F76, I18: every message is delivered at least once, each run's in order, whatever the receiver does; a run never waits for it."""

import asyncio
import itertools
from datetime import timedelta
from uuid import UUID

import pytest
from notified import Notified

from headrace import errors
from headrace.core.states import StateType
from headrace.server import notification_rules, outbox, tables
from headrace.server.loops import outbox as outbox_loop
from headrace.wire import notifications as wire
from headrace.wire import operations
from receivers import Receiver, hang_up, say, soon
from running import Server


def states(receiver: Receiver, run_id: UUID) -> list[str]:
    """The states that the receiver was told of a run, each repeated delivery once."""
    seen = {body["event_id"]: body["state"] for body in receiver.bodies if body["flow_run_id"] == str(run_id)}
    return list(seen.values())


def test_a_message_is_written_with_the_move_and_sent_after_it(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "Running", "Success")
    held = told.life.running()
    told.life.finish(held)
    assert [each.state for each in told.deliveries()] == ["waiting", "waiting"]
    assert receiver.requests == []
    told.deliver()
    assert states(receiver, held.flow_run_id) == ["Running", "Success"]
    assert {(each.state, each.attempts, each.error) for each in told.deliveries()} == {("delivered", 1, "")}
    told.deliver()
    assert len(receiver.requests) == 2
    told.life.check()


def test_a_move_that_is_rolled_back_tells_nobody(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "Success")
    held = told.life.claimed()
    with pytest.raises(errors.Conflict):
        told.life.finish(held)  # it was never started
    assert told.deliveries() == []


def test_a_message_is_tried_again_with_the_same_event_id_until_it_is_taken(
    told: Notified, receiver: Receiver
) -> None:
    told.rule(told.channel(receiver.url), "Success")
    receiver.answers = [say(500), hang_up, say(503), say(200)]
    told.life.finish(told.life.running())
    for attempt in (1, 2, 3):
        told.deliver()
        (delivery,) = told.deliveries()
        assert (delivery.state, delivery.attempts) == ("waiting", attempt)
        assert delivery.next_at == told.server.clock.now + outbox.pause(attempt)
        told.deliver()
        assert len(receiver.requests) == attempt, "not before its time"
        told.server.clock.advance(outbox.pause(attempt).total_seconds())
    assert told.deliveries()[0].error == "127.0.0.1 answers 503 Service Unavailable"
    told.deliver()
    (delivery,) = told.deliveries()
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 4, "")
    assert len({body["event_id"] for body in receiver.bodies}) == 1
    assert receiver.bodies[0] == receiver.bodies[3]


def test_pauses_grow_and_a_day_has_enough_of_them() -> None:
    pauses = [outbox.pause(attempt) for attempt in range(1, 60)]
    assert all(before <= after for before, after in itertools.pairwise(pauses))
    assert pauses[0] == timedelta(seconds=5)
    assert pauses[-1] == timedelta(hours=3)
    assert sum(pauses[:12], timedelta()) < outbox.PATIENCE


def test_after_a_day_a_message_is_given_up_with_its_error_and_the_next_one_goes(
    told: Notified, receiver: Receiver
) -> None:
    told.rule(told.channel(receiver.url), "Running", "Failed")
    receiver.usual = say(404)
    held = told.life.running()
    told.life.finish(held, StateType.FAILED)
    for _ in range(40):
        told.deliver()
        first, second = told.deliveries()
        if first.state != "waiting":
            break
        assert second.attempts == 0, "it waits for the first"
        told.server.clock.advance(3 * 3600)
    assert (first.state, first.error) == ("given_up", "127.0.0.1 answers 404 Not Found")
    assert first.finished_at is not None
    # the day of the next one is over too, but once it is tried
    assert (second.state, second.attempts) == ("given_up", 1)
    assert [each.id for each in told.deliveries(state="given_up")] == [first.id, second.id]
    receiver.usual = say(204)
    asked = wire.DeliveryRef(delivery_id=first.id)
    again = told.server.call(operations.retry_delivery, asked, told.server.as_.member)
    assert (again.state, again.finished_at) == ("waiting", None)
    told.deliver()
    assert told.deliveries()[0].state == "delivered"
    with pytest.raises(errors.Conflict, match="was delivered at"):
        told.server.call(operations.retry_delivery, asked)
    with pytest.raises(errors.NotFound):
        told.server.call(operations.retry_delivery, wire.DeliveryRef(delivery_id=12345))


def test_each_run_is_told_in_order_while_the_receiver_fails_now_and_then(
    told: Notified, receiver: Receiver
) -> None:
    told.rule(told.channel(receiver.url), "Running", "AwaitingRetry", "Success", "Failed")
    pattern = itertools.cycle([say(500), say(), hang_up, say(), say(429), say(302), say()])
    receiver.answers = list(itertools.islice(pattern, 60))
    held = [told.life.running() for _ in range(6)]
    for each in held:
        told.life.finish(each, StateType.FAILED if each.flow_run_id.int % 2 else StateType.SUCCESS)
    for _ in range(60):
        told.deliver()
        if all(each.state == "delivered" for each in told.deliveries()):
            break
        told.server.clock.advance(400)
    for each in held:
        last = "Failed" if each.flow_run_id.int % 2 else "Success"
        assert states(receiver, each.flow_run_id) == ["Running", last]
    assert {each.state for each in told.deliveries()} == {"delivered"}


def test_a_server_that_dies_while_it_sends_is_followed_by_another_once_its_claim_is_over(
    told: Notified, receiver: Receiver
) -> None:
    told.rule(told.channel(receiver.url), "Success")
    told.life.finish(told.life.running())
    (claimed,) = told.server.write(lambda call: outbox.claim(call, ()))
    told.deliver()
    assert receiver.requests == [], "it is on its way"
    told.server.clock.advance(outbox.LEASE.total_seconds())
    told.deliver()
    assert len(receiver.requests) == 1
    # the dead one was only slow: what it says about its attempt changes nothing any more
    told.server.write(lambda call: outbox.failed(call, claimed, "too late"))
    assert [(each.state, each.error) for each in told.deliveries()] == [("delivered", "")]


def test_while_one_receiver_is_slow_the_others_are_sent_to(told: Notified, receiver: Receiver) -> None:
    slow = Receiver()
    try:
        slow.usual = lambda receiver, request, connection: receiver.closing.wait(20) and None
        told.rule(told.channel(slow.url, "slow"), "Success", name="slow")
        told.rule(told.channel(receiver.url, "fast"), "Success", name="fast")
        for _ in range(20):
            told.life.finish(told.life.running())
        loop = told.server.portal.start(outbox_loop.run_once(told.server.service))
        soon(lambda: len(receiver.requests) == 20, 20)
        assert len(slow.requests) <= outbox.PER_CHANNEL
        slow.usual = say()
        slow.closing.set()
        loop.result(30)
        assert {each.state for each in told.deliveries() if each.channel == "fast"} == {"delivered"}
    finally:
        slow.close()


def test_a_poison_message_stops_no_other(told: Notified, receiver: Receiver) -> None:
    bad, good = told.channel(receiver.url, "bad"), told.channel(receiver.url, "good")
    told.rule(bad, "Success", name="bad")
    told.rule(good, "Success", name="good")
    table = tables.notification_channels
    told.server.write(
        lambda call: call.connection.execute(
            table.update().where(table.c.name == "bad").values(sealed=b"\x01" + bytes(40))
        )
    )
    told.life.finish(told.life.running())
    told.deliver()
    by_channel = {each.channel: each for each in told.deliveries()}
    assert by_channel["good"].state == "delivered"
    assert "another secret_key" in by_channel["bad"].error


def test_two_servers_send_each_message_once(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "Running", "Success")
    held = [told.life.running() for _ in range(10)]
    for each in held:
        told.life.finish(each)

    async def both() -> None:
        await asyncio.gather(*(outbox_loop.run_once(told.server.service) for _ in range(3)))

    told.server.run(both())
    assert len(receiver.requests) == 20
    for each in held:
        assert states(receiver, each.flow_run_id) == ["Running", "Success"]


def test_nothing_is_asked_of_the_database_where_no_rule_wants_a_move(
    told: Notified, receiver: Receiver
) -> None:
    known = told.server.service.part(notification_rules.Rules)
    told.deliver()  # as the loop does each second
    reads = known.reads
    told.life.finish(told.life.running())
    assert (known.reads, told.deliveries()) == (reads, [])
    told.rule(told.channel(receiver.url), "Failed")
    told.life.finish(told.life.running())
    assert (known.reads, told.deliveries()) == (reads + 1, [])


def test_a_rule_made_on_another_server_counts_within_seconds(
    server: Server, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Notified(server)
    known = server.service.part(notification_rules.Rules)
    told.deliver()
    told.rule(told.channel(receiver.url), "Success")
    # as if the rule had been made elsewhere: nobody here has told the cache
    monkeypatch.setattr(notification_rules.time, "monotonic", lambda: 1e9)
    known._known, known._until = (), 1e9 + notification_rules.TRUSTED_SHARED
    told.life.finish(told.life.running())
    assert told.deliveries() == []
    monkeypatch.setattr(notification_rules.time, "monotonic", lambda: 1e9 + notification_rules.TRUSTED_SHARED)
    told.life.finish(told.life.running())
    assert len(told.deliveries()) == 1


def test_a_rule_deleted_in_the_same_moment_costs_a_message_and_never_a_move(
    told: Notified, receiver: Receiver
) -> None:
    channel = told.channel(receiver.url)
    rule = told.rule(channel, "Success")
    known = told.server.service.part(notification_rules.Rules)
    stale = told.server.read(known.current)
    told.server.call(operations.delete_notification_rule, wire.RuleRef(rule_id=rule.id))
    told.server.call(operations.delete_notification_channel, wire.ChannelRef(channel_id=channel.channel.id))
    known._known, known._until = stale, float("inf")
    assert told.life.finish(told.life.running()).state.type is StateType.SUCCESS
    assert [each.channel for each in told.deliveries()] == [None]
    told.deliver()
    assert told.deliveries() == []


def test_deliveries_are_listed_by_pages_newest_first(told: Notified, receiver: Receiver) -> None:
    told.rule(told.channel(receiver.url), "Running", "Success")
    for _ in range(3):
        told.life.finish(told.life.running())
    whole = told.server.call(operations.list_deliveries, wire.ListDeliveries(), told.server.as_.viewer).items
    assert [each.id for each in whole] == sorted((each.id for each in whole), reverse=True)
    page = told.server.call(operations.list_deliveries, wire.ListDeliveries(limit=4))
    rest = told.server.call(operations.list_deliveries, wire.ListDeliveries(limit=4, after=page.next))
    assert [*page.items, *rest.items] == whole
    of_run = told.deliveries(flow_run_id=whole[0].flow_run_id)
    assert len(of_run) == 2
