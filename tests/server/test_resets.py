"""P1: a new password by a link."""

import dataclasses
from collections.abc import Iterator

import pytest
from mailed import Mailed

from headrace import errors, wire
from headrace.server import resets, sessions, tables, tries
from headrace.wire import accounts, operations
from running import Server

OLD, NEW = "correct horse battery", "another good password"


def add(server: Server) -> accounts.User:
    request = accounts.CreateUser(name="Ada", email="ada@example.com", password=OLD)
    return server.call(operations.create_user, request).user


@pytest.fixture
def mailed(server: Server) -> Iterator[Mailed]:
    mailed = Mailed(server)
    add(server)
    yield mailed
    mailed.close()


def ask(server: Server, email: str, address: str = "192.0.2.7") -> wire.Empty:
    caller = dataclasses.replace(server.as_.anonymous, address=address)
    return server.call(operations.request_reset, accounts.RequestReset(email=email), caller)


def use(server: Server, token: str, password: str = NEW) -> wire.Empty:
    request = accounts.UseReset(token=token, password=password)
    return server.call(operations.use_reset, request, server.as_.anonymous)


def sign_in(server: Server, password: str) -> accounts.Me:
    request = accounts.SignIn(email="ada@example.com", password=password)
    return server.call(operations.sign_in, request, server.as_.anonymous)


def test_P1_a_mailed_link_sets_a_new_password_once_and_ends_all_sessions(mailed: Mailed) -> None:
    server = mailed.server
    sign_in(server, OLD)
    assert len(server.rows(tables.sessions)) == 1
    ask(server, " ADA@example.com")
    token = mailed.token("reset")
    use(server, token)
    assert server.rows(tables.sessions) == []
    with pytest.raises(errors.Unauthenticated):
        sign_in(server, OLD)
    assert sign_in(server, NEW).name == "Ada"
    with pytest.raises(errors.Unauthenticated, match="used already or is too old"):
        use(server, token)


def test_the_answer_does_not_tell_who_has_an_account(mailed: Mailed) -> None:
    """S25: it is given before anybody looks, so its time does not tell either."""
    server = mailed.server
    gone = server.call(
        operations.update_user, accounts.UpdateUser(user_id=server.as_.viewer.id, active=False)
    )
    answers = [ask(server, email) for email in ("ada@example.com", "nobody@example.com", gone.email)]
    assert answers == [wire.Empty()] * 3
    assert [mail["to"] for mail in mailed.mails] == ["ada@example.com"]
    assert len(server.rows(tables.resets)) == 1


def test_mails_are_not_sent_without_end(mailed: Mailed, monkeypatch: pytest.MonkeyPatch) -> None:
    """S25: the same for somebody who is here and somebody who is not."""
    monkeypatch.setattr(resets, "BY_ADDRESS", 8)
    server = mailed.server
    for email in ("ada@example.com", "nobody@example.com"):
        for _ in range(resets.BY_EMAIL):
            ask(server, email)
        with pytest.raises(errors.TooManyRequests):
            ask(server, email, "198.51.100.9")
    for number in range(resets.BY_ADDRESS - 2 * resets.BY_EMAIL):
        ask(server, f"p{number}@example.com")
    with pytest.raises(errors.TooManyRequests):
        ask(server, "bob@example.com")
    server.clock.advance(tries.WINDOW.total_seconds() + 1)
    ask(server, "ada@example.com")
    assert len(mailed.mails) == resets.BY_EMAIL + 1


def test_a_link_is_good_for_its_time(mailed: Mailed) -> None:
    ask(mailed.server, "ada@example.com")
    token = mailed.token("reset")
    mailed.server.clock.advance(resets.MAILED_LASTS)
    with pytest.raises(errors.Unauthenticated):
        use(mailed.server, token)
    mailed.server.write(lambda call: sessions.forget_old(call, call.now.replace(year=call.now.year + 1)))
    assert mailed.server.rows(tables.resets) == []


def test_a_password_that_was_set_meanwhile_makes_all_links_worthless(mailed: Mailed) -> None:
    server = mailed.server
    tokens: list[str] = []
    for _ in range(2):
        ask(server, "ada@example.com")
        tokens.append(mailed.token("reset"))
    assert len(set(tokens)) == 2
    use(server, tokens[0])
    with pytest.raises(errors.Unauthenticated):
        use(server, tokens[1], "a third password")


def test_of_two_who_use_one_link_at_once_one_sets_the_password(mailed: Mailed) -> None:
    ask(mailed.server, "ada@example.com")
    token = mailed.token("reset")
    requests = [accounts.UseReset(token=token, password=password) for password in (NEW, "a third password")]
    server = mailed.server
    begun = [server.begin(operations.use_reset, each, server.as_.anonymous) for each in requests]
    assert sorted(future.exception(30) is None for future in begun) == [False, True]


def test_deactivation_makes_links_worthless(mailed: Mailed) -> None:
    ask(mailed.server, "ada@example.com")
    token = mailed.token("reset")
    ada = next(row for row in mailed.server.rows(tables.users) if row.name == "Ada")
    mailed.server.call(operations.update_user, accounts.UpdateUser(user_id=ada.id, active=False))
    assert mailed.server.rows(tables.resets) == []
    with pytest.raises(errors.Unauthenticated):
        use(mailed.server, token)
    with pytest.raises(errors.Conflict, match="deactivated"):
        mailed.server.call(operations.create_reset, accounts.UserRef(user_id=ada.id))


def test_a_short_password_leaves_the_link_as_it_was(mailed: Mailed) -> None:
    ask(mailed.server, "ada@example.com")
    token = mailed.token("reset")
    with pytest.raises(errors.Invalid) as refused:
        use(mailed.server, token, "short")
    assert "password" in refused.value.fields
    use(mailed.server, token)


def test_an_administrator_makes_a_link_and_the_one_before_is_worth_nothing(server: Server) -> None:
    ada = add(server)
    links = [server.call(operations.create_reset, accounts.UserRef(user_id=ada.id)) for _ in range(2)]
    assert links[0].expires_at == server.clock.now + resets.LASTS
    first, second = (link.link.removeprefix("http://127.0.0.1:7400/reset?token=") for link in links)
    with pytest.raises(errors.Unauthenticated):
        use(server, first)
    use(server, second)
    assert sign_in(server, NEW).id == ada.id


def test_a_new_password_opens_an_account_that_failures_have_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "BY_EMAIL", 1)
    ada = add(server)
    with pytest.raises(errors.Unauthenticated):
        sign_in(server, "wrong")
    with pytest.raises(errors.TooManyRequests):
        sign_in(server, OLD)
    made = server.call(operations.create_reset, accounts.UserRef(user_id=ada.id))
    use(server, made.link.partition("token=")[2])
    assert sign_in(server, NEW).id == ada.id


def test_without_a_mail_server_nobody_asks(server: Server) -> None:
    with pytest.raises(errors.Conflict, match="ask an administrator"):
        ask(server, "ada@example.com")
    offered = server.call(operations.read_ways_in, accounts.ReadWaysIn(), server.as_.anonymous)
    assert not offered.reset_by_mail


def test_who_comes_by_the_identity_provider_alone_gets_no_link_past_it(mailed: Mailed) -> None:
    server = mailed.server
    values = {
        "issuer": "https://id.example.com",
        "subject": "s",
        "user_id": server.as_.member.id,
        "created_at": server.clock.now,
    }
    server.write(lambda call: call.connection.execute(tables.identities.insert(), values))
    ask(server, "member@example.com")
    (mail,) = mailed.mails
    assert "token=" not in mail.get_content()
    assert server.rows(tables.resets) == []
