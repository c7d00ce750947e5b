"""Every operation of the server, one entry each: routes, OpenAPI, `headrace api …`, the client and the UI's types come from here."""

import dataclasses
import enum
from typing import Any, Generic, Literal, TypeVar, cast

from headrace import wire
from headrace.wire import (
    accounts,
    agents,
    artifacts,
    audit,
    backfills,
    control,
    flows,
    limits,
    logs,
    notifications,
    overview,
    restarts,
    retention,
    runs,
    schedules,
    variables,
    versions,
)
from headrace.wire.accounts import Permission

Req = TypeVar("Req", bound=wire.Message)
Ans = TypeVar("Ans", bound=wire.Answer)


class Repeat(enum.StrEnum):
    """What a repeated request id (`Idempotency-Key`) gets.

    `NATURAL`: the operation is harmless when repeated, nothing is kept. `ANSWER`: the first answer again.
    `REBUILD`: the handler makes the first answer again, for it holds a secret that is computed, not kept.
    `REFUSE`: the first answer held a secret that nobody has any more.
    """

    NATURAL = "natural"
    ANSWER = "answer"
    REBUILD = "rebuild"
    REFUSE = "refuse"


@dataclasses.dataclass(frozen=True)
class Operation(Generic[Req, Ans]):
    """One API call. Fields of the request named in `path` come from there; the others from the query (GET, DELETE) or the body."""

    name: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    request: type[Req]
    answer: type[Ans]
    needs: Permission
    summary: str
    repeat: Repeat = Repeat.NATURAL
    #: The answer is a file, sent as it is made; `answer` is then Empty.
    streams: bool = False
    #: A run's own token may do it too, for its run and the runs it started.
    for_runs: bool = False
    #: The largest body accepted, in bytes.
    limit: int = 1024 * 1024
    #: Said elsewhere who did it, in a history of its own.
    in_history: bool = False

    @property
    def is_audited(self) -> bool:
        """Whether the audit log tells of it. Reports of agents and run processes are the history of runs; who may only read
        changes nothing.
        """
        quiet = (Permission.AGENT, Permission.REPORT, Permission.READ)
        return self.method != "GET" and self.needs not in quiet and not self.in_history


# a table: one line an operation
# fmt: off

# the ways in

read_ways_in = Operation("read_ways_in", "GET", "/api/ways_in", accounts.ReadWaysIn, accounts.WaysIn, Permission.PUBLIC, "What the sign-in page offers.")
request_reset = Operation("request_reset", "POST", "/api/resets", accounts.RequestReset, wire.Empty, Permission.PUBLIC, "Ask for a mail with a link that sets a new password.")
use_reset = Operation("use_reset", "POST", "/api/resets/use", accounts.UseReset, wire.Empty, Permission.PUBLIC, "Set a new password by a link; all sessions end.")
create_reset = Operation("create_reset", "POST", "/api/users/{user_id}/reset", accounts.UserRef, accounts.Reset, Permission.ADMINISTER, "Make a link by which a person sets a new password.", Repeat.REFUSE)
list_invitations = Operation("list_invitations", "GET", "/api/invitations", accounts.ListInvitations, wire.Page[accounts.Invitation], Permission.ADMINISTER, "Who may come in and has not.")
create_invitation = Operation("create_invitation", "POST", "/api/invitations", accounts.CreateInvitation, accounts.CreatedInvitation, Permission.ADMINISTER, "Invite somebody by mail; the link is shown once.", Repeat.REFUSE)
delete_invitation = Operation("delete_invitation", "DELETE", "/api/invitations/{invitation_id}", accounts.InvitationRef, wire.Empty, Permission.ADMINISTER, "Withdraw an invitation.", Repeat.ANSWER)
read_invitation = Operation("read_invitation", "POST", "/api/invitations/read", accounts.ReadInvitation, accounts.OpenInvitation, Permission.PUBLIC, "What a link invites to.")
accept_invitation = Operation("accept_invitation", "POST", "/api/invitations/accept", accounts.AcceptInvitation, accounts.Me, Permission.PUBLIC, "Come in by a link, with a name and a password; the answer sets the session's cookie.")
read_sign_up_rule = Operation("read_sign_up_rule", "GET", "/api/sign_up_rule", accounts.ReadSignUpRule, accounts.SignUpRule, Permission.ADMINISTER, "Who may sign up.")
set_sign_up_rule = Operation("set_sign_up_rule", "PATCH", "/api/sign_up_rule", accounts.SetSignUpRule, accounts.SignUpRule, Permission.ADMINISTER, "Set who may sign up, and as what.", Repeat.ANSWER)
sign_up = Operation("sign_up", "POST", "/api/sign_ups", accounts.SignUp, wire.Empty, Permission.PUBLIC, "Ask for a mail with a link that makes an account.")

