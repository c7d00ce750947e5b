"""A database in which every operation has something to do: people, flows, runs in every state, and all that belongs to them.

`Ask` is a request as somebody sends it. What a recipe needs of the town is an attribute of it.
"""

import dataclasses
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from lifecycles import Life
from structures import digest

from headrace import wire
from headrace.core import limits as core_limits
from headrace.core import schedules as core_schedules
from headrace.core.states import StateType
from headrace.server import keys, passwords, sessions, tables, tokens
from headrace.web import handlers, openapi
from headrace.wire import (
    accounts,
    artifacts,
    backfills,
    flows,
    limits,
    notifications,
    operations,
    retention,
    runs,
    schedules,
    variables,
)
from running import Server

PASSWORD = "correct horse battery staple"
HOURLY = core_schedules.cron("0 * * * *")
FIRST, SECOND = digest("code"), digest("code of the second version")


@dataclasses.dataclass(frozen=True)
class Ask:
    """A request, and the headers that say who asks."""

    operation: operations.Operation[Any, Any]
    request: wire.Message
    headers: Mapping[str, str]

    def sent(self) -> tuple[str, dict[str, Any]]:
        """The path, and the fields that are not in it."""
        fields = msgspec.to_builtins(self.request)
        path = self.operation.path
        for name in openapi.path_fields(self.operation):
            path = path.replace(f"{{{name}}}", str(fields.pop(name)))
        return path, fields


