"""What a run process and its worker processes say to each other: frames of a length and a pickle, over pipes."""

import os
import pickle
import struct
from typing import Any

_HEAD = struct.Struct(">Q")


class Closed(Exception):
    """The pipe has no other end any more."""


def write(descriptor: int, message: tuple[Any, ...]) -> None:
    """Writes one whole frame. `message` holds plain values and bytes only, so that reading it runs no one's code."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    frame = memoryview(_HEAD.pack(len(body)) + body)
    while frame:
        frame = frame[os.write(descriptor, frame) :]


def read(descriptor: int) -> tuple[Any, ...]:
    """Reads one whole frame, waiting for it. Raises Closed."""
    (length,) = _HEAD.unpack(_exactly(descriptor, _HEAD.size))
    return pickle.loads(_exactly(descriptor, length))  # noqa: S301 - the other side is our own process


def _exactly(descriptor: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length:
        part = os.read(descriptor, min(length, 1 << 20))
        if not part:
            raise Closed
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