# accounts and sessions

sign_in = Operation("sign_in", "POST", "/api/session", accounts.SignIn, accounts.Me, Permission.PUBLIC, "Sign in; the answer sets the session's cookie.")
sign_out = Operation("sign_out", "DELETE", "/api/session", accounts.Nothing, wire.Empty, Permission.ACCOUNT, "End this session.")
read_me = Operation("read_me", "GET", "/api/me", accounts.Nothing, accounts.Me, Permission.PUBLIC, "Who am I, and what may I do?")
change_password = Operation("change_password", "POST", "/api/me/password", accounts.ChangePassword, wire.Empty, Permission.ACCOUNT, "Set one's own password; other sessions end.")
list_users = Operation("list_users", "GET", "/api/users", accounts.ListUsers, wire.Page[accounts.User], Permission.READ, "People of this installation.")
create_user = Operation("create_user", "POST", "/api/users", accounts.CreateUser, accounts.CreatedUser, Permission.ADMINISTER, "Add a person.", Repeat.REFUSE)
update_user = Operation("update_user", "PATCH", "/api/users/{user_id}", accounts.UpdateUser, accounts.User, Permission.ADMINISTER, "Change a person's name or role, or deactivate them.", Repeat.ANSWER)
delete_user = Operation("delete_user", "DELETE", "/api/users/{user_id}", accounts.UserRef, wire.Empty, Permission.ADMINISTER, "Remove a person, their sessions and keys.", Repeat.ANSWER)
list_service_accounts = Operation("list_service_accounts", "GET", "/api/service_accounts", accounts.ListServiceAccounts, wire.Page[accounts.ServiceAccount], Permission.ADMINISTER, "Accounts of agents and CI.")
create_service_account = Operation("create_service_account", "POST", "/api/service_accounts", accounts.CreateServiceAccount, accounts.ServiceAccount, Permission.ADMINISTER, "Add an account for an agent or for CI.", Repeat.ANSWER)
delete_service_account = Operation("delete_service_account", "DELETE", "/api/service_accounts/{service_account_id}", accounts.ServiceAccountRef, wire.Empty, Permission.ADMINISTER, "Remove a service account and its keys.", Repeat.ANSWER)
list_keys = Operation("list_keys", "GET", "/api/keys", accounts.ListKeys, wire.Page[accounts.Key], Permission.ACCOUNT, "API keys with their last use, never their values.")
create_key = Operation("create_key", "POST", "/api/keys", accounts.CreateKey, accounts.CreatedKey, Permission.ACCOUNT, "Make an API key; its value is shown once.", Repeat.REFUSE)
revoke_key = Operation("revoke_key", "DELETE", "/api/keys/{key_id}", accounts.KeyRef, wire.Empty, Permission.ACCOUNT, "Revoke an API key; its next call is refused.", Repeat.ANSWER)

# projects and flows

