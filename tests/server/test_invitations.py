"""P1: invitations, the usual way in."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from mailed import Mailed

from headrace import errors
from headrace.server import sessions, tables
from headrace.wire import accounts, operations
from running import Server

PASSWORD = "correct horse battery"


@pytest.fixture
def mailed(sqlite_server: Server) -> Iterator[Mailed]:
    mailed = Mailed(sqlite_server)
    yield mailed
    mailed.close()


def invite(server: Server, email: str = "ada@example.com", **fields: Any) -> accounts.CreatedInvitation:
    return server.call(operations.create_invitation, accounts.CreateInvitation(email=email, **fields))


def token(made: accounts.CreatedInvitation) -> str:
    return made.link.removeprefix("http://127.0.0.1:7400/invitation?token=")


def accept(server: Server, with_: str, name: str = "Ada", password: str = PASSWORD) -> accounts.Me:
    request = accounts.AcceptInvitation(token=with_, name=name, password=password)
    return server.call(operations.accept_invitation, request, server.as_.anonymous)


def listed(server: Server) -> list[accounts.Invitation]:
    return server.call(operations.list_invitations, accounts.ListInvitations()).items


def test_P1_whoever_is_invited_comes_in_once_with_a_name_and_a_password(server: Server) -> None:
    made = invite(server, "Ada@Example.com", role="viewer")
    assert not made.mailed
    (shown,) = listed(server)
    assert (shown.email, shown.role, shown.created_by, shown.expired) == (
        "ada@example.com",
        "viewer",
        "administrator",
        False,
    )
    asked = accounts.ReadInvitation(token=token(made))
    invited = server.call(operations.read_invitation, asked, server.as_.anonymous)
    assert (invited.email, invited.role, invited.invited_by) == ("ada@example.com", "viewer", "administrator")
    me = accept(server, token(made))
    assert (me.name, me.email, me.role, me.has_password) == ("Ada", "ada@example.com", "viewer", True)
    assert me.csrf_token
    assert listed(server) == []
    with pytest.raises(errors.Unauthenticated, match="used, withdrawn, or is too old"):
        accept(server, token(made))
    signing_in = accounts.SignIn(email="ada@example.com", password=PASSWORD)
    assert server.call(operations.sign_in, signing_in, server.as_.anonymous).id == me.id


def test_of_two_who_come_by_one_link_at_once_one_comes_in(server: Server) -> None:
    with_ = token(invite(server))
    requests = [accounts.AcceptInvitation(token=with_, name=name, password=PASSWORD) for name in ("A", "B")]
    begun = [server.begin(operations.accept_invitation, each, server.as_.anonymous) for each in requests]
    failed = [future.exception(30) for future in begun]
    assert sorted(error is None for error in failed) == [False, True]
    assert any(isinstance(error, errors.Unauthenticated) for error in failed)
    assert len([row for row in server.rows(tables.users) if row.email == "ada@example.com"]) == 1


def test_an_invitation_that_is_withdrawn_lets_nobody_in(server: Server) -> None:
    made = invite(server)
    gone = accounts.InvitationRef(invitation_id=made.invitation.id)
    server.call(operations.delete_invitation, gone)
    with pytest.raises(errors.Unauthenticated):
        accept(server, token(made))
    with pytest.raises(errors.NotFound):
        server.call(operations.delete_invitation, gone)
    entry = max((row for row in server.rows(tables.audit)), key=lambda row: row.id)
    assert (entry.operation, entry.before) == (
        "delete_invitation",
        {"email": "ada@example.com", "role": "member"},
    )


def test_an_invitation_ends_by_itself_is_shown_as_too_old_and_then_forgotten(server: Server) -> None:
    made = invite(server, expires_in_seconds=3600)
    server.clock.advance(3601)
    with pytest.raises(errors.Unauthenticated):
        accept(server, token(made))
    with pytest.raises(errors.Unauthenticated):
        server.call(operations.read_invitation, accounts.ReadInvitation(token=token(made)))
    assert [one.expired for one in listed(server)] == [True]
    server.clock.advance(sessions.SHOWN_EXPIRED + timedelta(days=1))
    server.write(lambda call: sessions.forget_old(call, call.now))
    assert listed(server) == []


def test_inviting_again_makes_the_first_link_worthless(server: Server) -> None:
    first = token(invite(server, role="administrator"))
    second = token(invite(server, role="viewer"))
    with pytest.raises(errors.Unauthenticated):
        accept(server, first)
    assert accept(server, second).role == "viewer"


def test_who_is_here_already_is_not_invited(server: Server) -> None:
    with pytest.raises(errors.Conflict, match=r"member@example\.com"):
        invite(server, "member@example.com")
    # and where somebody comes to be here meanwhile, the invitation ends there
    made = invite(server)
    server.call(operations.create_user, accounts.CreateUser(name="Ada", email="ada@example.com"))
    with pytest.raises(errors.Conflict):
        accept(server, token(made))


@pytest.mark.parametrize("seconds", [0, -1, 91 * 86400, float("nan")])
def test_a_life_that_is_none_is_refused(sqlite_server: Server, seconds: float) -> None:
    with pytest.raises(errors.Invalid):
        invite(sqlite_server, expires_in_seconds=seconds)


def test_a_short_password_and_an_empty_name_leave_the_invitation_as_it_was(sqlite_server: Server) -> None:
    made = invite(sqlite_server)
    for wrong in ({"password": "short"}, {"name": " "}):
        with pytest.raises(errors.Invalid):
            accept(sqlite_server, token(made), **wrong)
    assert accept(sqlite_server, token(made)).name == "Ada"


@pytest.mark.parametrize(
    "email",
    [
        "ada@example.com,eve@evil.example",
        "eve@evil.example,ada@example.com",
        "Ada <ada@example.com>",
        '"a b"@example.com',
        "ada@exam ple.com",
        "ada@example.com\r\nBcc: eve@evil.example",
        "ada@@example.com",
        "ada@example..com",
        "ädä@example.com",
    ],
)
def test_an_address_that_mail_would_read_as_another_is_none(sqlite_server: Server, email: str) -> None:
    with pytest.raises(errors.Invalid):
        invite(sqlite_server, email)


def test_the_link_goes_by_mail_too_where_there_is_a_mail_server(mailed: Mailed) -> None:
    made = invite(mailed.server)
    assert made.mailed
    (mail,) = mailed.mails
    assert (mail["to"], mail["from"], mail["subject"]) == (
        "ada@example.com",
        "headrace@example.com",
        "Your invitation to Headrace",
    )
    assert mailed.token("invitation") == token(made)
    (shown,) = listed(mailed.server)
    assert (shown.mailed_at, shown.mail_problem) == (mailed.server.clock.now, "")


def test_a_mail_that_is_refused_is_said_at_the_invitation(mailed: Mailed) -> None:
    mailed.sink.refuses = {"RCPT TO": "550 no such user"}
    made = invite(mailed.server)
    assert mailed.mails == []
    (shown,) = listed(mailed.server)
    assert shown.mailed_at is None
    assert "refuses all recipients" in shown.mail_problem
    assert accept(mailed.server, token(made)).name == "Ada"


def test_no_link_lies_in_the_database(mailed: Mailed) -> None:
    made = invite(mailed.server)
    assert mailed.mails
    for table in tables.metadata.sorted_tables:
        for row in mailed.server.rows(table):
            assert token(made) not in str(tuple(row)), table.name


def test_coming_in_ends_the_session_that_the_browser_had(server: Server) -> None:
    link = token(invite(server))
    accept(server, link)
    before = max(server.rows(tables.sessions), key=lambda row: row.id)
    caller = dataclasses.replace(server.as_.anonymous, session_id=before.id)
    request = accounts.AcceptInvitation(
        token=token(invite(server, "b@example.com")), name="B", password=PASSWORD
    )
    server.call(operations.accept_invitation, request, caller)
    assert before.id not in {row.id for row in server.rows(tables.sessions)}
