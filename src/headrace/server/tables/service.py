"""What the service keeps for itself: answers to request ids, and which server does which loop."""

import sqlalchemy as sa

from headrace.server.tables.columns import Instant, metadata

#: What was answered to a request id, so that repeating it has one effect. A secret is never in `answer`.
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("body_sha256", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("flow_run_id", sa.Uuid, index=True),
    sa.Column("created_at", Instant, nullable=False, index=True),
)

#: One row a loop: which server does it until when.
loop_leases = sa.Table(
    "loop_leases",
    metadata,
    sa.Column("loop", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", Instant, nullable=False),
)