list_projects = Operation("list_projects", "GET", "/api/projects", flows.ListProjects, wire.Page[flows.Project], Permission.READ, "All projects.")
create_project = Operation("create_project", "POST", "/api/projects", flows.CreateProject, flows.Project, Permission.REGISTER, "Make a project; names are unique.", Repeat.ANSWER)
delete_project = Operation("delete_project", "DELETE", "/api/projects/{project_id}", flows.DeleteProject, wire.Empty, Permission.ADMINISTER, "Delete a project with all its flows and runs.", Repeat.ANSWER)
register_flow = Operation("register_flow", "POST", "/api/flows", flows.RegisterFlow, flows.Registered, Permission.REGISTER, "Register a flow: its structure, no code.", Repeat.ANSWER, limit=64 * 1024 * 1024)
list_flows = Operation("list_flows", "GET", "/api/flows", flows.ListFlows, wire.Page[flows.Flow], Permission.READ, "Flows with their last runs.")
find_flow = Operation("find_flow", "GET", "/api/flows/find", flows.FindFlow, flows.Flow, Permission.READ, "The flow of this name.")
read_flow = Operation("read_flow", "GET", "/api/flows/{flow_id}", flows.FlowRef, flows.Flow, Permission.READ, "One flow.")
update_flow = Operation("update_flow", "PATCH", "/api/flows/{flow_id}", flows.UpdateFlow, flows.Flow, Permission.RUN, "Change settings that survive new versions.", Repeat.ANSWER)
list_versions = Operation("list_versions", "GET", "/api/flows/{flow_id}/versions", flows.ListVersions, wire.Page[flows.FlowVersion], Permission.READ, "A flow's versions, newest first.")
compare_versions = Operation("compare_versions", "GET", "/api/flows/{flow_id}/compare", versions.CompareVersions, versions.Difference, Permission.READ, "What differs between two versions of a flow.")
make_current = Operation("make_current", "POST", "/api/flows/{flow_id}/current", versions.MakeCurrent, flows.Flow, Permission.REGISTER, "Make a version the one that runs use.", Repeat.ANSWER)
archive_flow = Operation("archive_flow", "POST", "/api/flows/{flow_id}/archive", versions.ArchiveFlow, flows.Flow, Permission.REGISTER, "Archive a flow, or bring it back.", Repeat.ANSWER)
preview_deletion = Operation("preview_deletion", "GET", "/api/flows/{flow_id}/deletion", versions.PreviewDeletion, versions.Deletion, Permission.READ, "What the deletion of a flow or a version would take along.")
delete_flow = Operation("delete_flow", "DELETE", "/api/flows/{flow_id}", versions.DeleteFlow, versions.Deletion, Permission.ADMINISTER, "Delete a flow: its schedules go, its runs end, its history stays until retention.", Repeat.ANSWER)
delete_version = Operation("delete_version", "DELETE", "/api/versions/{version_id}", versions.DeleteVersion, versions.Deletion, Permission.ADMINISTER, "Delete a version that is not the current one.", Repeat.ANSWER)
read_version = Operation("read_version", "GET", "/api/versions/{version_id}", flows.VersionRef, flows.FlowStructure, Permission.READ, "One version with its graph.")

# schedules, and the switch for everything

