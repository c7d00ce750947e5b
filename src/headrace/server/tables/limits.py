"""Concurrency limits and their slots."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, metadata

#: `what` is a label or a tag as it is written, or a flow's id as text.
limits = sa.Table(
    "limits",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), index=True),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("when_full", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("kind", "what"),
)

#: One row a slot, numbered from 0; a free one has no run. What is held cannot be more than there are rows, and there are
#: more rows than the limit's size only while holders go on that had begun before it was made smaller.
slots = sa.Table(
    "slots",
    metadata,
    sa.Column("limit_id", sa.Uuid, sa.ForeignKey("limits.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="SET NULL"), index=True),
    #: The task run that holds it; empty where the flow run itself does.
    sa.Column("slug", sa.Text, nullable=False, server_default=""),
    sa.Column("map_index", sa.Integer, nullable=False, server_default="-1"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("taken_at", Instant),
)
