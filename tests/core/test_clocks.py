"""Clocks against an oracle that walks the minutes of a few days, and knows nothing of cronsim or dateutil.

HEADRACE_CLOCK_CASES=100000 makes the walk longer.
"""

import itertools
import os
import zoneinfo
from datetime import UTC, datetime, timedelta

import dateutil.rrule
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace import errors
from headrace.core import clocks, zones

CASES = int(os.environ.get("HEADRACE_CLOCK_CASES", "50"))
thorough = settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))

ZONES = sorted(name for name in zoneinfo.available_timezones() if name not in ("Factory", "localtime"))
MINUTE = timedelta(minutes=1)


def naive(*parts):
    return utc(*parts).replace(tzinfo=None)


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def take(moments, count):
    return list(itertools.islice(moments, count))


def next_change(zone, instant):
    """The first instant within two years at which the zone's offset changes, to the second, or None."""
    offset = instant.astimezone(zone).utcoffset()
    for _ in range(2 * 366):
        later = instant + timedelta(days=1)
        if later.astimezone(zone).utcoffset() != offset:
            while later - instant > timedelta(seconds=1):
                middle = instant + timedelta(seconds=(later - instant).total_seconds() // 2)
                if middle.astimezone(zone).utcoffset() == offset:
                    instant = middle
                else:
                    later = middle
            return later
        instant = later
    return None


@st.composite
def windows(draw):
    """A zone and an instant at or near a change of its clocks. Offsets have been whole minutes since 1973."""
    zone = zoneinfo.ZoneInfo(draw(st.sampled_from(ZONES)))
    anywhere = utc(1973, 1, 1) + timedelta(minutes=draw(st.integers(0, 64 * 365 * 1440)))
    change = next_change(zone, anywhere)
    near = anywhere if change is None else change - timedelta(minutes=draw(st.integers(-90, 1500)))
    return zone, near.replace(second=0, microsecond=0)


@st.composite
def cron_fields(draw):
    """(text, matcher): the matcher is made from the same numbers, not from the text."""

    def field(low, high):
        if draw(st.booleans()):
            return "*", set(range(60))
        chosen = draw(st.sets(st.integers(low, high), min_size=1, max_size=4))
        return ",".join(map(str, sorted(chosen))), chosen

    (minute, minutes), (hour, hours) = field(0, 59), field(0, 23)
    (day, days), (month, months), (weekday, weekdays) = field(1, 28), field(1, 12), field(0, 6)

    def matches(local):
        by_day, by_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        on_day = (by_day and by_weekday) if "*" in (day, weekday) else (by_day or by_weekday)
        return local.minute in minutes and local.hour in hours and local.month in months and on_day

    return f"{minute} {hour} {day} {month} {weekday}", matches


def walk(zone, matches, start, end):
    """The oracle: each local minute once. A missing one counts at the first minute after, a repeated one at the first."""
    fired, seen = [], set()
    shown = (start - timedelta(hours=30)).astimezone(zone).replace(tzinfo=None)
    instant = start - timedelta(hours=30)
    while instant <= end:
        now = instant.astimezone(zone).replace(tzinfo=None)
        passed = [now - MINUTE * missing for missing in range(max(1, (now - shown) // MINUTE))]
        if start < instant and any(local not in seen and matches(local) for local in passed):
            fired.append(instant)
        seen.update(passed)
        shown = now
        instant += MINUTE
    return fired


@thorough
@given(windows(), cron_fields())
def test_cron_fires_once_for_each_local_minute(window, fields):
    (zone, start), (text, matches) = window, fields
    end = start + timedelta(days=2)
    clock = clocks.CronClock(text, timezone=zone.key)
    expected = walk(zone, matches, start, end)
    assert list(itertools.takewhile(lambda at: at <= end, clock.after(start))) == expected
    assert list(itertools.takewhile(lambda at: at > start, clock.until(end))) == expected[::-1]


@thorough
@given(windows(), st.integers(1, 9), st.integers(0, 400), st.integers(0, 1439))
def test_intervals_of_days_follow_local_time(window, days, ago, minute):
    zone, near = window
    first = zones.local(near - timedelta(days=ago), zone).replace(hour=minute // 60, minute=minute % 60)
    start = zones.tick(first, zone).at
    assume(zones.local(start, zone) == first)
    clock = clocks.IntervalClock(days * 86_400, timezone=zone.key, start_at=start)

    def due(local):
        passed = (local - first) // timedelta(days=1)
        return local >= first and local.time() == first.time() and passed % days == 0

    expected = walk(zone, due, max(near, start - MINUTE), near + timedelta(days=2))
    found = itertools.takewhile(lambda at: at <= near + timedelta(days=2), clock.after(near))
    assert list(found) == expected


@thorough
@given(windows(), st.integers(1, 200_000), st.integers(0, 10**9))
def test_other_intervals_follow_utc(window, every, ago):
    zone, near = window
    assume(every % 86_400)
    start = near - timedelta(seconds=ago)
    clock = clocks.IntervalClock(every, timezone=zone.key, start_at=start)
    first = start + timedelta(seconds=every) * ((near - start) // timedelta(seconds=every) + 1)
    assert take(clock.after(near), 3) == [first + timedelta(seconds=every * n) for n in range(3)]
    back = take(clock.until(near), 3)
    assert back == [
        first - timedelta(seconds=every * n)
        for n in (1, 2, 3)
        if first - timedelta(seconds=every * n) >= start
    ]


@st.composite
def rules(draw):
    frequency = draw(st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 20))}"]
    extra = ["BYDAY=MO,TH", "BYMONTH=2,7", "BYMONTHDAY=1,15,-1", "BYHOUR=3,4,5,6,7,8"]
    if frequency in ("YEARLY", "MONTHLY"):
        extra += ["BYDAY=-1FR", "BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"]
    chosen = draw(st.lists(st.sampled_from(extra), max_size=2, unique_by=lambda part: part.split("=")[0]))
    return ";".join(parts + chosen)


@thorough
@given(
    rules(),
    st.datetimes(naive(1999, 1, 1), naive(2003, 1, 1)),
    st.integers(0, 6 * 365 * 24),
)
def test_a_rule_moved_forward_is_the_rule_from_its_start(text, start, hours):
    start = start.replace(microsecond=0)
    by_day = not any(word in text for word in ("YEARLY", "MONTHLY", "WEEKLY"))
    after = start + timedelta(hours=hours % (24 * 60) if by_day else hours)
    horizon = after + timedelta(days=366 * (2 if by_day else 30))
    try:
        plain = dateutil.rrule.rrulestr(f"{text};UNTIL={horizon:%Y%m%dT%H%M%S}", dtstart=start)
    except ValueError:
        assume(False)
    try:
        clock = clocks.RRuleClock(text, start_at=start.replace(tzinfo=UTC))
    except errors.Invalid:
        assert next(iter(plain), None) is None
        return
    expected = [moment.replace(tzinfo=UTC) for moment in take(plain.xafter(after), 4)]
    assert take(clock.after(after.replace(tzinfo=UTC)), len(expected)) == expected
    before = [
        moment.replace(tzinfo=UTC) for moment in itertools.takewhile(lambda moment: moment <= after, plain)
    ][-4:]
    assert take(clock.until(after.replace(tzinfo=UTC)), len(before)) == before[::-1]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected", "dst"),
    [
        ("30 2 * * *", "America/New_York", utc(2026, 3, 8), utc(2026, 3, 8, 7), "gap"),
        ("30 1 * * *", "America/New_York", utc(2026, 11, 1), utc(2026, 11, 1, 5, 30), "fold"),
        ("30 1 * * *", "America/New_York", utc(2026, 11, 1, 5, 30), utc(2026, 11, 2, 6, 30), None),
        ("0 * * * *", "America/New_York", utc(2026, 11, 1, 5), utc(2026, 11, 1, 7), None),
        ("0 0 * * *", "America/Santiago", utc(2026, 9, 6, 3, 59), utc(2026, 9, 6, 4), "gap"),
        ("0 9 * * *", "Pacific/Apia", utc(2011, 12, 29, 23), utc(2011, 12, 30, 10), "gap"),
        ("15 2 * * *", "Australia/Lord_Howe", utc(2026, 10, 3, 14), utc(2026, 10, 3, 15, 30), "gap"),
        ("0 6 * * *", "Asia/Kolkata", utc(2026, 1, 1), utc(2026, 1, 1, 0, 30), None),
        ("@hourly", "UTC", utc(2026, 1, 1, 0, 0, 1), utc(2026, 1, 1, 1), None),
        ("0 0 29 2 *", "UTC", utc(2096, 3, 1), utc(2104, 2, 29), None),
        ("0 0 L * *", "UTC", utc(2026, 2, 1), utc(2026, 2, 28), None),
        ("0 0 * * MON#1", "UTC", utc(2026, 11, 2), utc(2026, 12, 7), None),
    ],
)
def test_cron_over_known_changes(expression, zone, after, expected, dst):
    tick = next(clocks.CronClock(expression, timezone=zone).ticks(after))
    assert (tick.at, tick.dst) == (expected, dst)


def test_every_moment_is_aware_utc():
    for clock in (
        clocks.CronClock("@daily", timezone="Asia/Tokyo"),
        clocks.IntervalClock(86_400, timezone="Asia/Tokyo"),
    ):
        assert next(clock.after(utc(2026, 1, 1))).tzinfo is UTC


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 30 2 *", "day-of-month"),
        ("* * * *", "4 fields"),
        ("* * * * * *", "interval"),
        ("61 * * * *", "Bad minute"),
        ("0 0 * * 1#2-3", "expression"),
        ("0 0 * * #", "expression"),
        ("@often", "@hourly"),
        ("", "0 fields"),
        ("0 0 * * " + "1," * 200, "five"),
    ],
)
def test_a_wrong_expression_is_refused(expression, words):
    with pytest.raises(errors.Invalid, match=words) as caught:
        clocks.CronClock(expression)
    assert list(caught.value.fields) == ["expression"]


@thorough
@given(st.lists(st.text("0123456789*,-/#LWMONJA²", max_size=7), min_size=5, max_size=5))
def test_no_text_breaks_the_parser(fields):
    try:
        clock = clocks.CronClock(" ".join(fields))
    except errors.Invalid:
        return
    assert next(clock.after(utc(2026, 1, 1))) > utc(2026, 1, 1)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: clocks.IntervalClock(0), "every_seconds"),
        (lambda: clocks.IntervalClock(10**12), "every_seconds"),
        (lambda: clocks.IntervalClock(60, timezone="Europe/Berlim"), "timezone"),
        (lambda: clocks.IntervalClock(60, timezone="../../etc/passwd"), "timezone"),
        (lambda: clocks.IntervalClock(60, start_at=naive(2026, 1, 1)), "start_at"),
        (lambda: clocks.IntervalClock(60, end_at=utc(9999, 1, 1)), "end_at"),
        (lambda: clocks.IntervalClock(60, start_at=utc(2026, 1, 2), end_at=utc(2026, 1, 1)), "end_at"),
        (lambda: clocks.DatesClock(()), "dates"),
        (lambda: clocks.DatesClock((utc(2026, 1, 1), naive(2026, 1, 1))), "dates[1]"),
        (lambda: clocks.RRuleClock("FREQ=SECONDLY"), "rule"),
        (lambda: clocks.RRuleClock("FREQ=DAILY;BYDAYS=MO"), "rule"),
        (lambda: clocks.RRuleClock("FREQ=DAILY;BYDAY=XX"), "rule"),
        (lambda: clocks.RRuleClock("FREQ=DAILY;INTERVAL=0"), "rule"),
        (lambda: clocks.RRuleClock("FREQ=DAILY;COUNT=2;UNTIL=20300101"), "rule"),
        (lambda: clocks.RRuleClock("FREQ=DAILY;UNTIL=soon"), "rule"),
        (lambda: clocks.RRuleClock("DTSTART:20260101T000000\nRRULE:FREQ=DAILY"), "rule"),
        (lambda: clocks.RRuleClock("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), "rule"),
        (lambda: clocks.RRuleClock(""), "rule"),
    ],
)
def test_a_wrong_clock_is_refused_with_the_field(make, field):
    with pytest.raises(errors.Invalid) as caught:
        make()
    assert list(caught.value.fields) == [field]