list_schedules = Operation("list_schedules", "GET", "/api/schedules", schedules.ListSchedules, wire.Page[schedules.FlowSchedule], Permission.READ, "Schedules of a flow, of a project, or all.")
create_schedule = Operation("create_schedule", "POST", "/api/schedules", schedules.CreateSchedule, schedules.FlowSchedule, Permission.RUN, "Give a flow a schedule that survives its versions.", Repeat.ANSWER)
preview_schedule = Operation("preview_schedule", "POST", "/api/schedules/preview", schedules.PreviewSchedule, schedules.SchedulePreview, Permission.READ, "When a schedule, stored or not, fires next.")
read_schedule = Operation("read_schedule", "GET", "/api/schedules/{schedule_id}", schedules.ScheduleRef, schedules.FlowSchedule, Permission.READ, "One schedule.")
update_schedule = Operation("update_schedule", "PATCH", "/api/schedules/{schedule_id}", schedules.UpdateSchedule, schedules.FlowSchedule, Permission.RUN, "Change a schedule, pause or resume it.", Repeat.ANSWER)
delete_schedule = Operation("delete_schedule", "DELETE", "/api/schedules/{schedule_id}", schedules.ScheduleRef, wire.Empty, Permission.RUN, "Delete a schedule with its runs that have not started.", Repeat.ANSWER)
read_settings = Operation("read_settings", "GET", "/api/settings", schedules.ReadSettings, schedules.Settings, Permission.READ, "What holds for the whole installation.")
update_settings = Operation("update_settings", "PATCH", "/api/settings", schedules.UpdateSettings, schedules.Settings, Permission.ADMINISTER, "Pause everything, or resume it.", Repeat.ANSWER)

# flow runs, for people

create_flow_run = Operation("create_flow_run", "POST", "/api/flow_runs", runs.CreateFlowRun, runs.FlowRun, Permission.RUN, "Ask for a run of a flow, now or later.", Repeat.ANSWER, limit=8 * 1024 * 1024, for_runs=True, in_history=True)
list_flow_runs = Operation("list_flow_runs", "GET", "/api/flow_runs", runs.ListFlowRuns, wire.Page[runs.FlowRun], Permission.READ, "Flow runs, newest first.", for_runs=True)
read_flow_run = Operation("read_flow_run", "GET", "/api/flow_runs/{flow_run_id}", runs.FlowRunRef, runs.FlowRun, Permission.READ, "One flow run.", for_runs=True)
list_run_events = Operation("list_run_events", "GET", "/api/flow_runs/{flow_run_id}/events", runs.FlowRunRef, wire.Page[runs.RunEvent], Permission.READ, "A run's history, oldest first.")
cancel_flow_run = Operation("cancel_flow_run", "POST", "/api/flow_runs/{flow_run_id}/cancel", runs.CancelFlowRun, runs.FlowRun, Permission.RUN, "Cancel a run.", Repeat.ANSWER, for_runs=True)
resume_flow_run = Operation("resume_flow_run", "POST", "/api/flow_runs/{flow_run_id}/resume", runs.ResumeFlowRun, runs.FlowRun, Permission.RUN, "Approve a paused run.", Repeat.ANSWER)
list_task_runs = Operation("list_task_runs", "GET", "/api/flow_runs/{flow_run_id}/tasks", runs.ListTaskRuns, wire.Page[runs.TaskRun], Permission.READ, "Task runs of a flow run.", for_runs=True)
read_task_run = Operation("read_task_run", "GET", "/api/flow_runs/{flow_run_id}/tasks/{slug}", runs.TaskRunRef, runs.TaskRunStates, Permission.READ, "One task run with all its states.")
list_logs = Operation("list_logs", "GET", "/api/flow_runs/{flow_run_id}/logs", logs.ListLogs, wire.Page[logs.LogLine], Permission.READ, "A run's logs: filtered, sorted, searched.", for_runs=True)
count_logs = Operation("count_logs", "GET", "/api/flow_runs/{flow_run_id}/logs/count", logs.ListLogs, logs.CountLogs, Permission.READ, "How many records a filter finds.")
download_logs = Operation("download_logs", "GET", "/api/flow_runs/{flow_run_id}/logs/download", logs.DownloadLogs, wire.Empty, Permission.READ, "A run's whole log as a file.", streams=True)
read_overview = Operation("read_overview", "GET", "/api/overview", overview.ReadOverview, overview.Overview, Permission.READ, "The dashboard.")

# agents

