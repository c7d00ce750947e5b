"""Flow runs, the queues in which they wait, and their history."""

import sqlalchemy as sa
from sqlalchemy import event

from headrace.server.tables.columns import Instant, Json, metadata

#: Each distinct (labels, kind of run config, priority) that runs ever had. There are few: an agent's claim finds those it
#: can serve first, so that labels stand in the claim's WHERE and never after its LIMIT, and no priority hides another.
queues = sa.Table(
    "queues",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("labels_key", sa.Text, nullable=False),
    sa.Column("labels", Json, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("labels_key", "kind", "priority"),
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
    #: Of core/reasons.py: why it is in this state, where there is more to say than the state's name.
    sa.Column("state_code", sa.Text, nullable=False, server_default=""),
    sa.Column("state_at", Instant, nullable=False),
    #: Counts the moves: each UPDATE names the one it read.
    sa.Column("version", sa.Integer, nullable=False),
    #: Raised at every grant, rescue and cancel before the start: who holds an older one may not write.
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("rescues", sa.Integer, nullable=False),
    sa.Column("retries_used", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    #: Skipped by claims until then.
    sa.Column("not_before", Instant, nullable=False),
    #: The limit that was full, or the flow that was paused or archived, when a claim came to this run: claims pass it over
    #: until it is let go again, so that it never stands at the head of the queue.
    sa.Column("waits_for", sa.Uuid),
    #: Higher ones first; the same as its queue's.
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    #: How many slots of each limit it takes, and whether it or a task of it holds any.
    sa.Column("slots", sa.Integer, nullable=False, server_default="1"),
    sa.Column("slotted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("lease_until", Instant),
    sa.Column("last_contact_at", Instant),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    #: Who wants it paused, as JSON (`control.Wish`): until it has ended, or was resumed.
    sa.Column("pause_wish", Json),
    sa.Column("pause_ends_at", Instant),
    #: What somebody said of it after its end, as JSON (`wire.runs.Mark`).
    sa.Column("mark", Json),
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
    #: Of a re-run: the run whose results it takes over (which may be gone), and what of them it does not, but runs anew:
    #: slug → map indices, or null for all of the task; the slug "*" stands for every task.
    sa.Column("restarted_from", sa.Uuid),
    sa.Column("anew", Json),
    #: Of a run that a schedule made: the schedule (which may be gone), its revision then, and the firing's key.
    sa.Column("schedule_id", sa.Uuid),
    sa.Column("schedule_revision", sa.Integer),
    sa.Column("tick", sa.Text),
    #: Of a run that a backfill made; `tick` is then the firing's key within it.
    sa.Column("backfill_id", sa.Uuid),
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

#: Partial indexes: the claim's, of due runs by queue; what claims pass over, by what it waits for; the reaper's, of leases
#: that are held; what a flow has before it; and that which makes one run of one tick. As text, for naming a dialect's
#: option in sa.Index imports the whole dialect: a tenth of a second of each server's start.
PARTIAL_INDEXES = (
    "CREATE INDEX ix_flow_runs_claim ON flow_runs (queue_id, not_before)"
    " WHERE state_type = 'Scheduled' AND waits_for IS NULL",
    "CREATE INDEX ix_flow_runs_waits ON flow_runs (waits_for, priority DESC, not_before) WHERE waits_for IS NOT NULL",
    "CREATE INDEX ix_flow_runs_lease ON flow_runs (lease_until) WHERE lease_until IS NOT NULL",
    "CREATE INDEX ix_flow_runs_restarts ON flow_runs (restarted_from, id) WHERE restarted_from IS NOT NULL",
    # retention's: what ended, by flow
    "CREATE INDEX ix_flow_runs_ended ON flow_runs (flow_id, finished_at, id) WHERE finished_at IS NOT NULL",
    # what ends by itself when its time is over
    "CREATE INDEX ix_flow_runs_pause_ends ON flow_runs (pause_ends_at) WHERE pause_ends_at IS NOT NULL",
    "CREATE INDEX ix_flow_runs_due ON flow_runs (flow_id, due_at) WHERE state_type = 'Scheduled'",
    "CREATE UNIQUE INDEX uq_flow_runs_tick ON flow_runs (schedule_id, tick) WHERE schedule_id IS NOT NULL",
    "CREATE UNIQUE INDEX uq_flow_runs_backfill ON flow_runs (backfill_id, tick) WHERE backfill_id IS NOT NULL",
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
    sa.Column("state_code", sa.Text, nullable=False, server_default=""),
    sa.Column("state_due_at", Instant),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("request_id", sa.Text),
    sa.Column("at", Instant, nullable=False),
)
