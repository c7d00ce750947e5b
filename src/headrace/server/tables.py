"""Every table of the server. Statements are in the nouns' modules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import event

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(sa.TypeDecorator[datetime]):
    """An aware UTC time: TIMESTAMPTZ on PostgreSQL, whole microseconds since 1970 on SQLite."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(
            sa.TIMESTAMP(timezone=True) if dialect.name == "postgresql" else sa.BigInteger()
        )

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        if value is None or dialect.name == "postgresql":
            return value
        return EPOCH + timedelta(microseconds=value)


class Json(sa.TypeDecorator[Any]):
    """JSON text, written and read by msgspec: the database is not asked about its inside."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- people ----------------------------------------------------------------------------------------------------------

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("password_hash", sa.Text),
    #: Raised when all sessions must end: a password change, a deactivation.
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant),
)

#: One-time links: the first start, a new user, a password reset. Only the token's hash is kept.
start_links = sa.Table(
    "start_links",
    metadata,
    sa.Column("token_sha256", sa.LargeBinary, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("token_sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant, nullable=False),
)

service_accounts = sa.Table(
    "service_accounts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("value_sha256", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), index=True),
    sa.Column(
        "service_account_id", sa.Uuid, sa.ForeignKey("service_accounts.id", ondelete="CASCADE"), index=True
    ),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("last_used_at", Instant),
    sa.CheckConstraint("(user_id IS NULL) <> (service_account_id IS NULL)", name="one_owner"),
)

#: Failed sign-ins, counted per address of mail and per address of network, for a while.
sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("since", Instant, nullable=False),
)

#: What was answered to a request id, so that repeating it has one effect. A secret is never in `answer`.
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("flow_run_id", sa.Uuid, index=True),
    sa.Column("created_at", Instant, nullable=False, index=True),
)

#: One row a loop: which server does it until when.
loop_leases = sa.Table(
    "loop_leases",
    metadata,
    sa.Column("loop", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", Instant, nullable=False),
)

# --- flows -----------------------------------------------------------------------------------------------------------

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
)

#: A flow is the group of its versions; settings made by people hang here and survive new versions.
flows = sa.Table(
    "flows",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("project_id", sa.Uuid, sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("current_version_id", sa.Uuid),
    sa.Column("labels", Json),
    sa.Column("default_parameters", Json, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("archived_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("project_id", "name"),
)

flow_versions = sa.Table(
    "flow_versions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    #: wire.flows.Structure as JSON text, large: lists do not select it.
    sa.Column("structure", sa.Text, nullable=False),
    sa.Column("storage", Json, nullable=False),
    sa.Column("structure_sha256", sa.Text, nullable=False),
    sa.Column("code_sha256", sa.Text, nullable=False),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("tasks", sa.Integer, nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("run_config", Json, nullable=False),
    sa.Column("executor", Json, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("retry_delay_seconds", sa.Float, nullable=False),
    sa.Column("timeout_seconds", sa.Float),
    sa.Column("on_lost", sa.Text, nullable=False),
    sa.Column("lost_after_seconds", sa.Float),
    sa.Column("headrace_version", sa.Text, nullable=False),
    sa.Column("python_version", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    #: The last registration that found this version unchanged: its storage and content are the ones in use.
    sa.Column("registered_at", Instant, nullable=False),
    sa.UniqueConstraint("flow_id", "number"),
)

# --- agents ----------------------------------------------------------------------------------------------------------

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("instance", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("key_id", sa.Uuid),
    sa.Column("key_name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("takes_unlabelled", sa.Boolean, nullable=False),
    sa.Column("launches", Json, nullable=False),
    sa.Column("headrace_version", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("last_contact_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("owner", "name"),
)

# --- runs ------------------------------------------------------------------------------------------------------------

#: Each distinct (labels, kind of run config) that runs ever had. There are few: an agent's claim finds those it can
#: serve first, so that labels stand in the claim's WHERE and never after its LIMIT.
queues = sa.Table(
    "queues",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("labels_key", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.UniqueConstraint("labels_key", "kind"),
)

flow_runs = sa.Table(
    "flow_runs",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("project_id", sa.Uuid, sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    sa.Column("version_id", sa.Uuid, sa.ForeignKey("flow_versions.id"), nullable=False),
    #: A version was named: the run keeps it when a newer one comes before its claim.
    sa.Column("version_pinned", sa.Boolean, nullable=False),
    sa.Column("queue_id", sa.Integer, sa.ForeignKey("queues.id"), nullable=False),
    # its state
    sa.Column("state_type", sa.Text, nullable=False),
    sa.Column("state_name", sa.Text, nullable=False),
    sa.Column("state_message", sa.Text, nullable=False),
    sa.Column("state_at", Instant, nullable=False),
    #: Counts the moves: each UPDATE names the one it read.
    sa.Column("version", sa.Integer, nullable=False),
    #: Raised at every grant, rescue and cancel before the start: who holds an older one may not write.
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("rescues", sa.Integer, nullable=False),
    sa.Column("retries_used", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    #: Skipped by claims until then, so that one run without a slot never blocks the head of the queue.
    sa.Column("not_before", Instant, nullable=False),
    sa.Column("lease_until", Instant),
    sa.Column("last_contact_at", Instant),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("agent_id", sa.Uuid),
    sa.Column("host", sa.Text),
    sa.Column("pid", sa.Integer),
    # what was asked for
    sa.Column("parameters", Json, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("run_config", Json, nullable=False),
    sa.Column("log_level", sa.Text, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("retry_delay_seconds", sa.Float, nullable=False),
    sa.Column("timeout_seconds", sa.Float),
    sa.Column("on_lost", sa.Text, nullable=False),
    sa.Column("lost_after_seconds", sa.Float),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by_kind", sa.Text, nullable=False),
    sa.Column("created_by_name", sa.Text, nullable=False),
    sa.Column("created_by_id", sa.Uuid),
    sa.Column("parent_run_id", sa.Uuid),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("result", Json),
    #: Task runs by state type, kept beside the events so that lists need no count.
    sa.Column("task_states", Json, nullable=False),
    sa.UniqueConstraint("flow_id", "idempotency_key"),
    sa.CheckConstraint(
        "(finished_at IS NOT NULL) = (state_type IN ('Success', 'Failed', 'Crashed', 'Cancelled'))",
        name="finished",
    ),
    # lists, newest first (ids are ordered by time)
    sa.Index("ix_flow_runs_flow", "flow_id", "id"),
    sa.Index("ix_flow_runs_project", "project_id", "id"),
    sa.Index("ix_flow_runs_state", "state_type", "id"),
    sa.Index("ix_flow_runs_agent", "agent_id", "id"),
    # the dashboard: what ended in a period
    sa.Index("ix_flow_runs_finished", "finished_at", "state_type"),
)

#: Partial indexes: the claim's, of due runs by queue, and the reaper's, of leases that are held. As text, for naming a
#: dialect's option in sa.Index imports the whole dialect: a tenth of a second of each server's start.
PARTIAL_INDEXES = (
    "CREATE INDEX ix_flow_runs_claim ON flow_runs (queue_id, not_before) WHERE state_type = 'Scheduled'",
    "CREATE INDEX ix_flow_runs_lease ON flow_runs (lease_until) WHERE lease_until IS NOT NULL",
)
for _statement in PARTIAL_INDEXES:
    event.listen(flow_runs, "after_create", sa.DDL(_statement))

#: A run's history, append only: seq is the run's version after the move.
run_events = sa.Table(
    "run_events",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    #: move, note (a late report, a mark beside a finished state)
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("from_type", sa.Text),
    sa.Column("state_type", sa.Text, nullable=False),
    sa.Column("state_name", sa.Text, nullable=False),
    sa.Column("state_message", sa.Text, nullable=False),
    sa.Column("state_due_at", Instant),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("at", Instant, nullable=False),
)

task_runs = sa.Table(
    "task_runs",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("map_index", sa.Integer, primary_key=True),
    #: Under which the state was reported: what an earlier attempt said is history, and may be said anew.
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("state_type", sa.Text, nullable=False),
    sa.Column("state_name", sa.Text, nullable=False),
    sa.Column("state_message", sa.Text, nullable=False),
    sa.Column("state_at", Instant, nullable=False),
    sa.Column("state_due_at", Instant),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("result", Json),
)

task_run_states = sa.Table(
    "task_run_states",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("fence", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False),
    sa.Column("map_index", sa.Integer, nullable=False),
    sa.Column("state_type", sa.Text, nullable=False),
    sa.Column("state_name", sa.Text, nullable=False),
    sa.Column("state_message", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Index("ix_task_run_states_task", "flow_run_id", "slug", "map_index"),
)

#: How far each attempt's streams have come: the next number expected of its task events and of its logs.
run_streams = sa.Table(
    "run_streams",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("fence", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False, server_default="0"),
    sa.Column("logs", sa.Integer, nullable=False, server_default="0"),
)

#: `number` orders a run's records over its attempts: fence × 2³² + sequence within the attempt.
logs = sa.Table(
    "logs",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("logger", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("task", sa.Text),
    sa.Column("map_index", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
