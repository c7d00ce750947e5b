"""The scheduler: V5 (never missed, never doubled), F21 (a poison row), F30 to F35."""

import asyncio
import itertools
from datetime import timedelta

import pytest
from plans import HOURLY, Plans, at

from headrace.core import schedules as core
from headrace.server import app, firings, tables
from headrace.server.loops import scheduler
from headrace.settings import Settings
from headrace.web.database import Database
from headrace.wire import operations, runs
from running import Server, VirtualClock

FIVE_MINUTES = timedelta(minutes=5)


def test_ten_runs_are_ahead_however_time_passes(server: Server) -> None:
    plans = Plans(server)
    plans.schedule()
    plans.pass_time(at(3, day=24))
    hours = [row.due_at for row in plans.runs()]
    assert all(later - earlier == timedelta(hours=1) for earlier, later in itertools.pairwise(hours))
    assert 5 <= sum(due > at(3, day=24) for due in hours) <= firings.AHEAD
    assert hours[0] == at(13)


def test_the_scheduler_sleeps_until_a_schedule_needs_it(server: Server) -> None:
    plans = Plans(server)
    assert plans.scheduler() is None  # there is none
    start = at(12)
    plans.schedule(core.every(timedelta(seconds=1), start=start))
    # ten seconds are made: after five and a half of them the next
    assert plans.scheduler() == timedelta(seconds=5.5)
    server.clock.advance(5.5)
    plans.scheduler()
    assert plans.runs()[-1].due_at == start + timedelta(seconds=15)


