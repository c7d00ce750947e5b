"""Notifications: channels, rules, the outbox of deliveries; SLAs and when they were missed."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

notification_channels = sa.Table(
    "notification_channels",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("shown", sa.Text, nullable=False),
    #: wire.notifications.Target and the signing secret, encrypted for this row.
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

notification_rules = sa.Table(
    "notification_rules",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column(
        "channel_id",
        sa.Uuid,
        sa.ForeignKey("notification_channels.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    sa.Column("states", Json, nullable=False),
    sa.Column("project_id", sa.Uuid, sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), index=True),
    sa.Column("labels", Json, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
)

#: The outbox. The number orders a run's messages: it is given in the transaction that moves the run, which one makes at a
#: time. No foreign keys: a rule or channel that is deleted at the same moment must never stop a run's move.
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("channel_id", sa.Uuid, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("flow_run_id", sa.Uuid),
    #: What is told in order: the run's messages, or the flow's where there is no run.
    sa.Column("about", sa.Uuid, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("event", Json, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    #: When it is tried, or, while somebody tries it, when others may.
    sa.Column("next_at", Instant, nullable=False),
    sa.Column("give_up_at", Instant, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Index("ix_deliveries_due", "state", "next_at"),
    sa.Index("ix_deliveries_order", "channel_id", "about", "state"),
    sa.Index("ix_deliveries_flow_run_id", "flow_run_id"),
    sa.Index("ix_deliveries_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)

slas = sa.Table(
    "slas",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("promise", Json, nullable=False),
    #: The next time at which a run must have ended; only for that kind.
    sa.Column("next_at", Instant, index=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.UniqueConstraint("flow_id", "name"),
)

#: `sla_id` is of nothing but zeros for a run that was late while a rule on Late was there; `key` names the run or the time.
sla_misses = sa.Table(
    "sla_misses",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("sla_id", sa.Uuid, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.UniqueConstraint("sla_id", "key"),
)
