"""The main job: flows, runs, agents, people. Databases were made at this revision; none is older."""

from alembic import op

from headrace.server.migrations import ddl

revision = "0001"
down_revision = None


def upgrade() -> None:
    ddl.run(op.get_bind(), revision)
