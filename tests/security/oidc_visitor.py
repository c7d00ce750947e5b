"""What tests of signing in by an identity provider share: a browser that goes there and comes back."""

import dataclasses
from typing import Any
from urllib.parse import urlencode

import msgspec
import urllib3

from headrace.server import oidc, tables
from http_client import Answer, Http
from oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider


@dataclasses.dataclass
class Visitor:
    """A browser that goes to the identity provider and comes back."""

    http: Http
    cookies: dict[str, str] = dataclasses.field(default_factory=dict)

    def get(self, path: str) -> Answer:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        answer = self.http.request("GET", path, headers=sent if self.cookies else {})
        for line in answer.headers.getlist("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        return answer

    def leave(self, next_: str = "/flows?tab=runs") -> str:
        """Where the identity provider sends it: our callback, as a path."""
        left = self.get(f"/oidc/sign-in?{urlencode({'next': next_})}")
        assert left.status == 303, left.body
        back = urllib3.request("GET", left.headers["location"], redirect=False, retries=False)
        assert back.status == 302, back.data
        assert back.headers["location"].startswith(f"{self.http.url}/oidc/callback?")
        return back.headers["location"].removeprefix(self.http.url)

    def sign_in(self, next_: str = "/flows?tab=runs") -> str:
        """All the way; where it ends."""
        came = self.get(self.leave(next_))
        assert came.status == 303, came.body
        return came.headers["location"]

    @property
    def me(self) -> Any:
        return self.get("/api/me").json


def set_up(http: Http, provider: Provider, **more: Any) -> None:
    given = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_new_people": "all",
        "public_url": http.url,
        **more,
    }
    service = http.server.service
    service.settings = msgspec.structs.replace(service.settings, **given)
    oidc.set_up(service)


def users(http: Http) -> dict[str, Any]:
    return {row.email: row for row in http.server.rows(tables.users)}


def refused(visitor: Visitor, problem: str) -> None:
    """The visitor does not come in, and no account is made."""
    known = users(visitor.http)
    assert visitor.sign_in() == f"/sign-in?problem={problem}"
    assert visitor.me["kind"] == "anonymous"
    assert visitor.cookies == {}
    assert users(visitor.http) == known
    assert visitor.http.server.rows(tables.sessions) == []
