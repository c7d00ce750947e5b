"""What is sent back: a status, headers and a body, whole or in parts."""

import asyncio
import dataclasses
import zlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

#: Smaller bodies are not worth compressing.
COMPRESSED_FROM = 8 * 1024
#: Larger ones are compressed on a thread.
ON_A_THREAD_FROM = 256 * 1024


@dataclasses.dataclass
class Reply:
    """An answer to be sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    parts: AsyncIterator[bytes] | None = None

    async def send(self, send: Any, *, head: bool = False) -> None:
        """Sends it; a `head` request gets no body."""
        headers = self.headers
        if self.parts is None:
            headers = [*headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.parts is not None and not head:
            async for part in self.parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": b"" if head else self.body})


def json(body: bytes) -> Reply:
    return Reply(200, [(b"content-type", b"application/json")], body)


def gzipped(body: bytes, level: int = 1) -> bytes:
    """The body as gzip."""
    compressor = zlib.compressobj(level, wbits=31)
    return compressor.compress(body) + compressor.flush()


async def compress(reply: Reply, headers: dict[bytes, bytes]) -> None:
    """Compresses a large body where the client can read it."""
    if len(reply.body) < COMPRESSED_FROM or b"gzip" not in headers.get(b"accept-encoding", b""):
        return
    if len(reply.body) < ON_A_THREAD_FROM:
        reply.body = gzipped(reply.body)
    else:
        reply.body = await asyncio.to_thread(gzipped, reply.body)
    reply.headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]


def attachment(filename: str) -> bytes:
    """The header that makes a browser save the answer, whatever the name holds."""
    plain = "".join(
        char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}".encode()
