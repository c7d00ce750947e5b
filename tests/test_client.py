"""The client with a real server, with one that misbehaves, and with none."""

import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from headrace import client, errors, settings
from headrace.client import Client, connection
from headrace.flows import flow
from headrace.graph.task import task
from headrace.wire import flows, logs, operations
from http_client import Http


@pytest.fixture
def api(http: Http) -> Iterator[Client]:
    api = Client(http.url, http.token("administrator"))
    yield api
    api.close()


class Wayward:
    """A server that answers what the test says, one answer for each request, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], Any] | None] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        wayward = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                wayward.asked.append((self.command, self.path, dict(self.headers), body))
                answer = wayward.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, value = answer
                content = value if isinstance(value, bytes) else msgspec.json.encode(value)
                self.send_response(status)
                for name, text in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the base class's names

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def keys(self) -> list[str | None]:
        return [headers.get("Idempotency-Key") for _, _, headers, _ in self.asked]


@pytest.fixture
def wayward() -> Iterator[Wayward]:
    wayward = Wayward()
    yield wayward
    wayward.server.shutdown()
    wayward.server.server_close()


@pytest.fixture
def lost(wayward: Wayward) -> Iterator[Client]:
    """A client of the wayward server."""
    lost = Client(wayward.url, "key", patience=10)
    yield lost
    lost.close()


PROJECT = {
    "id": str(uuid4()),
    "name": "p",
    "description": "",
    "created_at": "2026-01-01T00:00:00Z",
    "flows": 0,
    "runs": 0,
}


def test_what_is_made_can_be_read(api: Client) -> None:
    made = api.create_project("sales", "what we sell")
    assert [project.name for project in api.list_projects()] == ["sales"]
    assert made.description == "what we sell"


def test_a_problem_becomes_the_exception_it_was(api: Client) -> None:
    with pytest.raises(errors.NotFound):
        api.read_flow_run(uuid4())
    with pytest.raises(errors.NotFound):
        api.create_flow_run(project="nowhere", flow="nothing")


def test_a_wrong_key_is_unauthenticated(http: Http) -> None:
    wrong = Client(http.url, "hr_wrong")
    with pytest.raises(errors.Unauthenticated):
        list(wrong.list_flows())
    wrong.close()


def test_no_server_says_what_to_look_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = Client(f"http://127.0.0.1:{port}", "key", patience=0)
    with pytest.raises(errors.Unreachable, match="headrace up"):
        nobody.create_project("p")


@pytest.mark.parametrize("url", ["127.0.0.1:7400", "ftp://host", ""])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(errors.SettingsError, match="http://host:7400"):
        Client(settings=settings.load(server_url=url))


def test_a_mutation_is_repeated_under_one_request_id(wayward: Wayward, lost: Client) -> None:
    wayward.answers = [None, (503, {}, b"busy"), (200, {}, PROJECT)]
    assert lost.create_project("p").name == "p"
    assert len(wayward.keys) == 3
    assert len(set(wayward.keys)) == 1
    assert wayward.keys[0]


def test_another_call_has_another_request_id(wayward: Wayward, lost: Client) -> None:
    wayward.answers = [(200, {}, PROJECT), (200, {}, PROJECT)]
    lost.create_project("p")
    lost.create_project("p")
    assert len(set(wayward.keys)) == 2


def test_a_request_id_can_be_given(wayward: Wayward, lost: Client) -> None:
    wayward.answers = [(200, {}, PROJECT)]
    lost.call(operations.create_project, flows.CreateProject(name="p"), request_id="mine")
    assert wayward.keys == ["mine"]


def test_a_refusal_is_not_repeated(wayward: Wayward, lost: Client) -> None:
    said = {"title": "t", "status": 409, "detail": "not now", "code": "superseded", "facts": {"fence": 3}}
    wayward.answers = [(409, {}, said)]
    with pytest.raises(errors.Superseded, match="not now") as raised:
        lost.create_project("p")
    assert raised.value.facts["fence"] == 3
    assert len(wayward.asked) == 1


def test_a_server_that_asks_for_time_gets_it(wayward: Wayward) -> None:
    hasty = Client(wayward.url, "key", patience=0.5)
    wayward.answers = [(429, {"Retry-After": "60"}, b"")]
    with pytest.raises(errors.Unavailable):
        hasty.create_project("p")
    assert len(wayward.asked) == 1
    hasty.close()


def test_what_is_no_server_of_ours_is_called_that(wayward: Wayward, lost: Client) -> None:
    wayward.answers = [(404, {}, b"<html>nginx</html>"), (200, {}, b"<html>hello</html>")]
    with pytest.raises(errors.HeadraceError, match="not as a Headrace server"):
        lost.create_project("p")
    with pytest.raises(errors.HeadraceError, match="is it a Headrace server"):
        lost.create_project("p")


def test_defaults_are_left_out_and_lists_are_repeated_in_the_query(wayward: Wayward, lost: Client) -> None:
    wayward.answers = [(200, {}, {"items": [], "next": None})] * 2
    since = datetime(2026, 1, 2, tzinfo=UTC)
    list(lost.list_flow_runs(state=["Failed", "Crashed"], since=since))
    list(lost.list_flows())
    assert wayward.asked[0][1] == "/api/flow_runs?state=Failed&state=Crashed&since=2026-01-02T00%3A00%3A00Z"
    assert wayward.asked[1][1] == "/api/flows"


def test_what_stands_in_the_path_stands_nowhere_else(wayward: Wayward, lost: Client) -> None:
    run = uuid4()
    wayward.answers = [(500, {}, b"")]
    with pytest.raises(errors.HeadraceError):
        lost.cancel_flow_run(run, "enough")
    _, path, headers, body = wayward.asked[0]
    assert path == f"/api/flow_runs/{run}/cancel"
    assert msgspec.json.decode(body) == {"reason": "enough"}
    assert headers["Authorization"] == "Bearer key"
    assert headers["Headrace-Protocol"] == "1"


def test_pages_are_fetched_as_they_are_read(wayward: Wayward, lost: Client) -> None:
    wayward.answers = [
        (200, {}, {"items": [PROJECT], "next": "c"}),
        (200, {}, {"items": [PROJECT], "next": None}),
    ]
    found = lost.list_projects()
    next(found)
    assert len(wayward.asked) == 1
    assert len(list(found)) == 1
    assert wayward.asked[1][1].endswith("?after=c")


def test_a_forked_child_speaks_over_connections_of_its_own(api: Client, wayward: Wayward) -> None:
    """A fork of this many-threaded process would be no fair test: the pool alone is looked at, as another pid sees it."""
    api.create_project("before")
    assert api._pool is not None
    pid, pool = api._pool
    assert pid == os.getpid()
    api._pool = (pid + 1, pool)
    assert api._connections() is not pool
    pool.close()


def test_many_threads_share_a_client(api: Client) -> None:
    def make(number: int) -> None:
        api.create_project(f"p{number}")

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(api.list_projects())) == 8


def test_inside_a_run_the_client_speaks_as_the_run(wayward: Wayward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_inside", None)
    client.enter_run(wayward.url, "the run's token")
    wayward.answers = [(200, {}, PROJECT)]
    inside = Client()
    inside.create_project("p")
    inside.close()
    assert wayward.asked[0][2]["Authorization"] == "Bearer the run's token"
    assert Client(api_key="own")._key == "own"


def test_waiting_for_a_run_has_an_end(http: Http, api: Client) -> None:
    @flow(name="waits")
    def waits() -> None:
        task(lambda: 1, name="one")()

    api.create_project("p")
    waits.register(project="p", client=api)
    run = api.create_flow_run(flow="p/waits", run_name="mine", labels=["x"], idempotency_key="k")
    assert api.create_flow_run(flow="p/waits", idempotency_key="k").id == run.id
    assert (run.name, run.labels) == ("mine", sorted(["x", socket.gethostname()]))
    with pytest.raises(TimeoutError, match="'mine' is still Scheduled"):
        api.wait_for(run, timeout=0.2)
    api.cancel_flow_run(run.id)
    assert api.wait_for(run, timeout=5).state.type == "Cancelled"
    assert list(api.follow_logs(run.id)) == []
    assert [found.id for found in api.list_flow_runs(project="p", state=["Cancelled"])] == [run.id]
    assert api.find_flow("p/waits").name == "waits"


def test_a_file_comes_in_pieces(api: Client, http: Http) -> None:
    with pytest.raises(errors.NotFound):
        list(api.stream(operations.download_logs, logs.DownloadLogs(flow_run_id=uuid4())))
