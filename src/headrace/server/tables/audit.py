"""The audit log."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

#: Append only. An entry is written with what it tells of; `number` and the digests follow when it is sealed.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_name", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("key_id", sa.Uuid),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("object_kind", sa.Text, nullable=False),
    sa.Column("object_id", sa.Text, nullable=False),
    sa.Column("object_name", sa.Text, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("before", Json),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger, unique=True),
    sa.Column("previous_sha256", sa.Text),
    sa.Column("sha256", sa.Text),
    sa.Index("ix_audit_object", "object_id", "id"),
    sa.Index("ix_audit_actor", "actor_name", "id"),
)
