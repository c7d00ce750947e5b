"""Schedules: when the runs of a flow are made, and what is done about firings that were missed.

A schedule is one or more clocks narrowed by filters. `upcoming` and `missed` are arithmetic: they take the time as an
argument and need bounded time, however long the gap. Two firings at one instant are one unless they differ in parameters
or labels; `Firing.key` is what makes a run unique within its schedule.
"""

import difflib
import enum
import hashlib
import heapq
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from headrace import errors
from headrace.core import clocks, filters, labels, limits, states, zones

#: The most runs that one catch-up makes: the latest ones.
CATCH_UP_LIMIT = 1_000
#: A filter that refuses so many moments of a clock in a row is taken to refuse all: eleven years of a daily clock.
_REFUSALS = 4_000
_MOST_CLOCKS = 50
_TICK = timedelta(microseconds=1)


Filters = tuple[filters.Filter, ...]


class CatchUp(enum.StrEnum):
    """What is done about firings that passed while no server was there."""

    SKIP = "skip"
    LATEST = "latest"
    ALL = "all"


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Clocks, filters that all must keep a firing, and the catch-up policy.

    Firings older than `window_seconds` are not caught up with (None: there is no limit of age). `priority` and `slots` are
    those of its runs, where they are not the flow's.
    """

    clocks: tuple[clocks.Clock, ...]
    catch_up: CatchUp = CatchUp.SKIP
    window_seconds: int | None = None
    filters: Filters = ()
    active: bool = True
    priority: int | None = None
    slots: int | None = None

    def __post_init__(self) -> None:
        for field, problem in limits.problems(self.priority, self.slots).items():
            raise _invalid(field, problem)
        if not 1 <= len(self.clocks) <= _MOST_CLOCKS:
            raise _invalid("clocks", f"must be from 1 to {_MOST_CLOCKS} clocks, not {len(self.clocks)}")
        if self.window_seconds is not None and self.window_seconds < 1:
            raise _invalid("window_seconds", f"must be at least 1, not {self.window_seconds}")
        for clock in self.clocks:
            labels.normalised(clock.labels or ())


class Firing(msgspec.Struct, frozen=True):
    """One moment at which a run is due. `clock` is the number of its clock; `dst` says what the change of clocks did."""

    at: datetime
    parameters: dict[str, Any] = {}
    labels: list[str] | None = None
    clock: int = 0
    dst: states.Reason | None = None

    @property
    def key(self) -> str:
        """Unique within the schedule: the instant, and a digest of parameters and labels where the clock has any."""
        moment = self.at.isoformat()
        if not self.parameters and self.labels is None:
            return moment
        what = msgspec.json.encode((self.parameters, self.labels), order="deterministic")
        return f"{moment}/{hashlib.sha256(what).hexdigest()[:16]}"


def upcoming(schedule: Schedule, after: datetime, limit: int) -> list[Firing]:
    """The next firings later than `after`, at most `limit`; none while the schedule is not active."""
    return preview(schedule, after, limit) if schedule.active else []


def preview(schedule: Schedule, after: datetime, limit: int) -> list[Firing]:
    """As `upcoming`, for a schedule that is not active, too."""
    return list(itertools.islice(firings(schedule, after), max(0, limit)))


def ahead(schedule: Schedule, after: datetime, limit: int) -> list[Firing]:
    """At least `limit` of the next firings, if there are so many: those at the last instant are all there."""
    found: list[Firing] = []
    if not schedule.active:
        return found
    for firing in firings(schedule, after):
        if len(found) >= limit and firing.at != found[-1].at:
            break
        found.append(firing)
    return found


def firings(schedule: Schedule, after: datetime, until: datetime | None = None) -> Iterator[Firing]:
    """All firings later than `after`, in order, up to `until`, whatever the policy: also the range of a backfill."""
    streams = [_stream(schedule, number, after, forward=True) for number in range(len(schedule.clocks))]
    merged = _once(heapq.merge(*streams, key=lambda firing: firing.at))
    return itertools.takewhile(lambda firing: until is None or firing.at <= until, merged)


def missed(schedule: Schedule, since: datetime, now: datetime) -> list[Firing]:
    """What the catch-up policy makes of the firings later than `since` and at or before `now`, oldest first.

    `latest` gives one instant, `all` at most `CATCH_UP_LIMIT` firings, the latest ones.
    """
    if not schedule.active or schedule.catch_up is CatchUp.SKIP:
        return []
    if schedule.window_seconds is not None:
        since = max(since, now - timedelta(seconds=schedule.window_seconds))
    streams = [_stream(schedule, number, now, forward=False) for number in range(len(schedule.clocks))]
    merged = _once(heapq.merge(*streams, key=lambda firing: firing.at, reverse=True))
    found = itertools.takewhile(lambda firing: firing.at > since, merged)
    if schedule.catch_up is CatchUp.LATEST:
        _, group = next(itertools.groupby(found, key=lambda firing: firing.at), (None, iter(())))
        return sorted(group, key=lambda firing: firing.clock)
    latest = list(itertools.islice(found, CATCH_UP_LIMIT))
    return sorted(latest, key=lambda firing: (firing.at, firing.clock))


def _stream(schedule: Schedule, number: int, cursor: datetime, *, forward: bool) -> Iterator[Firing]:
    """The firings of one clock that all filters keep, away from `cursor` in one direction."""
    clock = schedule.clocks[number]
    zone = zones.zone(clock.timezone)
    refusals = 0
    while refusals < _REFUSALS:
        for tick in clock.ticks(cursor) if forward else clock.ticks_back(cursor):
            shown = zones.local(tick.at, zone)
            wanted = _kept(schedule, shown, forward=forward)
            if wanted == shown:
                refusals = 0
                yield Firing(
                    tick.at, clock.parameters, clock.labels, number, _explained(tick, clock.timezone)
                )
                continue
            refusals += 1
            there = zones.tick(wanted, zone).at
            cursor = max(tick.at, there - _TICK) if forward else min(tick.at - _TICK, there)
            break
        else:
            return


def _kept(schedule: Schedule, shown: datetime, *, forward: bool) -> datetime:
    """The local time itself when all filters keep it, else the nearest one that the first objector would try."""
    for narrowing in schedule.filters:
        wanted = narrowing.forward(shown) if forward else narrowing.backward(shown)
        if wanted != shown:
            return wanted
    return shown


def _once(firings: Iterable[Firing]) -> Iterator[Firing]:
    """Each key once. Equal ones stand at one instant, so it is enough to remember that instant's."""
    for _, group in itertools.groupby(firings, key=lambda firing: firing.at):
        yield from {
            firing.key: firing for firing in sorted(group, key=lambda firing: firing.clock, reverse=True)
        }.values()