def test_a_wrong_time_zone_suggests():
    with pytest.raises(errors.Invalid, match="Europe/Berlin"):
        clocks.IntervalClock(60, timezone="Europe/Berlim")


def test_start_and_end_are_included():
    clock = clocks.IntervalClock(3600, start_at=utc(2026, 1, 1), end_at=utc(2026, 1, 1, 2))
    assert list(clock.after(utc(2000, 1, 1))) == [utc(2026, 1, 1, hour) for hour in range(3)]
    assert list(clock.until(utc(2030, 1, 1))) == [utc(2026, 1, 1, hour) for hour in (2, 1, 0)]


def test_dates_come_in_order_and_once():
    clock = clocks.DatesClock((utc(2026, 1, 3), utc(2026, 1, 1), utc(2026, 1, 3), utc(2026, 1, 2)))
    assert list(clock.after(utc(2026, 1, 1))) == [utc(2026, 1, 2), utc(2026, 1, 3)]
    assert list(clock.until(utc(2026, 1, 2))) == [utc(2026, 1, 2), utc(2026, 1, 1)]


def test_a_rule_follows_the_wall_clock():
    clock = clocks.RRuleClock(
        "RRULE:freq=daily;byhour=2;byminute=30", timezone="America/New_York", start_at=utc(2026, 3, 7)
    )
    assert take(clock.after(utc(2026, 3, 7, 12)), 2) == [utc(2026, 3, 8, 7), utc(2026, 3, 9, 6, 30)]


