"""Schedules, and the switch that stops everything."""

import sqlalchemy as sa
from sqlalchemy import event

from headrace.server.tables.columns import Instant, Json, metadata

#: They hang on the flow, not on one of its versions.
schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    #: code (of the flow's current version) or people
    sa.Column("origin", sa.Text, nullable=False),
    #: core.schedules.Schedule as JSON text: a row that cannot be read stops nobody but itself.
    sa.Column("schedule", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    #: Raised with every change; the runs say under which they were made.
    sa.Column("revision", sa.Integer, nullable=False),
    #: Why it makes no runs though it is active; NULL: it does.
    sa.Column("problem", Json),
    #: Every tick up to here was decided upon: what passed before belongs to nobody any more.
    sa.Column("settled_until", Instant, nullable=False),
    #: The last tick for which a run was made ahead.
    sa.Column("made_until", Instant, nullable=False),
    #: When the scheduler looks at it next; NULL: it makes no runs (paused, ended, a problem, a paused flow).
    sa.Column("fill_at", Instant, index=True),
    #: What became of the firings that were missed last.
    sa.Column("last_catch_up", Json),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("updated_by", sa.Text, nullable=False),
    sa.UniqueConstraint("flow_id", "name"),
)

#: One row: what holds for the whole installation.
installation = sa.Table(
    "installation",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    #: Nothing is claimed and no schedule makes runs.
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("paused_at", Instant),
    sa.Column("paused_by", sa.Text, nullable=False),
    sa.Column("paused_reason", sa.Text, nullable=False),
    #: Until here the schedules' firings were looked after; what passed later, a while ago, was missed.
    sa.Column("scheduler_at", Instant),
)
_ONE_ROW = "INSERT INTO installation (id, paused, paused_by, paused_reason) VALUES (1, FALSE, '', '')"
event.listen(installation, "after_create", sa.DDL(_ONE_ROW))
