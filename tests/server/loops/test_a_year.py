"""A year of a hundred schedules on the virtual clock, over 100,000 ticks: V4, V5. HEADRACE_NEMESIS=1 runs it.

The scheduler and the store are the real ones, on SQLite; what an agent and its runs would say is said by the test. The moments
that must have a run are counted by a walk over the quarters of an hour, not by the clocks under test.
"""

import os
import random
import time
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from plans import Plans

from headrace.core import schedules as core
from headrace.core.states import StateType
from headrace.server import doctor, tables
from running import Server

START, END = datetime(2027, 1, 1, 0, 7, tzinfo=UTC), datetime(2028, 1, 1, 0, 7, tzinfo=UTC)
QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
#: Half an hour of summer time, changes at midnight, before and after Ramadan, in the south, odd offsets, and none.
ZONES = (
    *("Europe/Berlin", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Africa/Cairo"),
    *("America/Santiago", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "UTC"),
)
FLOWS = 20
#: Every so many runs fail at their first attempt.
FAILS = 50
POLICIES = list(core.CatchUp)


class Quarter(NamedTuple):
    """A local time, and the instant at which it fires: the first of two, and for one that is missing the next valid one."""

    local: datetime
    at: datetime


class Wanted(NamedTuple):
    """A schedule, and the moments at which it must have a run when nobody is ever away."""

    schedule: core.Schedule
    moments: list[datetime]


def quarters(zone: str) -> list[Quarter]:
    found: list[Quarter] = []
    seen = set[datetime]()
    instant = START.replace(minute=0) - 2 * DAY
    shown = instant.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
    while instant <= END:
        now = instant.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)
        while shown < now:
            found += [] if shown in seen else [Quarter(shown, instant)]
            seen.add(shown)
            shown += QUARTER
        found += [] if now in seen else [Quarter(now, instant)]
        seen.add(now)
        shown = now + QUARTER
        instant += QUARTER
    return found


def at_times(
    known: list[Quarter], minute: int, hours: Iterable[int], weekdays: Iterable[int] = range(7)
) -> list[datetime]:
    hours, weekdays = frozenset(hours), frozenset(weekdays)
    instants = {
        each.at
        for each in known
        if each.local.minute == minute and each.local.hour in hours and each.local.weekday() in weekdays
    }
    return sorted(at for at in instants if START < at <= END)


def hundred(chance: random.Random) -> list[Wanted]:
    walked = {zone: quarters(zone) for zone in ZONES}
    wanted: list[Wanted] = []

    def add(count: int, kind: str) -> None:
        for number in range(count):
            zone, policy = ZONES[number % len(ZONES)], POLICIES[len(wanted) % len(POLICIES)]
            wanted.append(_one(kind, zone, policy, walked[zone], chance))

    for count, kind in ((7, "hourly"), (13, "three"), (40, "daily"), (20, "weekdays"), (10, "interval")):
        add(count, kind)
    add(5, "days")
    add(5, "dates")
    return wanted


def _one(kind: str, zone: str, policy: core.CatchUp, known: list[Quarter], chance: random.Random) -> Wanted:
    minute, hour = chance.choice([0, 15, 30, 45]), chance.randrange(24)
    given: dict[str, Any] = {"timezone": zone, "catch_up": policy}
    match kind:
        case "hourly":
            return Wanted(core.cron(f"{minute} * * * *", **given), at_times(known, minute, range(24)))
        case "three":
            return Wanted(core.cron(f"{minute} */3 * * *", **given), at_times(known, minute, range(0, 24, 3)))
        case "daily":
            return Wanted(core.cron(f"{minute} {hour} * * *", **given), at_times(known, minute, [hour]))
        case "weekdays":
            on = core.cron(f"{minute} {hour} * * 1-5", **given)
            return Wanted(on, at_times(known, minute, [hour], range(5)))
        case "interval":
            first = START.replace(minute=minute) + hour * HOUR
            every = [first + 6 * HOUR * number for number in range(4 * 366)]
            wished = core.every(6 * HOUR, start=first, **given)
            return Wanted(wished, [at for at in every if START < at <= END])
        case "days":
            # at noon no zone changes its clocks
            first = next(each for each in known if each.local.hour == 12 and each.at > START)
            local = {first.local + DAY * number for number in range(366)}
            wished = core.every(DAY, start=first.at, **given)
            return Wanted(wished, [each.at for each in known if each.local in local and each.at <= END])
        case _:
            moments = sorted(START.replace(minute=0) + HOUR * chance.randrange(1, 8760) for _ in range(12))
            return Wanted(core.dates(moments, **given), sorted(set(moments)))


