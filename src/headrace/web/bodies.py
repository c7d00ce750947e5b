"""Reading a request's body, no more of it than the operation accepts, and a browser's query."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from headrace import errors

#: Larger bodies are decoded on a thread.
ON_A_THREAD_FROM = 128 * 1024
#: The longest pause between two parts of a body.
PART_SECONDS = 30


#: How many fields a browser's query may have.
MOST_FIELDS = 50


class Gone(Exception):
    """The client went away."""


def check_announced(headers: dict[bytes, bytes], limit: int) -> None:
    """Raises TooLarge before anything is read, where the length is announced."""
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)


def read_query(query: bytes) -> dict[str, str]:
    """The fields of a query, each once. Raises errors.Invalid."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise errors.Invalid("the address's query cannot be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise errors.Invalid("the address's query has a field twice")
    return fields


async def read(receive: Any, limit: int) -> bytes:
    """The whole body. Raises TooLarge, Gone, or Invalid for one that does not come."""
    parts: list[bytes] = []
    size = 0
    while True:
        try:
            async with asyncio.timeout(PART_SECONDS):
                message = await receive()
        except TimeoutError:
            raise errors.Invalid("the request's body did not arrive in time") from None
        if message["type"] == "http.disconnect":
            raise Gone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> errors.TooLarge:
    size = f"{limit // 1024 // 1024} MiB" if limit >= 1024 * 1024 else f"{limit // 1024} KiB"
    return errors.TooLarge(
        f"the request is larger than the {size} that this operation accepts: keep large data in a file or a store,"
        " and send where it is",
        limit=limit,
    )
