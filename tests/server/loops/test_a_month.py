"""A month of one hourly schedule on the virtual clock: the clocks change twice, servers and agents are away, runs fail.

The scheduler, the store and the engine are the real ones. V5: never missed, never doubled.
"""

import zoneinfo
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plans import Plans

from headrace.core import schedules as core
from headrace.core.states import StateType
from headrace.engine import flow_runner, results
from headrace.graph import context, graph, task
from headrace.wire import runs
from running import Server

#: In Morocco clocks go back before Ramadan and forth after it.
ZONE = "Africa/Casablanca"
START, END = datetime(2027, 2, 5, 23, tzinfo=UTC), datetime(2027, 3, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)

#: Nobody was there; the first and the last over a change of clocks.
SERVER_AWAY = [
    (datetime(2027, 2, 6, 22, 10, tzinfo=UTC), datetime(2027, 2, 7, 7, 5, tzinfo=UTC)),
    (datetime(2027, 2, 17, 9, 40, tzinfo=UTC), datetime(2027, 2, 18, 16, 5, tzinfo=UTC)),
    (datetime(2027, 3, 14, 0, 50, tzinfo=UTC), datetime(2027, 3, 14, 4, 5, tzinfo=UTC)),
]
#: Runs are made and wait.
AGENT_AWAY = [(datetime(2027, 2, 25, 3, 10, tzinfo=UTC), datetime(2027, 2, 25, 19, 30, tzinfo=UTC))]


def away(moment: datetime, periods: list[tuple[datetime, datetime]]) -> bool:
    return any(start < moment <= end for start, end in periods)


def local_hours() -> list[datetime]:
    """Each local hour once, at its first pass, by looking at every half hour."""
    zone, seen, found = zoneinfo.ZoneInfo(ZONE), set[str](), list[datetime]()
    moment = START - 4 * HOUR
    while moment <= END:
        shown = moment.astimezone(zone)
        if shown.minute == 0 and f"{shown:%m-%d %H}" not in seen:
            seen.add(f"{shown:%m-%d %H}")
            found.append(moment)
        moment += HOUR / 2
    return [at for at in found if at > START]


def expected() -> list[datetime]:
    """With `latest`: of what passed while no server was there, the last."""
    ticks = local_hours()
    last = {max(tick for tick in ticks if start < tick <= end) for start, end in SERVER_AWAY}
    return [tick for tick in ticks if not away(tick, SERVER_AWAY) or tick in last]


class Work:
    """The flow: its task tells for which moment it worked. Every 7th moment it fails once as a task, every 11th as a run."""

    def __init__(self, folder: Path) -> None:
        self.done: Counter[datetime] = Counter()
        self.graph = graph.Graph("daily")
        self._store = results.ResultStore(folder)

        @task.task(retries=1)
        def work() -> None:
            at = context.context.scheduled_at
            assert at is not None
            number = int(at.timestamp()) // 3600
            if number % 7 == 0 and context.context.attempt == 1:
                raise ValueError("a task fails once")
            if number % 11 == 0 and context.context.run_attempt == 1:
                raise ValueError("a run fails once")
            self.done[at] += 1

        with self.graph.building():
            work()

    def run(self, held: runs.Assignment, now: datetime) -> StateType:
        facts = context.Run(
            *(str(held.flow_run_id), "daily", {}),
            fence=held.fence,
            run_attempt=held.attempt,
            scheduled_at=held.due_at,
            started_at=now,
        )
        return flow_runner.FlowRunner(self.graph, run=facts, store=self._store).run().state.type


def test_v5_a_month_of_an_hourly_schedule(sqlite_server: Server, tmp_path: Path) -> None:
    server, clock = sqlite_server, sqlite_server.clock
    clock.now = START
    plans, work = Plans(server, retries=1, retry_delay_seconds=300.0), Work(tmp_path / "results")
    plans.schedule(core.cron("0 * * * *", timezone=ZONE, catch_up="latest"))
    plans.scheduler()
    attempts: Counter[datetime] = Counter()
    while clock.now < END:
        before = clock.now
        clock.now += timedelta(minutes=53 if before.minute else 7)  # in the seventh minute retries are due
        if away(clock.now, SERVER_AWAY):
            continue
        if away(before, SERVER_AWAY):
            plans.scheduler()
        else:
            plans.was_there()
        while not away(clock.now, AGENT_AWAY) and (held := plans.claim()) is not None:
            assert held.due_at <= clock.now
            attempts[held.due_at] += 1
            plans.start(held)
            plans.finish(held, work.run(held, clock.now))
    ticks = expected()
    made = [row for row in plans.runs() if row.due_at <= END]
    assert [row.due_at for row in made] == ticks
    assert {row.state_type for row in made} == {"Success"}
    assert sorted(work.done) == ticks
    assert set(work.done.values()) == {1}
    again = {tick for tick in ticks if attempts[tick] > 1}
    assert again == {tick for tick in ticks if int(tick.timestamp()) // 3600 % 11 == 0}
    plans.check()
