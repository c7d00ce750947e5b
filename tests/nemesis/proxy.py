"""A bad network: HTTP carried to one of several servers, late, twice, without the answer, or not at all.

It stands where a load balancer stands. Each request is read whole, its fate is drawn from the weather by a seed, and what
was delivered is told to a witness, with the moments of the proxy's own clock.
"""

import asyncio
import contextlib
import dataclasses
import random
import threading
import time
from collections.abc import Callable, Sequence

#: Seconds: connecting to a server, and how late "later" is at most.
CONNECT = 5.0
LATEST = 6.0
_CUT = (ConnectionError, asyncio.IncompleteReadError, TimeoutError, OSError)


@dataclasses.dataclass(frozen=True)
class Weather:
    """How likely it is, for each request, that something happens to it; `latency` and `jitter` are in seconds.

    `reset`: it is lost. `unanswered`: it is carried out, its answer is lost. `twice`: it is delivered twice at once, to
    whichever servers. `late`: the connection breaks, and it is delivered seconds afterwards all the same.
    """

    latency: float = 0.0
    jitter: float = 0.0
    reset: float = 0.0
    unanswered: float = 0.0
    twice: float = 0.0
    late: float = 0.0


CALM = Weather()
USUAL = Weather(jitter=0.01, reset=0.01, unanswered=0.02, twice=0.03, late=0.02)
STORM = Weather(latency=0.05, jitter=0.4, reset=0.1, unanswered=0.2, twice=0.25, late=0.2)


@dataclasses.dataclass(frozen=True)
class Message:
    """A request or an answer: its first line, its headers (names in small letters), and all of its bytes."""

    first: str
    headers: dict[str, str]
    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body


@dataclasses.dataclass(frozen=True)
class Delivered:
    """A request whose answer reached who asked. `began` is when its first try came, by its Idempotency-Key."""

    began: float
    ended: float
    request: Message
    answer: Message

    @property
    def status(self) -> int:
        return int(self.answer.first.split(" ")[1])

    @property
    def path(self) -> str:
        return self.request.first.split(" ")[1].partition("?")[0]


class Network:
    """The thread in which all proxies of a test live."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        async def end() -> None:
            for server in self.servers:
                server.close()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(20)
        self.loop.close()


class Proxy:
    """One way to the servers at these ports; counts in `happened` what it did to requests."""

    def __init__(
        self,
        network: Network,
        servers: Sequence[int],
        seed: int,
        *,
        host: str = "127.0.0.1",
        witness: Callable[[Delivered], None] | None = None,
    ) -> None:
        self.weather = CALM
        self.happened: dict[str, int] = dict.fromkeys(("requests", "reset", "unanswered", "twice", "late"), 0)
        #: When an answer below 400 was last delivered, and all such moments.
        self.successes: list[float] = []
        self._network = network
        self._servers = list(servers)
        self._random = random.Random(seed)
        self._witness = witness
        self._first: dict[str, float] = {}
        #: asyncio forgets who waits for a connection that only the waiting task knows.
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set while requests, or answers, pass: what is held is carried on when they are set again.
        self._asking, self._answering = asyncio.Event(), asyncio.Event()
        self._asking.set()
        self._answering.set()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, host, 0, limit=2**20), network.loop
        ).result(10)
        network.servers.append(server)
        self.port: int = server.sockets[0].getsockname()[1]
        self.url = f"http://{host}:{self.port}"

    def hold(self, *, requests: bool, answers: bool) -> None:
        """Nothing is refused and nothing arrives, as behind a wall that drops packets."""
        loop = self._network.loop
        for event, is_held in ((self._asking, requests), (self._answering, answers)):
            loop.call_soon_threadsafe(event.clear if is_held else event.set)

    # --- one connection ---

    def _remember(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._remember(task)
        try:
            with contextlib.suppress(*_CUT):
                while (request := await read_message(reader)) is not None:
                    await self._asking.wait()
                    if not await self._carry(request, writer):
                        break
        except asyncio.CancelledError:
            pass  # the network is taken down
        finally:
            writer.transport.abort()

    async def _carry(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is over."""
        moment = time.monotonic()
        key = request.headers.get("idempotency-key")
        began = self._first.setdefault(key, moment) if key else moment
        self.happened["requests"] += 1
        weather = self.weather
        await asyncio.sleep(weather.latency + self._random.uniform(0, weather.jitter))
        fate = self._fate(weather)
        if fate:
            self.happened[fate] += 1
        if fate == "reset":
            return False
        if fate == "late":
            self._send_later(request, self._random.uniform(0.2, LATEST))
            return False
        if fate == "twice":
            self._send_later(request, self._random.uniform(0, 0.05))
        answer = await self._ask(request)
        if answer is None or fate == "unanswered":
            return False
        await asyncio.sleep(weather.latency + self._random.uniform(0, weather.jitter))
        await self._answering.wait()
        writer.write(answer.raw)
        await writer.drain()
        self._tell(Delivered(began, time.monotonic(), request, answer))
        return True

    def _fate(self, weather: Weather) -> str:
        drawn = self._random.random()
        for name in ("reset", "unanswered", "twice", "late"):
            drawn -= getattr(weather, name)
            if drawn < 0:
                return name
        return ""

    def _tell(self, delivered: Delivered) -> None:
        if delivered.status < 400:
            self.successes.append(delivered.ended)
        if self._witness is not None:
            self._witness(delivered)

    def _send_later(self, request: Message, seconds: float) -> None:
        async def send() -> None:
            await asyncio.sleep(seconds)
            await self._ask(request)

        task = asyncio.get_running_loop().create_task(send())
        self._remember(task)

    # --- the servers ---

    async def _ask(self, request: Message) -> Message | None:
        """What one of the servers answers: the first that can be reached. None when none answers."""
        for port in self._random.sample(self._servers, len(self._servers)):
            try:
                async with asyncio.timeout(CONNECT):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
            except _CUT:
                continue
            try:
                writer.write(_addressed(request, port))
                await writer.drain()
                return await read_message(reader, is_answer=True)
            except _CUT:
                return None
            finally:
                writer.transport.abort()
        return None


def _addressed(request: Message, port: int) -> bytes:
    """The request with the server's own name in it, as a load balancer would say it."""
    lines = [
        line
        for line in request.head.split(b"\r\n")[:-2]
        if line.partition(b":")[0].lower() not in (b"host", b"connection")
    ]
    lines += [f"Host: 127.0.0.1:{port}".encode(), b"Connection: close", b"", b""]
    return b"\r\n".join(lines) + request.body


async def read_message(reader: asyncio.StreamReader, *, is_answer: bool = False) -> Message | None:
    """A whole request or answer, or None where the connection ends instead. Of an answer the length is made known."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while True:
            size = await reader.readuntil(b"\r\n")
            count = int(size.split(b";")[0], 16)
            body += size + await reader.readexactly(count + 2)
            if count == 0:
                break
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif is_answer and first.split(" ")[1] not in ("204", "304"):
        body = await reader.read(-1)
        head = head[:-2] + f"Content-Length: {len(body)}\r\n\r\n".encode()
    else:
        body = b""
    if is_answer:
        # the server was asked to close; who asked here keeps the connection
        kept = [line for line in head.split(b"\r\n") if line.partition(b":")[0].lower() != b"connection"]
        head = b"\r\n".join(kept)
    return Message(first, headers, head, body)
