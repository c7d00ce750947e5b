"""What SQLite's planner is told of the tables: the same always, so that a statement has one plan, whatever the day.

Left to itself it would count at a moment that says nothing of the years that follow: a database which was analysed when
it held a hundred waiting runs answers with scans when it holds a million finished ones. PostgreSQL counts for itself, and
all the time.
"""

import sqlalchemy as sa

#: Rows in all, then how many have the same first column of the index, the same first two, and so on. For `finished_at` it
#: is said of the runs that have none: what is not finished is what is looked for by equality there.
FLOW_RUNS = {
    "sqlite_autoindex_flow_runs_1": "1000000 1",  # the primary key
    "sqlite_autoindex_flow_runs_2": "1000000 10000 1",  # flow and idempotency key
    "ix_flow_runs_flow": "1000000 10000 1",
    "ix_flow_runs_project": "1000000 250000 1",
    "ix_flow_runs_state": "1000000 250000 1",
    "ix_flow_runs_agent": "1000000 100000 1",
    "ix_flow_runs_finished": "1000000 2 1",
}
_WANTED = {("flow_runs", index, said) for index, said in FLOW_RUNS.items()}


def settle(connection: sa.Connection) -> None:
    """Writes them down where they are not yet. A connection learns of them when it reads the schema, which this renews."""
    if connection.dialect.name != "sqlite" or _found(connection) == _WANTED:
        return
    connection.exec_driver_sql("DROP TABLE IF EXISTS sqlite_stat1")
    connection.exec_driver_sql("ANALYZE sqlite_schema")  # makes the table, and counts nothing
    for row in sorted(_WANTED):
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", row)
    connection.exec_driver_sql("ANALYZE sqlite_schema")  # reads it


def _found(connection: sa.Connection) -> set[tuple[str, ...]]:
    known = connection.exec_driver_sql("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").first()
    if known is None:
        return set()
    return {tuple(row) for row in connection.exec_driver_sql("SELECT tbl, idx, stat FROM sqlite_stat1")}
