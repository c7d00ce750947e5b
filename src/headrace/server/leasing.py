"""What a service goes by when it grants leases and takes them away: the times, the amnesty, and a switch for one test."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from headrace.core import leases

#: The wall clock may differ from the monotonic one by so much before its times are not trusted.
JUMP = timedelta(seconds=1)


class Leasing:
    """One a service: `service.part(leasing.Leasing)`.

    Attributes
    ----------
    timing: heartbeat, lease, grace and the others. Tests set shorter ones.
    amnesty_until: until then no lease counts as over, for it may be that nobody listened to its holder.
    checks_fences: only the test which shows what fences are for sets this to False.
    monotonic: seconds that no change of the wall clock touches; tests replace it together with the database's time.
    """

    def __init__(self) -> None:
        self.timing = leases.Timing()
        self.timing.check()
        self.amnesty_until: datetime | None = None
        self.checks_fences = True
        self.monotonic: Callable[[], float] = time.monotonic
        self._looked: tuple[datetime, float] | None = None

    def look(self, now: datetime, every: timedelta) -> None:
        """Told by the reaper each time; grants an amnesty of one lease when since the last time nobody may have listened.

        That is so after a start, after a failure (`forget`), when the wall clock jumped, and when this process itself
        was stopped for a while.
        """
        trusted = self.trusts(now, every)
        self._looked = (now, self.monotonic())
        if not trusted:
            self.amnesty_until = leases.amnesty_until(now, self.timing)
        elif self.amnesty_until is not None and self.amnesty_until <= now:
            self.amnesty_until = None

    def trusts(self, now: datetime, every: timedelta) -> bool:
        """Whether this moment fits to the last look: neither the clock nor this process has jumped since."""
        if self._looked is None:
            return False
        wall, steady = now - self._looked[0], timedelta(seconds=self.monotonic() - self._looked[1])
        return abs(wall - steady) <= JUMP and steady <= every + self.timing.lease / 4

    def forget(self) -> None:
        """The database did not answer: heartbeats may be missing."""
        self._looked = None
