import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from headrace import errors
from headrace.server import migrations
from headrace.web.database import Database
from running import Portal

_NEXT = '''"""Adds a column."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("projects", sa.Column("motto", sa.Text))
'''


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A headrace with one more revision."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "0002_next.py").write_text(_NEXT)
    monkeypatch.setattr(migrations, "FOLDER", folder)
    monkeypatch.setattr(migrations, "HEAD", "0002")


def shape(database: Database, portal: Portal) -> tuple[str, list[str]]:
    """The revision, and the columns of the table that the next revision changes."""

    def look(connection: sa.Connection, now: object) -> tuple[str, list[str]]:
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        return revision, [column["name"] for column in sa.inspect(connection).get_columns("projects")]

    return portal.run(database.read(look))


def test_a_new_database_is_made_once(database: Database, portal: Portal) -> None:
    before = shape(database, portal)
    portal.run(migrations.prepare(database))
    assert shape(database, portal) == before
    assert before[0] == migrations.HEAD


@pytest.mark.usefixtures("newer")
def test_an_older_sqlite_database_is_brought_up_to_date_at_the_start(
    sqlite_url: str, open_database: Callable[[str], Database], portal: Portal
) -> None:
    database = open_database(sqlite_url)
    portal.run(migrations.prepare(database))
    revision, columns = shape(database, portal)
    assert revision == "0002"
    assert "motto" in columns


@pytest.mark.postgres
@pytest.mark.usefixtures("newer")
def test_an_older_shared_database_waits_for_its_administrator(
    postgres_url: str, open_database: Callable[[str], Database], portal: Portal
) -> None:
    database = open_database(postgres_url)
    with pytest.raises(errors.SettingsError, match="headrace database upgrade"):
        portal.run(migrations.prepare(database))
    assert portal.run(migrations.upgrade(database)) == ("0001", "0002")
    portal.run(migrations.prepare(database))
    assert "motto" in shape(database, portal)[1]


def test_a_database_of_a_newer_headrace_is_refused(
    database: Database, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "HEAD", "0000")
    with pytest.raises(errors.SettingsError, match="newer headrace"):
        portal.run(migrations.prepare(database))


def test_somebody_elses_database_is_left_alone(
    tmp_path: Path, open_database: Callable[[str], Database], portal: Portal
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    portal.run(
        database.write(lambda connection, now: connection.exec_driver_sql("CREATE TABLE theirs (x)") and None)
    )
    with pytest.raises(errors.SettingsError, match="not headrace's"):
        portal.run(migrations.prepare(database))


def test_the_newest_file_is_the_head() -> None:
    names = sorted(path.name for path in (migrations.FOLDER / "versions").glob("[0-9]*.py"))
    assert names[-1].startswith(migrations.HEAD)
