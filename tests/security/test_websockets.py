"""A WebSocket is a route like any other: the same gate, and the page must be ours."""

import socket

import pytest

from http_client import Http

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{rest}\r\n"
)


def shake(http: Http, path: str = "/api/live", host: str = "", **headers: str) -> int:
    """The status of the server's answer to a handshake."""
    rest = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    host = host or f"127.0.0.1:{http.port}"
    with socket.create_connection(("127.0.0.1", http.port), timeout=20) as connection:
        connection.sendall(_HANDSHAKE.format(path=path, host=host, rest=rest).encode())
        return int(connection.recv(4096).split()[1])


def test_a_page_of_the_server_with_a_session_is_let_in(http: Http) -> None:
    assert shake(http, Cookie=http.browser("viewer").cookie, Origin=http.url) == 101


def test_a_key_is_let_in(http: Http) -> None:
    assert shake(http, Authorization=f"Bearer {http.token('viewer')}") == 101


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_page_of_another_site_is_not(http: Http, origin: str) -> None:
    headers = {"Origin": origin} if origin else {}
    assert shake(http, Cookie=http.browser().cookie, **headers) == 403


def test_nobody_is_let_in_without_a_session(http: Http) -> None:
    assert shake(http, Origin=http.url) == 401
    assert shake(http, Origin=http.url, Cookie="headrace_session=x") == 401
    assert shake(http, Authorization="Bearer hru_x") == 401


def test_there_is_no_other_socket_and_no_other_host(http: Http) -> None:
    cookie = http.browser().cookie
    for path in ("/api/live/", "/api/users", "/", "/api/live/../live"):
        assert shake(http, path, Cookie=cookie, Origin=http.url) == 404
    assert shake(http, host="evil.example", Cookie=cookie, Origin="http://evil.example") == 421
