"""Who may act for a run until when: the timing constants, and the questions asked of a lease.

A lease is a promise in both directions. The server promises not to give the run to anybody else before the lease and
a grace are over; the run's supervisor promises to have ended the run process by then if it could not renew. `Timing.check`
states the inequality that makes the two promises fit together. Nothing here reads a clock.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from headrace import errors
from headrace.core import states


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How often a holder shows that it lives, and how long the others wait before they act.

    Tests use shorter times; `check` says whether they still fit together.
    """

    #: h: a holder sends a sign of life this often.
    heartbeat: timedelta = timedelta(seconds=5)
    #: L: each one renews the lease by this much, counted from its arrival.
    lease: timedelta = timedelta(seconds=20)
    #: M: the supervisor gives up this long before the lease ends.
    margin: timedelta = timedelta(seconds=5)
    #: G: the server waits this long after the lease has ended before it starts the run elsewhere.
    grace: timedelta = timedelta(seconds=15)
    #: K: from the decision to end the run process until it is gone (SIGTERM, then SIGKILL).
    kill: timedelta = timedelta(seconds=8)
    #: P: the longest pause of the supervisor itself, across its deadline, that is still safe.
    pause: timedelta = timedelta(seconds=10)
    #: Contact lost for this long ends a run whose mode is `crash`. A flow may set its own.
    lost_after: timedelta = timedelta(seconds=120)
    #: How much faster one machine's clock may run than another's.
    clock_rate_error: float = 0.01

    def check(self) -> None:
        """Raise Invalid, naming the field, unless two executions of one run cannot overlap with these times."""
        for name in ("heartbeat", "lease", "margin", "grace", "kill"):
            if getattr(self, name) <= timedelta(0):
                raise _wrong(name, f"{name} must be longer than nothing.")
        if 2 * self.heartbeat > self.lease - self.margin:
            raise _wrong(
                "heartbeat", "Two heartbeats must fit into lease - margin, or one lost message ends a run."
            )
        if self.lost_after < self.lease:
            raise _wrong("lost_after", "lost_after must not be shorter than the lease.")
        waits = self.margin + self.grace
        needs = self.kill + self.pause + self.clock_rate_error * (self.lease - self.margin)
        if not waits > needs:
            raise _wrong(
                "grace",
                f"margin + grace ({waits.total_seconds():g} s) must be longer than kill + pause + clock-rate error x"
                f" (lease - margin) ({needs.total_seconds():g} s), or a run could be executed twice at a time.",
            )


def timed(seconds: Mapping[str, float]) -> Timing:
    """The usual times with some replaced, by name and in seconds. Invalid, naming the field, when they do not fit together."""
    for name in seconds:
        if name not in Timing.__struct_fields__:
            known = ", ".join(Timing.__struct_fields__)
            raise errors.Invalid(f"there is no time {name!r}; there are {known}", fields={name: "unknown"})
    values: dict[str, Any] = {name: timedelta(seconds=value) for name, value in seconds.items()}
    if "clock_rate_error" in seconds:
        values["clock_rate_error"] = seconds["clock_rate_error"]
    timing = msgspec.structs.replace(Timing(), **values)
    timing.check()
    return timing


def _wrong(field: str, sentence: str) -> errors.Invalid:
    return errors.Invalid(f"The timing is not safe. {sentence}", fields={field: sentence})


def runner_deadline(sent: float, timing: Timing) -> float:
    """The moment at which the supervisor must start to end its run, on its own monotonic clock in seconds.

    `sent` is when the last acknowledged `start` or heartbeat was *sent*: counted from its answer the deadline would
    lie later than the server believes.
    """
    return sent + (timing.lease - timing.margin).total_seconds()


def time_out_reserve(timing: Timing) -> timedelta:
    """How long a run's own processes have to end it at its time-out, before the server does."""
    return timing.kill + timing.grace


def lease_until(arrived: datetime, timing: Timing) -> datetime:
    """What a heartbeat that arrived at this moment renews the lease to."""
    return arrived + timing.lease


def amnesty_until(began: datetime, timing: Timing) -> datetime:
    """Until when no lease counts as over, after a start of the server, a database reconnect or a jump of its clock."""
    return began + timing.lease


def lease_over(now: datetime, lease_until: datetime | None, *, amnesty_until: datetime | None = None) -> bool:
    """True when the holder may not act any more. A lease that was never granted is over: it must not stick for ever."""
    return now >= _end(now, lease_until, amnesty_until)


def lease_and_grace_over(
    now: datetime, lease_until: datetime | None, timing: Timing, *, amnesty_until: datetime | None = None
) -> bool:
    """True when the holder's run process is gone, whatever happened to it: another may start."""
    return lease_over(now, lease_until, amnesty_until=amnesty_until) and (
        lease_until is None or now >= _end(now, lease_until, amnesty_until) + timing.grace
    )


def contact_lost(
    now: datetime,
    lease_until: datetime | None,
    timing: Timing,
    *,
    lost_after: timedelta | None = None,
    amnesty_until: datetime | None = None,
) -> bool:
    """True when nothing was heard of the holder for `lost_after` (the flow's own, else the timing's)."""
    wait = max(timing.lost_after if lost_after is None else lost_after, timing.lease)
    return lease_over(now, lease_until, amnesty_until=amnesty_until) and (
        lease_until is None or now >= _end(now, lease_until, amnesty_until) - timing.lease + wait
    )


def unreachable(
    state_type: states.StateType,
    now: datetime,
    lease_until: datetime | None,
    *,
    amnesty_until: datetime | None = None,
) -> bool:
    """True when a run is shown as Unreachable: user code may be running, and its lease is over. Derived, never stored."""
    holds_user_code = state_type in (states.StateType.RUNNING, states.StateType.CANCELLING)
    return holds_user_code and lease_over(now, lease_until, amnesty_until=amnesty_until)


def _end(now: datetime, lease_until: datetime | None, amnesty_until: datetime | None) -> datetime:
    ends = [moment for moment in (lease_until, amnesty_until) if moment is not None]
    return max(ends, default=now)