register_agent = Operation("register_agent", "POST", "/api/agents", agents.RegisterAgent, agents.Agent, Permission.AGENT, "An agent says what it is and what it can launch.", Repeat.ANSWER)
list_agents = Operation("list_agents", "GET", "/api/agents", agents.ListAgents, wire.Page[agents.Agent], Permission.READ, "Agents with their health.")
read_agent = Operation("read_agent", "GET", "/api/agents/{agent_id}", agents.AgentRef, agents.Agent, Permission.READ, "One agent.")
delete_agent = Operation("delete_agent", "DELETE", "/api/agents/{agent_id}", agents.AgentRef, wire.Empty, Permission.ADMINISTER, "Forget an agent; a living one registers itself again.", Repeat.ANSWER)
heartbeat_agent = Operation("heartbeat_agent", "POST", "/api/agents/{agent_id}/heartbeat", agents.HeartbeatAgent, agents.AgentOrders, Permission.AGENT, "An agent's sign of life.")
claim_flow_run = Operation("claim_flow_run", "POST", "/api/agents/{agent_id}/claim", runs.ClaimFlowRun, runs.Claimed, Permission.AGENT, "Ask for a run to launch; held until there is one.", Repeat.REBUILD)
advance_flow_run = Operation("advance_flow_run", "POST", "/api/flow_runs/{flow_run_id}/advance", runs.AdvanceFlowRun, runs.RunAnswer, Permission.AGENT, "Progress before the start.", Repeat.ANSWER)
release_flow_run = Operation("release_flow_run", "POST", "/api/flow_runs/{flow_run_id}/release", runs.ReleaseFlowRun, runs.RunAnswer, Permission.AGENT, "Give a claimed run back.", Repeat.ANSWER)
report_exit = Operation("report_exit", "POST", "/api/flow_runs/{flow_run_id}/exit", runs.ReportExit, runs.RunAnswer, Permission.AGENT, "The run's process has ended, or could not be launched.", Repeat.ANSWER)

# concurrency limits

list_limits = Operation("list_limits", "GET", "/api/limits", limits.ListLimits, wire.Page[limits.Limit], Permission.READ, "Concurrency limits, with how many hold and wait.")
read_limit = Operation("read_limit", "GET", "/api/limits/{limit_id}", limits.LimitRef, limits.LimitDetails, Permission.READ, "One limit: who holds its slots, who waits.")
create_limit = Operation("create_limit", "POST", "/api/limits", limits.CreateLimit, limits.Limit, Permission.ADMINISTER, "Limit the runs of a flow, the runs with a label, or the task runs with a tag.", Repeat.ANSWER)
update_limit = Operation("update_limit", "PATCH", "/api/limits/{limit_id}", limits.UpdateLimit, limits.Limit, Permission.ADMINISTER, "Change a limit's size, or what becomes of runs that find it full.", Repeat.ANSWER)
delete_limit = Operation("delete_limit", "DELETE", "/api/limits/{limit_id}", limits.LimitRef, wire.Empty, Permission.ADMINISTER, "Remove a limit; what waits for it goes on.", Repeat.ANSWER)

# run processes

acquire_task_slots = Operation("acquire_task_slots", "POST", "/api/flow_runs/{flow_run_id}/task_slots", limits.AcquireTaskSlots, limits.TaskSlots, Permission.REPORT, "May these tasks run, whose tags are limited? Held until one may.")
start_flow_run = Operation("start_flow_run", "POST", "/api/flow_runs/{flow_run_id}/start", runs.StartFlowRun, runs.RunAnswer, Permission.REPORT, "May user code begin?", Repeat.ANSWER)
heartbeat_flow_run = Operation("heartbeat_flow_run", "POST", "/api/flow_runs/{flow_run_id}/heartbeat", runs.HeartbeatFlowRun, runs.RunAnswer, Permission.REPORT, "A run's sign of life; held until there is an order.")
finish_flow_run = Operation("finish_flow_run", "POST", "/api/flow_runs/{flow_run_id}/finish", runs.FinishFlowRun, runs.RunAnswer, Permission.REPORT, "The final report.", Repeat.ANSWER)
write_task_events = Operation("write_task_events", "POST", "/api/flow_runs/{flow_run_id}/task_events", runs.WriteTaskEvents, runs.Written, Permission.REPORT, "States of task runs, in order.", limit=16 * 1024 * 1024)
write_logs = Operation("write_logs", "POST", "/api/flow_runs/{flow_run_id}/logs", runs.WriteLogs, runs.Written, Permission.REPORT, "Log records, in order.", limit=16 * 1024 * 1024)
read_task_results = Operation("read_task_results", "POST", "/api/flow_runs/{flow_run_id}/results", runs.ReadTaskResults, runs.TaskResults, Permission.REPORT, "Where earlier attempts persisted their results.")

