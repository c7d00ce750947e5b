"""Time and control: schedules, limits, reasons, retention and what else came with them. Servers of 0001 go on beside it."""

from alembic import op

from headrace.server.migrations import ddl

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    ddl.run(op.get_bind(), revision)