class Town:
    """Made once over an empty database; its servers come and go afterwards."""

    def __init__(self, server: Server, receiver_url: str) -> None:
        self.server = server
        self.now = server.clock.now
        self.receiver_url = receiver_url
        self._live()
        self._fill_notifications()
        self._fill_runs()
        self._fill_people()
        self._fill_settings()

    def call(self, operation: Any, request: wire.Message, caller: handlers.Caller | None = None) -> Any:
        return self.server.call(operation, request, caller)

    # --- who asks ---

    def key(self, role: str) -> dict[str, str]:
        owner: handlers.Caller = getattr(self.server.as_, role)
        column = "user_id" if owner.kind == "user" else "service_account_id"
        made = self.server.write(lambda call: keys.make(call, f"{role}'s", **{column: owner.id}))
        return {"Authorization": f"Bearer {made.value}"}

    def session(self, user_id: UUID) -> dict[str, str]:
        """A browser that this user has signed in with, as a page of it asks."""

        def begin(call: handlers.Call[Any]) -> tuple[UUID, str | None]:
            return sessions.begin(call, user_id, 0), call.effects.session

        session_id, token = self.server.write(begin)
        csrf = tokens.csrf_token(self.server.service.secret, session_id)
        return {"Cookie": f"headrace_session={token}", "X-CSRF-Token": csrf}

    @staticmethod
    def by(held: runs.Assignment) -> dict[str, str]:
        """The run's process."""
        return {"Authorization": f"Bearer {held.token}"}

    # --- what there is ---

    def _live(self) -> None:
        self.life = life = Life(self.server)
        self.administrator, self.member, self.agent = (
            self.key(role) for role in ("administrator", "member", "agent")
        )
        self.flow = life.flow
        self.older_version = life.flow.version_id
        life.register(code_sha256=SECOND, structure_sha256=SECOND)
        self.quiet_flow = life.register(name="quiet").flow_id
        self.old_flow = life.register(name="old").flow_id
        self.history_flow = life.register(name="history").flow_id

    def _fill_runs(self) -> None:
        life = self.life
        self.call(
            operations.create_limit, limits.CreateLimit(kind=core_limits.Kind.TAG, what="database", size=2)
        )
        for number in range(3):
            self.ended(StateType.SUCCESS, f"history {number}", flow_id=self.history_flow)
        self.done = self.ended(StateType.SUCCESS, "done")
        self.failed = self.ended(StateType.FAILED, "failed")
        self.doomed = [self.ended(StateType.FAILED, f"doomed {number}") for number in range(2)]
        self.paused = self.held("paused")
        life.start(self.paused)
        life.finish(self.paused, StateType.PAUSED)
        self.running = self.held("running")
        life.start(self.running)
        self.write_something(self.running)
        self.stopping = self.held("stopping")
        life.start(self.stopping)
        life.cancel(self.stopping.flow_run_id)
        self.submitted = self.held("submitted")
        life.create(name="of the old flow", flow_id=self.old_flow, due_at=self.now + timedelta(hours=1))
        self.waiting = life.create(name="waiting")

    def held(self, name: str, **asked: Any) -> runs.Assignment:
        """A run that the agent has claimed."""
        self.life.create(name=name, **asked)
        assignment = self.life.claim()
        assert assignment is not None
        assert assignment.name == name
        return assignment

    def ended(self, type_: StateType, name: str, **asked: Any) -> UUID:
        held = self.held(name, **asked)
        self.life.start(held)
        self.write_something(held)
        self.life.finish(held, type_)
        return held.flow_run_id

    def write_something(self, held: runs.Assignment) -> None:
        """A task that has ended, one that has not, and a line in the log."""
        whose = {"flow_run_id": held.flow_run_id, "fence": held.fence, "seq": 0}
        result = runs.ResultRef(location="file:///results/1", size=5, kind="int")
        events = [
            runs.TaskEvent("extract", -1, StateType.SUCCESS, "Success", self.now, result=result),
            runs.TaskEvent("load", -1, StateType.RUNNING, "Running", self.now),
        ]
        by = self.life.by(held)
        self.call(operations.write_task_events, runs.WriteTaskEvents(**whose, events=events), by)
        records = [runs.LogRecord(self.now, 20, "headrace", f"line {number}") for number in range(3)]
        self.call(operations.write_logs, runs.WriteLogs(**whose, records=records), by)
        shown = artifacts.ArtifactRecord(at=self.now, body=artifacts.Markdown("all is well"), key="report")
        self.call(operations.write_artifacts, artifacts.WriteArtifacts(**whose, artifacts=[shown]), by)

    def _fill_people(self) -> None:
        hashed = passwords.hashed(PASSWORD, "password")
        self.carol = self._user("carol")
        self.dave = self._user("dave", hashed)
        self.erin = self._user("erin")
        self.signed_in = self.session(self.carol)
        self.changing = self.session(self.dave)
        self.session(self.erin)
        reset = self.call(operations.create_reset, accounts.UserRef(user_id=self.dave))
        self.reset_token = _token(reset.link)
        invited = self.call(
            operations.create_invitation, accounts.CreateInvitation(email="frank@example.com")
        )
        self.invitation, self.invitation_token = invited.invitation.id, _token(invited.link)
        robot = accounts.CreateServiceAccount(name="robot")
        self.robot = self.call(operations.create_service_account, robot).id
        key = accounts.CreateKey(name="the robot's", service_account_id=self.robot)
        self.robot_key = self.call(operations.create_key, key).key.id
        self.call(operations.set_sign_up_rule, accounts.SetSignUpRule(rule="open"))

    def _user(self, name: str, password_hash: str | None = None) -> UUID:
        made = self.call(
            operations.create_user, accounts.CreateUser(name=name, email=f"{name}@example.com")
        ).user.id
        if password_hash is not None:
            change = sa.update(tables.users).where(tables.users.c.id == made)
            self.server.write(
                lambda call: call.connection.execute(change.values(password_hash=password_hash))
            )
        return made

    def _fill_settings(self) -> None:
        self.empty_project = self.call(operations.create_project, flows.CreateProject(name="empty")).id
        self.schedule = self.call(
            operations.create_schedule,
            schedules.CreateSchedule(flow_id=self.quiet_flow, schedule=HOURLY, name="hourly"),
        ).id
        self.limit = self.call(
            operations.create_limit, limits.CreateLimit(kind=core_limits.Kind.LABEL, what="gpu", size=1)
        ).id
        self.backfill = self.call(
            operations.create_backfill,
            backfills.CreateBackfill(
                schedule_id=self.schedule, since=self.now - timedelta(hours=5), until=self.now, parallel=2
            ),
        ).id
        self.call(operations.set_variable, variables.SetVariable(name="rate", value=1.5))
        self.call(
            operations.set_retention,
            retention.SetRetention(kind="flow_runs", flow_id=self.history_flow, runs=1),
        )
        self.other_agent = self.life.join("two")

    def _fill_notifications(self) -> None:
        self.channel = self._channel("ops")
        self.unused_channel = self._channel("nobody's")
        rule = notifications.CreateRule(name="failures", channel_id=self.channel, states=["Failed"])
        self.rule = self.call(operations.create_notification_rule, rule).id
        self.ended(StateType.FAILED, "told of", flow_id=self.quiet_flow)
        (row,) = self.server.rows(tables.deliveries)
        self.delivery = row.id
        given_up = sa.update(tables.deliveries).values(
            state="given_up", error="nobody is there", finished_at=self.now
        )
        self.server.write(lambda call: call.connection.execute(given_up))
        sla = notifications.CreateSla(
            name="quick", flow_id=self.quiet_flow, promise=notifications.LongerThan(seconds=60)
        )
        self.sla = self.call(operations.create_sla, sla).id

    def _channel(self, name: str) -> UUID:
        target = notifications.Webhook(url=f"{self.receiver_url}/hook")
        made = self.call(
            operations.create_notification_channel, notifications.CreateChannel(name=name, target=target)
        )
        return made.channel.id


def _token(link: str) -> str:
    found = re.search(r"token=(\w+)", link)
    assert found is not None
    return found[1]
