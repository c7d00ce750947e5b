"""How long history is kept, how far its removal has come, and what it did."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, Json, metadata

#: One row a limit that somebody has set. `scope` is the flow's id as text, or empty for the whole installation: a key
#: cannot hold the NULL of `flow_id`, which is there so that a deleted flow takes its rules along.
retention_rules = sa.Table(
    "retention_rules",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), index=True),
    #: None: as long as the other limit says; both None: for ever.
    sa.Column("seconds", sa.Float),
    sa.Column("runs", sa.Integer),
    sa.Column("updated_at", Instant, nullable=False),
)

#: Runs of this flow that ended before have nothing of this kind any more: they need not be looked at again.
retention_marks = sa.Table(
    "retention_marks",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("flow_id", sa.Uuid, sa.ForeignKey("flows.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("done_until", Instant, nullable=False),
)

#: One row a round that removed something.
retention_rounds = sa.Table(
    "retention_rounds",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=False),
    #: table → rows
    sa.Column("removed", Json, nullable=False),
    #: False: its time was over before its work; the next round goes on.
    sa.Column("complete", sa.Boolean, nullable=False),
)
