"""What tasks show people."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    sa.Column("task", sa.Text),
    sa.Column("map_index", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    #: Empty: it has no versions.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    #: By which a progress is found again when it goes on.
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    #: Of the body as JSON, of an image of its bytes.
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_artifacts_run", "flow_run_id", "id"),
    sa.Index("ix_artifacts_flow", "flow_id", "key", "version"),
)

#: Beside the artifacts, so that a list does not read them.
artifact_images = sa.Table(
    "artifact_images",
    metadata,
    sa.Column("artifact_id", sa.Uuid, sa.ForeignKey("artifacts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

#: The last version of each key. Numbers go on where retention has removed what had them.
artifact_keys = sa.Table(
    "artifact_keys",
    metadata,
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
