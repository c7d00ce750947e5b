"""P1: signing in by an identity provider, on both databases; `tests/security/test_oidc.py` has what may be wrong."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
import urllib3

from headrace.server import oidc, sessions, tables
from headrace.web import handlers
from headrace.web.service import Redirect, Visit
from oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from running import Server


@pytest.fixture
def provider(server: Server) -> Iterator[Provider]:
    provider = Provider(lambda: server.clock.now.timestamp())
    given = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
    service = server.service
    service.settings = msgspec.structs.replace(service.settings, oidc_new_people="all", **given)
    oidc.set_up(service)
    yield provider
    provider.close()


def leave(server: Server) -> Visit:
    """The visit of a browser that comes back."""
    left = server.run(oidc.leave(server.service, Visit({}, handlers.ANONYMOUS, "")))
    there = urllib3.request("GET", left.location, redirect=False, retries=False).headers["location"]
    return Visit(dict(parse_qsl(urlsplit(there).query)), handlers.ANONYMOUS, left.ticket or "")


def come_back(server: Server, visit: Visit) -> Redirect:
    return server.run(oidc.come_back(server.service, visit))


def test_P1_a_browser_leaves_and_comes_back_with_a_session(server: Server, provider: Provider) -> None:
    came = come_back(server, leave(server))
    assert (came.location, came.ticket, bool(came.session)) == ("/", "", True)
    (identity,) = server.rows(tables.identities)
    assert (identity.issuer, identity.subject) == (provider.issuer, "subject-1")
    assert come_back(server, leave(server)).session
    assert len(server.rows(tables.identities)) == 1


def test_of_two_who_come_back_with_one_state_at_once_one_comes_in(server: Server, provider: Provider) -> None:
    visit = leave(server)
    begun = [server.portal.start(oidc.come_back(server.service, visit)) for _ in range(2)]
    came: list[Any] = sorted(future.result(30).location for future in begun)
    assert came == ["/", "/sign-in?problem=over"]
    assert len(server.rows(tables.sessions)) == 1


def test_one_person_who_comes_twice_at_once_has_one_account(server: Server, provider: Provider) -> None:
    visits = [leave(server), leave(server)]
    begun = [server.portal.start(oidc.come_back(server.service, visit)) for visit in visits]
    assert [future.result(30).location for future in begun] == ["/", "/"]
    assert len([row for row in server.rows(tables.users) if row.email == "ada@example.com"]) == 1
    assert len(server.rows(tables.identities)) == 1


def test_departures_are_forgotten_when_they_are_too_old(server: Server, provider: Provider) -> None:
    leave(server)
    server.clock.advance(oidc.LASTS.total_seconds() + 1)
    server.write(lambda call: sessions.forget_old(call, call.now))
    assert server.rows(tables.departures) == []
