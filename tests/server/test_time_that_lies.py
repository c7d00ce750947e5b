"""F22: the database's clock is set an hour forward or back while the server is up. Nobody is ended or started twice for it,
and no schedule's moment is lost or has two runs.
"""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from plans import Plans, at

from headrace.core import schedules as core
from headrace.core.states import StateType
from headrace.server import reports, tables
from headrace.server.leasing import Leasing
from headrace.server.loops import reaper, scheduler
from headrace.wire import runs
from running import Server

HOUR = 3600


class Time:
    """A wall clock that can be set, beside one that cannot; a reaper and a scheduler that look as often as real ones."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._steady = 0.0
        server.service.part(Leasing).monotonic = lambda: self._steady
        self.passes(22)

    def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self._goes_on(1)
            self.server.run(reaper.run_once(self.server.service))
            self.server.run(scheduler.run_once(self.server.service))

    def passes_quietly(self, seconds: int) -> None:
        """Long times, in which there is nothing for the reaper to see."""
        for _ in range(seconds // 30):
            self._goes_on(30)
            self.server.run(scheduler.run_once(self.server.service))

    def _goes_on(self, seconds: float) -> None:
        self.server.clock.advance(seconds)
        self._steady += seconds

    def is_set(self, seconds: float) -> None:
        self.server.clock.advance(seconds)


class Living:
    """A run whose supervisor sends its signs of life."""

    def __init__(self, plans: Plans, time: Time) -> None:
        self.held, self._plans, self._time = plans.running(), plans, time
        self._ran = 0.0

    def lives(self, seconds: int) -> None:
        for _ in range(seconds // 5):
            sign = runs.HeartbeatFlowRun(
                flow_run_id=self.held.flow_run_id, fence=self.held.fence, running_seconds=self._ran
            )
            answer = self._plans.server.write(lambda call, sign=sign: reports.heartbeat_flow_run(call, sign))
            assert answer.orders == runs.Orders()
            self._time.passes(5)
            self._ran += 5


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
@pytest.mark.parametrize("on_lost", ["crash", "reschedule"])
def test_F22_a_living_run_goes_on_and_its_time_out_counts_from_its_start(
    server: Server, jump: int, on_lost: str
) -> None:
    plans = Plans(server, timeout_seconds=120.0, on_lost=on_lost)
    living = Living(plans, Time(server))
    living.lives(30)
    server.clock.advance(jump)
    living.lives(60)
    found = plans.read(living.held.flow_run_id)
    assert (found.state.type, found.rescues, found.unreachable) == (StateType.RUNNING, 0, False)
    plans.finish(living.held)
    assert plans.read(living.held.flow_run_id).state.type is StateType.SUCCESS


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_F22_a_dead_run_is_rescued_as_late_as_ever(server: Server, jump: int) -> None:
    plans = Plans(server, on_lost="reschedule")
    time = Time(server)
    held = plans.running()
    time.passes(5)
    time.is_set(jump)
    time.passes(34)
    assert plans.read(held.flow_run_id).state.type is StateType.RUNNING
    time.passes(5)
    assert plans.read(held.flow_run_id).state.name == "Rescued"
    plans.check()


def test_F22_a_claim_that_nobody_launches_is_given_on_after_the_clock_was_set_back(server: Server) -> None:
    plans = Plans(server)
    time = Time(server)
    held = plans.claimed()
    time.is_set(-HOUR)
    time.passes(22)
    assert plans.read(held.flow_run_id).state.name == "Rescued"


def test_F22_a_jump_that_is_taken_back_within_a_lease_ends_no_pause(server: Server) -> None:
    plans = Plans(server)
    time = Time(server)
    held = plans.running()
    plans.finish(held, StateType.PAUSED, pause_seconds=600.0)
    time.is_set(HOUR)
    time.passes(15)
    time.is_set(-HOUR)
    time.passes(60)
    assert plans.read(held.flow_run_id).state.type is StateType.PAUSED


POLICIES = list(core.CatchUp)


def scheduled(server: Server, policy: core.CatchUp) -> Plans:
    plans = Plans(server)
    plans.schedule(core.cron("*/10 * * * *", catch_up=policy))
    return plans


def ticks(until: datetime) -> list[datetime]:
    """Every ten minutes from the virtual clock's noon on."""
    return [
        at(12) + timedelta(minutes=10) * number
        for number in range(1, (until - at(12)) // timedelta(minutes=10) + 1)
    ]


def made(plans: Plans, until: datetime) -> list[datetime]:
    return [row.due_at for row in plans.runs() if row.due_at <= until]


@pytest.mark.parametrize("policy", POLICIES)
def test_F22_a_jump_forward_that_is_taken_back_at_once_decides_nothing(
    server: Server, policy: core.CatchUp
) -> None:
    plans = scheduled(server, policy)
    time = Time(server)
    time.is_set(HOUR)
    time.passes(15)
    assert plans.claim() is None, "nothing is started early"
    time.is_set(-HOUR)
    time.passes(25)
    time.passes_quietly(3 * HOUR)
    assert made(plans, at(15)) == ticks(at(15))
    assert all(schedule.last_catch_up is None for schedule in plans.schedules())


@pytest.mark.parametrize("policy", POLICIES)
def test_F22_a_jump_forward_that_was_believed_and_is_taken_back_loses_no_tick_and_doubles_none(
    server: Server, policy: core.CatchUp
) -> None:
    plans = scheduled(server, policy)
    time = Time(server)
    time.is_set(HOUR)
    time.passes(25)
    started: Counter[datetime] = Counter()

    def start_all() -> None:
        while (held := plans.claim()) is not None:
            started[held.due_at] += 1
            plans.start(held)
            plans.finish(held)

    start_all()
    time.is_set(-HOUR)
    time.passes(25)
    for _ in range(2 * HOUR // 60):
        time.passes_quietly(60)
        start_all()
    assert made(plans, at(13, 50)) == ticks(at(13, 50))
    assert set(started.values()) == {1}
    assert set(ticks(at(13, 50))) <= set(started)
    plans.check()


def test_F22_a_clock_that_was_ahead_and_is_set_right_makes_the_policy_decide(server: Server) -> None:
    plans = scheduled(server, core.CatchUp.SKIP)
    time = Time(server)
    time.is_set(HOUR)
    time.passes(25)
    (shown,) = plans.schedules()
    assert shown.last_catch_up is not None
    time.passes_quietly(HOUR)
    assert made(plans, at(14)) == [tick for tick in ticks(at(14)) if tick > at(13)]


def test_F22_moments_that_come_once_more_have_the_runs_that_they_had(server: Server) -> None:
    plans = scheduled(server, core.CatchUp.SKIP)
    time = Time(server)
    time.passes_quietly(HOUR)
    before = {row.due_at: row.id for row in plans.runs()}
    time.is_set(-HOUR)
    time.passes(25)
    time.passes_quietly(HOUR)
    after = {row.due_at: row.id for row in plans.runs()}
    assert {moment: after[moment] for moment in before} == before
    assert sorted(after) == sorted(before) == ticks(max(before))
    (row,) = server.rows(tables.installation)
    assert abs(server.clock.now - row.scheduler_at) < scheduler.EVERY * 2