# control of runs, for people

pause_flow_run = Operation("pause_flow_run", "POST", "/api/flow_runs/{flow_run_id}/pause", control.PauseFlowRun, runs.FlowRun, Permission.RUN, "Pause a running run at the end of its running tasks.", Repeat.ANSWER, in_history=True)
reject_flow_run = Operation("reject_flow_run", "POST", "/api/flow_runs/{flow_run_id}/reject", control.RejectFlowRun, runs.FlowRun, Permission.RUN, "Refuse what a paused run waits for; it ends as Cancelled.", Repeat.ANSWER, in_history=True)
mark_flow_run = Operation("mark_flow_run", "POST", "/api/flow_runs/{flow_run_id}/mark", control.MarkFlowRun, runs.FlowRun, Permission.RUN, "Overrule a run as Success or Failed, with a reason.", Repeat.ANSWER)
delete_flow_run = Operation("delete_flow_run", "DELETE", "/api/flow_runs/{flow_run_id}", control.DeleteFlowRun, wire.Empty, Permission.ADMINISTER, "Delete a finished run with all that was recorded of it.")
bulk_flow_runs = Operation("bulk_flow_runs", "POST", "/api/flow_runs/bulk", control.BulkFlowRuns, control.BulkDone, Permission.RUN, "Cancel, resume, reject, mark, re-run or delete the runs that a filter finds, a batch at a time.", Repeat.ANSWER)

# re-runs

rerun_flow_run = Operation("rerun_flow_run", "POST", "/api/flow_runs/{flow_run_id}/rerun", restarts.RerunFlowRun, runs.FlowRun, Permission.RUN, "Run again what did not succeed, or from chosen tasks, as a new run; other results are taken over.", Repeat.ANSWER, limit=8 * 1024 * 1024)
preview_rerun = Operation("preview_rerun", "POST", "/api/flow_runs/{flow_run_id}/rerun/preview", restarts.RerunFlowRun, restarts.RerunPreview, Permission.READ, "What a re-run would run, and what it would take over.", limit=8 * 1024 * 1024)

# backfills

list_backfills = Operation("list_backfills", "GET", "/api/backfills", backfills.ListBackfills, wire.Page[backfills.Backfill], Permission.READ, "Backfills, newest first.")
plan_backfill = Operation("plan_backfill", "POST", "/api/backfills/plan", backfills.CreateBackfill, backfills.BackfillPlan, Permission.READ, "What a backfill would run; nothing is made.")
create_backfill = Operation("create_backfill", "POST", "/api/backfills", backfills.CreateBackfill, backfills.Backfill, Permission.RUN, "Run the past firings of a schedule.", Repeat.ANSWER)
read_backfill = Operation("read_backfill", "GET", "/api/backfills/{backfill_id}", backfills.BackfillRef, backfills.Backfill, Permission.READ, "One backfill.")
cancel_backfill = Operation("cancel_backfill", "POST", "/api/backfills/{backfill_id}/cancel", backfills.BackfillRef, backfills.Backfill, Permission.RUN, "Cancel a backfill and all its runs.", Repeat.ANSWER)

