"""The bad network does what it says, and nothing of it is invented: it is watched from both ends."""

import asyncio
import collections
import queue
import threading
from collections.abc import Iterator

import pytest
import urllib3

from nemesis import proxy


class Echo:
    """A server that answers with what it was sent, and remembers the paths."""

    def __init__(self, network: proxy.Network) -> None:
        self.paths: collections.Counter[str] = collections.Counter()
        self.came = threading.Event()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), network.loop
        ).result(10)
        network.servers.append(server)
        self.port: int = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await proxy.read_message(reader)
        assert request is not None
        self.paths[request.first.split(" ")[1]] += 1
        self.came.set()
        # in chunks, as a server does that does not know the length
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(request.body), request.body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
def network() -> Iterator[proxy.Network]:
    made = proxy.Network()
    yield made
    made.close()


@pytest.fixture
def echo(network: proxy.Network) -> Echo:
    return Echo(network)


@pytest.fixture
def between(network: proxy.Network, echo: Echo) -> proxy.Proxy:
    return proxy.Proxy(network, [echo.port], seed=1)


def ask(between: proxy.Proxy, path: str, timeout: float = 20.0, key: str = "") -> bytes | None:
    """What comes back, or nothing."""
    try:
        return urllib3.request(
            "POST",
            between.url + path,
            body=b"hello",
            headers={"Idempotency-Key": key} if key else {},
            timeout=timeout,
            retries=False,
        ).data
    except urllib3.exceptions.HTTPError:
        return None


def test_in_calm_weather_everything_passes_once(between: proxy.Proxy, echo: Echo) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", between.port, maxsize=1) as pool:
        for number in range(5):
            answer = pool.request("POST", f"/{number}", body=b"hello", retries=False, timeout=20)
            assert answer.data == b"hello"
        assert pool.num_connections == 1
    assert echo.paths == {f"/{number}": 1 for number in range(5)}
    assert between.happened["requests"] == 5


def test_a_reset_request_never_arrives(between: proxy.Proxy, echo: Echo) -> None:
    between.weather = proxy.Weather(reset=1)
    assert ask(between, "/lost") is None
    assert echo.paths == {}


def test_a_lost_answer_leaves_its_request_done(between: proxy.Proxy, echo: Echo) -> None:
    between.weather = proxy.Weather(unanswered=1)
    assert ask(between, "/done") is None
    assert echo.paths == {"/done": 1}
    assert between.successes == []


def test_a_request_delivered_twice_is_answered_once(between: proxy.Proxy, echo: Echo) -> None:
    between.weather = proxy.Weather(twice=1)
    assert ask(between, "/twice") == b"hello"
    while echo.paths["/twice"] < 2:
        echo.came.clear()
        assert echo.came.wait(20) or echo.paths["/twice"] == 2


def test_a_late_request_arrives_although_nobody_waits_for_it(between: proxy.Proxy, echo: Echo) -> None:
    between.weather = proxy.Weather(late=1)
    assert ask(between, "/late") is None
    assert echo.came.wait(20)
    assert echo.paths == {"/late": 1}


def test_what_is_held_passes_when_the_wall_is_gone(between: proxy.Proxy, echo: Echo) -> None:
    between.hold(requests=True, answers=False)
    assert ask(between, "/held", timeout=0.3) is None
    assert echo.paths == {}
    between.hold(requests=False, answers=False)
    assert echo.came.wait(20)
    between.hold(requests=False, answers=True)
    assert ask(between, "/heard", timeout=0.3) is None
    between.hold(requests=False, answers=False)
    assert ask(between, "/again") == b"hello"
    assert echo.paths == {"/held": 1, "/heard": 1, "/again": 1}


def test_a_server_that_is_away_is_passed_over(network: proxy.Network, echo: Echo) -> None:
    gone = proxy.Proxy(network, [1, echo.port], seed=1)
    assert [ask(gone, "/there") for _ in range(6)] == [b"hello"] * 6


def test_the_witness_knows_the_first_try_of_a_request(network: proxy.Network, echo: Echo) -> None:
    delivered: queue.Queue[proxy.Delivered] = queue.Queue()
    between = proxy.Proxy(network, [echo.port], seed=1, witness=delivered.put)
    between.weather = proxy.Weather(unanswered=1)
    assert ask(between, "/a?b", key="k") is None
    between.weather = proxy.CALM
    assert [ask(between, "/a?b", key="k") for _ in range(2)] == [b"hello"] * 2
    first, second = delivered.get(timeout=20), delivered.get(timeout=20)
    assert [(one.status, one.path) for one in (first, second)] == [(200, "/a")] * 2
    # that of the try whose answer was lost
    assert first.began == second.began
    assert first.ended < second.ended
    assert delivered.empty()
