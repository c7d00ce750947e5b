"""A clock that a test may set, for programs that are not ours: libfaketime, which reads its offset from a file.

PostgreSQL's `now()` is the only clock of servers that share a database, so it is PostgreSQL that gets the false one. What
counts durations stays true, as on a machine whose time is set.
"""

import time
from pathlib import Path

_LIBRARIES = (
    *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
    *Path("/usr/local/lib/faketime").glob("libfaketimeMT.so.1"),
)


def library() -> Path | None:
    """Debian's package `libfaketime`, where it is installed."""
    return _LIBRARIES[0] if _LIBRARIES else None


class Clock:
    """Wall-clock time that is set forward and back; remembers when, so that its times can be told from true ones."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        #: Since when, on the monotonic clock, which offset held.
        self.offsets: list[tuple[float, float]] = []
        self._between = time.time() - time.monotonic()
        self.set(0.0)

    @property
    def offset(self) -> float:
        return self.offsets[-1][1]

    def environment(self) -> dict[str, str]:
        """What makes a program go by this clock; nothing where there is no libfaketime."""
        found = library()
        if found is None:
            return {}
        return {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }

    def set(self, offset: float) -> None:
        """From now on it shows the true time and so many seconds more."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{offset:+.3f}\n")
        draft.chmod(0o644)
        draft.replace(self._file)
        self.offsets.append((time.monotonic(), offset))

    def moment(self, shown: float) -> float:
        """When, on the monotonic clock, it showed this. A time that it showed twice is the later one."""
        found = shown - self._between
        for (since, offset), (until, _) in reversed(
            list(zip(self.offsets, [*self.offsets[1:], (float("inf"), 0.0)], strict=True))
        ):
            moment = shown - offset - self._between
            if since - 1 <= moment <= until + 1:
                return moment
            if (since, offset) == self.offsets[0]:
                found = moment
        return found
