"""How long one waits for a storage: as long as it says something, and says it at a pace that leads somewhere."""

import time
from collections.abc import Callable

from headrace import errors, settings

#: Bytes a second, on average, below which a transfer counts as stalled once a storage's patience is over.
SLOWEST = 1000
#: More bytes than any content has: what goes on beyond them is not content.
LARGEST = 2**30
#: How often a storage that does not answer is asked, within its patience, and how many seconds lie between.
TRIES, PAUSE = 3, 0.5


class Pace:
    """One transfer from `where`."""

    def __init__(self, where: str) -> None:
        self.seconds = settings.load().storage_seconds
        self._where = where
        self._began = time.monotonic()
        self._bytes = 0

    def got(self, count: int) -> None:
        """So many bytes have come. Raises errors.StorageUnreachable where they come too slowly, or never end."""
        self._bytes += count
        passed = time.monotonic() - self._began
        if passed > self.seconds and self._bytes < passed * SLOWEST:
            raise errors.StorageUnreachable(
                f"{self._where} is too slow: {self._bytes} bytes in {passed:.0f} s. Look at it and at the network."
            )
        if self._bytes > LARGEST:
            raise errors.ContentMismatch(
                f"{self._where} sends more than {LARGEST // 2**20} MB, which no flow's content has: it was not read further."
            )


def persistent(ask: Callable[[], bytes]) -> bytes:
    """What `ask` answers; it is asked again where the storage was unreachable and its patience is not over."""
    seconds, began = settings.load().storage_seconds, time.monotonic()
    for _ in range(TRIES - 1):
        try:
            return ask()
        except errors.StorageUnreachable:
            if time.monotonic() + PAUSE - began > seconds:
                raise
            time.sleep(PAUSE)
    return ask()
