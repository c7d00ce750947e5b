"""Keyset pages: a cursor holds the sort values of the last row shown, so that a page costs the same wherever it is."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

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


def cut(rows: Sequence[Row], shown: int, values: Callable[[Row], Any]) -> tuple[Sequence[Row], str | None]:
    """The page's rows and the next cursor, from `shown` + 1 rows read: one more row than shown means that there is more."""
    if len(rows) <= shown:
        return rows, None
    return rows[:shown], write(values(rows[shown - 1]))