def outages(chance: random.Random) -> list[tuple[datetime, datetime]]:
    """A dozen times in which no server was there, of an hour to two days."""
    found: list[tuple[datetime, datetime]] = []
    for month in range(12):
        begin = START + 30 * DAY * month + QUARTER * chance.randrange(96 * 20)
        found.append((begin, begin + QUARTER * chance.randrange(4, 96 * 2)))
    return found


def kept(wanted: Wanted, away: list[tuple[datetime, datetime]]) -> list[datetime]:
    """The moments at which it must have a run, as its policy says."""
    left = wanted.moments
    for begin, end in away:
        missed = [at for at in left if begin < at <= end]
        match wanted.schedule.catch_up:
            case core.CatchUp.ALL:
                again = missed
            case core.CatchUp.LATEST:
                again = missed[-1:]
            case core.CatchUp.SKIP:
                again = []
        left = [at for at in left if not begin < at <= end] + again
    return sorted(left)


class Agent:
    """Takes what is due, and says how it ended; every 50th run fails first."""

    def __init__(self, plans: Plans) -> None:
        self.attempts: Counter[str] = Counter()
        self._plans = plans
        self._taken = 0

    def work(self, now: datetime) -> None:
        while (held := self._plans.claim()) is not None:
            assert held.due_at <= now
            self._taken += held.attempt == 1
            self.attempts[str(held.flow_run_id)] += 1
            fails = held.attempt == 1 and self._taken % FAILS == 0
            self._plans.start(held)
            self._plans.finish(held, StateType.FAILED if fails else StateType.SUCCESS)


def states(server: Server) -> dict[tuple[str, int], int]:
    """Runs that were due, by state and attempts."""
    runs = tables.flow_runs
    query = (
        sa.select(runs.c.state_type, runs.c.attempt, sa.func.count())
        .where(runs.c.due_at <= END)
        .group_by(runs.c.state_type, runs.c.attempt)
    )
    return server.read(lambda call: {(row[0], row[1]): row[2] for row in call.connection.execute(query)})


if os.environ.get("HEADRACE_NEMESIS"):

    @pytest.mark.slow
    @pytest.mark.timeout(7_200)
    def test_v5_a_year_of_a_hundred_schedules(
        sqlite_server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        seed = int(os.environ.get("HEADRACE_SEED", "2027"))
        chance = random.Random(seed)
        server, clock, began = sqlite_server, sqlite_server.clock, time.monotonic()
        clock.now = START
        plans = Plans(server, retries=1, retry_delay_seconds=300.0)
        flows = [plans.register(name=f"flow-{number}", retries=1).flow_id for number in range(FLOWS)]
        wanted, away = hundred(chance), outages(chance)
        assert sum(len(each.moments) for each in wanted) > 100_000
        made = {
            plans.schedule(each.schedule, name=f"schedule {number}", flow_id=flows[number % FLOWS]).id: each
            for number, each in enumerate(wanted)
        }
        plans.scheduler()
        agent, coming = Agent(plans), iter(away)
        gap = next(coming)
        while clock.now < END:
            if clock.now == gap[0]:
                clock.now = gap[1]
                gap = next(coming, (END, END))
                plans.scheduler()
            else:
                clock.now += QUARTER
                plans.was_there()
            agent.work(clock.now)
        clock.now += 10 * QUARTER / 15  # for the last retry
        agent.work(clock.now)
        had: dict[object, list[datetime]] = {schedule_id: [] for schedule_id in made}
        for row in plans.runs():
            if row.due_at <= END:
                had[row.schedule_id].append(row.due_at)
        for schedule_id, each in made.items():
            assert had[schedule_id] == kept(each, away), f"{each.schedule} (seed {seed})"
        total = sum(map(len, had.values()))
        assert total > 100_000
        again = total // FAILS
        assert states(server) == {("Success", 1): total - again, ("Success", 2): again}
        assert sum(agent.attempts.values()) == total + again
        report = doctor.examine(server.service.database.url)
        assert report.is_well, report.findings
        with capsys.disabled():
            words = f"{total} runs of {len(made)} schedules, {again} of them twice, {len(away)} outages"
            print(f"\na year: {words}, {time.monotonic() - began:.0f} s (seed {seed})")
