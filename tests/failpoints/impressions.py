"""What a database holds, in a form in which two of them can be compared that got the same request.

What is new in either is random: ids, tokens, hashes. Everything that was in the town before is itself; each new id is
"new". The clock stands still, so that times are the same.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from headrace.server import doctor, tables

#: Rows of a table, each as JSON, with how often it is there.
Impression = dict[str, Counter[str]]

_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
#: Whole, or as much of it as is kept for its owner.
_TOKEN = re.compile(r"\b(?:hr[usr]_)?[0-9A-Za-z]{43}\b|\bhr[us]_[0-9A-Za-z]{5}\b")
#: Random, or made from what is.
_RANDOM = {"keys.hint", "users.password_hash", "flow_runs.name"}


class Known:
    """What the town knew before the request."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._ids: set[str] = set()
        self._values: set[Any] = set()
        for row in rows:
            for value in row:
                if isinstance(value, UUID):
                    self._ids.add(value.hex)
                elif isinstance(value, bytes | str):
                    self._values.add(value)

    def row(self, table: sa.Table, values: Iterable[Any]) -> dict[str, Any]:
        """The row by its columns. Of a new one all that is drawn is new, also where it happens to be what another one has."""
        named = {column.name: value for column, value in zip(table.columns, values, strict=True)}
        is_new = isinstance(named.get("id"), UUID) and named["id"].hex not in self._ids
        return {
            name: "new"
            if is_new and f"{table.name}.{name}" in _RANDOM
            else self.plain(f"{table.name}.{name}", value)
            for name, value in named.items()
        }

    def plain(self, column: str, value: Any) -> Any:
        if isinstance(value, UUID):
            return str(value) if value.hex in self._ids else "new"
        if isinstance(value, bytes):
            return "old bytes" if value in self._values else "new bytes"
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, str):
            if column in _RANDOM:
                return value if value in self._values else "new"
            return self.text(value)
        if isinstance(value, dict | list):
            return self.text(msgspec.json.encode(value, order="deterministic").decode())
        return value

    def text(self, value: str) -> str:
        """The text, without what is new and random in it."""
        without = _ID.sub(self._id, value)
        return _TOKEN.sub("token", without)

    def _id(self, found: re.Match[str]) -> str:
        return found[0] if found[0].replace("-", "") in self._ids else "new"


def rows(connection: sa.Connection) -> list[Any]:
    """All rows of all tables."""
    return [row for table in tables.metadata.sorted_tables for row in connection.execute(sa.select(table))]


def take(connection: sa.Connection, known: Known) -> Impression:
    return {
        table.name: Counter(
            msgspec.json.encode(known.row(table, row)).decode()
            for row in connection.execute(sa.select(table))
        )
        for table in tables.metadata.sorted_tables
    }


def differences(found: Impression, wanted: Impression, without: Iterable[str] = ()) -> list[str]:
    """What is in one and not in the other, in words."""
    said: list[str] = []
    for table in wanted:
        if table not in without:
            said += [f"{table}: + {row}" for row in (found[table] - wanted[table]).elements()]
            said += [f"{table}: - {row}" for row in (wanted[table] - found[table]).elements()]
    return said


def ailments(connection: sa.Connection, now: datetime, url: str) -> list[str]:
    """What the doctor says is wrong: histories with gaps, states that are not those of the history, orphans, lost slots."""
    report = doctor._examine(doctor.Patient(connection, now, url))
    return [f"{finding.check}: {finding.sentence}" for finding in report.findings if finding.serious]
