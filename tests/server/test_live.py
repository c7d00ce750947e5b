"""Live updates: a tab hears of what it asked for and of nothing else."""

import asyncio
import itertools
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from headrace.server import notices
from http_client import Http


def tab(http: Http, role: str = "viewer") -> ClientConnection:
    """A socket as a script opens it: with a key, and so without an origin."""
    address = http.url.replace("http", "ws") + "/api/live"
    return connect(address, additional_headers={"Authorization": f"Bearer {http.token(role)}"})


def changed(http: Http, *topics: str) -> None:
    async def tell() -> None:
        for topic in topics:
            http.server.service.part(notices.Notices).changed(topic)

    http.server.run(tell())


_marks = itertools.count()


def listens(socket: ClientConnection, *topics: str) -> None:
    """Subscribes, and waits until the server has understood: it tells of each new topic at once, of this one last."""
    mark = f"~{next(_marks)}"
    socket.send(json.dumps({"subscribe": [*topics, "ready", mark]}))
    while json.loads(socket.recv(timeout=10))["topic"] != mark:
        pass


def heard(socket: ClientConnection) -> list[str]:
    """Topics in the order in which they came, up to the next `ready`."""
    found: list[str] = []
    while (topic := json.loads(socket.recv(timeout=10))["topic"]) != "ready":
        found.append(topic)
    return found


def test_a_tab_hears_of_its_topics_and_of_no_others(http: Http) -> None:
    with tab(http) as socket:
        listens(socket, "flow_run:1", "agents")
        changed(http, "flow_run:2", "agents", "flow_run:1", "ready")
        assert heard(socket) == ["agents", "flow_run:1"]


def test_what_changes_often_is_told_once(http: Http) -> None:
    with tab(http) as socket:
        listens(socket, "a")
        changed(http, *["a"] * 50, "ready")
        assert heard(socket) == ["a"]


def test_a_new_subscription_replaces_the_old_one(http: Http) -> None:
    with tab(http) as socket:
        listens(socket, "a")
        listens(socket, "b")
        changed(http, "a", "b", "ready")
        assert heard(socket) == ["b"]


def test_what_changed_before_the_subscription_was_understood_is_not_missed(http: Http) -> None:
    with tab(http) as socket:
        socket.send(json.dumps({"subscribe": ["a"]}))
        assert json.loads(socket.recv(timeout=10)) == {"topic": "a"}
        socket.send(json.dumps({"subscribe": ["a", "b"]}))
        assert json.loads(socket.recv(timeout=10)) == {"topic": "b"}


@pytest.mark.parametrize("nonsense", ["{", '{"subscribe": 1}', "[]", '{"else": []}'])
def test_who_speaks_nonsense_is_hung_up_on(http: Http, nonsense: str) -> None:
    with tab(http) as socket:
        socket.send(nonsense)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


def test_a_tab_that_went_is_forgotten(http: Http) -> None:
    with tab(http) as socket:
        listens(socket, "a")
    hub = http.server.service.part(notices.Notices)

    async def forgotten() -> None:
        async with asyncio.timeout(10):
            while hub.topics:  # noqa: ASYNC110 - nothing tells of a listener that is gone
                await asyncio.sleep(0)

    http.server.run(forgotten())


def test_nobody_without_the_right_to_read_listens(http: Http) -> None:
    with pytest.raises(InvalidStatus):
        connect(http.url.replace("http", "ws") + "/api/live")
    with pytest.raises((InvalidStatus, ConnectionClosed)), tab(http, "agent") as socket:
        socket.recv(timeout=10)
