"""Keyset pages: a cursor holds the sort values of the last row shown, so that a page costs the same wherever it is."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from headrace import errors

Row = TypeVar("Row")
Values = TypeVar("Values")

#: The most rows of one page.
LARGEST = 1000


def limit(asked: int, largest: int = LARGEST) -> int:
    """The number of rows to show. Invalid when it is not from 1 to `largest`."""
    if not 1 <= asked <= largest:
        raise errors.Invalid(
            f"limit is from 1 to {largest}, not {asked}", fields={"limit": f"from 1 to {largest}"}
        )
    return asked


def read(cursor: str, type_: type[Values]) -> Values:
    """The values in a cursor that a page gave. Invalid when it is not one of this list's."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=type_)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        raise errors.Invalid(
            "this is not a cursor of this list", fields={"after": "take `next` of the page before"}
        ) from None


def write(values: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()


def given(columns: dict[sa.ColumnElement[Any], Any]) -> list[sa.ColumnElement[bool]]:
    """The filters that were asked for: each column is the value beside it, where there is one."""
    return [column == value for column, value in columns.items() if value is not None]


def newest_first(
    connection: sa.Connection, query: sa.Select[Any], key: sa.Column[Any], request: Any
) -> tuple[Sequence[sa.Row[Any]], str | None]:
    """The page of `query` that a request's `limit` and `after` ask for, and the next cursor. `key` grows with time."""
    shown = limit(request.limit)
    if request.after is not None:
        query = query.where(key < read(request.after, key.type.python_type))
    rows = connection.execute(query.order_by(key.desc()).limit(shown + 1)).all()
    return cut(rows, shown, lambda row: getattr(row, key.name))


def cut(rows: Sequence[Row], shown: int, values: Callable[[Row], Any]) -> tuple[Sequence[Row], str | None]:
    """The page's rows and the next cursor, from `shown` + 1 rows read: one more row than shown means that there is more."""
    if len(rows) <= shown:
        return rows, None
    return rows[:shown], write(values(rows[shown - 1]))
