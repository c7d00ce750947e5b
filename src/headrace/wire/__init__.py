"""What crosses the network, written once: the server, compute, the client, the command line and the UI all read this.

Requests refuse unknown fields and omit what equals its default, so that an older server can read them; answers carry
every field and their readers ignore unknown ones. Durations are seconds (`…_seconds`), times are aware UTC.
"""

from typing import Any, Generic, TypeVar

import msgspec

#: Sent by clients as `Headrace-Protocol`; raised when an older server could not understand a request.
PROTOCOL = 1

T = TypeVar("T")


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A request, or a value inside one."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation answers."""


class Empty(Answer, frozen=True):
    """An answer that says only: done."""


class Page(Answer, Generic[T], frozen=True):
    """A part of a list; `next` is the cursor of the following part, None at the end."""

    items: list[T]
    next: str | None = None


class Problem(Answer, frozen=True):
    """An error, as RFC 9457 writes it. `code` names the class in errors.py, `errors` the fields that are wrong."""

    title: str
    status: int
    detail: str
    code: str
    type: str = "about:blank"
    request_id: str = ""
    errors: dict[str, str] = {}
    facts: dict[str, Any] = {}
