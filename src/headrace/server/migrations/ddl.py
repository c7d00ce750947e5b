"""Revisions as SQL: what a revision does to each kind of database lies beside it, frozen, in `NNNN.<dialect>.sql`.

A revision is never changed once it is released. Its text is made by `derive.py` and read by people.
"""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

FOLDER = Path(__file__).parent / "versions"
#: Ends a statement: a line of its own, for semicolons stand in texts too.
END = "--;"


def run(connection: sa.Connection, revision: str) -> None:
    """Carries a revision out."""
    for statement in statements(revision, connection.dialect.name):
        connection.exec_driver_sql(statement)


def statements(revision: str, dialect: str) -> Iterator[str]:
    """What a revision does, one statement after the other."""
    text = path(revision, dialect).read_text()
    for part in text.split(f"\n{END}\n"):
        if part.strip():
            yield part.strip()


def write(revision: str, dialect: str, wanted: list[str]) -> None:
    """Keeps a revision's statements."""
    path(revision, dialect).write_text("".join(f"{statement.strip()}\n{END}\n" for statement in wanted))


def path(revision: str, dialect: str) -> Path:
    return FOLDER / f"{revision}.{dialect}.sql"
