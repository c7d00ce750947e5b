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
    amnesty_until: no lease ends before, for it may be that nobody listened to its holder. It stays when it is over: who
        was not heard of since gets grace and `lost_after` counted from there too.
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
        self._jumped_at: float | None = None

    def look(self, now: datetime, every: timedelta) -> bool:
        """Told by the reaper each time; grants an amnesty of one lease when since the last time nobody may have listened.

        That is so after a start, after a failure (`forget`), when the wall clock jumped, and when this process itself
        was stopped for a while. True when an amnesty begins.
        """
        trusted = self.trusts(now, every)
        if self._has_jumped(now):
            self._jumped_at = self.monotonic()
        self._looked = (now, self.monotonic())
        if not trusted:
            self.amnesty_until = leases.amnesty_until(now, self.timing)
        return not trusted

    def in_amnesty(self, now: datetime) -> bool:
        """Whether nobody may be taken for lost now, whatever is known of them."""
        return self.amnesty_until is None or now < self.amnesty_until

    def trusts(self, now: datetime, every: timedelta) -> bool:
        """Whether this moment fits to the last look: neither the clock nor this process has jumped since."""
        if self._looked is None or self._has_jumped(now):
            return False
        return self._steady() <= every + self.timing.lease / 4

    def doubts(self, now: datetime) -> bool:
        """Whether the clock was seen to jump less than a lease ago: perhaps somebody is about to set it right again."""
        if self._has_jumped(now):
            return True
        return (
            self._jumped_at is not None
            and self.monotonic() - self._jumped_at < self.timing.lease.total_seconds()
        )

    def forget(self) -> None:
        """The database did not answer: heartbeats may be missing."""
        self._looked = None

    def _has_jumped(self, now: datetime) -> bool:
        return self._looked is not None and abs(now - self._looked[0] - self._steady()) > JUMP

    def _steady(self) -> timedelta:
        """Since the last look, by the monotonic clock."""
        return timedelta(seconds=0 if self._looked is None else self.monotonic() - self._looked[1])
