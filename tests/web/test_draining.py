"""A server that stops, and one that is not ready: what they cannot do they refuse with the time to ask again."""

from typing import Any

from headrace.server import app
from running import Server


def asked(server: Server, path: str, ready: Any = lambda: None) -> tuple[int, dict[bytes, bytes]]:
    """The status and the headers of the application's answer, without a port."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    server.run(app.application(server.service, ready)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


def test_a_server_that_drains_is_not_ready_and_works_on(server: Server) -> None:
    assert asked(server, "/readyz")[0] == 200

    async def drain() -> None:
        server.service.drain()

    server.run(drain())
    status, headers = asked(server, "/readyz")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert asked(server, "/healthz")[0] == 200
    assert asked(server, "/api/me")[0] == 200


def test_what_comes_after_a_server_has_let_its_database_go_is_to_be_asked_again(server: Server) -> None:
    server.run(server.service.close())
    for path in ("/readyz", "/api/me", "/api/ways_in"):
        status, headers = asked(server, path)
        assert (status, headers.get(b"retry-after")) == (503, b"1"), path


def test_nothing_is_done_before_a_server_is_ready(server: Server) -> None:
    status, headers = asked(server, "/api/me", lambda: "it is starting")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert asked(server, "/healthz", lambda: "it is starting")[0] == 200
