"""HTTP as a test speaks it: a key, or a browser with its cookie, or nothing."""

import dataclasses
import json
import socket
from typing import Any

import urllib3

from headrace.server import accounts, keys, tokens
from headrace.web import handlers
from running import Server


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: urllib3.HTTPHeaderDict
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """A server behind a real port."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._pool = urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=20, retries=False, timeout=30)
        self._tokens: dict[str, str] = {}

    def request(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        body: bytes | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Sends `value` as JSON, or `body` as it is; with `token` as the key."""
        sent = dict(headers or {})
        if value is not None:
            body = json.dumps(value).encode()
            sent.setdefault("Content-Type", "application/json")
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        answer = self._pool.urlopen(
            method, path, body=body, headers=sent, redirect=False, assert_same_host=False
        )
        return Answer(answer.status, answer.headers, answer.data)

    def raw(self, text: str) -> bytes:
        """Sends these bytes, which no client would, and reads what comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(text.encode("latin-1"))
            parts: list[bytes] = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def token(self, role: str) -> str:
        """A key of the caller of this role; for `run` the token of a run that is not there."""
        if role not in self._tokens:
            if role == "run":
                caller = handlers.Caller(
                    "user", self.server.as_.administrator.role, id=self.server.as_.administrator.id
                )
                self._tokens[role] = tokens.run_token(self.server.service.secret, caller.id, 1)  # type: ignore[arg-type]
            else:
                owner: handlers.Caller = getattr(self.server.as_, role)
                column = "user_id" if owner.kind == "user" else "service_account_id"
                made = self.server.write(lambda call: keys.make(call, f"{role}'s", **{column: owner.id}))
                self._tokens[role] = made.value
        return self._tokens[role]

    def browser(self, role: str = "administrator") -> "Browser":
        """A browser that has signed in by a link."""
        link = self.server.write(
            lambda call: accounts.make_start_link(call, getattr(self.server.as_, role).id)
        )
        answer = self.request("POST", "/api/session", {"token": link}, headers={"Origin": self.url})
        assert answer.status == 200, answer.body
        cookie = answer.headers["set-cookie"].split(";")[0]
        return Browser(self, cookie, answer.json["csrf_token"])

    def close(self) -> None:
        self._pool.close()


@dataclasses.dataclass
class Browser:
    """Sends what a page of the server sends."""

    http: Http
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Cookie": self.cookie,
            "Origin": self.http.url,
            "Sec-Fetch-Site": "same-origin",
            "X-CSRF-Token": self.csrf,
        }

    def request(
        self, method: str, path: str, value: Any = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        return self.http.request(method, path, value, headers={**self.headers, **(headers or {})})
