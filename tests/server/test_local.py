"""What a server leaves for this machine, at its first start and at each later one."""

from pathlib import Path

import pytest

from headrace import errors
from headrace.server import local
from headrace.web import handlers
from headrace.web.service import Bearer
from running import Server


def who(server: Server, value: str) -> handlers.Caller:
    return server.run(server.service.identify(server.service, Bearer(value)))


def test_keys_that_are_in_use_stay_when_the_server_alone_is_started_again(sqlite_server: Server) -> None:
    first = sqlite_server.write(local.provision)
    second = sqlite_server.write(lambda call: local.provision(call, first))
    assert (second.agent_key, second.user_key) == (first.agent_key, first.user_key)
    assert second.start_url != first.start_url
    assert who(sqlite_server, first.agent_key).kind == "service_account"
    assert who(sqlite_server, first.user_key).kind == "user"


def test_a_start_that_knows_of_no_keys_ends_the_earlier_ones(sqlite_server: Server) -> None:
    first = sqlite_server.write(local.provision)
    second = sqlite_server.write(local.provision)
    assert who(sqlite_server, second.agent_key).kind == "service_account"
    for value in (first.agent_key, first.user_key):
        with pytest.raises(errors.Unauthenticated, match="revoked"):
            who(sqlite_server, value)
    third = sqlite_server.write(lambda call: local.provision(call, first))
    assert third.agent_key not in (first.agent_key, second.agent_key), "a dead key is not handed out again"


def test_what_is_written_is_read_again_and_only_the_owner_can(tmp_path: Path) -> None:
    path = tmp_path / "local.json"
    assert local.read(path) is None
    given = local.Local(start_url="http://h/start?token=t", agent_key="a", user_key="u")
    local.write(path, given)
    assert local.read(path) == given
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b'{"start_url"')
    assert local.read(path) is None
