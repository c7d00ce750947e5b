"""Agents."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

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
