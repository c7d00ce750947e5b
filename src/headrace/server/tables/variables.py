"""Named values, with what they were before and which runs have read what."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, metadata

#: `scope` is the project's id as text, or empty: a unique key takes any two NULLs for different. Values are JSON texts,
#: in which null is a value too.
variables = sa.Table(
    "variables",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("project_id", sa.Uuid, sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    #: Raised with every change, deletion included.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
    sa.UniqueConstraint("name", "scope"),
)

variable_versions = sa.Table(
    "variable_versions",
    metadata,
    sa.Column("variable_id", sa.Uuid, sa.ForeignKey("variables.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("by_kind", sa.Text, nullable=False),
    sa.Column("by_name", sa.Text, nullable=False),
    sa.Column("by_id", sa.Uuid),
)

#: What each run was answered when it first asked: the run sees it from then on. Version 0: there was no such variable.
variable_reads = sa.Table(
    "variable_reads",
    metadata,
    sa.Column("flow_run_id", sa.Uuid, sa.ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("variable_id", sa.Uuid, sa.ForeignKey("variables.id", ondelete="CASCADE"), index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", Instant, nullable=False),
)
