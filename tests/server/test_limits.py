"""R11, F74, I7: limits of flows and labels; who waits is told why, and a slot is never lost."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from lifecycles import Life
from limiting import Statements, check, details, held, make, resize, tick

from headrace import errors
from headrace.core.limits import WhenFull
from headrace.core.states import StateType
from headrace.server import tables
from headrace.web import ids
from headrace.wire import flows, limits, operations
from running import Server


@pytest.fixture
def life(server: Server) -> Iterator[Life]:
    life = Life(server, retries=1, retry_delay_seconds=10)
    yield life
    check(life)


def test_R11_a_flow_runs_no_more_often_than_its_limit_and_the_next_run_says_who_holds(life: Life) -> None:
    limit = make(life, "flow", "sales/daily", 2)
    waiting = [life.create().id for _ in range(4)]
    first, second = life.claim(), life.claim()
    assert first is not None
    assert second is not None
    assert life.claim() is None
    waiting = [run for run in waiting if run not in (first.flow_run_id, second.flow_run_id)]
    reason = life.read(waiting[0]).waits
    assert reason is not None
    assert reason.code == "limit_full"
    assert first.name in reason.sentence
    assert second.name in reason.sentence
    seen = details(life, limit)
    assert (seen.limit.held, seen.limit.waiting) == (2, 2)
    assert {holder.flow_run_id for holder in seen.holders} == {first.flow_run_id, second.flow_run_id}
    assert {waiter.flow_run_id for waiter in seen.waiters} == set(waiting)
    life.start(first)
    life.finish(first)
    third = life.claim()
    assert third is not None
    assert life.claim() is None


def test_a_label_limits_the_runs_of_all_flows_that_have_it(life: Life) -> None:
    make(life, "label", "warehouse", 1)
    life.join("two", labels=["warehouse", "gpu"])
    agent = life.join("three", labels=["warehouse"])
    life.create(labels=["warehouse", "gpu"])
    life.create(labels=["warehouse"])
    free = life.create()
    taken = [life.claim(agent_id=life.join("two", labels=["warehouse", "gpu"]))]
    assert taken[0] is not None
    assert life.claim(agent) is not None
    left = life.claim(agent)
    assert left is None
    assert life.read(free.id).state.type in (StateType.SUBMITTED, StateType.SCHEDULED)
    labelled = [run for run in life.server.rows(tables.flow_runs) if "warehouse" in run.labels]
    assert sorted(run.state_type for run in labelled) == ["Scheduled", "Submitted"]


def _end(life: Life, how: str) -> None:
    held = life.claim()
    assert held is not None
    if how == "release":
        life.release(held)
        return
    if how == "launch failed":
        life.exit(held, launched=False, message="no such image")
        return
    if how == "cancel before the start":
        life.cancel(held.flow_run_id)
        return
    life.start(held)
    match how:
        case "success":
            life.finish(held)
        case "retry":
            life.finish(held, StateType.FAILED)
        case "pause":
            life.finish(held, StateType.PAUSED)
        case "crash":
            life.exit(held, exit_code=-9)
        case "cancel":
            life.cancel(held.flow_run_id)
            life.finish(held, StateType.CANCELLED)
        case "lost":
            assert life.lose(held.flow_run_id)


@pytest.mark.parametrize(
    "how",
    [
        "success",
        "retry",
        "pause",
        "crash",
        "cancel",
        "lost",
        "release",
        "launch failed",
        "cancel before the start",
    ],
)
def test_F74_a_slot_is_freed_by_whatever_ends_its_holder(life: Life, how: str) -> None:
    limit = make(life, "flow", "sales/daily", 1)
    life.create()
    _end(life, how)
    assert held(life, limit) == 0
    check(life)
    later = life.create()
    claimed = {claim.flow_run_id for claim in iter(life.claim, None)}
    assert len(claimed) == 1
    assert claimed <= {later.id} | {run.id for run in life.server.rows(tables.flow_runs)}


def test_a_dead_runs_slot_is_free_when_its_row_is_deleted(life: Life) -> None:
    limit = make(life, "flow", "sales/daily", 1)
    run = life.claimed()
    life.server.write(
        lambda call: call.connection.execute(
            sa.delete(tables.flow_runs).where(tables.flow_runs.c.id == run.flow_run_id)
        )
    )
    assert held(life, limit) == 0
    assert life.claimed()


def test_a_freed_slot_wakes_an_agent_for_the_run_that_waits(life: Life) -> None:
    make(life, "flow", "sales/daily", 1)
    first = life.claimed()
    second = life.create()
    assert life.claim() is None
    request = limits.runs.ClaimFlowRun(agent_id=life.join("two"), wait_seconds=20)
    future = life.server.begin(operations.claim_flow_run, request, life.server.as_.agent)
    life.start(first)
    life.finish(first)
    claimed = future.result(10).assignment
    assert claimed is not None
    assert claimed.flow_run_id == second.id


def test_a_slot_that_nobody_takes_goes_to_others_that_wait(life: Life) -> None:
    """The first that is let go has no agent: the next one gets the slot, and nothing starves (I15)."""
    make(life, "flow", "sales/daily", 1)
    first = life.claimed()
    gpu = life.join("gpu", labels=["gpu"])
    stuck = life.create(labels=["gpu"])
    assert life.claim(gpu) is None
    second = life.create()
    assert life.claim() is None
    life.start(first)
    life.finish(first)
    assert life.claim() is None, "the first in the order was let go, which this agent does not take"
    tick(life)
    claimed = life.claim()
    assert claimed is not None
    assert claimed.flow_run_id == second.id
    assert life.read(stuck.id).state.type is StateType.SCHEDULED


def test_a_larger_limit_lets_more_go_and_a_smaller_one_lets_holders_go_on(life: Life) -> None:
    limit = make(life, "flow", "sales/daily", 1)
    for _ in range(5):
        life.create()
    running = [life.claim()]
    assert life.claim() is None
    resize(life, limit, 4)
    running += [life.claim(), life.claim(), life.claim()]
    assert all(running)
    assert life.claim() is None
    resize(life, limit, 2)
    assert held(life, limit) == 4
    check(life)
    for place, run in enumerate(running[:3]):
        assert run is not None
        life.start(run)
        life.finish(run)
        check(life)
        claimed = life.claim()
        assert (claimed is None) == (place < 2), "only when fewer than two are left"
        if claimed is not None:
            break
    resize(life, limit, 0)
    life.create()
    assert life.claim() is None


def test_a_limit_of_zero_stops_and_says_so_and_its_end_frees_all(life: Life) -> None:
    limit = make(life, "flow", "sales/daily", 0)
    created = life.create()
    assert life.claim() is None
    reason = life.read(created.id).waits
    assert reason is not None
    assert reason.code == "limit_stopped"
    life.server.call(operations.delete_limit, limits.LimitRef(limit_id=limit.id))
    assert life.claim() is not None


def test_runs_that_go_on_when_a_limit_is_made_hold_slots_of_it(life: Life) -> None:
    first, second = life.claimed(), life.claimed()
    limit = make(life, "flow", "sales/daily", 1)
    assert held(life, limit) == 2
    life.create()
    assert life.claim() is None
    for run in (first, second):
        life.start(run)
        life.finish(run)
    assert life.claim() is not None
    assert held(life, limit) == 1


def test_all_slots_or_none(life: Life) -> None:
    flow, label = make(life, "flow", "sales/daily", 5), make(life, "label", "x", 1)
    agent = life.join("x", labels=["x"])
    life.create(labels=["x"])
    life.create(labels=["x"])
    assert life.claim(agent) is not None
    assert life.claim(agent) is None
    assert (held(life, flow), held(life, label)) == (1, 1)


def _made_by_a_schedule(call: Any, run_id: UUID) -> None:
    """As the scheduler would have made it, which has just been at work."""
    runs = tables.flow_runs
    call.connection.execute(sa.update(runs).where(runs.c.id == run_id).values(schedule_id=ids.uuid7()))
    call.connection.execute(sa.update(tables.installation).values(scheduler_at=call.now))


@pytest.mark.parametrize(
    ("policy", "scheduled", "ends"),
    [
        (WhenFull.QUEUE, True, False),
        (WhenFull.SKIP, False, False),
        (WhenFull.SKIP, True, True),
        (WhenFull.CANCEL_NEW, False, True),
        (WhenFull.CANCEL_NEW, True, True),
    ],
)
def test_what_becomes_of_a_run_that_finds_the_limit_full(
    life: Life, policy: WhenFull, scheduled: bool, ends: bool
) -> None:
    make(life, "flow", "sales/daily", 1, when_full=policy)
    first = life.claimed()
    second = life.create()
    if scheduled:
        life.server.write(lambda call: _made_by_a_schedule(call, second.id))
    assert life.claim() is None
    seen = life.read(second.id)
    if ends:
        assert (seen.state.type, seen.state.code) == (StateType.CANCELLED, "limit_cancelled")
        assert "sales/daily" in seen.state.message
        assert life.events(second.id)[-1].actor.kind == "system"
    else:
        assert seen.waits is not None
        assert seen.waits.code == "limit_full"
    life.start(first)
    assert life.finish(first, StateType.FAILED).state.name == "AwaitingRetry"
    if not ends:
        assert life.claim() is not None
    third = life.create()
    life.server.clock.advance(20)
    claimed = life.claim()
    assert (claimed is None) == (not ends)
    assert life.read(first.flow_run_id).state.type is not StateType.CANCELLED, (
        "one that was tried before waits"
    )
    assert life.read(third.id).state.type in StateType


def test_a_heavy_run_takes_several_slots_and_one_larger_than_the_limit_takes_all(life: Life) -> None:
    limit = make(life, "flow", "sales/daily", 3)
    life.create(slots=2)
    assert life.claim() is not None
    life.create(slots=2)
    assert life.claim() is None
    assert held(life, limit) == 2
    resize(life, limit, 5)
    assert life.claim() is not None
    assert held(life, limit) == 4
    for run in life.server.rows(tables.flow_runs):
        life.cancel(run.id)
    life.create(slots=99)
    assert life.claim() is not None
    assert held(life, limit) == 5


def test_a_heavy_run_that_waits_does_not_keep_a_light_one_from_what_is_free(life: Life) -> None:
    make(life, "flow", "sales/daily", 2)
    assert life.claimed()
    heavy = life.create(slots=2)
    light = life.create()
    claimed = life.claim()
    assert claimed is not None
    assert claimed.flow_run_id == light.id
    assert life.read(heavy.id).state.type is StateType.SCHEDULED


def test_runs_of_a_higher_priority_go_first_and_a_flow_has_its_own(life: Life) -> None:
    low, usual = life.create(priority=-1), life.create()
    life.server.clock.advance(1)
    high = life.create(priority=5)
    later = life.create(priority=10, due_at=life.server.clock.now + timedelta(hours=1))
    change = flows.UpdateFlow(flow_id=life.flow.flow_id, priority=3, slots=2)
    life.server.call(operations.update_flow, change)
    own = life.create()
    assert (own.priority, own.slots) == (3, 2)
    order = [run.flow_run_id for run in iter(life.claim, None)]
    assert order == [high.id, own.id, usual.id, low.id]
    assert life.read(later.id).priority == 10
    with pytest.raises(errors.Invalid, match="from -10 to 10"):
        life.create(priority=11)


def test_waiting_runs_of_a_higher_priority_are_let_go_first(life: Life) -> None:
    make(life, "flow", "sales/daily", 1)
    first = life.claimed()
    life.create()
    high = life.create(priority=1)
    assert life.claim() is None
    life.start(first)
    life.finish(first)
    claimed = life.claim()
    assert claimed is not None
    assert claimed.flow_run_id == high.id


def test_limits_cost_a_claim_nothing_where_there_are_none(life: Life) -> None:
    life.create()
    with Statements(life) as without:
        assert life.claim() is not None
    assert not [text for text in without if "slots" in text and "flow_runs" not in text]
    make(life, "flow", "sales/daily", 9)
    life.create()
    with Statements(life) as under:
        assert life.claim() is not None
    # the limit with its lock, the free slots, and taking one
    assert len(under) == len(without) + 3, under


@pytest.mark.parametrize("why", ["limit", "pause"])
def test_thousands_of_runs_that_may_not_start_are_passed_over_once(life: Life, why: str) -> None:
    life.create()
    (template,) = life.server.rows(tables.flow_runs)

    def fill(call: Any) -> None:
        rows = [{**template._mapping, "id": ids.uuid7(), "name": str(number)} for number in range(3_000)]
        call.connection.execute(sa.insert(tables.flow_runs), rows)

    life.server.write(fill)
    limit = None
    if why == "limit":
        limit = make(life, "flow", "sales/daily", 0)
    else:
        life.server.call(operations.update_flow, flows.UpdateFlow(flow_id=life.flow.flow_id, paused=True))
    other = life.register(name="other")
    wanted = life.create(flow_id=other.flow_id)
    with Statements(life) as first:
        claimed = life.claim()
    assert claimed is not None
    assert claimed.flow_run_id == wanted.id
    assert len(first) < 60, "hundreds at a time"
    life.create(flow_id=other.flow_id)
    with Statements(life) as then:
        assert life.claim() is not None
    assert not [
        text for text in then if text.startswith("UPDATE") and "waits_for=" in text.replace(" ", "")[:80]
    ]
    if limit is not None:
        resize(life, limit, 1)
    else:
        life.server.call(operations.update_flow, flows.UpdateFlow(flow_id=life.flow.flow_id, paused=False))
    assert life.claim() is not None
    # histories of rows that were inserted behind the server's back are not checked
    life.server.write(
        lambda call: call.connection.execute(
            sa.delete(tables.flow_runs).where(
                tables.flow_runs.c.id.not_in(
                    sa.select(tables.run_events.c.flow_run_id).where(tables.run_events.c.seq == 0)
                )
            )
        )
    )


def test_what_a_limit_is_of_is_checked(life: Life) -> None:
    make(life, "flow", "sales/daily", 1)
    with pytest.raises(errors.Conflict, match="already"):
        make(life, "flow", "sales/daily", 2)
    with pytest.raises(errors.NotFound, match="did you mean 'daily'"):
        make(life, "flow", "sales/dayly", 2)
    with pytest.raises(errors.Invalid, match="project"):
        make(life, "flow", "daily", 2)
    with pytest.raises(errors.Invalid, match="from 0"):
        make(life, "label", "x", -1)
    make(life, "label", "x", 1)
    make(life, "tag", "x", 1)
    page = life.server.call(operations.list_limits, limits.ListLimits(limit=2))
    rest = life.server.call(operations.list_limits, limits.ListLimits(after=page.next))
    assert [limit.what for limit in [*page.items, *rest.items]] == ["sales/daily", "x", "x"]