def _explained(tick: zones.Tick, timezone: str) -> states.Reason | None:
    if tick.dst is None or tick.wanted is None:
        return None
    zone = zones.zone(timezone)
    wanted, fires = f"{tick.wanted:%H:%M on %Y-%m-%d}", f"{tick.at.astimezone(zone):%H:%M}"
    if tick.dst == "gap":
        return states.Reason(
            "dst_gap", f"{wanted} does not exist in {timezone}: fires at {fires} ({_utc(tick.at)})."
        )
    other = zones.second_pass(tick, zone)
    second = f", not at the second ({_utc(other)})" if other else ""
    return states.Reason(
        "dst_fold", f"{wanted} comes twice in {timezone}: fires at the first ({_utc(tick.at)}){second}."
    )


def _utc(moment: datetime) -> str:
    return f"{moment:%H:%M} UTC"


def require_parameters(schedule: Schedule, *, required: Iterable[str], known: Collection[str]) -> None:
    """Raise Invalid unless each clock gives all `required` parameters (those without default) and only `known` ones."""
    needed = list(required)
    for number, clock in enumerate(schedule.clocks):
        for name in clock.parameters:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = (
                    f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known)) or 'none'}."
                )
                raise errors.Invalid(
                    f"The schedule gives a parameter {name!r} that the flow does not have: {hint}",
                    fields={f"clocks[{number}].parameters.{name}": "the flow has no such parameter"},
                )
        for name in needed:
            if name not in clock.parameters:
                raise errors.Invalid(
                    f"The flow cannot be scheduled: its parameter {name!r} has no default."
                    f" Give it one, or give the schedule parameters={{{name!r}: ...}}.",
                    fields={f"clocks[{number}].parameters.{name}": "required: the parameter has no default"},
                )