# the audit log

list_audit = Operation("list_audit", "GET", "/api/audit", audit.ListAudit, wire.Page[audit.Entry], Permission.ADMINISTER, "Who did what, when: filtered and searched, newest first.")
download_audit = Operation("download_audit", "GET", "/api/audit/download", audit.DownloadAudit, wire.Empty, Permission.ADMINISTER, "The audit log as a file.", streams=True)
verify_audit = Operation("verify_audit", "GET", "/api/audit/verify", audit.VerifyAudit, audit.Verified, Permission.ADMINISTER, "Whether every entry is what it was when it was sealed.")

# artifacts

write_artifacts = Operation("write_artifacts", "POST", "/api/flow_runs/{flow_run_id}/artifacts", artifacts.WriteArtifacts, runs.Written, Permission.REPORT, "Artifacts that a run has made, in order.", limit=16 * 1024 * 1024)
list_artifacts = Operation("list_artifacts", "GET", "/api/artifacts", artifacts.ListArtifacts, wire.Page[artifacts.Artifact], Permission.READ, "What the tasks of a run, or of a flow's runs, show.")
read_artifact = Operation("read_artifact", "GET", "/api/artifacts/{artifact_id}", artifacts.ArtifactRef, artifacts.Artifact, Permission.READ, "One artifact, whole.")
download_artifact = Operation("download_artifact", "GET", "/api/artifacts/{artifact_id}/download", artifacts.ArtifactRef, wire.Empty, Permission.READ, "An image, a text or a table as a file.", streams=True)

# variables

list_variables = Operation("list_variables", "GET", "/api/variables", variables.ListVariables, wire.Page[variables.Variable], Permission.READ, "Named values that flows read.")
read_variable = Operation("read_variable", "GET", "/api/variables/{name}", variables.ReadVariable, variables.Variable, Permission.READ, "One variable.")
set_variable = Operation("set_variable", "POST", "/api/variables", variables.SetVariable, variables.Variable, Permission.RUN, "Make a variable, or give it another value. Never a secret.", Repeat.ANSWER)
delete_variable = Operation("delete_variable", "DELETE", "/api/variables/{name}", variables.DeleteVariable, variables.Variable, Permission.RUN, "Take a variable away; its history stays.", Repeat.ANSWER)
list_variable_versions = Operation("list_variable_versions", "GET", "/api/variables/{name}/versions", variables.ListVariableVersions, wire.Page[variables.VariableVersion], Permission.READ, "What a variable was, when, and who made it that.")
read_run_variable = Operation("read_run_variable", "POST", "/api/flow_runs/{flow_run_id}/variables", variables.ReadRunVariable, variables.RunVariable, Permission.REPORT, "What a run sees under a name, from its first look on.")
list_run_variables = Operation("list_run_variables", "GET", "/api/flow_runs/{flow_run_id}/variables", variables.ListRunVariables, wire.Page[variables.RunVariable], Permission.READ, "Which versions of which variables a run has read.")

# retention

read_retention = Operation("read_retention", "GET", "/api/retention", retention.ReadRetention, retention.Retention, Permission.READ, "How long history is kept, and what was removed last.")
preview_retention = Operation("preview_retention", "GET", "/api/retention/preview", retention.PreviewRetention, retention.RetentionPreview, Permission.ADMINISTER, "What the rules would remove now.")
set_retention = Operation("set_retention", "POST", "/api/retention", retention.SetRetention, retention.Retention, Permission.ADMINISTER, "Set how long something is kept, everywhere or of one flow.", Repeat.ANSWER)
reset_retention = Operation("reset_retention", "DELETE", "/api/retention", retention.ResetRetention, retention.Retention, Permission.ADMINISTER, "Back to the installation's rule, or to the default.", Repeat.ANSWER)
run_retention = Operation("run_retention", "POST", "/api/retention/run", retention.RunRetention, retention.Round, Permission.ADMINISTER, "Remove now what the rules let go.")

