"""V6: a range of past firings is run with a dry run, a limit in parallel, and cancelled as one."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from plans import HOURLY, Plans, at

from headrace import errors
from headrace.core import schedules as core
from headrace.core.states import StateType
from headrace.server import backfills as server_backfills
from headrace.server import tables
from headrace.server.loops import backfills as loop
from headrace.wire import backfills, operations
from running import Server

DAY = timedelta(days=1)


class Backfilling(Plans):
    """A flow with an hourly schedule, and a backfill of yesterday's morning."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.of = self.schedule(HOURLY)
        self.since = at(6) - DAY

    def asked(self, hours: int = 5, **more: Any) -> backfills.CreateBackfill:
        until = self.since + timedelta(hours=hours - 1)
        what: dict[str, Any] = {"schedule_id": self.of.id} | more
        return backfills.CreateBackfill(**{"since": self.since, "until": until} | what)

    def backfill(self, hours: int = 5, **more: Any) -> backfills.Backfill:
        return self.server.call(operations.create_backfill, self.asked(hours, **more), self.server.as_.member)

    def read(self, backfill_id: UUID) -> backfills.Backfill:  # type: ignore[override]
        return self.server.call(operations.read_backfill, backfills.BackfillRef(backfill_id=backfill_id))

    def cancel_backfill(self, backfill_id: UUID) -> backfills.Backfill:
        return self.server.call(operations.cancel_backfill, backfills.BackfillRef(backfill_id=backfill_id))

    def look(self) -> None:
        self.server.run(loop.run_once(self.server.service))

    def made(self, backfill_id: UUID) -> list[str]:
        """When its runs are for."""
        rows = [row for row in self.server.rows(tables.flow_runs) if row.backfill_id == backfill_id]
        return [f"{row.due_at:%H:%M}" for row in sorted(rows, key=lambda row: row.id)]

    def work(self) -> None:
        """Claims and finishes one run."""
        held = self.claim()
        assert held is not None
        self.start(held)
        self.finish(held)


@pytest.fixture
def plans(server: Server) -> Backfilling:
    return Backfilling(server)


def test_a_dry_run_says_what_would_run_and_makes_nothing(plans: Backfilling) -> None:
    plan = plans.server.call(operations.plan_backfill, plans.asked(), plans.server.as_.viewer)
    assert (plan.total, plan.skipped) == (5, 0)
    assert [f"{firing.at:%H:%M}" for firing in plan.first] == ["06:00", "07:00", "08:00", "09:00", "10:00"]
    assert plans.server.rows(tables.backfills) == []
    assert [row for row in plans.server.rows(tables.flow_runs) if row.backfill_id] == []


def test_so_many_runs_at_a_time_until_all_are_done(plans: Backfilling) -> None:
    made = plans.backfill(parallel=2)
    assert (made.status, made.total, made.runs) == ("running", 5, {"Scheduled": 2})
    assert plans.made(made.id) == ["06:00", "07:00"]
    plans.look()
    assert plans.made(made.id) == ["06:00", "07:00"]
    for _ in range(5):
        plans.work()
        plans.look()
    plans.look()
    done = plans.read(made.id)
    assert (done.status, done.runs) == ("done", {"Success": 5})
    assert plans.made(made.id) == ["06:00", "07:00", "08:00", "09:00", "10:00"]
    plans.check()


def test_a_run_is_for_its_moment_and_waits_from_now_on(plans: Backfilling) -> None:
    made = plans.backfill(parameters={"day": "sunday"})
    (row,) = [row for row in plans.server.rows(tables.flow_runs) if row.backfill_id == made.id]
    assert (row.due_at, row.not_before) == (plans.since, plans.server.clock.now)
    assert (row.parameters, row.created_by_kind, row.priority) == ({"day": "sunday"}, "backfill", -1)
    run = plans.server.call(operations.read_flow_run, operations.read_flow_run.request(flow_run_id=row.id))
    assert (run.late, run.backfill_id) == (False, made.id)


