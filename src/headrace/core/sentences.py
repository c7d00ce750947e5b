"""Schedules in words: what people read instead of `0 6 * * 1-5`."""

from datetime import datetime

from headrace.core import clocks, filters, zones
from headrace.core.schedules import Schedule

_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAY_NAMES = {name[:3].lower(): (number + 1) % 7 for number, name in enumerate(_WEEKDAYS)}
_MONTH_NAMES = {name[:3].lower(): number for number, name in enumerate(_MONTHS, 1)}
#: So many single times of day are written out.
_MOST_TIMES = 6


def title(schedule: Schedule) -> str:
    """A short name: `0 6 * * *`, `every 5 minutes`, `on 3 dates`."""
    names = [_title(clock) for clock in schedule.clocks]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def sentence(schedule: Schedule) -> str:
    """When it fires, for people: `At 06:00 on Monday to Friday, time of Europe/Berlin.`"""
    whole = "; or ".join(f"{_clock(clock)}{_zone(clock)}{_limits(clock)}" for clock in schedule.clocks)
    narrowed = "".join(f", {_filter(narrowing)}" for narrowing in schedule.filters)
    return f"{whole[0].upper()}{whole[1:]}{narrowed}."


def _title(clock: clocks.Clock) -> str:
    match clock:
        case clocks.CronClock():
            return clock.expression.strip()
        case clocks.IntervalClock():
            return f"every {duration(clock.every_seconds)}"
        case clocks.DatesClock():
            return f"on {_dates(len(clock.dates))}"
        case clocks.RRuleClock():
            return clock.rule


def _clock(clock: clocks.Clock) -> str:
    match clock:
        case clocks.CronClock():
            return cron(clock.expression)
        case clocks.IntervalClock():
            start = (
                "" if clock.start_at is None else f", counted from {_moment(clock.start_at, clock.timezone)}"
            )
            return f"every {duration(clock.every_seconds)}{start}"
        case clocks.DatesClock():
            shown = [_moment(date, clock.timezone) for date in sorted(clock.dates)[:3]]
            more = f" and {len(clock.dates) - 3} more" if len(clock.dates) > 3 else ""
            return f"at {', '.join(shown)}{more}"
        case clocks.RRuleClock():
            return f"by the rule {clock.rule}"


def _zone(clock: clocks.Clock) -> str:
    return ", UTC" if clock.timezone == "UTC" else f", time of {clock.timezone}"


def _limits(clock: clocks.Clock) -> str:
    start = (
        f", from {_moment(clock.start_at, clock.timezone)}"
        if clock.start_at is not None and not isinstance(clock, clocks.IntervalClock)
        else ""
    )
    return start + (f", until {_moment(clock.end_at, clock.timezone)}" if clock.end_at is not None else "")


def _moment(moment: datetime, timezone: str) -> str:
    return f"{zones.local(moment, zones.zone(timezone)):%Y-%m-%d %H:%M}"


def _filter(narrowing: filters.Filter) -> str:
    match narrowing:
        case filters.OnWeekdays(days):
            return f"only on {_joined([_WEEKDAYS[day] for day in days])}"
        case filters.OnDates(dates):
            return f"only on {_dates(len(dates))}"
        case filters.NotOnDates(dates):
            return f"not on {_dates(len(dates))}"
        case filters.OnMonthStarts():
            return "only on the first day of a month"
        case filters.OnMonthEnds():
            return "only on the last day of a month"
        case filters.BetweenTimes(start, end):
            return f"only between {start:%H:%M} and {end:%H:%M}"


def _dates(count: int) -> str:
    return f"{count} date{'s' if count > 1 else ''}"


