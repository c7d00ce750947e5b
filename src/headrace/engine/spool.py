"""What could not be sent yet: a queue that stays in memory while it is small and continues in a file."""

import collections
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Generic, TypeVar

T = TypeVar("T")

#: So many bytes wait in memory; what comes after them goes to the file.
MEMORY_BYTES = 4 * 1024 * 1024
_LENGTH = struct.Struct(">I")


class Spool(Generic[T]):
    """First in, first out. Used by one thread."""

    def __init__(
        self,
        path: Path,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
        *,
        memory: int = MEMORY_BYTES,
    ) -> None:
        self._path = path
        self._encode = encode
        self._decode = decode
        self._memory = memory
        # oldest first: the items, then the file, then what came while the file could not grow
        self._items: collections.deque[tuple[T, int]] = collections.deque()
        self._tail: collections.deque[tuple[T, int]] = collections.deque()
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._in_file = 0

    def __len__(self) -> int:
        return len(self._items) + self._in_file + len(self._tail)

    def put(self, item: T, size: int) -> None:
        """Adds an item of about so many bytes. On a full disk it stays in memory: nothing is lost."""
        if not self._in_file and not self._tail and self._bytes + size <= self._memory:
            self._items.append((item, size))
            self._bytes += size
        elif self._tail or not self._append(item):
            self._tail.append((item, 0))

    def head(self) -> T | None:
        """The oldest item, which stays until `pop`."""
        if not self._items and self._in_file:
            self._items.append((self._decode(self._next()), 0))
            self._in_file -= 1
            if not self._in_file:
                self._empty()
        elif not self._items and self._tail:
            self._items.append(self._tail.popleft())
        return self._items[0][0] if self._items else None

    def pop(self) -> None:
        self._bytes -= self._items.popleft()[1]

    def clear(self) -> None:
        """Forgets everything, and removes the file."""
        self._items.clear()
        self._tail.clear()
        self._bytes = self._in_file = self._read_at = 0
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    def _append(self, item: T) -> bool:
        """Whether the file has taken it."""
        frame = self._encode(item)
        try:
            if self._file is None:
                self._file = os.fdopen(
                    os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b", buffering=0
                )
            end = self._file.seek(0, os.SEEK_END)
            if self._file.write(_LENGTH.pack(len(frame)) + frame) != _LENGTH.size + len(frame):
                self._file.truncate(end)
                return False
        except OSError:
            return False
        self._in_file += 1
        return True

    def _next(self) -> bytes:
        assert self._file is not None
        self._file.seek(self._read_at)
        (length,) = _LENGTH.unpack(self._file.read(_LENGTH.size))
        frame = self._file.read(length)
        self._read_at = self._file.tell()
        return frame

    def _empty(self) -> None:
        assert self._file is not None
        self._file.truncate(0)
        self._read_at = 0