# notifications

list_notification_channels = Operation("list_notification_channels", "GET", "/api/notification_channels", notifications.ListChannels, wire.Page[notifications.Channel], Permission.READ, "Where messages go; never the secrets of it.")
create_notification_channel = Operation("create_notification_channel", "POST", "/api/notification_channels", notifications.CreateChannel, notifications.CreatedChannel, Permission.ADMINISTER, "Add a place to send to; a webhook's signing secret is shown once.", Repeat.REFUSE)
update_notification_channel = Operation("update_notification_channel", "PATCH", "/api/notification_channels/{channel_id}", notifications.UpdateChannel, notifications.Channel, Permission.ADMINISTER, "Rename a channel, or set where it leads.", Repeat.ANSWER)
rotate_signing_secret = Operation("rotate_signing_secret", "POST", "/api/notification_channels/{channel_id}/rotate", notifications.RotateSecret, notifications.CreatedChannel, Permission.ADMINISTER, "Give a webhook a new signing secret, which is shown once; the earlier one signs too for a while.", Repeat.REFUSE)
delete_notification_channel = Operation("delete_notification_channel", "DELETE", "/api/notification_channels/{channel_id}", notifications.ChannelRef, wire.Empty, Permission.ADMINISTER, "Remove a channel that no rule uses.", Repeat.ANSWER)
test_notification = Operation("test_notification", "POST", "/api/notification_channels/{channel_id}/test", notifications.ChannelRef, notifications.Tested, Permission.ADMINISTER, "Send a test message now, and say what happened.")
list_notification_rules = Operation("list_notification_rules", "GET", "/api/notification_rules", notifications.ListRules, wire.Page[notifications.Rule], Permission.READ, "What is told to which channel.")
create_notification_rule = Operation("create_notification_rule", "POST", "/api/notification_rules", notifications.CreateRule, notifications.Rule, Permission.RUN, "Tell a channel of runs that come into some state.", Repeat.ANSWER)
delete_notification_rule = Operation("delete_notification_rule", "DELETE", "/api/notification_rules/{rule_id}", notifications.RuleRef, wire.Empty, Permission.RUN, "Tell no more.", Repeat.ANSWER)
list_deliveries = Operation("list_deliveries", "GET", "/api/deliveries", notifications.ListDeliveries, wire.Page[notifications.Delivery], Permission.READ, "What became of each message, newest first.")
retry_delivery = Operation("retry_delivery", "POST", "/api/deliveries/{delivery_id}/retry", notifications.DeliveryRef, notifications.Delivery, Permission.RUN, "Send a message again that was not delivered.", Repeat.ANSWER)
list_slas = Operation("list_slas", "GET", "/api/slas", notifications.ListSlas, wire.Page[notifications.Sla], Permission.READ, "What is promised of flows.")
create_sla = Operation("create_sla", "POST", "/api/slas", notifications.CreateSla, notifications.Sla, Permission.RUN, "Promise something of a flow's runs.", Repeat.ANSWER)
delete_sla = Operation("delete_sla", "DELETE", "/api/slas/{sla_id}", notifications.SlaRef, wire.Empty, Permission.RUN, "Take a promise back, with its misses.", Repeat.ANSWER)
list_sla_misses = Operation("list_sla_misses", "GET", "/api/sla_misses", notifications.ListMisses, wire.Page[notifications.Miss], Permission.READ, "When promises were not kept, newest first.")

# fmt: on

#: In the order in which documents list them.
OPERATIONS: tuple[Operation[Any, Any], ...] = tuple(
    cast("Operation[Any, Any]", value) for value in list(globals().values()) if isinstance(value, Operation)
)
BY_NAME: dict[str, Operation[Any, Any]] = {operation.name: operation for operation in OPERATIONS}
