"""F33: cron in every zone, three days around changes of its clocks from 2000 to 2040, against a walk over the minutes.

HEADRACE_NEMESIS=1 takes 100,000 cases, HEADRACE_CASES any number of them, HEADRACE_SEED others.
"""

import itertools
import os
import random
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from headrace.core import clocks

CASES = int(os.environ.get("HEADRACE_CASES", "100000" if os.environ.get("HEADRACE_NEMESIS") else "2000"))
SEED = int(os.environ.get("HEADRACE_SEED", "2000"))
#: Expressions tried on each window: the walk over its minutes is what takes the time.
EACH = 20
ZONES = sorted(name for name in zoneinfo.available_timezones() if name not in ("Factory", "localtime"))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Minute(NamedTuple):
    """A local minute, and the instant at which a clock fires for it."""

    minute: int
    hour: int
    day: int
    month: int
    weekday: int
    at: datetime


def change_in(zone: zoneinfo.ZoneInfo, start: datetime) -> datetime:
    """A change of the zone's clocks in the year after `start`; `start` itself where there is none."""
    for number in range(366):
        before, after = start + number * DAY, start + (number + 1) * DAY
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            return next(
                moment
                for moment in (before + step * MINUTE for step in range(1441))
                if moment.astimezone(zone).utcoffset() != before.astimezone(zone).utcoffset()
            )
    return start


def walk(zone: zoneinfo.ZoneInfo, start: datetime, end: datetime) -> list[Minute]:
    """Each local minute once: a missing one at the first minute after the gap, a repeated one at its first pass."""
    instant = start - 30 * HOUR
    shown = instant.astimezone(zone).replace(tzinfo=None)
    seen: set[datetime] = set()
    found: list[Minute] = []
    while instant <= end:
        now = instant.astimezone(zone).replace(tzinfo=None)
        while True:
            shown = min(shown + MINUTE, now) if shown < now else now
            if shown not in seen:
                seen.add(shown)
                found.append(
                    Minute(shown.minute, shown.hour, shown.day, shown.month, shown.isoweekday() % 7, instant)
                )
            if shown == now:
                break
        instant += MINUTE
    return [minute for minute in found if minute.at > start]


def field(chance: random.Random, low: int, high: int, any_of: float) -> tuple[str, frozenset[int]]:
    if chance.random() < any_of:
        return "*", frozenset(range(60))
    chosen = chance.sample(range(low, high + 1), chance.randint(1, 3))
    return ",".join(map(str, sorted(chosen))), frozenset(chosen)


@pytest.mark.timeout(120 + CASES // 20)
def test_cron_fires_as_the_minutes_say_in_every_zone() -> None:
    chance = random.Random(SEED)
    for _ in range(0, CASES, EACH):
        zone = zoneinfo.ZoneInfo(chance.choice(ZONES))
        near = change_in(zone, datetime(chance.randint(2000, 2040), 1, 1, tzinfo=UTC))
        start, end = near - 36 * HOUR, near + 36 * HOUR
        minutes = walk(zone, start, end)
        for _ in range(EACH):
            text, expected = wanted(chance, minutes)
            found = fired(clocks.CronClock(text, timezone=zone.key), start, end)
            assert found == (expected, expected[::-1]), f"{text!r} in {zone.key} around {near} (seed {SEED})"


def fired(clock: clocks.CronClock, start: datetime, end: datetime) -> tuple[list[datetime], list[datetime]]:
    """The clock's moments in the window, walked forward and back."""
    return (
        list(itertools.takewhile(lambda at: at <= end, clock.after(start))),
        list(itertools.takewhile(lambda at: at > start, clock.until(end))),
    )


def wanted(chance: random.Random, minutes: list[Minute]) -> tuple[str, list[datetime]]:
    """An expression, and when it must fire: from the same numbers, not from the text."""
    minute, in_minutes = field(chance, 0, 59, 0.02)
    hour, in_hours = field(chance, 0, 23, 0.25)
    day, on_days = field(chance, 1, 28, 0.7)
    month, in_months = field(chance, 1, 12, 0.9)
    weekday, on_weekdays = field(chance, 0, 6, 0.7)
    both = "*" in (day, weekday)
    instants = {
        one.at
        for one in minutes
        if one.minute in in_minutes
        and one.hour in in_hours
        and one.month in in_months
        and (
            (one.day in on_days and one.weekday in on_weekdays)
            if both
            else (one.day in on_days or one.weekday in on_weekdays)
        )
    }
    return f"{minute} {hour} {day} {month} {weekday}", sorted(instants)
