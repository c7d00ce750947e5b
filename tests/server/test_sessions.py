import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from headrace import errors
from headrace.server import accounts as people
from headrace.server import sessions, tables
from headrace.web import handlers
from headrace.wire import accounts, operations
from running import Server

PASSWORD = "correct horse battery"


@pytest.fixture
def ada(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, with somebody who has a password; few failures are many, for each costs a hash."""
    monkeypatch.setattr(sessions, "BY_EMAIL", 3)
    server.call(
        operations.create_user, accounts.CreateUser(name="Ada", email="ada@example.com", password=PASSWORD)
    )
    return server


def sign_in(
    server: Server, password: str, email: str = "ada@example.com", address: str = "192.0.2.7"
) -> accounts.Me:
    caller = dataclasses.replace(server.as_.anonymous, address=address)
    return server.call(operations.sign_in, accounts.SignIn(email=email, password=password), caller)


def signed_in(server: Server, who: handlers.Caller) -> handlers.Caller:
    """The caller with a session, as its browser has it."""
    token = server.write(lambda call: people.make_start_link(call, who.id))  # type: ignore[arg-type]
    server.call(operations.sign_in, accounts.SignIn(token=token), server.as_.anonymous)
    row = max(server.rows(tables.sessions), key=lambda row: row.id)
    return dataclasses.replace(who, session_id=row.id)


def test_a_wrong_password_and_a_wrong_address_sound_alike(ada: Server) -> None:
    messages = set()
    for email, password in (
        ("ada@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("administrator@example.com", PASSWORD),
    ):
        with pytest.raises(errors.Unauthenticated) as refused:
            sign_in(ada, password, email)
        messages.add(str(refused.value))
    assert len(messages) == 1


def test_too_many_failures_close_the_address_for_a_while_and_no_other(ada: Server) -> None:
    for _ in range(sessions.BY_EMAIL):
        with pytest.raises(errors.Unauthenticated):
            sign_in(ada, "wrong")
    with pytest.raises(errors.TooManyRequests) as refused:
        sign_in(ada, PASSWORD)
    assert 0 < refused.value.facts["retry_after"] <= sessions.WINDOW.total_seconds()
    with pytest.raises(errors.Unauthenticated):
        sign_in(ada, "wrong", "other@example.com")
    ada.clock.advance(sessions.WINDOW.total_seconds() + 1)
    assert sign_in(ada, PASSWORD).name == "Ada"


def test_too_many_failures_from_one_place_close_it(ada: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BY_ADDRESS", 2)
    for number in range(2):
        with pytest.raises(errors.Unauthenticated):
            sign_in(ada, "wrong", f"guess{number}@example.com")
    with pytest.raises(errors.TooManyRequests):
        sign_in(ada, PASSWORD)
    assert sign_in(ada, PASSWORD, address="192.0.2.8").name == "Ada"


def test_signing_in_forgets_the_failures(ada: Server) -> None:
    for _ in range(2):
        for _ in range(sessions.BY_EMAIL - 1):
            with pytest.raises(errors.Unauthenticated):
                sign_in(ada, "wrong")
        sign_in(ada, PASSWORD)


def test_a_deactivated_user_cannot_sign_in(ada: Server) -> None:
    user = next(row for row in ada.rows(tables.users) if row.name == "Ada")
    token = ada.write(lambda call: people.make_start_link(call, user.id))
    ada.call(operations.update_user, accounts.UpdateUser(user_id=user.id, active=False))
    with pytest.raises(errors.Unauthenticated, match="deactivated"):
        sign_in(ada, PASSWORD)
    with pytest.raises(errors.Unauthenticated):
        ada.call(operations.sign_in, accounts.SignIn(token=token), ada.as_.anonymous)


def test_a_link_is_good_for_its_time(server: Server) -> None:
    token = server.write(
        lambda call: people.make_start_link(call, server.as_.member.id, lasts=timedelta(hours=1))
    )  # type: ignore[arg-type]
    server.clock.advance(3601)
    with pytest.raises(errors.Unauthenticated, match="too old"):
        server.call(operations.sign_in, accounts.SignIn(token=token), server.as_.anonymous)


def test_a_password_needs_the_one_before_where_there_is_one(server: Server) -> None:
    caller = signed_in(server, server.as_.member)
    assert not server.call(operations.read_me, accounts.Nothing(), caller).has_password
    server.call(operations.change_password, accounts.ChangePassword(new=PASSWORD), caller)
    assert server.call(operations.read_me, accounts.Nothing(), caller).has_password
    with pytest.raises(errors.Forbidden, match="current"):
        server.call(
            operations.change_password,
            accounts.ChangePassword(new="another good one", current="wrong"),
            caller,
        )
    server.call(
        operations.change_password, accounts.ChangePassword(new="another good one", current=PASSWORD), caller
    )
    assert sign_in(server, "another good one", "member@example.com").name == "member"


def test_a_key_cannot_change_its_owners_password(server: Server) -> None:
    with pytest.raises(errors.Forbidden, match="signed in with a browser"):
        server.call(operations.change_password, accounts.ChangePassword(new=PASSWORD), server.as_.member)


def test_who_i_am(server: Server) -> None:
    def me(caller: handlers.Caller) -> Any:
        return server.call(operations.read_me, accounts.Nothing(), caller)

    assert (me(server.as_.anonymous).kind, me(server.as_.anonymous).permissions) == ("anonymous", [])
    assert me(server.as_.viewer).permissions == ["account", "read"]
    assert me(server.as_.agent).kind == "service_account"
    caller = signed_in(server, server.as_.viewer)
    assert me(caller).csrf_token != me(signed_in(server, server.as_.viewer)).csrf_token != ""
    assert me(server.as_.viewer).csrf_token == ""


def test_what_counts_no_more_is_forgotten(ada: Server) -> None:
    with pytest.raises(errors.Unauthenticated):
        sign_in(ada, "wrong")
    signed_in(ada, ada.as_.member)
    ada.clock.advance(timedelta(days=40).total_seconds())
    ada.write(lambda call: sessions.forget_old(call, call.now))
    for table in (tables.sessions, tables.start_links, tables.sign_in_failures):
        assert ada.rows(table) == []
