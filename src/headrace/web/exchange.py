"""One HTTP/1.1 request and its answer over a connection that is open: h11 speaks, asyncio carries."""

import asyncio
from collections.abc import Mapping

import h11

from headrace.web.targets import LARGEST, Reply, Url

#: What came was no HTTP.
NotHttp = h11.RemoteProtocolError


async def send(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    place: Url,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    limit: asyncio.Timeout,
) -> Reply:
    """Sends the request and reads the answer; of its body what comes before the limit. Raises NotHttp."""
    protocol = h11.Connection(h11.CLIENT)
    writer.write(_request(protocol, place, method, headers, body))
    await writer.drain()
    return await _answer(protocol, reader, limit)


def _request(
    protocol: h11.Connection, place: Url, method: str, headers: Mapping[str, str], body: bytes
) -> bytes:
    given = {
        "Host": place.place.partition("://")[2],
        "User-Agent": "Headrace",
        "Accept": "*/*",
        "Connection": "close",
        **headers,
        "Content-Length": str(len(body)),
    }
    if place.authorization:
        given.setdefault("Authorization", place.authorization)
    head = h11.Request(method=method, target=place.target, headers=list(given.items()))
    parts = [protocol.send(each) for each in (head, h11.Data(data=body), h11.EndOfMessage())]
    return b"".join(part for part in parts if part)


async def _answer(protocol: h11.Connection, reader: asyncio.StreamReader, limit: asyncio.Timeout) -> Reply:
    while not isinstance(event := await _next(protocol, reader), h11.Response):
        pass  # "100 Continue" and the like
    body, whole = bytearray(), False
    try:
        async with asyncio.timeout_at((limit.when() or 0) - 0.1):
            while len(body) <= LARGEST and not whole:
                match await _next(protocol, reader):
                    case h11.Data(data=data):
                        body += data
                    case _:
                        whole = True
    except (TimeoutError, ConnectionError, h11.RemoteProtocolError):
        pass  # the status has been said; of the body there is what came
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
    return Reply(event.status_code, headers, bytes(body[:LARGEST]), whole)


async def _next(protocol: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := protocol.next_event()) is h11.NEED_DATA:
        protocol.receive_data(await reader.read(16384))
    return event
