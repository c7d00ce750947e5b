"""Backfills."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

backfills = sa.Table(
    "backfills",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("schedule_id", sa.Uuid),
    #: As it was when the backfill was asked for: JSON text of core.schedules.Schedule.
    sa.Column("schedule", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("parallel", sa.Integer, nullable=False),
    sa.Column("newest_first", sa.Boolean, nullable=False),
    sa.Column("skip", sa.Text, nullable=False),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    #: running, done, cancelled
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("problem", sa.Text, nullable=False, server_default=""),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("skipped", sa.Integer, nullable=False),
    #: Up to here, in its order, every firing has been dealt with.
    sa.Column("cursor_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("ended_at", Instant),
)
