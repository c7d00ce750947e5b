"""P1: signing up, where the rule lets somebody."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from mailed import Mailed

from headrace import errors, wire
from headrace.server import sign_up, tables, tries
from headrace.wire import accounts, operations
from running import Server

PASSWORD = "correct horse battery"


@pytest.fixture
def mailed(server: Server) -> Iterator[Mailed]:
    mailed = Mailed(server)
    yield mailed
    mailed.close()


def rule(server: Server, **fields: Any) -> accounts.SignUpRule:
    return server.call(operations.set_sign_up_rule, accounts.SetSignUpRule(**fields))


def ask(server: Server, email: str, address: str = "192.0.2.7") -> wire.Empty:
    caller = dataclasses.replace(server.as_.anonymous, address=address)
    return server.call(operations.sign_up, accounts.SignUp(email=email), caller)


def accept(server: Server, token: str) -> accounts.Me:
    request = accounts.AcceptInvitation(token=token, name="Ada", password=PASSWORD)
    return server.call(operations.accept_invitation, request, server.as_.anonymous)


def offered(server: Server) -> bool:
    return server.call(operations.read_ways_in, accounts.ReadWaysIn(), server.as_.anonymous).sign_up


def test_P1_nobody_signs_up_unless_an_administrator_says_so(mailed: Mailed) -> None:
    found = mailed.server.call(operations.read_sign_up_rule, accounts.ReadSignUpRule())
    assert found == accounts.SignUpRule(rule="invitation", domains=[], role="viewer", mail=True)
    assert not offered(mailed.server)
    with pytest.raises(errors.Forbidden, match="ask an administrator"):
        ask(mailed.server, "ada@example.com")
    assert mailed.mails == []


def test_P1_an_address_of_an_allowed_domain_comes_in_by_a_mailed_link(mailed: Mailed) -> None:
    rule(mailed.server, rule="domains", domains=["@Example.com", "example.org"], role="member")
    assert offered(mailed.server)
    ask(mailed.server, "Ada@example.com ")
    assert [mail["to"] for mail in mailed.mails] == ["ada@example.com"]
    me = accept(mailed.server, mailed.token("invitation"))
    assert (me.email, me.role) == ("ada@example.com", "member")
    for foreign in ("eve@evil.example", "eve@sub.example.com", "eve@notexample.com", "eve@example.com.evil"):
        with pytest.raises(errors.Forbidden, match="this domain"):
            ask(mailed.server, foreign)
    assert len(mailed.mails) == 1


def test_P1_anybody_comes_in_where_it_is_open(mailed: Mailed) -> None:
    rule(mailed.server, rule="open")
    ask(mailed.server, "eve@anywhere.example")
    assert accept(mailed.server, mailed.token("invitation")).role == "viewer"


def test_without_a_mail_server_nobody_signs_up(server: Server) -> None:
    assert rule(server, rule="open").mail is False
    assert not offered(server)
    with pytest.raises(errors.Forbidden):
        ask(server, "ada@example.com")


def test_the_answer_does_not_tell_who_has_an_account(mailed: Mailed) -> None:
    rule(mailed.server, rule="open")
    assert ask(mailed.server, "member@example.com") == ask(mailed.server, "nobody@example.com")
    by_address = {mail["to"]: mail.get_content() for mail in mailed.mails}
    assert "There is an account" in by_address["member@example.com"]
    assert "token=" not in by_address["member@example.com"]
    assert "/invitation?token=" in by_address["nobody@example.com"]


def test_a_rule_that_is_closed_meanwhile_closes_the_links_that_are_out(mailed: Mailed) -> None:
    rule(mailed.server, rule="open")
    ask(mailed.server, "ada@example.com")
    link = mailed.token("invitation")
    rule(mailed.server, rule="domains", domains=["example.org"])
    with pytest.raises(errors.Forbidden, match="closed meanwhile"):
        accept(mailed.server, link)


def test_the_role_is_the_rules_at_the_moment_of_coming_in(mailed: Mailed) -> None:
    rule(mailed.server, rule="open", role="member")
    ask(mailed.server, "ada@example.com")
    link = mailed.token("invitation")
    rule(mailed.server, role="viewer")
    assert accept(mailed.server, link).role == "viewer"


def test_signing_up_leaves_an_administrators_invitation_alone(mailed: Mailed) -> None:
    rule(mailed.server, rule="open")
    invited = accounts.CreateInvitation(email="ada@example.com", role="administrator")
    made = mailed.server.call(operations.create_invitation, invited)
    ask(mailed.server, "ada@example.com")
    assert len(mailed.mails) == 2
    assert accept(mailed.server, made.link.partition("token=")[2]).role == "administrator"
    assert mailed.server.rows(tables.invitations) == []


def test_mails_are_not_sent_without_end(mailed: Mailed, monkeypatch: pytest.MonkeyPatch) -> None:
    """S25: per address of mail, and per address of network."""
    monkeypatch.setattr(sign_up, "BY_ADDRESS", 6)
    rule(mailed.server, rule="open")
    for _ in range(sign_up.BY_EMAIL):
        ask(mailed.server, "ada@example.com")
    with pytest.raises(errors.TooManyRequests) as refused:
        ask(mailed.server, "ada@example.com", "198.51.100.9")
    assert 0 < refused.value.facts["retry_after"] <= tries.WINDOW.total_seconds()
    for number in range(sign_up.BY_ADDRESS - sign_up.BY_EMAIL):
        ask(mailed.server, f"p{number}@example.com")
    with pytest.raises(errors.TooManyRequests):
        ask(mailed.server, "bob@example.com")
    ask(mailed.server, "bob@example.com", "198.51.100.9")
    mailed.server.clock.advance(tries.WINDOW.total_seconds() + 1)
    ask(mailed.server, "ada@example.com")


@pytest.mark.parametrize(
    "fields",
    [
        {"rule": "domains"},
        {"rule": "domains", "domains": ["nodot"]},
        {"domains": ["a b.com"]},
        {"domains": ["*.example.com"]},
        {"domains": ["a.com"] * 1 + [f"d{number}.com" for number in range(100)]},
    ],
)
def test_a_rule_that_is_none_is_refused(sqlite_server: Server, fields: dict[str, Any]) -> None:
    with pytest.raises(errors.Invalid):
        rule(sqlite_server, **fields)


def test_the_audit_log_has_the_rule_before(server: Server) -> None:
    rule(server, rule="open", role="member")
    rule(server, rule="invitation")
    entry = max(server.rows(tables.audit), key=lambda row: row.id)
    assert (entry.operation, entry.before["rule"], entry.before["role"]) == (
        "set_sign_up_rule",
        "open",
        "member",
    )
