import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from headrace import errors, wire
from headrace.server import tables
from headrace.server.service import Service
from headrace.web import handlers
from headrace.wire import accounts, operations, runs
from running import Server

Call = handlers.Call[Service]


def create(name: str) -> accounts.CreateServiceAccount:
    return accounts.CreateServiceAccount(name=name)


def test_a_repeated_request_id_gives_the_first_answer_and_has_one_effect(server: Server) -> None:
    first = server.call(operations.create_service_account, create("ci"), request_id="a")
    server.clock.advance(60)
    again = server.call(operations.create_service_account, create("ci"), request_id="a")
    assert again == first
    assert len([row for row in server.rows(tables.service_accounts) if row.name == "ci"]) == 1


def test_many_repeats_at_once_have_one_effect(server: Server) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: server.call(operations.create_service_account, create("ci"), request_id="a"),
                range(8),
            )
        )
    assert len({answer.id for answer in answers}) == 1


def test_a_request_id_of_another_request_is_refused(server: Server) -> None:
    server.call(operations.create_service_account, create("one"), request_id="a")
    with pytest.raises(errors.Invalid, match="another request"):
        server.call(operations.create_service_account, create("two"), request_id="a")
    with pytest.raises(errors.Invalid, match="another request"):
        server.call(operations.delete_user, accounts.UserRef(user_id=UUID(int=3)), request_id="a")


def test_request_ids_of_two_callers_have_nothing_to_do_with_each_other(server: Server) -> None:
    other = server.as_.member
    server.call(operations.create_service_account, create("one"), request_id="a")
    server.call(operations.create_service_account, create("two"), other, request_id="a")
    assert {row.name for row in server.rows(tables.service_accounts)} >= {"one", "two"}


def test_a_request_that_was_refused_is_not_remembered(server: Server) -> None:
    unknown = accounts.UserRef(user_id=uuid4())
    with pytest.raises(errors.NotFound):
        server.call(operations.delete_user, unknown, request_id="a")
    server.call(operations.create_service_account, create("one"), request_id="a")


def test_a_secret_is_not_answered_twice_and_not_kept(server: Server) -> None:
    made = server.call(operations.create_key, accounts.CreateKey(name="k"), request_id="a")
    with pytest.raises(errors.Conflict, match="revoke it"):
        server.call(operations.create_key, accounts.CreateKey(name="k"), request_id="a")
    for table in tables.metadata.sorted_tables:
        assert made.value not in repr(server.rows(table)), table.name


@pytest.mark.parametrize("request_id", ["", "x" * 201, "a\nb"])
def test_an_odd_request_id_is_refused(sqlite_server: Server, request_id: str) -> None:
    with pytest.raises(errors.Invalid):
        sqlite_server.call(operations.create_service_account, create("one"), request_id=request_id)


class Claims:
    """A stand-in for an operation whose answer is rebuilt."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: UUID | None = None
        self.calls: list[Any] = []
        monkeypatch.setitem(server.service.registry.handlers, "claim_flow_run", self.handle)
        monkeypatch.delitem(server.service.registry.waiters, "claim_flow_run", raising=False)

    def handle(self, call: Call, request: runs.ClaimFlowRun) -> wire.Answer:
        self.calls.append(call.replay)
        if call.replay is None and self.found is not None:
            call.keep = {"run": str(self.found)}
        return wire.Empty()


def test_an_answer_that_is_rebuilt_is_remembered_once_there_is_something(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(server, monkeypatch)
    request = runs.ClaimFlowRun(agent_id=UUID(int=1))
    server.call(operations.claim_flow_run, request, request_id="p")
    claims.found = UUID(int=5)
    server.call(operations.claim_flow_run, request, request_id="p")
    claims.found = UUID(int=6)
    server.call(operations.claim_flow_run, request, request_id="p")
    assert claims.calls == [None, None, {"run": str(UUID(int=5))}]


def test_actions_come_after_the_commit_and_not_at_all_without_one(server: Server) -> None:
    done: list[str] = []

    def fails(call: Call) -> None:
        call.after_commit(lambda: done.append("never"))
        raise errors.Conflict

    with pytest.raises(errors.Conflict):
        server.write(fails)
    server.write(lambda call: call.after_commit(lambda: done.append(threading.current_thread().name)))
    assert done == ["headrace-testing"]


def test_a_part_is_one_for_each_service(server: Server) -> None:
    assert server.service.part(dict) is server.service.part(dict)


def test_a_held_answer_ends_when_it_is_woken_when_its_time_is_over_and_when_the_server_drains(
    server: Server,
) -> None:
    service = server.service

    async def woken() -> list[bool]:
        with service.hold() as hold:
            asyncio.get_running_loop().call_soon(hold.wake)
            first = await hold.wait(30)
        with service.hold() as hold:
            second = await hold.wait(0)
        with service.hold() as hold:
            asyncio.get_running_loop().call_soon(service.drain)
            third = await hold.wait(30)
        with service.hold() as hold:
            fourth = await hold.wait(30)
        return [first, second, third, fourth]

    assert server.run(woken()) == [True, False, True, True]
    assert service.held == 0


def test_a_preparing_step_may_look_into_the_database(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(service: Service, caller: handlers.Caller, request: Any) -> int:
        assert threading.current_thread().name.startswith("headrace-prepare")
        return service.look(
            lambda call: call.connection.execute(sa.select(sa.func.count(tables.users.c.id))).scalar_one()
        )

    seen: list[int] = []

    def handle(call: Call, request: Any) -> wire.Empty:
        seen.append(call.prepared)
        return wire.Empty()

    monkeypatch.setitem(server.service.registry.preparers, "sign_out", prepare)
    monkeypatch.setitem(server.service.registry.handlers, "sign_out", handle)
    server.call(operations.sign_out, accounts.Nothing())
    assert seen == [3]


def test_an_operation_has_exactly_one_handler_or_streams(sqlite_server: Server) -> None:
    registry = sqlite_server.service.registry
    for operation in operations.OPERATIONS:
        assert (operation.name in registry.handlers) != (operation.name in registry.streamers), operation.name
        assert (operation.name in registry.streamers) == operation.streams
    with pytest.raises(ValueError, match="two handlers"):
        registry.handles(operations.sign_out)(lambda call, request: wire.Empty())
