"""Every answer carries the headers that keep a browser from doing what it should not."""

import pytest

from http_client import Http

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self';"
    " worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


def fails(*_: object) -> None:
    raise ZeroDivisionError("the inside /home/of/the/server SELECT secret")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/api/me", 200),
        ("GET", "/api/users", 401),
        ("GET", "/api/nothing", 404),
        ("GET", "/assets/nothing.js", 404),
        ("PUT", "/api/me", 405),
        ("PUT", "/", 405),
        ("GET", "/api/openapi.json", 200),
        ("GET", "/api/projects", 500),
        ("POST", "/api/session", 403),
    ],
)
def test_every_answer_has_a_strict_policy(
    http: Http, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
) -> None:
    monkeypatch.setitem(http.server.service.registry.handlers, "list_projects", fails)
    token = http.token("viewer") if path == "/api/projects" else None
    answer = http.request(method, path, token=token)
    assert answer.status == status, answer.body
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers
    assert answer.headers["x-request-id"]
    if path.startswith("/api/"):
        assert answer.headers["cache-control"] == "no-store"


def test_an_error_of_ours_is_logged_with_its_id_and_says_nothing_else(
    http: Http, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(http.server.service.registry.handlers, "list_projects", fails)
    answer = http.request("GET", "/api/projects", token=http.token("viewer"))
    assert answer.status == 500
    for inside in (b"inside", b"/home", b"SELECT", b"ZeroDivision", b"Traceback"):
        assert inside not in answer.body
    assert answer.json["request_id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_nothing_secret_is_logged(http: Http, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    browser = http.browser()
    key = http.token("member")
    http.request("GET", "/api/users?after=canary-in-the-query", token=key)
    http.request("GET", "/api/users", token="hru_canarykey")
    http.request("POST", "/api/session", {"email": "canary@example.com", "password": "canary-password"})
    browser.request("GET", "/api/me")
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("headrace"))
    assert "GET /api/users 422" in logged
    for secret in (key, browser.cookie.split("=")[1], browser.csrf, "canary"):
        assert secret not in logged


def test_a_text_that_looks_like_a_page_is_never_sent_as_one(http: Http) -> None:
    answer = http.request("GET", "/api/projects/<script>alert(1)</script>", token=http.token("viewer"))
    assert answer.headers["content-type"] == "application/problem+json"
