"""What runs have written to their standard streams, kept with their agent for some time: the server never gets it."""

import contextlib
import os
import time
from pathlib import Path

#: For so long they are kept.
DAYS = 14


class Outputs:
    """A folder of files, one for each attempt, for their owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: str, content: bytes) -> Path | None:
        """Where it is kept; None where nothing was written, or where there is no room: no run fails for that."""
        if not content:
            return None
        path = self._folder / f"{key}.log"
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._forget_old()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            return path
        return None

    def _forget_old(self) -> None:
        oldest = time.time() - DAYS * 24 * 3600
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
