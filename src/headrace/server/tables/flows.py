"""Projects, flows and their versions."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

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
    #: What its runs have where nothing else is asked for.
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("slots", sa.Integer, nullable=False, server_default="1"),
    #: After how long a run that is due counts as late, and after how long it is cancelled; NULL: the usual time, and never.
    sa.Column("late_after_seconds", sa.Float),
    sa.Column("cancel_late_seconds", sa.Float),
    #: Wins over that of the version.
    sa.Column("lost_after_seconds", sa.Float),
    sa.Column("archived_at", Instant),
    #: Hidden, and its name is free; it stays as long as runs are kept that belong to it.
    sa.Column("deleted_at", Instant),
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
    #: Hidden, and never run again; it stays as long as runs are kept that had it.
    sa.Column("deleted_at", Instant),
    sa.UniqueConstraint("flow_id", "number"),
)
