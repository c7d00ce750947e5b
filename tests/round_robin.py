"""A plain round-robin proxy, as anybody may have before several servers: each request goes to the next one that takes it.

It knows nothing of Headrace: no stickiness, no health checks, no retries of a request that was sent.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Sequence

from headrace.testing import Portal

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class RoundRobin:
    """Listens on `port`; `served` counts the requests that each server got."""

    def __init__(self, port: int, servers: Sequence[int]) -> None:
        self.servers = list(servers)
        self.served: Counter[int] = Counter()
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._portal = Portal()
        self._server = self._portal.run(asyncio.start_server(self._client, "127.0.0.1", port))

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks)

        self._portal.run(end())
        self._portal.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._request(reader, writer)
        finally:
            await _closed(writer)
            self._tasks.discard(task)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        upstream = await self._connect()
        if upstream is None:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
            return
        try:
            await self._forward(head, body, (reader, writer), upstream)
        finally:
            await _closed(upstream[1])

    async def _forward(
        self,
        head: bytes,
        body: bytes,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """One request and its answer, each on connections of its own; after an upgrade whatever comes from either side."""
        upgrade = b"\r\nupgrade:" in head.lower()
        if not upgrade:
            head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
            head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        server[1].write(head + body)
        copying = [asyncio.ensure_future(_copy(server[0], client[1]))]
        if upgrade:
            copying.append(asyncio.ensure_future(_copy(client[0], server[1])))
        try:
            await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in copying:
                task.cancel()
            await asyncio.gather(*copying, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The next server that takes a connection."""
        for _ in self.servers:
            port = self.servers[self._next % len(self.servers)]
            self._next += 1
            with contextlib.suppress(OSError):
                opened = await asyncio.open_connection("127.0.0.1", port)
                self.served[port] += 1
                return opened
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
