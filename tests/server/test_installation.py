"""The switch that pauses everything: for administrators, and shown to everybody."""

from plans import Plans

from headrace.server import overview
from headrace.wire import accounts, operations, runs
from headrace.wire import overview as wire_overview
from headrace.wire import schedules as wire_schedules
from running import Server

NOUNS = (overview,)


def settings(server: Server) -> wire_schedules.Settings:
    return server.call(operations.read_settings, wire_schedules.ReadSettings(), server.as_.viewer)


def test_the_switch_says_who_paused_and_why(server: Server) -> None:
    plans = Plans(server)
    before = settings(server)
    assert (before.paused, before.paused_at, before.paused_by) == (False, None, "")
    paused = plans.pause_everything()
    assert paused == settings(server)
    assert (paused.paused_by, paused.paused_reason) == ("administrator", "moving house")
    assert paused.paused_at == server.clock.now
    server.clock.advance(60)
    assert plans.pause_everything() == paused  # asking again changes nothing
    shown = server.call(operations.read_overview, wire_overview.ReadOverview())
    assert shown.settings == paused
    assert plans.pause_everything(False) == before


def test_only_administrators_pause_everything() -> None:
    assert operations.update_settings.needs is accounts.Permission.ADMINISTER
    assert operations.read_settings.needs is accounts.Permission.READ


def test_a_waiting_agent_is_woken_when_everything_goes_on(server: Server) -> None:
    plans = Plans(server)
    plans.pause_everything()
    run = plans.create()
    request = runs.ClaimFlowRun(agent_id=plans.agent_id, wait_seconds=30)
    waiting = server.begin(operations.claim_flow_run, request, server.as_.agent)
    plans.pause_everything(False)
    assert waiting.result(20).assignment.flow_run_id == run.id


def test_the_overview_shows_what_is_due_next_first(server: Server) -> None:
    plans = Plans(server)
    plans.schedule()
    plans.schedule(name="again")
    late = plans.create(labels=["nobody"])
    shown = server.call(operations.read_overview, wire_overview.ReadOverview(project="sales"))
    due = [run.due_at for run in shown.upcoming]
    assert due == sorted(due)
    assert shown.upcoming[0].id == late.id
    assert len(due) == 12
    assert due[1] == due[2]