def test_the_newest_may_come_first(plans: Backfilling) -> None:
    made = plans.backfill(parallel=2, newest_first=True)
    for _ in range(5):
        plans.work()
        plans.look()
    assert plans.made(made.id) == ["10:00", "09:00", "08:00", "07:00", "06:00"]


@pytest.mark.parametrize(("skip", "left"), [("succeeded", 4), ("any", 3), ("none", 5)])
def test_firings_that_have_a_run_can_be_left_out(plans: Backfilling, skip: str, left: int) -> None:
    first = plans.backfill(hours=2, parallel=2)
    plans.work()
    plans.cancel_backfill(first.id)
    plan = plans.server.call(operations.plan_backfill, plans.asked(skip=skip))
    assert (plan.total, plan.skipped) == (left, 5 - left)
    made = plans.backfill(skip=skip, parallel=10)
    assert (made.total, sum(made.runs.values())) == (left, left)


def test_cancelling_ends_all_its_runs_and_makes_no_more(plans: Backfilling) -> None:
    made = plans.backfill(parallel=3)
    held = plans.claim()
    assert held is not None
    plans.start(held)
    cancelled = plans.cancel_backfill(made.id)
    assert (cancelled.status, cancelled.runs) == ("cancelled", {"Cancelled": 2, "Cancelling": 1})
    assert plans.finish(held, StateType.CANCELLED).state.type is StateType.CANCELLED
    plans.look()
    assert plans.read(made.id).runs == {"Cancelled": 3}


def test_more_runs_than_a_transaction_ends_are_cancelled_by_the_loop(
    plans: Backfilling, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plans.backfill(parallel=5)
    monkeypatch.setattr(server_backfills, "BATCH", 2)
    monkeypatch.setattr(server_backfills, "_open", server_backfills._open.limit(2))
    assert plans.cancel_backfill(made.id).runs == {"Cancelled": 2, "Scheduled": 3}
    for _ in range(3):
        plans.look()
    assert plans.read(made.id).runs == {"Cancelled": 5}


def test_two_servers_make_no_firing_twice(plans: Backfilling) -> None:
    made = plans.backfill(parallel=3, skip="none")
    before = plans.server.rows(tables.backfills)[0].cursor_at
    back = tables.backfills.update().values(cursor_at=before - timedelta(hours=3))
    plans.server.write(lambda call: call.connection.execute(back))
    plans.work()
    with pytest.raises((errors.HeadraceError, sa.exc.IntegrityError)):
        plans.server.write(lambda call: server_backfills.go_on(call, made.id))
    assert len(plans.made(made.id)) == 3


def test_a_schedule_need_not_be_stored(plans: Backfilling) -> None:
    daily = core.cron("30 4 * * *", timezone="Europe/Berlin", parameters={"day": "monday"})
    request = backfills.CreateBackfill(
        flow_id=plans.flow.flow_id, schedule=daily, since=at(0) - 3 * DAY, until=at(0), parallel=9
    )
    made = plans.server.call(operations.create_backfill, request)
    assert (made.total, plans.made(made.id)) == (3, ["03:30"] * 3)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"parallel": 0}, "parallel: from 1 to"),
        ({"schedule_id": None}, "name a schedule"),
        ({"until": at(0) - 9 * DAY}, "until: must not be before"),
        (
            {"since": at(0) - 4000 * DAY, "schedule_id": None, "schedule": core.every(timedelta(seconds=5))},
            "whose runs",
        ),
        ({"parameters": {"nonsense": 1}}, "does not have"),
    ],
    ids=["parallel", "nothing named", "order", "no flow", "parameter"],
)
def test_what_is_wrong_is_named(plans: Backfilling, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.Invalid, match=words):
        plans.backfill(**wrong)
    assert plans.server.rows(tables.backfills) == []


def test_a_period_with_too_many_firings_is_refused(plans: Backfilling) -> None:
    with pytest.raises(errors.TooLarge, match="more than 100000 firings"):
        plans.backfill(
            schedule_id=None,
            flow_id=plans.flow.flow_id,
            schedule=core.every(timedelta(seconds=1)),
            until=plans.since + 2 * DAY,
        )
