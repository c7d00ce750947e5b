"""Makes a revision's SQL: what leads from the schema of the revisions before it to the one that `tables` describes.

`python -m headrace.server.migrations.derive 0002` writes `0002.sqlite.sql` and `0002.postgresql.sql`. Only for a revision
that is not released. What it adds is additive: a server of the revision before goes on beside it.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from headrace.server import tables
from headrace.server.migrations import ddl

DIALECTS = ("sqlite", "postgresql")

_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+) ON (\w+)")


def revision_sql(revision: str, dialect: str, metadata: sa.MetaData = tables.metadata) -> list[str]:
    """The statements of a revision. Raises ValueError where no statement of SQL leads there without breaking somebody."""
    before = [one for earlier in earlier_than(revision) for one in ddl.statements(earlier, dialect)]
    known = _reflected(revision)
    old_indexes = _indexes(before)
    found: list[str] = []
    for table in metadata.sorted_tables:
        made = _created(table, dialect)
        if table.name not in known.tables:
            found += made
            continue
        changes, is_rebuilt = _changed(table, known.tables[table.name], dialect, made[0])
        found += changes
        wanted = _indexes(made)
        old = {name: text for name, (of, text) in old_indexes.items() if of == table.name}
        for name, text in old.items():
            if name not in wanted or wanted[name][1] != text:
                found += [] if is_rebuilt else [f"DROP INDEX {name}"]
        found += [text for name, (_, text) in wanted.items() if is_rebuilt or old.get(name) != text]
    gone = known.tables.keys() - metadata.tables.keys()
    if gone:
        raise ValueError(
            f"older servers still use the tables {', '.join(sorted(gone))}: keep them for a release"
        )
    return found


def earlier_than(revision: str) -> list[str]:
    return [f"{number:04}" for number in range(1, int(revision))]


def _created(table: sa.Table, dialect: str) -> list[str]:
    """All statements that make a table: itself first, then its indexes and rows."""
    made: list[str] = []

    def keep(statement: Any, *_: Any, **__: Any) -> None:
        made.append(str(statement.compile(dialect=engine.dialect)).strip())

    engine = sa.create_mock_engine(_url(dialect), keep)
    table.metadata.create_all(engine, tables=[table], checkfirst=False)  # type: ignore[arg-type] - a mock engine is meant for this
    # SQLAlchemy keeps a table's indexes in a set
    made.sort(key=lambda one: (not one.startswith("CREATE TABLE"), _INDEX.match(one) is None, one))
    return [re.sub(r"\s*\n\s*", "\n", one) for one in made]


def _url(dialect: str) -> str:
    return "sqlite://" if dialect == "sqlite" else "postgresql+asyncpg://"


def _indexes(statements: list[str]) -> dict[str, tuple[str, str]]:
    """Index → its table and its statement, after what later statements drop and make anew."""
    found: dict[str, tuple[str, str]] = {}
    for one in statements:
        if match := _INDEX.match(one):
            found[match[1]] = (match[2], one)
        elif one.startswith("DROP INDEX "):
            found.pop(one.split()[-1], None)
    return found


def _reflected(revision: str) -> sa.MetaData:
    """The schema before the revision, as SQLite understands it."""
    known = sa.MetaData()
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for earlier in earlier_than(revision):
            ddl.run(connection, earlier)
        known.reflect(connection)
    engine.dispose()
    return known


def _changed(table: sa.Table, old: sa.Table, dialect: str, create: str) -> tuple[list[str], bool]:
    """What changes a table that exists; and whether it is made anew, with its indexes."""
    new = [column for column in table.columns if column.name not in old.columns]
    gone = [name for name in old.columns.keys() if name not in table.columns]  # noqa: SIM118 - columns are no dictionary
    if gone:
        raise ValueError(f"older servers still write {table.name}.{', '.join(gone)}: keep them for a release")
    for column in new:
        if not column.nullable and column.server_default is None:
            raise ValueError(
                f"older servers do not write {table.name}.{column.name}: make it nullable or give it a server_default"
            )
    uniques, old_uniques = _uniques(table), _uniques(old)
    if uniques == old_uniques:
        return [_add(table, column, dialect) for column in new], False
    if dialect == "sqlite":
        return _made_anew(table, old, create), True
    added = [_add(table, column, dialect) for column in new]
    dropped = [
        f"ALTER TABLE {table.name} DROP CONSTRAINT {name}" for name in old_uniques.keys() - uniques.keys()
    ]
    made = [
        f"ALTER TABLE {table.name} ADD CONSTRAINT {name} UNIQUE ({', '.join(uniques[name])})"
        for name in uniques.keys() - old_uniques.keys()
    ]
    return [*added, *sorted(dropped), *sorted(made)], False


def _uniques(table: sa.Table) -> dict[str, tuple[str, ...]]:
    conv = sa.schema.CreateTable(table).compile()  # gives constraints their names
    return {
        conv.preparer.format_constraint(one) or "": tuple(column.name for column in one.columns)
        for one in table.constraints
        if isinstance(one, sa.UniqueConstraint)
    }


def _add(table: sa.Table, column: sa.Column[Any], dialect: str) -> str:
    engine = sa.create_mock_engine(_url(dialect), _ignore)
    compiler: Any = engine.dialect.ddl_compiler(engine.dialect, None)  # type: ignore[arg-type] - no statement is needed for a column
    words = f"ALTER TABLE {table.name} ADD COLUMN {compiler.get_column_specification(column)}"
    for key in sorted(column.foreign_keys, key=lambda key: key.target_fullname):
        name = compiler.preparer.format_constraint(key.constraint)
        target, _, of = key.target_fullname.partition(".")
        words += f" CONSTRAINT {name} REFERENCES {target} ({of})"
        words += f" ON DELETE {key.ondelete}" if key.ondelete else ""
    return words


def _ignore(statement: Any, *_: Any, **__: Any) -> None:
    """Nothing is carried out: only the dialect is wanted."""


def _made_anew(table: sa.Table, old: sa.Table, create: str) -> list[str]:
    """SQLite changes no constraint. References to the table's rows are checked when all is done, not when it is dropped."""
    acting = [
        f"{other.name}.{key.parent.name}"
        for other in table.metadata.sorted_tables
        for key in other.foreign_keys
        if key.column.table is table and key.ondelete
    ]
    if acting:
        raise ValueError(
            f"{table.name} cannot be made anew on SQLite, for that would empty {', '.join(sorted(acting))}:"
            " use a unique index instead of a constraint"
        )
    names = ", ".join(old.columns.keys())
    return [
        "PRAGMA defer_foreign_keys=ON",
        f"CREATE TEMPORARY TABLE kept_{table.name} AS SELECT * FROM {table.name}",  # noqa: S608 - our own table's name
        f"DROP TABLE {table.name}",
        create,
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM kept_{table.name}",  # noqa: S608 - our own table's name
        f"DROP TABLE kept_{table.name}",
    ]


def write(revision: str) -> Iterator[str]:
    """Writes the revision's files; what it did, by line."""
    for dialect in DIALECTS:
        statements = revision_sql(revision, dialect)
        ddl.write(revision, dialect, statements)
        yield f"{ddl.path(revision, dialect)}: {len(statements)} statements"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in write(sys.argv[1]))
