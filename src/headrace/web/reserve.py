"""A file that only takes room: given up when the disk is full, so that runs under way can still end.

On a full disk not even removing rows works, for that is written too before it takes effect. So some room is kept from the
beginning, given up at the first refusal, and taken again when there is enough.
"""

import contextlib
import logging
import os
import shutil
import threading
from pathlib import Path

log = logging.getLogger(__name__)

#: The reserve is taken only where this many times its size is free: it must not be what fills the disk.
ROOM = 4


def path_for(database: Path) -> Path:
    """Where the reserve of a SQLite file lies."""
    return database.with_name(database.name + ".reserve")


class Reserve:
    """The reserve of one database. `spent`: the disk was full, and the reserve was given up."""

    def __init__(self, database: Path, size: int) -> None:
        self.path = path_for(database)
        self.size = size
        self.spent = False
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Takes the room when there is enough of it; True when it is taken, or none is wanted."""
        with self._lock:
            if self.size == 0:
                self.path.unlink(missing_ok=True)
            elif not self._is_whole() and not self._make():
                return False
            if self.spent:
                log.warning("the disk has room again: the reserve %s is taken again", self.path)
            self.spent = False
            return True

    def give_up(self) -> bool:
        """Gives the room to the database. False when it has been given already, or there was none."""
        with self._lock:
            had = self.path.exists()
            self.path.unlink(missing_ok=True)
            self.spent = self.spent or had
        if had:
            log.error(
                "the disk is full: the reserve %s is given up; logs are refused until there is room",
                self.path,
            )
        return had

    def _is_whole(self) -> bool:
        try:
            return self.path.stat().st_blocks * 512 >= self.size
        except FileNotFoundError:
            return False

    def _make(self) -> bool:
        if shutil.disk_usage(self.path.parent).free < ROOM * self.size:
            return False
        try:
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.size)
        except OSError:  # somebody else was faster
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            return False
        return True
