import contextlib
import gzip
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import errors, settings, wire
from headrace.web import bodies, guard, handlers, replies, serving, static
from headrace.wire import runs
from http_client import Http
from postgresql import PostgresServer

_SERVER = """
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from headrace import errors, settings
from headrace.server import app
try:
    app.serve(settings.Settings(home=Path(sys.argv[1]), port=int(sys.argv[2]), database_url=sys.argv[3]),
              started=lambda service: print("started", flush=True))
except errors.SettingsError as error:
    sys.exit(str(error))
"""


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers in processes of their own."""
    with contextlib.ExitStack() as stack:

        def start(home: Path, port: int, url: str = "") -> subprocess.Popen[str]:
            command = [sys.executable, "-c", _SERVER, str(home), str(port), url]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, text=True, **pipes))  # type: ignore[call-overload]
            stack.callback(process.kill)
            return process

        yield start


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "value", "field", "says"),
    [
        ("POST", "/api/projects", {"nam": "x"}, "nam", "did you mean 'name'"),
        ("POST", "/api/projects", {}, "", "name"),
        ("POST", "/api/projects", {"name": 3}, "name", "Expected `str`"),
        ("GET", "/api/users?limt=3", None, "limt", "did you mean 'limit'"),
        ("GET", "/api/users?limit=x", None, "limit", "Expected `int`"),
        ("GET", "/api/users?limit=0", None, "limit", "from 1"),
        ("GET", "/api/users?limit=1&limit=2", None, "limit", "twice"),
        ("GET", "/api/users?after=x", None, "after", "cursor"),
        ("POST", "/api/flow_runs", {"flow_id": "x"}, "flow_id", "UUID"),
        (
            "POST",
            "/api/flow_runs",
            {"run_config": {"kind": "local", "envv": {}}},
            "run_config.envv",
            "did you mean 'env'",
        ),
    ],
)
def test_a_wrong_request_is_told_which_field(
    http: Http, method: str, path: str, value: Any, field: str, says: str
) -> None:
    answer = http.request(method, path, value, token=http.token("administrator"))
    assert answer.status == 422, answer.body
    problem = answer.json
    assert problem["code"] == "invalid"
    assert says in problem["detail"]
    assert not field or field in problem["errors"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[1]", b'"x"', b'{"name": "\\ud800"}', b"null"])
def test_a_body_that_is_no_request_is_refused(http: Http, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert (
        http.request("POST", "/api/projects", body=body, headers=headers, token=http.token("member")).status
        == 422
    )


def test_a_body_that_is_nested_too_deep_is_refused(http: Http) -> None:
    for depth in (100, 100_000):
        body = b'{"parameters": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
        headers = {"Content-Type": "application/json"}
        answer = http.request(
            "POST", "/api/flow_runs", body=body, headers=headers, token=http.token("member")
        )
        assert (answer.status, "nested" in answer.json["detail"]) == (422, True)


def test_brackets_in_a_text_are_no_nesting(http: Http) -> None:
    answer = http.request(
        "POST", "/api/flow_runs", {"parameters": {"a": "[{" * 500 + '\\"'}}, token=http.token("member")
    )
    assert "nested" not in answer.json["detail"]


def test_a_body_over_the_limit_is_refused_before_it_is_read(http: Http) -> None:
    with socket.create_connection(("127.0.0.1", http.port), timeout=20) as connection:
        key = http.token("member")
        connection.sendall(
            f"POST /api/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n".encode()
        )
        assert b" 413 " in connection.recv(200)


def test_a_body_without_a_length_is_cut_at_the_limit(http: Http) -> None:
    part = b"x" * 65536
    chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n"
    with socket.create_connection(("127.0.0.1", http.port), timeout=20) as connection:
        head = (
            f"POST /api/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {http.token('member')}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode() + chunk * 17)
        assert b" 413 " in connection.recv(200)


def test_a_newer_client_is_told_what_the_server_speaks(http: Http) -> None:
    answer = http.request("GET", "/api/me", headers={"Headrace-Protocol": str(wire.PROTOCOL + 1)})
    assert (answer.status, answer.json["facts"]["protocol"]) == (426, wire.PROTOCOL)
    assert http.request("GET", "/api/me", headers={"Headrace-Protocol": str(wire.PROTOCOL)}).status == 200
    assert http.request("GET", "/api/me", headers={"Headrace-Protocol": "x"}).status == 422


def test_a_request_id_of_the_header_gives_the_first_answer_again(http: Http) -> None:
    sent = {"token": http.token("administrator"), "headers": {"Idempotency-Key": "once"}}
    first = http.request("POST", "/api/service_accounts", {"name": "ci"}, **sent)
    assert first.status == 200
    assert http.request("POST", "/api/service_accounts", {"name": "ci"}, **sent).json == first.json
    assert http.request("POST", "/api/service_accounts", {"name": "other"}, **sent).status == 422


def test_too_many_tries_say_when_to_come_again(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise errors.TooManyRequests(retry_after=7)

    monkeypatch.setitem(http.server.service.registry.handlers, "list_users", refuse)
    answer = http.request("GET", "/api/users", token=http.token("viewer"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


def test_a_large_answer_is_compressed_for_whoever_can_read_it(http: Http) -> None:
    plain = http.request("GET", "/api/openapi.json", headers={"Accept-Encoding": "identity"})
    with socket.create_connection(("127.0.0.1", http.port), timeout=20) as connection:
        connection.sendall(
            b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        )
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert gzip.decompress(body) == plain.body
    assert len(body) < len(plain.body) / 4


def test_the_metrics_count_requests(http: Http) -> None:
    key = http.token("viewer")
    http.request("GET", "/api/users", token=key)
    text = http.request("GET", "/metrics", token=key).body.decode()
    assert 'headrace_requests_total{operation="list_users",status="200"} 1.0' in text
    assert http.request("GET", "/metrics", token=http.token("agent")).status == 403


def test_a_download_is_sent_as_it_is_made_and_saved_under_a_harmless_name(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def chunks() -> Any:
        for number in range(3):
            yield f"{number}\n".encode()

    async def stream(service: Any, caller: Any, request: Any) -> handlers.Download:
        return handlers.Download('a"; x=\r\n/../ü.log', "text/plain; charset=utf-8", chunks())

    monkeypatch.setitem(http.server.service.registry.streamers, "download_logs", stream)
    answer = http.request(
        "GET", "/api/flow_runs/00000000-0000-0000-0000-000000000001/logs/download", token=http.token("viewer")
    )
    assert answer.body == b"0\n1\n2\n"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a___x____..__.log\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%2F..%2F%C3%BC.log"
    )


def test_attachments_have_plain_names() -> None:
    assert replies.attachment("run-1.csv").startswith(b'attachment; filename="run-1.csv"')


# --- hosts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "public", "asked", "bearer", "answers"),
    [
        ("127.0.0.1", "", "localhost:7400", False, True),
        ("127.0.0.1", "", "10.0.0.7:7400", False, False),
        ("127.0.0.1", "", "server.example", True, False),
        ("127.0.0.1", "https://runs.example", "runs.example", False, True),
        ("0.0.0.0", "", "10.0.0.7:7400", False, True),
        ("0.0.0.0", "", "[2001:db8::7]:7400", False, True),
        ("0.0.0.0", "", socket.gethostname().lower(), False, True),
        ("0.0.0.0", "", "rebound.example", False, False),
        ("0.0.0.0", "", "service.in.cluster", True, True),
        ("runs.internal", "", "runs.internal:7400", False, True),
    ],
)
def test_which_host_names_are_answered(
    tmp_path: Path, host: str, public: str, asked: str, bearer: bool, answers: bool
) -> None:
    rules = guard.Guard(settings.Settings(home=tmp_path, host=host, public_url=public))
    if answers:
        assert rules.check_host([asked], bearer=bearer) == asked
    else:
        with pytest.raises(guard.Misdirected):
            rules.check_host([asked], bearer=bearer)


def test_over_https_the_cookie_belongs_to_this_host_alone(tmp_path: Path) -> None:
    rules = guard.Guard(settings.Settings(home=tmp_path, public_url="https://runs.example"))
    _, cookie = rules.set_cookie("x", 60)
    assert cookie == b"__Host-headrace_session=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
    assert rules.read_cookie({b"cookie": b"headrace_session=planted; __Host-headrace_session=x"}) == "x"
    assert (b"strict-transport-security", b"max-age=31536000") in rules.headers


# --- the UI's files --------------------------------------------------------------------------------------------------


@pytest.fixture
def ui(tmp_path: Path) -> static.Static:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "main-abc.js").write_text("x" * 100)
    (tmp_path.parent / "secret.txt").write_text("secret")
    return static.Static(tmp_path)


def test_a_file_is_cached_for_ever_and_the_page_never(ui: static.Static) -> None:
    script, page = dict(ui.reply("/assets/main-abc.js", {}).headers), dict(ui.reply("/flows/x", {}).headers)
    assert script[b"cache-control"] == b"public, max-age=31536000, immutable"
    assert script[b"content-type"].startswith(b"text/javascript")
    assert (page[b"cache-control"], page[b"content-type"]) == (b"no-cache", b"text/html")


def test_a_file_that_has_not_changed_is_not_sent_again(ui: static.Static) -> None:
    etag = dict(ui.reply("/", {}).headers)[b"etag"]
    again = ui.reply("/", {b"if-none-match": etag})
    assert (again.status, again.body) == (304, b"")


def test_a_file_is_compressed_for_whoever_can_read_it(ui: static.Static) -> None:
    reply = ui.reply("/assets/main-abc.js", {b"accept-encoding": b"gzip, br"})
    assert gzip.decompress(reply.body) == b"x" * 100


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/assets/../../secret.txt", "/%2e%2e/secret.txt", "//secret.txt", "/assets/none.js"],
)
def test_nothing_outside_the_folder_is_served(ui: static.Static, path: str) -> None:
    with contextlib.suppress(errors.NotFound):
        assert ui.reply(path, {}).body == b"<!doctype html>"


# --- starting and stopping -------------------------------------------------------------------------------------------


def test_a_server_ends_at_once_with_ctrl_c_although_a_connection_is_open(
    start: Start, tmp_path: Path, free_port: int
) -> None:
    process = start(tmp_path, free_port)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    with socket.create_connection(("127.0.0.1", free_port), timeout=20) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in idle.recv(100)
        process.send_signal(signal.SIGINT)
        assert process.wait(serving.PATIENCE_SECONDS + 30) == 0
    left = ["headrace.db", "headrace.db.reserve", "secret.key"]
    assert sorted(path.name for path in (tmp_path / "server").iterdir()) == left


def test_a_held_answer_comes_when_the_server_drains(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = http.server.portal.loop.create_future()

    async def wait(service: Any, caller: Any, request: Any, run: Any) -> runs.Claimed:
        with service.hold() as hold:
            begun.set_result(None)
            await hold.wait(600)
        return runs.Claimed(assignment=None)

    monkeypatch.setitem(http.server.service.registry.waiters, "claim_flow_run", wait)
    with socket.create_connection(("127.0.0.1", http.port), timeout=30) as connection:
        connection.sendall(
            f"POST /api/agents/00000000-0000-0000-0000-000000000001/claim HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {http.token('agent')}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode()
        )

        async def drain() -> None:
            await begun
            http.server.service.drain()

        http.server.run(drain())
        assert b'{"assignment":null}' in b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_port_in_use_is_said_in_words(start: Start, tmp_path: Path) -> None:
    with serving.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.SettingsError, match=f"port {port} on 127.0.0.1 is in use"):
            serving.listen("127.0.0.1", port)
        process = start(tmp_path, port)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in said


def test_a_second_server_on_the_file_is_refused(
    start: Start, sqlite_url: str, tmp_path: Path, free_port: int, open_database: Any
) -> None:
    open_database(sqlite_url)
    process = start(tmp_path / "home", free_port, sqlite_url)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "used by another server" in said
    assert "Traceback" not in said


@pytest.mark.postgres
def test_a_server_waits_for_its_database(
    start: Start, postgres: PostgresServer, tmp_path: Path, free_port: int
) -> None:
    """It answers from the first moment, says that it is not ready, and is ready when the database is there."""
    name = postgres.create()
    postgres.stop()
    try:
        process = start(tmp_path, free_port, postgres.url(name))
        assert _status(free_port, "/healthz") == 200
        assert _status(free_port, "/readyz") == 503
    finally:
        postgres.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    assert _status(free_port, "/readyz") == 200
    process.terminate()
    assert process.wait(serving.PATIENCE_SECONDS + 30) == 0


def _status(port: int, path: str) -> int:
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
                )
                return int(connection.recv(100).split()[1])
        except ConnectionRefusedError:
            assert time.monotonic() < deadline


def test_limits_are_said_in_words() -> None:
    with pytest.raises(errors.TooLarge, match="larger than the 8 MiB"):
        bodies.check_announced({b"content-length": b"99999999"}, 8 * 1024 * 1024)


def test_the_description_names_every_operation(http: Http) -> None:
    document = json.loads(http.request("GET", "/api/openapi.json").body)
    assert document["openapi"] == "3.1.0"
