"""Filters narrow a schedule: they look at a firing's local time and keep it or not.

A filter answers with the nearest local time that it keeps, so that a schedule jumps over what is refused instead of
trying each moment. Filters on days keep or refuse whole days.
"""

from datetime import date, datetime, time, timedelta

import msgspec

from headrace import errors

_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)


class _Filter(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="filter"
):
    """A filter on days; one on anything else has its own `forward` and `backward`."""

    def keeps_day(self, day: date) -> bool:
        """Whether firings of this local day are kept."""
        raise NotImplementedError

    def forward(self, moment: datetime) -> datetime:
        """The moment itself when it is kept, else the next one worth a try."""
        return moment if self.keeps_day(moment.date()) else _midnight(moment) + _DAY

    def backward(self, moment: datetime) -> datetime:
        """The moment itself when it is kept, else the last one before it that is worth a try."""
        return moment if self.keeps_day(moment.date()) else _midnight(moment) - _TICK


class OnWeekdays(_Filter, frozen=True, tag="on_weekdays"):
    """Only on these days of the week: 0 is Monday, 6 Sunday; without any, Monday to Friday."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self) -> None:
        if not self.days or any(day not in range(7) for day in self.days):
            raise _invalid("days", f"must be numbers from 0 (Monday) to 6 (Sunday), not {list(self.days)}")

    def keeps_day(self, day: date) -> bool:
        return day.weekday() in self.days


class OnDates(_Filter, frozen=True, tag="on_dates"):
    """Only on these local dates."""

    dates: tuple[date, ...]

    def __post_init__(self) -> None:
        if not self.dates:
            raise _invalid("dates", "give at least one date")

    def keeps_day(self, day: date) -> bool:
        return day in self.dates


class NotOnDates(_Filter, frozen=True, tag="not_on_dates"):
    """Never on these local dates: holidays, for example."""

    dates: tuple[date, ...]

    def keeps_day(self, day: date) -> bool:
        return day not in self.dates


class OnMonthStarts(_Filter, frozen=True, tag="on_month_starts"):
    """Only on the first day of a month."""

    def keeps_day(self, day: date) -> bool:
        return day.day == 1


class OnMonthEnds(_Filter, frozen=True, tag="on_month_ends"):
    """Only on the last day of a month."""

    def keeps_day(self, day: date) -> bool:
        return (day + _DAY).day == 1


class BetweenTimes(_Filter, frozen=True, tag="between_times"):
    """Only from `start` to `end` local time, both included; over midnight when `end` is earlier than `start`."""

    start: time
    end: time

    def __post_init__(self) -> None:
        for field, value in (("start", self.start), ("end", self.end)):
            if value.tzinfo is not None:
                raise _invalid(
                    field, f"{value} has a time zone; the clock's own is used: give a time without one"
                )

    def keeps_day(self, day: date) -> bool:
        return True

    def _keeps(self, moment: datetime) -> bool:
        shown = moment.time()
        if self.start <= self.end:
            return self.start <= shown <= self.end
        return shown >= self.start or shown <= self.end

    def forward(self, moment: datetime) -> datetime:
        if self._keeps(moment):
            return moment
        start = datetime.combine(moment.date(), self.start)
        return start if start > moment else start + _DAY

    def backward(self, moment: datetime) -> datetime:
        if self._keeps(moment):
            return moment
        end = datetime.combine(moment.date(), self.end)
        return end if end < moment else end - _DAY


Filter = OnWeekdays | OnDates | NotOnDates | OnMonthStarts | OnMonthEnds | BetweenTimes


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time())


def _invalid(field: str, problem: str) -> errors.Invalid:
    return errors.Invalid(f"The filter's {field} is wrong: {problem}.", fields={field: problem})