def test_a_schedule_with_an_end_is_done_after_its_last_run(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule(core.dates([at(13), at(14)]))
    plans.pass_time(at(14, 1))
    assert plans.due() == ["22 13:00", "22 14:00"]
    shown = plans.shown(made.id)
    assert shown.idle is not None
    assert shown.idle.code == "schedule_ended"


@pytest.mark.parametrize(
    ("policy", "window", "made"),
    [
        (core.CatchUp.SKIP, None, []),
        (core.CatchUp.LATEST, None, ["23 12:00"]),
        (core.CatchUp.ALL, None, [*(f"22 {hour}:00" for hour in range(13, 24)), *(f"23 {hour:02}:00" for hour in range(13))]),
        (core.CatchUp.ALL, timedelta(hours=3), ["23 10:00", "23 11:00", "23 12:00"]),
    ],
)  # fmt: skip
def test_v5_after_down_time_the_policy_decides(
    server: Server, policy: core.CatchUp, window: timedelta | None, made: list[str]
) -> None:
    plans = Plans(server)
    schedule = plans.schedule(core.cron("0 * * * *", catch_up=policy, window=window))
    plans.scheduler()
    server.clock.now = at(12, 30, day=23)
    assert plans.claim() is None  # nothing before it is decided, though ten runs are due
    plans.scheduler()
    assert plans.due()[: len(made)] == made
    assert plans.due()[len(made)] == "23 13:00"
    shown = plans.shown(schedule.id).last_catch_up
    assert shown is not None
    assert (shown.policy, shown.made, shown.since, shown.at) == (
        policy,
        len(made),
        at(12),
        at(12, 30, day=23),
    )
    claimed = 0
    while (held := plans.claim()) is not None:
        claimed += 1
        assert f"{held.due_at:%d %H:%M}" in made  # the run knows for which moment it is
    assert claimed == len(made)
    plans.scheduler()
    assert len(plans.runs()) == len(made) + firings.AHEAD
    plans.check()


@pytest.mark.parametrize("policy", list(core.CatchUp))
def test_v5_what_comes_due_while_the_gap_is_being_settled_is_not_lost(
    server: Server, policy: core.CatchUp
) -> None:
    """With ten thousand schedules that takes a while, and each is looked at as of the time when it began."""
    plans = Plans(server)
    plans.schedule(core.every(timedelta(minutes=1), start=at(12), catch_up=policy))
    plans.scheduler()
    server.clock.now = at(14, 0) + timedelta(seconds=20)
    found = server.read(scheduler._look)
    server.clock.advance(50)
    server.run(scheduler._settle(server.service, found))
    plans.scheduler()
    due = [row.due_at for row in plans.runs() if row.due_at > at(14)]
    assert due == [at(14, minute) for minute in range(1, 1 + len(due))]
    assert len(due) > firings.AHEAD
    plans.check()


def test_what_one_server_has_settled_another_one_does_not_settle_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = Plans(server)
    plans.schedule()
    plans.scheduler()
    server.clock.now = at(14, 30)
    first = server.read(scheduler._look)
    server.clock.advance(1)
    second = server.read(scheduler._look)
    looked: list[object] = []
    look_back = firings.look_back
    monkeypatch.setattr(firings, "look_back", lambda *given: looked.append(given) or look_back(*given))
    for found in (first, second):
        server.run(scheduler._settle(server.service, found))
    assert len(looked) == 1


def test_what_is_a_little_late_is_not_missed(server: Server) -> None:
    plans = Plans(server)
    plans.schedule()
    plans.scheduler()
    server.clock.now = at(12, 59) + timedelta(seconds=50)
    plans.scheduler()
    server.clock.now = at(13) + timedelta(seconds=30)  # a restart of forty seconds
    assert plans.claim() is not None
    plans.scheduler()
    assert plans.due(state_type="Submitted") == ["22 13:00"]


def test_f32_a_gap_of_ten_years_takes_no_longer(server: Server) -> None:
    plans = Plans(server)
    plans.schedule(core.every(timedelta(seconds=1), start=at(12), catch_up="latest"))
    plans.scheduler()
    server.clock.now = at(12).replace(year=2036)
    plans.scheduler()
    assert plans.due(state_type="Scheduled")[0] == "22 12:00"
    assert len(plans.runs()) == 1 + firings.AHEAD


def test_a_schedule_made_after_the_gap_began_has_missed_nothing(server: Server) -> None:
    plans = Plans(server)
    server.clock.now = at(14, 30)
    made = plans.schedule(core.cron("0 * * * *", catch_up="all"))
    plans.scheduler()
    assert plans.due()[0] == "22 15:00"
    assert plans.shown(made.id).last_catch_up is None


def test_f21_poison_rows_stop_no_other_and_are_shown(server: Server) -> None:
    plans = Plans(server)
    texts = [
        "no json",
        "{}",
        '{"clocks":[]}',
        '{"clocks":[{"clock":"cron","expression":"0 * * * *","timezone":"Mars/Olympus"}]}',
        '{"clocks":[{"clock":"cron","expression":"61 * * * *"}]}',
        '{"clocks":[{"clock":"never"}]}',
        '{"clocks":[{"clock":"cron","expression":"0 * * * *","parameters":{"day":7}}]}',
    ]
    poison = [plans.schedule(name=f"poison {number}").id for number in range(len(texts))]
    good = plans.schedule(name="good")

    def spoil(call: object) -> None:
        for schedule_id, text in zip(poison, texts, strict=True):
            change = tables.schedules.update().where(tables.schedules.c.id == schedule_id)
            call.connection.execute(change.values(schedule=text))  # type: ignore[attr-defined]

    server.write(spoil)
    for moment in (at(19), at(19, day=23)):
        server.clock.now = moment
        plans.scheduler()
    assert plans.due(schedule_id=good.id)[-1] == "24 05:00"
    for schedule_id in poison:
        shown = plans.shown(schedule_id)
        assert shown.idle is not None
        assert shown.idle.code in ("schedule_unreadable", "parameters_missing")
        assert shown.next_run_at is None


def test_a_row_that_cannot_be_written_stops_no_other(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = Plans(server)
    broken, good = plans.schedule(name="broken"), plans.schedule(name="good")
    made = firings._plans  # the only place to fail in the middle of a batch

    def fails(call: object, found: firings.Look, *rest: object) -> object:
        if found.row.id == broken.id:
            raise RuntimeError("a cosmic ray")
        return made(call, found, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(firings, "_plans", fails)
    plans.pass_time(at(23))
    assert plans.due(schedule_id=good.id)[-1] >= "23 04:00"
    shown = plans.shown(broken.id)
    assert shown.idle is not None
    assert (shown.idle.code, "cosmic ray" in shown.idle.sentence) == ("schedule_failed", True)
    monkeypatch.undo()
    server.clock.advance(scheduler.RETRY.total_seconds())
    plans.was_there()
    assert plans.shown(broken.id).idle is None


def test_the_world_paused_claims_nothing_and_its_time_stands_still(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule(core.cron("0 * * * *", catch_up="latest"))
    plans.scheduler()
    by_hand = plans.create()
    assert plans.pause_everything().paused
    waits = plans.read_run(by_hand.id).waits
    assert waits is not None
    assert waits.code == "everything_paused"
    idle = plans.shown(made.id).idle
    assert idle is not None
    assert idle.code == "everything_paused"
    assert plans.claim() is None
    plans.pass_time(at(16, 30))
    assert plans.claim() is None
    assert plans.pause_everything(False).paused is False
    held = plans.claim()
    assert held is not None
    assert held.flow_run_id == by_hand.id
    assert plans.claim() is None
    plans.scheduler()
    held = plans.claim()
    assert held is not None
    assert held.due_at == at(16)
    assert plans.claim() is None


def test_f34_nothing_of_an_old_revision_is_claimed_after_the_answer(server: Server) -> None:
    """Agents claim while the schedule is edited again and again at the time its runs are due."""
    plans = Plans(server)
    made = plans.schedule(core.every(timedelta(seconds=1), start=at(12), catch_up="all"))
    plans.scheduler()
    service = server.service
    answered = 1
    ended = False

    async def claim_all() -> None:
        request = runs.ClaimFlowRun(agent_id=plans.agent_id, wait_seconds=0)
        while not ended:
            revision = answered
            held = (await service.call(operations.claim_flow_run, request, server.as_.agent)).assignment
            if held is None:
                await asyncio.sleep(0)
                continue
            row = next(row for row in await rows() if row.id == held.flow_run_id)
            assert row.schedule_revision >= revision

    async def rows() -> list[object]:
        return await service.read(lambda call: call.connection.execute(tables.flow_runs.select()).all())  # type: ignore[return-value]

    async def edit_all() -> None:
        nonlocal answered, ended
        from headrace.wire import schedules

        try:
            for number in range(12):
                server.clock.advance(2)
                request = schedules.UpdateSchedule(
                    schedule_id=made.id,
                    schedule=core.every(timedelta(seconds=1), start=at(12), parameters={"day": str(number)}),
                )
                answer = await service.call(operations.update_schedule, request, server.as_.member)
                answered = answer.revision
                await scheduler.run_once(service)
        finally:
            ended = True

    async def both() -> None:
        await asyncio.gather(claim_all(), edit_all())

    server.run(both())
    plans.check()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_f30_three_servers_make_one_run_of_each_tick(
    postgres_url: str, server: Server, clock: VirtualClock, tmp_path: object
) -> None:
    plans = Plans(server)
    for number in range(40):
        plans.schedule(core.every(FIVE_MINUTES, start=at(12), catch_up="all"), f"number {number}")

    async def race() -> None:
        databases = [Database.open(postgres_url, clock=clock) for _ in range(3)]
        servers = [
            app.build(Settings(home=tmp_path), database, secret=b"a secret of the tests, long enough")  # type: ignore[arg-type]
            for database in databases
        ]
        for hours in (1, 2, 3, 26):
            clock.advance(3600 * hours)
            await asyncio.gather(*(scheduler.run_once(service) for service in servers))
        for database in databases:
            await database.close()

    server.run(race())
    ticks = [(row.schedule_id, row.tick) for row in plans.runs()]
    assert len(ticks) == len(set(ticks))
    assert len(ticks) == 40 * (32 * 12 + firings.AHEAD)
    plans.check()


def test_hourly_is_the_same_however_it_is_looked_at(server: Server) -> None:
    """Two looks at one moment make nothing twice."""
    plans = Plans(server)
    plans.schedule(HOURLY)
    for _ in range(3):
        plans.scheduler()
    server.clock.now = at(18, 1)

    async def at_once() -> None:
        await asyncio.gather(*(scheduler.run_once(server.service) for _ in range(4)))

    server.run(at_once())
    ticks = [row.tick for row in plans.runs()]
    assert len(ticks) == len(set(ticks))
