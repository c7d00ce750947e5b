"""What run processes report: states of task runs, logs, and how far each stream has come."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

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

#: How far each attempt's streams have come: the next number expected of its task events, logs and artifacts.
run_streams = sa.Table(
    "run_streams",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("fence", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("events", sa.Integer, nullable=False, server_default="0"),
    sa.Column("logs", sa.Integer, nullable=False, server_default="0"),
    sa.Column("artifacts", sa.Integer, nullable=False, server_default="0"),
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