def test_count_is_counted_from_the_start():
    clock = clocks.RRuleClock("FREQ=DAILY;COUNT=3", start_at=utc(2026, 1, 1, 6))
    assert list(clock.after(utc(2026, 1, 1, 6))) == [utc(2026, 1, 2, 6), utc(2026, 1, 3, 6)]
    assert list(clock.until(utc(2027, 1, 1))) == [utc(2026, 1, day, 6) for day in (3, 2, 1)]


@pytest.mark.parametrize(
    ("until", "last"), [("20260103T050000Z", 3), ("20260103T050000", 2), ("20260104", 3)]
)
def test_until_is_read_as_it_is_written(until, last):
    """In New York 05:00 UTC is midnight."""
    clock = clocks.RRuleClock(
        f"FREQ=DAILY;UNTIL={until};BYHOUR={0 if until.endswith('Z') else 12};BYMINUTE=0;BYSECOND=0",
        timezone="America/New_York",
        start_at=utc(2026, 1, 1, 5),
    )
    found = [at.astimezone(zoneinfo.ZoneInfo("America/New_York")).day for at in clock.after(utc(2026, 1, 1))]
    assert found[-1] == last


@pytest.mark.parametrize("rule", ["FREQ=MONTHLY", "FREQ=YEARLY;INTERVAL=2"])
def test_what_the_start_stands_for_is_kept_when_it_is_moved(rule):
    clock = clocks.RRuleClock(rule, start_at=utc(2000, 1, 31, 6))
    moments = take(clock.after(utc(2050, 2, 1)), 3)
    assert all((moment.day, moment.hour) == (31, 6) for moment in moments)


