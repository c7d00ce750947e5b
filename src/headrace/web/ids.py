"""Ids that sort by the time they were made: UUID version 7, monotonic within a process."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A new id, greater than every id that this process made before, also when the clock goes back.

    48 bits of milliseconds, 12 bits of their fraction (RFC 9562, method 3), 62 random bits.
    """
    global _last
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    moment = milliseconds << 12 | (rest << 12) // 1_000_000
    with _lock:
        _last = moment = max(moment, _last + 1)
    random = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(moment >> 12) << 80 | 0x7 << 76 | (moment & 0xFFF) << 64 | 0b10 << 62 | random)