def cron(
    expression: str,
    *,
    timezone: str = "UTC",
    start: datetime | None = None,
    end: datetime | None = None,
    parameters: Mapping[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    catch_up: CatchUp | str = CatchUp.SKIP,
    window: timedelta | None = None,
    filters: Sequence[filters.Filter] = (),
    priority: int | None = None,
    slots: int | None = None,
) -> Schedule:
    """At the minutes of a crontab expression, local time: `cron("0 6 * * 1-5", timezone="Europe/Berlin")`."""
    clock = clocks.CronClock(expression, **_shared(timezone, start, end, parameters, labels))
    return _schedule(clock, catch_up, window, filters, priority, slots)


def every(
    interval: timedelta,
    *,
    start: datetime | None = None,
    timezone: str = "UTC",
    end: datetime | None = None,
    parameters: Mapping[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    catch_up: CatchUp | str = CatchUp.SKIP,
    window: timedelta | None = None,
    filters: Sequence[filters.Filter] = (),
    priority: int | None = None,
    slots: int | None = None,
) -> Schedule:
    """Every so often from `start` on; whole days keep their local time. A `start` without zone is local time."""
    if interval.microseconds:
        raise _invalid("interval", f"must be whole seconds, not {interval}")
    seconds = interval.days * 86_400 + interval.seconds
    clock = clocks.IntervalClock(seconds, **_shared(timezone, start, end, parameters, labels))
    return _schedule(clock, catch_up, window, filters, priority, slots)


def rrule(
    rule: str,
    *,
    start: datetime | None = None,
    timezone: str = "UTC",
    end: datetime | None = None,
    parameters: Mapping[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    catch_up: CatchUp | str = CatchUp.SKIP,
    window: timedelta | None = None,
    filters: Sequence[filters.Filter] = (),
    priority: int | None = None,
    slots: int | None = None,
) -> Schedule:
    """By a recurrence rule of RFC 5545, local time; `start` is its DTSTART."""
    clock = clocks.RRuleClock(rule, **_shared(timezone, start, end, parameters, labels))
    return _schedule(clock, catch_up, window, filters, priority, slots)


def dates(
    moments: Iterable[datetime],
    *,
    timezone: str = "UTC",
    parameters: Mapping[str, Any] | None = None,
    labels: Iterable[str] | None = None,
    catch_up: CatchUp | str = CatchUp.SKIP,
    window: timedelta | None = None,
    filters: Sequence[filters.Filter] = (),
    priority: int | None = None,
    slots: int | None = None,
) -> Schedule:
    """At these moments. One without zone is local time in `timezone`."""
    instants = tuple(sorted(zones.instant(moment, timezone) for moment in moments))
    clock = clocks.DatesClock(instants, **_shared(timezone, None, None, parameters, labels))
    return _schedule(clock, catch_up, window, filters, priority, slots)


def combine(schedules: Sequence[Schedule]) -> Schedule:
    """One schedule with the clocks of all. Their policies must agree, for a schedule has one."""
    if not schedules:
        raise _invalid("clocks", "give at least one schedule")
    first = schedules[0]
    for other in schedules[1:]:
        for field in ("catch_up", "window_seconds", "filters", "active", "priority", "slots"):
            if getattr(other, field) != getattr(first, field):
                raise _invalid(field, "differs between the clocks of one list: give all the same")
    return msgspec.structs.replace(first, clocks=tuple(clock for one in schedules for clock in one.clocks))


def _shared(
    timezone: str,
    start: datetime | None,
    end: datetime | None,
    parameters: Mapping[str, Any] | None,
    given: Iterable[str] | None,
) -> dict[str, Any]:
    plain = dict(parameters or {})
    for name, value in plain.items():
        try:
            msgspec.json.encode(value)
        except TypeError as error:
            raise _invalid("parameters", f"{name!r} cannot be sent as JSON: {error}") from None
    return {
        "timezone": timezone,
        "start_at": None if start is None else zones.instant(start, timezone),
        "end_at": None if end is None else zones.instant(end, timezone),
        "parameters": plain,
        "labels": None if given is None else list(labels.normalised(given)),
    }


def _schedule(
    clock: clocks.Clock,
    catch_up: CatchUp | str,
    window: timedelta | None,
    narrowed: Sequence[filters.Filter],
    priority: int | None,
    slots: int | None,
) -> Schedule:
    try:
        policy = CatchUp(catch_up)
    except ValueError:
        raise _invalid("catch_up", f"must be one of {', '.join(CatchUp)}, not {catch_up!r}") from None
    seconds = None if window is None else int(window.total_seconds())
    return Schedule((clock,), policy, seconds, tuple(narrowed), priority=priority, slots=slots)


def _invalid(field: str, problem: str) -> errors.Invalid:
    return errors.Invalid(f"The schedule's {field} is wrong: {problem}.", fields={field: problem})
