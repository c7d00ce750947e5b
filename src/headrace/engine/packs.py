"""Small results of a run, one after another in a file: a file for each would cost as much as all else that a task costs.

A process writes a pack of its own, so nobody waits for anybody. Each frame is preceded by its checksum: what a power
failure left half written is not taken for a value.
"""

import collections
import errno
import os
import threading
import uuid
import zlib
from pathlib import Path
from typing import NamedTuple

#: Packs that a process has open: one for each run that it is in, the oldest closed beyond these.
OPEN = 8
_CHECKSUM_BYTES = 4


class Frame(NamedTuple):
    """Where a value's bytes are."""

    path: str
    offset: int


class _Pack:
    """One file that is only ever appended to, by one process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{uuid.uuid4().hex[:12]}.pack"
        self.path = str(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._size = 0

    def append(self, data: bytes) -> Frame:
        frame = zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "big") + data
        written = os.write(self._file, frame)
        if written != len(frame):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        begin, self._size = self._size, self._size + written
        return Frame(self.path, begin)

    def close(self) -> None:
        os.close(self._file)


_open: "collections.OrderedDict[tuple[int, Path, str], _Pack]" = collections.OrderedDict()
_lock = threading.Lock()


def append(directory: Path, folder: str, data: bytes) -> Frame:
    """Keeps the bytes in this process's pack in a folder of the directory. Raises OSError."""
    key = (os.getpid(), directory, folder)
    with _lock:
        pack = _open.get(key)
        if pack is None:
            pack = _open[key] = _Pack(directory / folder)
            while len(_open) > OPEN:
                _open.popitem(last=False)[1].close()
        try:
            return pack.append(data)
        except OSError:
            # what was written of the frame is in the way: the next one begins another pack
            del _open[key]
            pack.close()
            raise


def end(offset: int, size: int) -> int:
    """Where a frame ends in its pack."""
    return offset + _CHECKSUM_BYTES + size


def read(path: str, offset: int, size: int) -> bytes:
    """The bytes of a frame; fewer than `size`, or none, where the frame is not whole. Raises OSError."""
    with Path(path).open("rb") as file:
        file.seek(offset)
        checksum = file.read(_CHECKSUM_BYTES)
        data = file.read(size)
    return data if zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "big") == checksum else b""
