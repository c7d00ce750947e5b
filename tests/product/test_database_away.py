"""F07, F08: a server whose PostgreSQL is not there lives, says so, and works again as soon as it is; clients wait for it."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
import urllib3

import stack as stacks
from headrace import client
from headrace.wire import accounts, operations, runs
from postgresql import PostgresServer

pytestmark = pytest.mark.postgres

#: What may take 2 seconds, on a machine that has much else to do.
SOON = 6.0
FLOW = """
from headrace import flow, task

@task
def add(n: int) -> int:
    return n + 1

@flow
def small(n: int = 1) -> None:
    add(n)
"""


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """One that no other test needs meanwhile."""
    server = PostgresServer()
    yield server
    server.close()


def seen(stack: stacks.Stack, path: str) -> tuple[int, str | None]:
    """The status of an answer, and after how many seconds to try again."""
    answer = urllib3.request("GET", stack.url + path, timeout=15, retries=False)
    return answer.status, answer.headers.get("Retry-After")


def lives(stack: stacks.Stack) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        return seen(stack, "/healthz")[0] == 200
    return False


class Asking:
    """Somebody who asks while the server cannot answer, on a thread."""

    def __init__(self, stack: stacks.Stack, key: str) -> None:
        self.answer: accounts.Me | None = None
        self.error: Exception | None = None
        self._client = client.Client(stack.url, key, patience=stacks.PATIENCE)
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self.answer = self._client.call(operations.read_me, operations.read_me.request())
        except Exception as error:  # noqa: BLE001 - shown by the test
            self.error = error
        finally:
            self._client.close()

    def answered(self) -> accounts.Me | None:
        self._thread.join(stacks.PATIENCE)
        assert self.error is None
        return self.answer


def test_F07_a_server_that_is_started_before_its_database_waits_and_is_ready_soon_after(
    make_stack: stacks.Make, own_postgres: PostgresServer
) -> None:
    stack = make_stack(database_url=own_postgres.url(own_postgres.create()))
    own_postgres.stop()
    stack.start_server(wait=False)
    stack.until(lambda: lives(stack), "the server answers")
    assert seen(stack, "/readyz") == (503, "1")
    assert seen(stack, "/api/me") == (503, "1")
    asking = Asking(stack, "")
    own_postgres.start()
    began = time.monotonic()
    stack.until(stack.is_ready, "the server is ready", SOON)
    print(f"ready {time.monotonic() - began:.2f} s after its database")
    me = asking.answered()
    assert me is not None
    assert stack.server is not None
    assert stack.server.poll() is None


def test_F08_a_server_lives_on_while_its_database_is_away_and_clients_notice_a_wait(
    make_stack: stacks.Make, own_postgres: PostgresServer
) -> None:
    stack = make_stack(database_url=own_postgres.url(own_postgres.create()))
    stack.start_server()
    source = stack.folder / "sums.py"
    source.write_text(FLOW)
    stack.register(source, "sums")
    stack.start_agent("a0")
    assert stack.finished(stack.run("sums/small")).state.type == "Success"
    assert stack.local is not None
    own_postgres.stop()
    try:
        stack.until(lambda: seen(stack, "/readyz") == (503, "1"), "it says that it cannot work")
        assert lives(stack)
        asking = Asking(stack, stack.local.user_key)
    finally:
        own_postgres.start()
    stack.until(stack.is_ready, "the server is ready", SOON)
    assert asking.answered() is not None
    assert stack.finished(stack.run("sums/small")).state.type == "Success"
    assert stack.agents["a0"].poll() is None


def test_H1_what_a_stopping_server_held_is_answered_and_what_it_refuses_is_asked_again(
    make_stack: stacks.Make, own_postgres: PostgresServer
) -> None:
    """An agent's long poll ends at once; a client that finds nobody there waits for the next server."""
    stack = make_stack(database_url=own_postgres.url(own_postgres.create()))
    stack.start_server()
    stack.start_agent("a0")
    source = stack.folder / "sums.py"
    source.write_text(FLOW)
    stack.register(source, "sums")
    server, local = stack.server, stack.local
    assert server is not None
    assert local is not None
    assert stack.end(server) == 0
    asking = Asking(stack, local.user_key)
    stack.start_server()
    assert asking.answered() is not None
    run: runs.FlowRun = stack.run("sums/small")
    assert stack.finished(run).state.type == "Success"
    assert stack.agents["a0"].poll() is None
