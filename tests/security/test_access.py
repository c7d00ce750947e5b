"""Nothing is reachable without the right to it: the whole table of roles and operations, made from the contract."""

import uuid
from typing import Any

import msgspec
import pytest

from headrace.web import openapi
from headrace.wire import operations
from headrace.wire.accounts import ALLOWS, Permission, Role
from http_client import Http

ROLES = [role for role in Role if role is not Role.ANONYMOUS]


def address(operation: operations.Operation[Any, Any]) -> str:
    """The operation's path with ids of nothing."""
    path = operation.path
    for name in openapi.path_fields(operation):
        path = path.replace(f"{{{name}}}", str(uuid.UUID(int=1)) if name.endswith("_id") else "x")
    return path


def ask(http: Http, operation: operations.Operation[Any, Any], token: str | None) -> int:
    body = None if openapi.in_query(operation) else {}
    return http.request(operation.method, address(operation), body, token=token).status


def test_every_operation_refuses_whoever_has_not_signed_in(http: Http) -> None:
    closed = [operation for operation in operations.OPERATIONS if operation.needs is not Permission.PUBLIC]
    assert {operation.name: ask(http, operation, None) for operation in closed} == dict.fromkeys(
        [operation.name for operation in closed], 401
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_its_permissions_say_and_nothing_else(http: Http, role: Role) -> None:
    refused = set()
    for operation in operations.OPERATIONS:
        if operation.needs is Permission.PUBLIC:
            continue
        status = ask(http, operation, http.token(role.value))
        assert status != 401, operation.name
        if status == 403:
            refused.add(operation.name)
    expected = {
        operation.name
        for operation in operations.OPERATIONS
        if operation.needs not in ALLOWS[role]
        and operation.needs is not Permission.PUBLIC
        and not (operation.for_runs and role is Role.RUN)
    }
    # A refusal besides the role's is one of the object (another's run), which only run processes meet here.
    assert expected <= refused
    assert refused - expected <= ({"start_flow_run"} if role is Role.RUN else set())


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/healthz",
        "/api/users/../me",
        "/api/users%2fme",
        "/api//users",
        "/api/users/",
        "//api/users",
        "/api/me/../users",
        "/api/users;/healthz",
        "/api/users%00",
        "/API/users",
        "/api/session/../users",
        "/healthz/../api/users",
        "/api/openapi.json/../users",
        "/api/users?x=/healthz",
        "http://localhost/api/users",
        "/api/users#/healthz",
        "/metrics",
    ],
)
def test_a_trick_with_the_path_opens_nothing(http: Http, path: str) -> None:
    http.browser()  # makes somebody to find
    answer = http.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: close\r\n\r\n")
    assert int(answer.split()[1]) in (400, 401, 404, 405), answer
    assert b"administrator" not in answer


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST"])
def test_a_method_that_an_address_does_not_have_is_refused_with_those_it_has(http: Http, method: str) -> None:
    answer = http.request(method, "/api/session")
    if method in ("POST", "DELETE"):
        assert answer.status in (401, 403)
    else:
        assert answer.status == 405
        assert answer.headers["allow"] == "DELETE, POST"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7400",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a@127.0.0.1",
    ],
)
def test_a_host_name_of_somebody_else_is_refused(http: Http, host: str) -> None:
    answer = http.request("GET", "/api/me", headers={"Host": host})
    assert answer.status in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:7400", "LOCALHOST:1"])
def test_names_of_the_loopback_are_answered(http: Http, host: str) -> None:
    assert http.request("GET", "/api/me", headers={"Host": host}).status == 200


def test_two_hosts_are_none(http: Http) -> None:
    answer = http.raw(
        "GET /api/me HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert answer.split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "header",
    ["Basic YTpi", "Bearer", "Bearer ", "Bearer hru_wrong", "Bearer hrr_00_1_x", "bearer hrs_", "Token x"],
)
def test_a_wrong_key_is_refused_everywhere_also_where_anybody_may_ask(http: Http, header: str) -> None:
    for path in ("/api/me", "/api/users", "/metrics"):
        answer = http.request("GET", path, headers={"Authorization": header})
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_beside_a_cookie_is_what_counts(http: Http) -> None:
    browser = http.browser("administrator")
    answer = http.request(
        "GET", "/api/service_accounts", token=http.token("viewer"), headers={"Cookie": browser.cookie}
    )
    assert answer.status == 403


def test_the_description_and_the_probes_are_all_that_is_open_besides_the_way_in(http: Http) -> None:
    opened = [
        path
        for path in ("/healthz", "/readyz", "/api/openapi.json", "/api/me")
        if http.request("GET", path).status == 200
    ]
    assert opened == ["/healthz", "/readyz", "/api/openapi.json", "/api/me"]
    public = {operation.name for operation in operations.OPERATIONS if operation.needs is Permission.PUBLIC}
    assert public == {
        *("sign_in", "read_me", "read_ways_in", "sign_up", "request_reset", "use_reset"),
        *("read_invitation", "accept_invitation"),
    }


def test_a_run_token_is_of_one_run_and_one_fence(http: Http) -> None:
    token = http.token("run")
    _, run, fence, signature = token.split("_")
    for forged in (
        f"hrr_{run}_2_{signature}",
        f"hrr_{uuid.uuid4().hex}_{fence}_{signature}",
        f"hrr_{run}_{fence}_{'0' * 64}",
        f"hrr_{run}_0{fence}_{signature}",
        f"hrr_{run.upper()}_{fence}_{signature}",
    ):
        if forged != token:
            assert http.request("GET", "/api/me", token=forged).status == 401, forged
    assert http.request("GET", "/api/me", token=token).json["role"] == "run"


def test_an_error_says_nothing_of_the_inside(http: Http) -> None:
    problem = msgspec.json.decode(http.request("GET", "/api/users").body)
    assert set(problem) == {"title", "status", "detail", "code", "type", "request_id", "errors", "facts"}
