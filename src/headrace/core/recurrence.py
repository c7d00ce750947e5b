"""RFC 5545 recurrence rules over local times, in bounded time however long ago the rule started.

The work is python-dateutil's, which always walks from the rule's start. Here the start is first moved forward by whole
periods, with what it stood for (the day of the month …) written into the rule.
"""

import difflib
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from headrace import errors
from headrace.core import zones

#: A rule is taken to have ended when it does not fire for so long: a leap day on a given weekday is 40 years away.
PATIENCE = timedelta(days=50 * 366)

_LONGEST_RULE = 1_000
_MOST = 10_000
_KEYS = (
    *("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS", "BYMONTH", "BYMONTHDAY", "BYYEARDAY"),
    *("BYWEEKNO", "BYDAY", "BYEASTER", "BYHOUR", "BYMINUTE", "BYSECOND"),
)
_DAY_KEYS = ("BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYEASTER")
#: The length of one period, for months and years the longest one.
_PERIODS = {
    "YEARLY": timedelta(days=366),
    "MONTHLY": timedelta(days=31),
    "WEEKLY": timedelta(days=7),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
    "MINUTELY": timedelta(minutes=1),
}


def parse(text: str) -> dict[str, str]:
    """The parts of a rule, checked: `FREQ=DAILY;BYHOUR=6` with or without `RRULE:` before it. Invalid otherwise."""
    body = text.strip().upper().removeprefix("RRULE:")
    if len(body) > _LONGEST_RULE or "\n" in body or "DTSTART" in body:
        raise _invalid(text, "give one rule without DTSTART; its start is a field of its own")
    parts: dict[str, str] = {}
    for part in body.rstrip(";").split(";"):
        key, _, value = part.partition("=")
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise _invalid(text, f"unknown part {part!r}" + (f": did you mean {near[0]}?" if near else ""))
        if not value or key in parts:
            raise _invalid(text, f"{key} is given twice" if value else f"{key} has no value")
        parts[key] = value
    if parts.get("FREQ") not in _PERIODS:
        raise _invalid(text, f"FREQ must be one of {', '.join(_PERIODS)}; for seconds use an interval")
    for key in ("INTERVAL", "COUNT"):
        if key in parts and not (parts[key].isdecimal() and 1 <= int(parts[key][:9]) <= _MOST):
            raise _invalid(text, f"{key} must be from 1 to {_MOST}, not {parts[key]}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise _invalid(text, "give COUNT or UNTIL, not both")
    if "UNTIL" in parts:
        _moment(parts["UNTIL"], text)
    try:
        _rule({**parts, "UNTIL": "20010102T000000"}, datetime(2001, 1, 1))  # noqa: DTZ001 - local
    # dateutil checks by using: a wrong weekday is a KeyError, a wrong number a ValueError or an IndexError
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise _invalid(text, str(error) or "it cannot be understood") from None
    return parts


def has_days(parts: dict[str, str]) -> bool:
    """Whether any day passes the rule's filters on days.

    dateutil walks a rule that never fires to the year 9999: day by day for ten seconds, but year by year for one.
    """
    if parts["FREQ"] in ("YEARLY", "MONTHLY", "WEEKLY"):
        return True
    filters = {key: value for key, value in parts.items() if key == "BYMONTH" or key in _DAY_KEYS}
    if "BYDAY" in filters:  # below weeks "the second Monday" is any Monday
        filters["BYDAY"] = ",".join(day[-2:] for day in filters["BYDAY"].split(","))
    if not set(filters) - {"BYMONTH"}:
        return True
    return next(iter(_rule({"FREQ": "YEARLY", **filters}, datetime(2001, 1, 1))), None) is not None  # noqa: DTZ001 - local


def in_local_time(parts: dict[str, str], zone: ZoneInfo) -> dict[str, str]:
    """The rule with an UNTIL that is given in UTC turned into a local time."""
    until = parts.get("UNTIL", "")
    if not until.endswith("Z"):
        return parts
    moment = zones.local(_moment(until, until).replace(tzinfo=UTC), zone)
    return {**parts, "UNTIL": _stamp(moment)}


def forward(parts: dict[str, str], start: datetime, after: datetime) -> Iterator[datetime]:
    """Local times of the rule later than `after` in order, until it stays silent for too long."""
    if "COUNT" in parts:
        yield from itertools.dropwhile(lambda moment: moment <= after, _counted(parts, start))
        return
    while True:
        found = None
        for found in _between(parts, start, after, after + PATIENCE):
            yield found
        if found is None:
            return
        after = found


def backward(parts: dict[str, str], start: datetime, until: datetime) -> Iterator[datetime]:
    """Local times of the rule at or before `until`, latest first, until it was silent for too long."""
    if "COUNT" in parts:
        yield from reversed(list(itertools.takewhile(lambda moment: moment <= until, _counted(parts, start))))
        return
    span = _PERIODS[parts["FREQ"]] * int(parts.get("INTERVAL", "1"))
    high = latest = until
    while high >= start and latest - high <= PATIENCE:
        low = high - min(span, high - start + timedelta(seconds=1))
        found = list(_between(parts, start, low, high))
        yield from reversed(found)
        if found:
            latest = found[0]
        # a growing window finds rare moments in few steps, and lists no more than twice what is asked for
        high, span = low, span * 2


def _counted(parts: dict[str, str], start: datetime) -> Iterator[datetime]:
    """All local times of a rule with COUNT, which has to be walked from its start."""
    endless = {key: value for key, value in parts.items() if key != "COUNT"}
    return itertools.islice(forward(endless, start, start - timedelta(seconds=1)), int(parts["COUNT"]))


def _between(parts: dict[str, str], start: datetime, after: datetime, end: datetime) -> Iterator[datetime]:
    """Local times of the rule later than `after` and at most `end`, found from a start moved close to `after`."""
    if "UNTIL" in parts:
        end = min(end, _moment(parts["UNTIL"], parts["UNTIL"]))
    moved, near = _moved(parts, start, after)
    rule = _rule({**moved, "UNTIL": _stamp(end)}, near)
    return itertools.dropwhile(lambda moment: moment <= after, rule)


def _moved(parts: dict[str, str], start: datetime, after: datetime) -> tuple[dict[str, str], datetime]:
    """The same rule from a start that is at most two periods before `after`."""
    interval, frequency = int(parts.get("INTERVAL", "1")), parts["FREQ"]
    if frequency not in ("YEARLY", "MONTHLY"):
        period = _PERIODS[frequency] * interval
        return parts, start + period * max(0, (after - start) // period - 1)
    months = interval * (12 if frequency == "YEARLY" else 1)
    passed = (after.year - start.year) * 12 + after.month - start.month
    periods = passed // months - 1
    if periods < 1:
        return parts, start
    implied: dict[str, str] = {}
    if not any(key in parts for key in _DAY_KEYS):
        implied["BYMONTHDAY"] = str(start.day)
        if frequency == "YEARLY" and "BYMONTH" not in parts:
            implied["BYMONTH"] = str(start.month)
    month = (start.month - 1 if frequency == "MONTHLY" else 0) + periods * months
    return {**parts, **implied}, start.replace(year=start.year + month // 12, month=month % 12 + 1, day=1)


def _rule(parts: dict[str, str], start: datetime) -> Any:
    import dateutil.rrule  # takes longer to import than all the rest of core, and few schedules need it

    usable = {key: value for key, value in parts.items() if key != "COUNT"}
    text = ";".join(f"{key}={value}" for key, value in usable.items())
    return dateutil.rrule.rrulestr(text, dtstart=start)


def _moment(until: str, text: str) -> datetime:
    for shape in ("%Y%m%d", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ"):
        try:
            return datetime.strptime(until, shape)  # noqa: DTZ007 - local, or UTC as the last letter says
        except ValueError:
            continue
    raise _invalid(text, f"UNTIL must look like 20301231T235959Z, not {until}")


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}"


def _invalid(text: str, problem: str) -> errors.Invalid:
    return errors.Invalid(
        f"The recurrence rule {text[:_LONGEST_RULE]!r} is wrong: {problem}.", fields={"rule": problem}
    )
