from datetime import timedelta
from uuid import uuid4

import pytest

from headrace import errors
from headrace.server import identity, keys, tables, tokens
from headrace.settings import Settings
from headrace.web import handlers
from headrace.web.service import Bearer
from headrace.wire import accounts, operations
from running import Server


def make(server: Server, caller: handlers.Caller | None = None, **fields: object) -> accounts.CreatedKey:
    return server.call(operations.create_key, accounts.CreateKey(name="laptop", **fields), caller)  # type: ignore[arg-type]


def who(server: Server, value: str) -> handlers.Caller:
    return server.run(server.service.identify(server.service, Bearer(value)))


def test_a_key_is_shown_once_listed_without_its_value_and_says_who_calls(server: Server) -> None:
    made = make(server, server.as_.member)
    assert made.value.startswith("hru_")
    assert len(made.value) == len("hru_") + 43
    (listed,) = server.call(operations.list_keys, accounts.ListKeys(), server.as_.member).items
    assert (listed.name, listed.owner, listed.hint) == ("laptop", "member", made.value[:9])
    caller = who(server, made.value)
    assert (caller.kind, caller.id, caller.role, caller.key_id) == (
        "user",
        server.as_.member.id,
        "member",
        listed.id,
    )


def test_a_key_of_a_service_account_has_its_role_and_is_an_administrators_matter(server: Server) -> None:
    made = make(server, service_account_id=server.as_.agent.id)
    assert made.value.startswith("hrs_")
    assert who(server, made.value).role is accounts.Role.AGENT
    listed = server.call(operations.list_keys, accounts.ListKeys(service_account_id=server.as_.agent.id))
    assert [key.owner for key in listed.items] == ["agent"]
    for attempt in (
        lambda: make(server, server.as_.member, service_account_id=server.as_.agent.id),
        lambda: server.call(
            operations.list_keys, accounts.ListKeys(service_account_id=server.as_.agent.id), server.as_.member
        ),
    ):
        with pytest.raises(errors.Forbidden):
            attempt()
    with pytest.raises(errors.NotFound):
        make(server, service_account_id=uuid4())


def test_an_expired_key_says_so_and_when(server: Server) -> None:
    made = make(server, server.as_.member, expires_in_seconds=3600)
    assert who(server, made.value)
    server.clock.advance(3601)
    with pytest.raises(errors.Unauthenticated, match="'laptop' expired on 2026-11-22 13:00 UTC"):
        who(server, made.value)
    assert server.call(operations.list_keys, accounts.ListKeys(), server.as_.member).items[0].expired


@pytest.mark.parametrize("seconds", [0, -1, 1e12, float("inf"), float("nan")])
def test_an_odd_expiry_is_refused(sqlite_server: Server, seconds: float) -> None:
    with pytest.raises(errors.Invalid) as refused:
        make(sqlite_server, expires_in_seconds=seconds)
    assert "expires_in_seconds" in refused.value.fields


def test_a_revoked_key_says_so_and_is_not_listed(server: Server) -> None:
    made = make(server, server.as_.member)
    server.call(operations.revoke_key, accounts.KeyRef(key_id=made.key.id), server.as_.member)
    with pytest.raises(errors.Unauthenticated, match="revoked"):
        who(server, made.value)
    assert server.call(operations.list_keys, accounts.ListKeys(), server.as_.member).items == []


def test_the_key_of_another_is_as_if_it_were_not_there(server: Server) -> None:
    made = make(server, server.as_.member)
    unknown = uuid4()
    messages = []
    for key_id in (made.key.id, unknown):
        with pytest.raises(errors.NotFound) as refused:
            server.call(operations.revoke_key, accounts.KeyRef(key_id=key_id), server.as_.viewer)
        messages.append(str(refused.value).replace(str(key_id), ""))
    assert messages[0] == messages[1]
    server.call(operations.revoke_key, accounts.KeyRef(key_id=made.key.id), server.as_.administrator)


def test_the_last_use_is_seen_at_once_and_written_apart_from_requests(server: Server) -> None:
    made = make(server, server.as_.member)
    server.clock.advance(100)
    who(server, made.value)
    assert {row.last_used_at for row in server.rows(tables.keys)} == {None}
    (listed,) = server.call(operations.list_keys, accounts.ListKeys(), server.as_.member).items
    assert listed.last_used_at == server.clock.now
    server.run(identity.last_use.run_once(server.service))  # type: ignore[arg-type]
    assert [row.last_used_at for row in server.rows(tables.keys)] == [server.clock.now]
    (listed,) = server.call(operations.list_keys, accounts.ListKeys(), server.as_.member).items
    assert listed.last_used_at == server.clock.now


def test_a_replaced_key_is_dead_and_no_other(server: Server) -> None:
    other = make(server)
    owner = server.as_.administrator.id
    old = server.write(lambda call: keys.replace(call, "headrace up", user_id=owner))
    new = server.write(lambda call: keys.replace(call, "headrace up", user_id=owner))
    assert who(server, new)
    assert who(server, other.value)
    with pytest.raises(errors.Unauthenticated, match="revoked"):
        who(server, old)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x1b[31m"])
def test_a_key_has_a_name_that_can_be_read(sqlite_server: Server, name: str) -> None:
    with pytest.raises(errors.Invalid):
        sqlite_server.call(operations.create_key, accounts.CreateKey(name=name))


def test_tokens_are_random_and_of_one_length() -> None:
    made = {tokens.new("hru_") for _ in range(1000)}
    assert len(made) == 1000
    assert {len(token) for token in made} == {47}


def test_a_run_token_is_read_back_and_good_for_one_secret() -> None:
    run_id = uuid4()
    token = tokens.run_token(b"one", run_id, 3)
    assert token == tokens.run_token(b"one", run_id, 3)
    assert tokens.read_run_token(b"one", token) == (run_id, 3)
    assert tokens.read_run_token(b"two", token) is None


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: object) -> None:
    settings = Settings(home=tmp_path)  # type: ignore[arg-type]
    made = tokens.load_secret(settings)
    path = settings.home / "server" / "secret.key"
    assert tokens.load_secret(settings) == made
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]
    with pytest.raises(errors.SettingsError):
        tokens.load_secret(Settings(home=settings.home, secret_key="short"))


def test_the_longest_life_is_accepted(sqlite_server: Server) -> None:
    assert (
        make(sqlite_server, expires_in_seconds=timedelta(days=365).total_seconds()).key.expires_at is not None
    )