@pytest.mark.parametrize(
    "clock",
    [
        clocks.CronClock("*/5 * * * *", timezone="Europe/Berlin", parameters={"a": [1]}, labels=["x"]),
        clocks.IntervalClock(3600, start_at=utc(2026, 1, 1)),
        clocks.DatesClock((utc(2026, 1, 1),)),
        clocks.RRuleClock("FREQ=DAILY", end_at=utc(2030, 1, 1)),
    ],
)
def test_a_clock_crosses_the_wire_as_it_is(clock):
    assert msgspec.json.decode(msgspec.json.encode(clock), type=clocks.Clock) == clock


def test_a_wrong_clock_from_the_wire_is_refused():
    with pytest.raises(errors.Invalid, match="fields"):
        msgspec.json.decode(b'{"clock":"cron","expression":"nonsense"}', type=clocks.Clock)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"clock":"sundial"}', type=clocks.Clock)


@pytest.mark.parametrize(
    "clock",
    [
        clocks.CronClock("*/5 * * * *", timezone="Europe/Berlin"),
        clocks.IntervalClock(1),
        clocks.IntervalClock(86_400, timezone="Europe/Berlin"),
        clocks.RRuleClock("FREQ=MINUTELY", timezone="Europe/Berlin"),
    ],
)
def test_clocks_end_quietly_at_the_ends_of_time(clock):
    for instant in (
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        clocks.LAST,
        clocks.FIRST,
    ):
        take(clock.after(instant), 2)
        take(clock.until(instant), 2)


def test_a_naive_instant_is_refused():
    with pytest.raises(errors.Invalid, match="time zone"):
        take(clocks.IntervalClock(60).after(naive(2026, 1, 1)), 1)
