"""Bugs that a server may be started with, so that it is seen that a trial sees them."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from headrace.web import repeats


def forget_answers() -> None:
    """No request id is known again."""

    def perform(self: Any, call: Any, handler: Any, operation: Any, request: Any) -> Any:
        return handler(call, request)

    repeats.Repeats.perform = perform  # type: ignore[method-assign]


def forget_to_undo() -> None:
    """What a request does is kept as it is done: SQLite writes each statement in a transaction of its own."""

    def commit(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")) and cursor.connection.in_transaction:
            for words in ("/* */ COMMIT", "/* */ BEGIN IMMEDIATE", "SAVEPOINT command"):
                cursor.connection.execute(words)

    sa.event.listen(sa.Engine, "after_cursor_execute", commit)


PLANTS: dict[str, Callable[[], None]] = {
    "forget answers": forget_answers,
    "forget to undo": forget_to_undo,
}
