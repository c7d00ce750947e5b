"""Which life of the database this is, and which servers may use it."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, metadata

#: A database begins a new epoch when it has become an earlier state of itself: what it granted since is unknown to it.
epochs = sa.Table(
    "epochs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("began_at", Instant, nullable=False),
    #: The moment that the database had gone back to, where it is known.
    sa.Column("as_of", Instant),
    #: Which PostgreSQL server has it, and in which life of its own: its system identifier and its timeline.
    sa.Column("place", sa.Text),
)

#: One row: the oldest revision whose servers may use the database as it is now.
compatibility = sa.Table(
    "compatibility",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("oldest_revision", sa.Text, nullable=False),
)
