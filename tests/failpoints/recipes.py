"""A request for each operation that may change something. An operation without one fails the test that asks for all of them."""

from collections.abc import Callable
from datetime import timedelta

from structures import digest, registration

from failpoints.town import HOURLY, PASSWORD, Ask, Town
from headrace import wire
from headrace.core import limits as core_limits
from headrace.core.states import StateType
from headrace.wire import (
    accounts,
    agents,
    artifacts,
    backfills,
    control,
    flows,
    limits,
    notifications,
    restarts,
    retention,
    runs,
    schedules,
    variables,
    versions,
)
from headrace.wire import operations as o

#: What makes the request of an operation.
Recipe = Callable[[Town], wire.Message]
NEW_PASSWORD = "another battery staple"

#: By a person who may do everything.
BY_ADMINISTRATOR: dict[o.Operation, Recipe] = {
    o.create_reset: lambda t: accounts.UserRef(user_id=t.carol),
    o.create_invitation: lambda _: accounts.CreateInvitation(email="frank@example.com"),
    o.delete_invitation: lambda t: accounts.InvitationRef(invitation_id=t.invitation),
    o.set_sign_up_rule: lambda _: accounts.SetSignUpRule(rule="domains", domains=["example.com"]),
    o.create_user: lambda _: accounts.CreateUser(name="grace", email="grace@example.com"),
    o.update_user: lambda t: accounts.UpdateUser(user_id=t.erin, active=False),
    o.delete_user: lambda t: accounts.UserRef(user_id=t.erin),
    o.create_service_account: lambda _: accounts.CreateServiceAccount(name="another robot"),
    o.delete_service_account: lambda t: accounts.ServiceAccountRef(service_account_id=t.robot),
    o.create_key: lambda t: accounts.CreateKey(name="a second", service_account_id=t.robot),
    o.revoke_key: lambda t: accounts.KeyRef(key_id=t.robot_key),
    o.create_project: lambda _: flows.CreateProject(name="new"),
    o.delete_project: lambda t: flows.DeleteProject(project_id=t.empty_project, confirm="empty"),
    o.register_flow: lambda _: registration(
        code_sha256=digest("third"), structure_sha256=digest("third"), schedules=[HOURLY]
    ),
    o.update_flow: lambda t: flows.UpdateFlow(
        flow_id=t.quiet_flow, labels=["gpu"], paused=True, default_parameters={"day": "friday"}
    ),
    o.make_current: lambda t: versions.MakeCurrent(flow_id=t.flow.flow_id, number=1),
    o.archive_flow: lambda t: versions.ArchiveFlow(flow_id=t.quiet_flow),
    o.delete_flow: lambda t: versions.DeleteFlow(flow_id=t.old_flow, confirm="sales/old"),
    o.delete_version: lambda t: versions.DeleteVersion(
        version_id=t.older_version, confirm="sales/daily version 1"
    ),
    o.update_settings: lambda _: schedules.UpdateSettings(paused=True, reason="a look at the machine room"),
    o.delete_agent: lambda t: agents.AgentRef(agent_id=t.other_agent),
    o.create_limit: lambda _: limits.CreateLimit(kind=core_limits.Kind.FLOW, what="sales/daily", size=3),
    o.update_limit: lambda t: limits.UpdateLimit(limit_id=t.limit, size=4),
    o.delete_limit: lambda t: limits.LimitRef(limit_id=t.limit),
    o.delete_flow_run: lambda t: control.DeleteFlowRun(flow_run_id=t.done),
    o.bulk_flow_runs: lambda _: control.BulkFlowRuns(
        action="delete", where=runs.ListFlowRuns(search="doomed"), reason="they were"
    ),
    o.set_retention: lambda _: retention.SetRetention(kind="logs", seconds=86400.0 * 30),
    o.reset_retention: lambda t: retention.ResetRetention(kind="flow_runs", flow_id=t.history_flow),
    o.run_retention: lambda _: retention.RunRetention(seconds=5),
    o.create_notification_channel: lambda t: notifications.CreateChannel(
        name="more", target=notifications.Webhook(url=f"{t.receiver_url}/more")
    ),
    o.update_notification_channel: lambda t: notifications.UpdateChannel(
        channel_id=t.channel, name="operators", target=notifications.Webhook(url=f"{t.receiver_url}/other")
    ),
    o.rotate_signing_secret: lambda t: notifications.RotateSecret(channel_id=t.channel),
    o.delete_notification_channel: lambda t: notifications.ChannelRef(channel_id=t.unused_channel),
    o.test_notification: lambda t: notifications.ChannelRef(channel_id=t.channel),
}
#: By a person who may run and register flows.
BY_MEMBER: dict[o.Operation, Recipe] = {
    o.create_schedule: lambda t: schedules.CreateSchedule(
        flow_id=t.flow.flow_id, schedule=HOURLY, name="too"
    ),
    o.preview_schedule: lambda t: schedules.PreviewSchedule(schedule_id=t.schedule),
    o.update_schedule: lambda t: schedules.UpdateSchedule(schedule_id=t.schedule, active=False),
    o.delete_schedule: lambda t: schedules.ScheduleRef(schedule_id=t.schedule),
    o.create_flow_run: lambda t: runs.CreateFlowRun(
        flow_id=t.flow.flow_id, name="new", labels=["gpu"], idempotency_key="one and the same"
    ),
    o.cancel_flow_run: lambda t: runs.CancelFlowRun(flow_run_id=t.running.flow_run_id, reason="enough"),
    o.resume_flow_run: lambda t: runs.ResumeFlowRun(flow_run_id=t.paused.flow_run_id, comment="go"),
    o.pause_flow_run: lambda t: control.PauseFlowRun(flow_run_id=t.running.flow_run_id, comment="wait"),
    o.reject_flow_run: lambda t: control.RejectFlowRun(flow_run_id=t.paused.flow_run_id, comment="no"),
    o.mark_flow_run: lambda t: control.MarkFlowRun(
        flow_run_id=t.running.flow_run_id, type="Failed", reason="wrong numbers"
    ),
    o.rerun_flow_run: lambda t: restarts.RerunFlowRun(flow_run_id=t.failed, name="again"),
    o.preview_rerun: lambda t: restarts.RerunFlowRun(flow_run_id=t.failed),
    o.plan_backfill: lambda t: _backfill(t),
    o.create_backfill: lambda t: _backfill(t),
    o.cancel_backfill: lambda t: backfills.BackfillRef(backfill_id=t.backfill),
    o.set_variable: lambda _: variables.SetVariable(name="rate", value=2.5),
    o.delete_variable: lambda _: variables.DeleteVariable(name="rate"),
    o.create_notification_rule: lambda t: notifications.CreateRule(
        name="crashes", channel_id=t.channel, states=["Crashed"]
    ),
    o.delete_notification_rule: lambda t: notifications.RuleRef(rule_id=t.rule),
    o.retry_delivery: lambda t: notifications.DeliveryRef(delivery_id=t.delivery),
    o.create_sla: lambda t: notifications.CreateSla(
        name="soon", flow_id=t.quiet_flow, promise=notifications.LateBy(seconds=60)
    ),
    o.delete_sla: lambda t: notifications.SlaRef(sla_id=t.sla),
}
BY_AGENT: dict[o.Operation, Recipe] = {
    o.register_agent: lambda _: agents.RegisterAgent(name="three", instance="1", launches=["local"]),
    o.heartbeat_agent: lambda t: agents.HeartbeatAgent(
        agent_id=t.life.agent_id,
        instance="1",
        runs=[agents.RunInHand(flow_run_id=t.submitted.flow_run_id, fence=t.submitted.fence)],
    ),
    o.claim_flow_run: lambda t: runs.ClaimFlowRun(agent_id=t.life.agent_id, wait_seconds=0),
    o.advance_flow_run: lambda t: runs.AdvanceFlowRun(**_held(t.submitted), name="PullingImage"),
    o.release_flow_run: lambda t: runs.ReleaseFlowRun(**_held(t.submitted), reason="draining"),
    o.report_exit: lambda t: runs.ReportExit(**_held(t.running), exit_code=-9),
}
#: By a run's own process.
BY_RUN: dict[o.Operation, Callable[[Town], tuple[runs.Assignment, wire.Message]]] = {
    o.acquire_task_slots: lambda t: (
        t.running,
        limits.AcquireTaskSlots(
            **_held(t.running), wants=[limits.TaskWant(slug="load", tags=["database"])], wait_seconds=0
        ),
    ),
    o.start_flow_run: lambda t: (
        t.submitted,
        runs.StartFlowRun(**_held(t.submitted), content_sha256=digest("content"), host="here", pid=7),
    ),
    # there is an order for it, so that the answer is not held
    o.heartbeat_flow_run: lambda t: (t.stopping, runs.HeartbeatFlowRun(**_held(t.stopping))),
    o.finish_flow_run: lambda t: (
        t.running,
        runs.FinishFlowRun(**_held(t.running), type=StateType.FAILED, name="Failed", message="it did not"),
    ),
    o.write_task_events: lambda t: (
        t.running,
        runs.WriteTaskEvents(
            **_held(t.running),
            seq=2,
            events=[runs.TaskEvent("load", -1, StateType.SUCCESS, "Success", t.now)],
        ),
    ),
    o.write_logs: lambda t: (
        t.running,
        runs.WriteLogs(**_held(t.running), seq=3, records=[runs.LogRecord(t.now, 20, "headrace", "line 3")]),
    ),
    o.read_task_results: lambda t: (t.running, runs.ReadTaskResults(**_held(t.running))),
    o.write_artifacts: lambda t: (
        t.running,
        artifacts.WriteArtifacts(
            **_held(t.running),
            seq=1,
            artifacts=[
                artifacts.ArtifactRecord(at=t.now, body=artifacts.Markdown("all is well"), key="report")
            ],
        ),
    ),
    o.read_run_variable: lambda t: (t.running, variables.ReadRunVariable(**_held(t.running), name="rate")),
}
#: By whoever is at the door.
BY_ANYBODY: dict[o.Operation, Recipe] = {
    o.request_reset: lambda _: accounts.RequestReset(email="dave@example.com"),
    o.use_reset: lambda t: accounts.UseReset(token=t.reset_token, password=NEW_PASSWORD),
    o.read_invitation: lambda t: accounts.ReadInvitation(token=t.invitation_token),
    o.accept_invitation: lambda t: accounts.AcceptInvitation(
        token=t.invitation_token, name="Frank", password=PASSWORD
    ),
    o.sign_up: lambda _: accounts.SignUp(email="heidi@example.com"),
    o.sign_in: lambda _: accounts.SignIn(email="dave@example.com", password=PASSWORD),
}
#: In a browser that is signed in.
BY_BROWSER: dict[o.Operation, Callable[[Town], tuple[dict[str, str], wire.Message]]] = {
    o.sign_out: lambda t: (t.signed_in, accounts.Nothing()),
    o.change_password: lambda t: (t.changing, accounts.ChangePassword(current=PASSWORD, new=NEW_PASSWORD)),
}
KNOWN = {
    operation.name
    for recipes in (BY_ADMINISTRATOR, BY_MEMBER, BY_AGENT, BY_RUN, BY_ANYBODY, BY_BROWSER)
    for operation in recipes
}


def ask(town: Town, name: str) -> Ask:
    """The operation's request in this town."""
    operation = o.BY_NAME[name]
    for recipes, who in (
        (BY_ADMINISTRATOR, town.administrator),
        (BY_MEMBER, town.member),
        (BY_AGENT, town.agent),
    ):
        if operation in recipes:
            return Ask(operation, recipes[operation](town), who)
    if operation in BY_RUN:
        held, request = BY_RUN[operation](town)
        return Ask(operation, request, town.by(held))
    if operation in BY_BROWSER:
        who, request = BY_BROWSER[operation](town)
        return Ask(operation, request, who)
    return Ask(operation, BY_ANYBODY[operation](town), {})


def _held(held: runs.Assignment) -> dict[str, object]:
    return {"flow_run_id": held.flow_run_id, "fence": held.fence}


def _backfill(town: Town) -> backfills.CreateBackfill:
    return backfills.CreateBackfill(
        flow_id=town.quiet_flow,
        schedule=HOURLY,
        since=town.now - timedelta(days=2, hours=3),
        until=town.now - timedelta(days=2),
        parallel=2,
    )
