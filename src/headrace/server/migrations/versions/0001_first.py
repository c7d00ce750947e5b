"""The first release's tables. A database is born at the revision of the headrace that makes it, so this makes nothing."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: no database is older."""
