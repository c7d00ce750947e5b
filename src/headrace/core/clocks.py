"""Clocks: sources of times. Pure values, used on the wire and in the database as they are.

Each gives its moments after an instant, and back from one, as aware UTC datetimes, in bounded time however long ago it
started. How local times become instants over a change of daylight saving time is said in `zones.py`, once for all:
cron, RRULE and intervals of whole days follow the wall clock of the zone; other intervals follow UTC.
"""

import bisect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import cronsim
import msgspec

from headrace import errors
from headrace.core import recurrence, zones

#: No clock looks before or after these: far from the ends of `datetime`, so that no arithmetic falls off them.
FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(9000, 1, 1, tzinfo=UTC)

#: Where intervals and rules without a start are anchored: a Monday at midnight, local time.
ANCHOR = datetime(2001, 1, 1)  # noqa: DTZ001 - a local time; the clock's zone makes it an instant

_DAY = 86_400
_LONGEST_INTERVAL = 100 * 366 * _DAY
_LONGEST_EXPRESSION = 200
_TICK = timedelta(microseconds=1)

#: The names that crontab knows for whole expressions.
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class _Clock(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="clock",
):
    """What all clocks have. Moments lie between `start_at` and `end_at`, both included.

    `parameters` go over the flow's defaults; `labels`, when given, replace the flow's.
    """

    timezone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    parameters: dict[str, Any] = {}
    labels: list[str] | None = None

    def __post_init__(self) -> None:
        zones.zone(self.timezone)
        for field in ("start_at", "end_at"):
            _check_moment(field, getattr(self, field))
        if self.start_at is not None and self.end_at is not None and self.end_at < self.start_at:
            raise _invalid("end_at", f"lies before start_at: {self.end_at} < {self.start_at}")
        self._check()

    def _check(self) -> None:
        """Raise Invalid when the clock's own fields are wrong."""

    def _forward(self, after: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        """The ticks after the instant in order; a few earlier ones, and repeated ones, do no harm."""
        raise NotImplementedError

    def _backward(self, until: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        """The ticks at or before the instant, latest first; a few later ones, and repeated ones, do no harm."""
        raise NotImplementedError

    def after(self, instant: datetime) -> Iterator[datetime]:
        """The clock's moments later than the instant, in order."""
        return (tick.at for tick in self.ticks(instant))

    def until(self, instant: datetime) -> Iterator[datetime]:
        """The clock's moments at or before the instant, latest first."""
        return (tick.at for tick in self.ticks_back(instant))

    def ticks(self, after: datetime) -> Iterator[zones.Tick]:
        """As `after`, with what daylight saving time did to each moment."""
        last = max(_aware("after", after), FIRST, (self.start_at or FIRST) - _TICK)
        end = min(self.end_at or LAST, LAST)
        if last >= end:
            return
        for tick in self._forward(last, zones.zone(self.timezone)):
            if tick.at > end:
                return
            if tick.at > last:
                last = tick.at
                yield tick

    def ticks_back(self, until: datetime) -> Iterator[zones.Tick]:
        """As `until`, with what daylight saving time did to each moment."""
        until = min(_aware("until", until), self.end_at or LAST, LAST)
        start = max(self.start_at or FIRST, FIRST)
        if until < start:
            return
        bound = until + _TICK
        for tick in self._backward(until, zones.zone(self.timezone)):
            if tick.at < start:
                return
            if tick.at < bound:
                bound = tick.at
                yield tick

    def _anchor(self, zone: ZoneInfo) -> datetime:
        return self.start_at or zones.tick(ANCHOR, zone).at


class CronClock(_Clock, frozen=True, tag="cron"):
    """A crontab expression of five fields, or one of the `ALIASES`, on the wall clock of the zone.

    Fires once for each local minute that the expression names: where that minute is missing, at the first valid moment
    after the gap; where it comes twice, at the first of the two. As in Vixie's cron, days of the month and of the week
    are alternatives unless one of the two fields starts with `*`.
    """

    expression: str

    def _check(self) -> None:
        fields = self._fields()
        try:
            next(cronsim.CronSim(fields, ANCHOR))
        except StopIteration:
            raise _invalid("expression", f"{self.expression!r} never fires") from None
        # cronsim asserts and compares what it has not checked, as in "0 0 * * 1#2-3"
        except (cronsim.CronSimError, AssertionError, TypeError, ValueError) as error:
            what = str(error) if isinstance(error, cronsim.CronSimError) else "cannot be understood"
            raise _invalid(
                "expression",
                f"{self.expression!r}: {what}. The fields are minute hour day-of-month month day-of-week",
            ) from None

    def _fields(self) -> str:
        text = self.expression.strip()
        if text.startswith("@"):
            if text.lower() not in ALIASES:
                raise _invalid("expression", f"{text!r} is not one of {', '.join(ALIASES)}")
            return ALIASES[text.lower()]
        count = len(text.split())
        if count != 5 or len(text) > _LONGEST_EXPRESSION:
            raise _invalid(
                "expression",
                f"{text[:_LONGEST_EXPRESSION]!r} has {count} fields, not five (minute hour day-of-month month"
                " day-of-week); for times less than a minute apart use an interval",
            )
        return text

    def _forward(self, after: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        # cronsim walks local times without zone: given a zone it fires expressions with `*` in minute or hour in both
        # passes of a fold, and others not always at the first moment after a gap
        for wanted in cronsim.CronSim(self._fields(), zones.local(after, zone)):
            yield zones.tick(wanted, zone)

    def _backward(self, until: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        upper = zones.latest_local(until, zone).replace(microsecond=0) + timedelta(seconds=1)
        for wanted in cronsim.CronSim(self._fields(), upper, reverse=True):
            yield zones.tick(wanted, zone)


class IntervalClock(_Clock, frozen=True, tag="interval"):
    """Every so many seconds from `start_at` (without one: from Monday 2001-01-01, midnight in the zone).

    Whole days keep the local time of the start over daylight saving time; anything else is counted in UTC.
    """

    every_seconds: int

    def _check(self) -> None:
        if not 1 <= self.every_seconds <= _LONGEST_INTERVAL:
            raise _invalid(
                "every_seconds", f"must be from 1 to {_LONGEST_INTERVAL}, not {self.every_seconds}"
            )

    def _forward(self, after: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        count = max(0, self._count(after, zone) - 1)
        while True:
            yield self._nth(count, zone)
            count += 1

    def _backward(self, until: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        for count in range(self._count(until, zone) + 1, -1, -1):
            yield self._nth(count, zone)

    def _count(self, instant: datetime, zone: ZoneInfo) -> int:
        """How many intervals fit between the start and the instant; over a fold the next may lie before it, too."""
        anchor, step = self._anchor(zone), timedelta(seconds=self.every_seconds)
        if self.every_seconds % _DAY:
            return (instant - anchor) // step
        return (zones.local(instant, zone) - zones.local(anchor, zone)) // step

    def _nth(self, count: int, zone: ZoneInfo) -> zones.Tick:
        anchor, passed = self._anchor(zone), timedelta(seconds=self.every_seconds * count)
        if count == 0 or self.every_seconds % _DAY:
            return zones.Tick(anchor.astimezone(UTC) + passed)
        return zones.tick(zones.local(anchor, zone) + passed, zone)


class DatesClock(_Clock, frozen=True, tag="dates"):
    """The given moments, in any order. The zone is only the one in which filters look at them."""

    dates: tuple[datetime, ...]

    def _check(self) -> None:
        if not self.dates:
            raise _invalid("dates", "give at least one date")
        for number, date in enumerate(self.dates):
            _check_moment(f"dates[{number}]", date)

    def _sorted(self) -> list[datetime]:
        return sorted(date.astimezone(UTC) for date in self.dates)

    def _forward(self, after: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        dates = self._sorted()
        return map(zones.Tick, dates[bisect.bisect_right(dates, after) :])

    def _backward(self, until: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        dates = self._sorted()
        return map(zones.Tick, reversed(dates[: bisect.bisect_right(dates, until)]))


class RRuleClock(_Clock, frozen=True, tag="rrule"):
    """An RFC 5545 recurrence rule like `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18` on the wall clock of the zone.

    `start_at` is the rule's DTSTART: it gives the phase and what the rule leaves open, the time of day for example.
    Gaps and folds are treated as for cron, for rules of hours and minutes too.
    """

    rule: str

    def _check(self) -> None:
        parts = recurrence.parse(self.rule)
        zone = zones.zone(self.timezone)
        first = self._forward(self._anchor(zone) - timedelta(seconds=1), zone)
        if not recurrence.has_days(parts) or next(first, None) is None:
            raise _invalid("rule", f"{self.rule!r} never fires")

    def _forward(self, after: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        start = zones.local(self._anchor(zone), zone)
        for wanted in recurrence.forward(self._parts(zone), start, zones.local(after, zone)):
            yield zones.tick(wanted, zone)

    def _backward(self, until: datetime, zone: ZoneInfo) -> Iterator[zones.Tick]:
        start = zones.local(self._anchor(zone), zone)
        for wanted in recurrence.backward(self._parts(zone), start, zones.latest_local(until, zone)):
            yield zones.tick(wanted, zone)

    def _parts(self, zone: ZoneInfo) -> dict[str, str]:
        return recurrence.in_local_time(recurrence.parse(self.rule), zone)


Clock = CronClock | IntervalClock | DatesClock | RRuleClock


def _check_moment(field: str, moment: datetime | None) -> None:
    if moment is None:
        return
    _aware(field, moment)
    if not FIRST <= moment <= LAST:
        raise _invalid(field, f"must lie between the years {FIRST.year} and {LAST.year}, not {moment}")


def _aware(field: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise _invalid(field, f"{moment} has no time zone: give an aware datetime")
    return moment


def _invalid(field: str, problem: str) -> errors.Invalid:
    return errors.Invalid(f"The clock's {field} is wrong: {problem}.", fields={field: problem})
