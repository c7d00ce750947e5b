"""What a database's schema is, as its catalogue tells it: to compare two of them, and to name what differs."""

import sqlalchemy as sa


def shape(connection: sa.Connection) -> dict[str, object]:
    """Everything that a table is made of, by a name that tells what it is. The order of columns is no part of it."""
    found = _sqlite(connection) if connection.dialect.name == "sqlite" else _postgres(connection)
    return {name: value for name, value in found.items() if " alembic_version" not in name}


def differences(found: dict[str, object], wanted: dict[str, object]) -> list[str]:
    """What is missing, what is too much, and what is otherwise."""
    missing = [f"missing: {name} {wanted[name]}" for name in sorted(wanted.keys() - found.keys())]
    surplus = [f"too much: {name} {found[name]}" for name in sorted(found.keys() - wanted.keys())]
    other = [
        f"otherwise: {name} is {found[name]}, not {wanted[name]}"
        for name in sorted(wanted.keys() & found.keys())
        if found[name] != wanted[name]
    ]
    return [*missing, *surplus, *other]


def _sqlite(connection: sa.Connection) -> dict[str, object]:
    inspector = sa.inspect(connection)
    found: dict[str, object] = {}
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            about = (str(column["type"]), column["nullable"], column["default"], column["primary_key"])
            found[f"column {table}.{column['name']}"] = about
        for key in inspector.get_foreign_keys(table):
            found[f"foreign key {table}.{key['constrained_columns']}"] = (
                key["referred_table"],
                key["referred_columns"],
                key["options"],
            )
        for unique in inspector.get_unique_constraints(table):
            found[f"unique {table} {unique['name']}"] = unique["column_names"]
        for check in inspector.get_check_constraints(table):
            found[f"check {table} {check['name']}"] = check["sqltext"]
    indexes = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    for name, table, sql in connection.exec_driver_sql(indexes):
        found[f"index {table} {name}"] = sql
    return found


def _postgres(connection: sa.Connection) -> dict[str, object]:
    found: dict[str, object] = {}
    columns = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public'"
    )
    for table, column, *about in connection.exec_driver_sql(columns):
        found[f"column {table}.{column}"] = tuple(about)
    constraints = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace"
    )
    for table, name, text in connection.exec_driver_sql(constraints):
        found[f"constraint {table} {name}"] = text
    for table, name, text in connection.exec_driver_sql(
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    ):
        found[f"index {table} {name}"] = text
    return found