def duration(seconds: int) -> str:
    """`5 minutes`, `minute`, `90 seconds`: the largest unit that needs no fraction; one of it is not counted."""
    units = (("week", _WEEK), ("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE))
    name, size = next(((name, size) for name, size in units if seconds % size == 0), ("second", 1))
    count = seconds // size
    return name if count == 1 else f"{count} {name}s"


def cron(expression: str) -> str:
    """A crontab expression in words: `at 06:00 on Monday to Friday`."""
    text = expression.strip()
    minute, hour, day, month, weekday = clocks.ALIASES.get(text.lower(), text).split()
    parts = [_times(minute, hour)]
    days, weekdays = _days(day), _weekdays(weekday)
    # as Vixie's cron: two lists are alternatives, with a `*` both must hold
    either = " or " if not day.startswith("*") and not weekday.startswith("*") else " and only "
    if days and weekdays:
        parts.append(f"{days}{either}{weekdays}")
    elif days or weekdays:
        parts.append(days or weekdays)
    if month != "*":
        parts.append(f"in {_list(month, _MONTHS, _MONTH_NAMES, 1)}")
    return " ".join(parts)


def _times(minute: str, hour: str) -> str:
    minutes, hours = minute.split(","), hour.split(",")
    if all(value.isdigit() for value in (*minutes, *hours)) and len(minutes) * len(hours) <= _MOST_TIMES:
        times = sorted((int(one), int(other)) for one in hours for other in minutes)
        return f"at {_joined([f'{one:02}:{other:02}' for one, other in times])}"
    if hour == "*":
        return _minutes(minute)
    return f"{_minutes(minute, of_hour=False)}, during {_steps(hour, 'hour')}"


def _minutes(minute: str, *, of_hour: bool = True) -> str:
    if minute == "*":
        return "every minute"
    if minute.startswith("*/"):
        return f"every {minute[2:]} minutes"
    hourly = " of every hour" if of_hour else ""
    return f"at {_steps(minute, 'minute')}{hourly}"


def _steps(field: str, unit: str) -> str:
    """A list of numbers, ranges and steps, as it is written: `hours 9 to 17`, `every 2nd hour`."""
    if field.startswith("*/"):
        return f"every {_ordinal(field[2:])} {unit}"
    shown: list[str] = []
    for part in field.split(","):
        whole, _, step = part.partition("/")
        shown.append(whole.replace("-", " to ") + (f" in steps of {step}" if step else ""))
    single = len(shown) == 1 and shown[0].isdigit()
    return f"{unit if single else unit + 's'} {_joined(shown)}"


def _days(day: str) -> str:
    if day in ("*", "?"):
        return ""
    if day.upper() == "L":
        return "on the last day of the month"
    if day.startswith("*/"):
        return f"on every {_ordinal(day[2:])} day of the month"
    parts = day.split(",")
    if all(part.isdigit() for part in parts):
        return f"on the {_joined([_ordinal(part) for part in parts])} of the month"
    return f"on {_steps(day, 'day')} of the month"


def _weekdays(weekday: str) -> str:
    return "" if weekday in ("*", "?") else f"on {_list(weekday, ('Sunday', *_WEEKDAYS), _DAY_NAMES, 0)}"


def _list(field: str, names: tuple[str, ...], numbers: dict[str, int], first: int) -> str:
    """Names for the numbers of a field: `Monday to Friday`, `January and July`."""

    def named(text: str) -> str:
        number = int(text) if text.isdigit() else numbers.get(text.lower())
        return text if number is None or number - first >= len(names) else names[number - first]

    shown: list[str] = []
    for part in field.split(","):
        whole, _, step = part.partition("/")
        day, _, nth = whole.partition("#")
        if nth:
            shown.append(f"the {_ordinal(nth) if nth.isdigit() else nth} {named(day)} of the month")
        elif len(day) > 1 and day[-1:].upper() == "L" and day[:-1].isdigit():
            shown.append(f"the last {named(day[:-1])} of the month")
        else:
            ends = [named(end) for end in whole.split("-")]
            shown.append(" to ".join(ends) + (f" in steps of {step}" if step else ""))
    return _joined(shown)


def _ordinal(text: str) -> str:
    number = int(text)
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
