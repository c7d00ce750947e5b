"""Schedules of flows: V4 (several, of every clock), V7 (pause and resume), V8 (refused early)."""

from datetime import timedelta

import pytest
from plans import HOURLY, Plans, at
from structures import digest

from headrace import errors
from headrace.core import schedules as core
from headrace.core.states import StateType
from headrace.server import tables
from headrace.wire import flows as wire_flows
from headrace.wire import operations
from headrace.wire import schedules as wire_schedules
from running import Server

NEEDY = [wire_flows.ParameterSpec(name="region", required=True, schema={"type": "string"})]


def test_v4_the_next_ten_runs_are_there_with_the_answer(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule()
    assert (made.origin, made.name, made.sentence) == (
        "people",
        "0 * * * *",
        "At minute 0 of every hour, UTC.",
    )
    assert plans.due() == [f"22 {hour}:00" for hour in range(13, 23)]
    run = plans.read_run(plans.runs()[0].id)
    assert (run.created_by.kind, run.created_by.name, run.schedule_id) == ("schedule", "0 * * * *", made.id)
    assert run.waits is not None
    assert run.waits.code == "not_due"
    assert made.next_run_at == at(13)
    assert made.idle is None
    event = plans.events(run.id)[0]
    assert (event.actor.kind, event.seq) == ("schedule", 0)
    flow = server.call(operations.read_flow, wire_flows.FlowRef(flow_id=plans.flow.flow_id))
    assert flow.next_run_at == at(13)
    plans.check()


def test_v4_several_schedules_of_one_flow_have_their_own_parameters_and_labels(server: Server) -> None:
    plans = Plans(server)
    start = at(12) + timedelta(seconds=10)
    plans.schedule(core.every(timedelta(seconds=30), start=start, parameters={"day": "sunday"}), "often")
    plans.schedule(core.dates([at(15), at(14)], labels=["gpu"]), "twice")
    plans.schedule(
        core.rrule("FREQ=DAILY;BYHOUR=9;BYMINUTE=30;BYSECOND=0", timezone="Europe/Berlin"), "daily"
    )
    assert [found.name for found in plans.schedules()] == ["daily", "often", "twice"]
    by_name = {found.name: found for found in plans.schedules()}
    often = plans.runs(schedule_id=by_name["often"].id)
    assert [row.due_at for row in often[:2]] == [start, start + timedelta(seconds=30)]
    assert often[0].parameters == {"day": "sunday"}
    twice = plans.runs(schedule_id=by_name["twice"].id)
    assert [(row.due_at, row.labels, row.parameters) for row in twice] == [
        (at(14), ["gpu"], {"day": "monday"}),
        (at(15), ["gpu"], {"day": "monday"}),
    ]
    assert plans.due(schedule_id=by_name["daily"].id)[:2] == ["23 08:30", "24 08:30"]


def test_r11_a_schedule_s_runs_have_its_priority_and_slots_or_the_flow_s(server: Server) -> None:
    plans = Plans(server)
    plans.update_flow(priority=2, slots=3)
    own = plans.schedule(core.cron("0 * * * *", priority=7, slots=5))
    plain = plans.schedule(core.cron("30 * * * *"))
    found = {run.schedule_id: (run.priority, run.slots) for run in server.rows(tables.flow_runs)}
    assert found == {own.id: (7, 5), plain.id: (2, 3)}
    for wrong in ({"priority": 1000}, {"slots": 0}):
        with pytest.raises(errors.Invalid, match=f"{next(iter(wrong))} is wrong: must be from"):
            core.cron("0 * * * *", **wrong)


def test_many_firings_at_one_instant_are_all_made(server: Server) -> None:
    clocks = [core.cron("0 * * * *", parameters={"day": f"{number}"}) for number in range(12)]
    plans = Plans(server)
    plans.schedule(core.combine(clocks))
    assert len(plans.runs(due_at=at(13))) == 12
    plans.pass_time(at(14))
    assert [len(plans.runs(due_at=at(hour))) for hour in (13, 14, 15)] == [12, 12, 12]


def test_names_are_free_and_their_own(server: Server) -> None:
    plans = Plans(server)
    assert [plans.schedule().name for _ in range(3)] == ["0 * * * *", "0 * * * * (2)", "0 * * * * (3)"]
    with pytest.raises(errors.Conflict, match="another name"):
        plans.schedule(name="0 * * * *")
    with pytest.raises(errors.Invalid, match="printable"):
        plans.schedule(name="\x00")
    with pytest.raises(errors.NotFound, match="no flow"):
        plans.schedule(flow_id=server.as_.member.id)


def test_v8_a_required_parameter_without_a_value_is_refused_by_its_name(server: Server) -> None:
    plans = Plans(server, parameters=NEEDY)
    with pytest.raises(errors.Invalid, match="'region'") as refused:
        plans.schedule()
    assert list(refused.value.fields) == ["clocks[0].parameters.region"]
    with pytest.raises(errors.Invalid, match="region"):
        plans.schedule(core.cron("0 * * * *", parameters={"region": 7}))
    with pytest.raises(errors.Invalid, match="did you mean 'region'"):
        plans.schedule(core.cron("0 * * * *", parameters={"regoin": "north"}))
    made = plans.schedule(core.cron("0 * * * *", parameters={"region": "north"}))
    assert plans.runs(schedule_id=made.id)[0].parameters == {"region": "north"}
    with pytest.raises(errors.Invalid, match="'region'"):
        plans.update(made.id, schedule=HOURLY)
    with pytest.raises(errors.Invalid, match="'region'"):
        plans.register(parameters=NEEDY, schedules=[HOURLY], code_sha256=digest("other"))


def test_v8_a_version_that_a_schedule_does_not_fit_does_not_lose_it(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule()
    plans.register(parameters=NEEDY, structure_sha256=digest("needy"))
    shown = plans.shown(made.id)
    assert shown.idle is not None
    assert shown.idle.code == "parameters_missing"
    assert "'region'" in shown.idle.sentence
    assert plans.runs() == []
    plans.update_flow(default_parameters={"region": "north"})
    assert plans.shown(made.id).idle is None
    assert plans.runs()[0].parameters == {"region": "north"}


def test_schedules_in_code_are_replaced_as_a_set_and_the_unchanged_keep_their_identity(
    server: Server,
) -> None:
    other = core.cron("30 * * * *")
    plans = Plans(server, schedules=[HOURLY, other])
    own = plans.schedule(core.cron("15 * * * *"))
    before = {found.name: found for found in plans.schedules()}
    assert {found.origin for found in before.values()} == {"code", "people"}
    assert len(plans.runs()) == 30
    plans.update(before["0 * * * *"].id, active=False)
    kept = {row.id for row in plans.runs(schedule_id=own.id)}
    plans.register(schedules=[HOURLY, core.cron("45 * * * *")])  # unchanged otherwise: no new version
    after = {found.name: found for found in plans.schedules()}
    assert sorted(after) == ["0 * * * *", "15 * * * *", "45 * * * *"]
    assert after["0 * * * *"].id == before["0 * * * *"].id
    assert not after["0 * * * *"].active
    assert {row.id for row in plans.runs(schedule_id=own.id)} == kept
    assert plans.runs(schedule_id=before["30 * * * *"].id) == []
    plans.register(schedules=[], code_sha256=digest("other"))
    assert [found.name for found in plans.schedules()] == ["15 * * * *"]
    assert len(plans.runs()) == 10


def test_a_new_version_makes_the_runs_ahead_anew(server: Server) -> None:
    plans = Plans(server)
    plans.schedule()
    spec = wire_flows.ParameterSpec(name="day", required=False, default="friday", schema={"type": "string"})
    newer = plans.register(parameters=[spec], structure_sha256=digest("friday"))
    assert {row.version_id for row in plans.runs()} == {newer.version_id}
    assert {row.parameters["day"] for row in plans.runs()} == {"friday"}
    assert plans.due() == [f"22 {hour}:00" for hour in range(13, 23)]


def test_v7_pausing_removes_what_has_not_started_and_resuming_makes_future_runs_only(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule()
    by_hand = plans.create(due_at=at(18))
    plans.pass_time(at(15))
    running, submitted = plans.claim(), plans.claim()
    assert running is not None
    assert submitted is not None
    plans.start(running)
    paused = plans.update(made.id, active=False)
    assert paused.idle is not None
    assert paused.idle.code == "schedule_paused"
    assert paused.next_run_at is None
    states = {f"{row.due_at:%H}": row.state_type for row in plans.runs()}
    assert states == {"13": "Running", "14": "Submitted", "15": "Cancelled"}
    assert plans.read_run(by_hand.id).state.type is StateType.SCHEDULED
    plans.pass_time(at(17))
    resumed = plans.update(made.id, active=True)
    assert resumed.next_run_at == at(18)
    plans.scheduler()
    assert [f"{row.due_at:%H}" for row in plans.runs()][:5] == ["13", "14", "15", "18", "19"]
    assert (resumed.revision, plans.runs()[-1].schedule_revision) == (3, 3)
    plans.check()


def test_v7_pausing_a_flow_pauses_all_its_schedules(server: Server) -> None:
    plans = Plans(server, schedules=[HOURLY])
    made = plans.schedule(core.cron("30 * * * *"))
    plans.update_flow(paused=True)
    assert plans.runs() == []
    assert {found.idle and found.idle.code for found in plans.schedules()} == {"flow_paused"}
    assert plans.update(made.id, schedule=core.cron("20 * * * *")).next_run_at is None
    plans.pass_time(at(14, 10))
    assert plans.runs() == []
    plans.update_flow(paused=False)
    assert plans.due()[:4] == ["22 14:20", "22 15:00", "22 15:20", "22 16:00"]


def test_editing_replaces_what_has_not_started(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule()
    skipped = plans.runs()[1]
    plans.cancel(skipped.id)
    edited = plans.update(made.id, schedule=core.cron("0,30 * * * *"), name="half-hourly")
    assert (edited.name, edited.revision) == ("half-hourly", 2)
    assert plans.due(state_type="Scheduled")[:4] == ["22 12:30", "22 13:00", "22 13:30", "22 14:30"]
    assert plans.due(state_type="Cancelled") == ["22 14:00"]  # its tick had its run
    assert {row.schedule_revision for row in plans.runs(state_type="Scheduled")} == {2}
    plans.delete(made.id)
    assert plans.schedules() == []
    assert [row.id for row in plans.runs()] == [skipped.id]
    with pytest.raises(errors.NotFound):
        plans.shown(made.id)


def test_what_is_in_code_is_changed_in_code(server: Server) -> None:
    plans = Plans(server, schedules=[HOURLY])
    (made,) = plans.schedules()
    with pytest.raises(errors.Conflict, match="in the flow's code"):
        plans.update(made.id, schedule=core.cron("5 * * * *"))
    with pytest.raises(errors.Conflict, match="in the flow's code"):
        plans.update(made.id, name="mine")
    with pytest.raises(errors.Conflict, match="in the flow's code"):
        plans.delete(made.id)
    assert plans.update(made.id, active=False).active is False


def test_lists_are_by_flow_and_project_and_in_pages(server: Server) -> None:
    plans = Plans(server)
    other = plans.register(name="other", schedules=[HOURLY])
    for number in range(3):
        plans.schedule(name=f"number {number}")
    page = server.call(operations.list_schedules, wire_schedules.ListSchedules(limit=2))
    rest = server.call(operations.list_schedules, wire_schedules.ListSchedules(after=page.next))
    assert [(found.flow, found.name) for found in [*page.items, *rest.items]] == [
        *(("daily", f"number {number}") for number in range(3)),
        ("other", "0 * * * *"),
    ]
    of_flow = wire_schedules.ListSchedules(flow_id=other.flow_id, project="sales")
    assert len(server.call(operations.list_schedules, of_flow).items) == 1
    with pytest.raises(errors.NotFound, match="did you mean 'sales'"):
        server.call(operations.list_schedules, wire_schedules.ListSchedules(project="slaes"))


def test_a_row_that_cannot_be_read_is_shown_with_what_is_wrong(server: Server) -> None:
    plans = Plans(server)
    made = plans.schedule()
    text = '{"clocks":[{"clock":"cron","expression":"0 * * * *","timezone":"Mars/Olympus"}]}'
    server.write(lambda call: call.connection.execute(tables.schedules.update().values(schedule=text)))
    shown = plans.shown(made.id)
    assert shown.schedule is None
    assert shown.idle is not None
    assert shown.idle.code == "schedule_unreadable"
    assert "Mars/Olympus" in shown.idle.sentence
    plans.update(made.id, schedule=HOURLY)
    assert plans.shown(made.id).idle is None


def test_v4_a_preview_marks_what_the_change_of_clocks_does(sqlite_server: Server) -> None:
    plans = Plans(sqlite_server)

    def preview(**asked: object) -> wire_schedules.SchedulePreview:
        return sqlite_server.call(operations.preview_schedule, wire_schedules.PreviewSchedule(**asked))  # type: ignore[arg-type]

    nightly = core.cron("30 2 * * *", timezone="Europe/Berlin")
    shown = preview(schedule=nightly, since=at(12).replace(year=2027, month=3, day=26), count=3)
    assert shown.sentence == "At 02:30, time of Europe/Berlin."
    assert [(firing.local, firing.dst and firing.dst.code) for firing in shown.firings] == [
        ("2027-03-27 02:30:00+01:00", None),
        ("2027-03-28 03:00:00+02:00", "dst_gap"),
        ("2027-03-29 02:30:00+02:00", None),
    ]
    stored = plans.schedule(nightly)
    assert [firing.at for firing in preview(schedule_id=stored.id, count=2).firings] == [
        at(1, 30, 23),
        at(1, 30, 24),
    ]
    for wrong in ({}, {"schedule": nightly, "schedule_id": stored.id}, {"schedule": nightly, "count": 0}):
        with pytest.raises(errors.Invalid):
            preview(**wrong)
    with pytest.raises(errors.NotFound):
        preview(schedule_id=sqlite_server.as_.member.id)
