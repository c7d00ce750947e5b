"""Points at which a server's process can die while it does a request: installed from outside, by whoever starts the server.

They are: before BEGIN, before each statement (that is: after the one before it), before COMMIT, and before the answer
leaves (that is: after the last COMMIT). They are numbered in the order in which the request comes to them.
"""

import os
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from headrace.web import links

#: What a process ends with that somebody has killed.
KILLED = 137
#: The request came to another point than was expected: then the trial says nothing.
ASTRAY = 70
#: Of one command in a group of them; there is nothing between them and their neighbours.
_PASSED_OVER = re.compile(r"(?:SAVEPOINT|RELEASE|ROLLBACK|PRAGMA|--|/\*)")
_VERB = re.compile(r"\s*(BEGIN|COMMIT|INSERT INTO (\w+)|UPDATE (\w+)|DELETE FROM (\w+)|SELECT|\w+)")
_FROM = re.compile(r"\sFROM\s+(\w+)")
_WRITER = "headrace-writer"


class Points:
    """Counts the points of one request, and dies at one of them.

    `reached` are the names of those it came to. With `at` the process ends there, in the middle of whatever it does; with
    a `name` alone at the first point that is called so.
    """

    def __init__(self, at: int | None = None, name: str = "") -> None:
        self.reached: list[str] = []
        self._at = at
        self._name = name
        self._armed = False
        self._lock = threading.Lock()
        #: PostgreSQL's connections that are in a transaction which may write.
        self._writing: set[Any] = set()

    def install(self) -> None:
        """Puts itself between the server and its databases."""
        sa.event.listen(sa.Engine, "connect", self._trace_sqlite)
        sa.event.listen(sa.Engine, "before_cursor_execute", self._before_statement)
        links.Link._say = self._around_words(links.Link._say)  # type: ignore[method-assign]

    def around(self, application: Any, request_id: str) -> Any:
        """The application, whose requests of this id come to points."""

        async def watched(scope: Any, receive: Any, send: Any) -> None:
            ours = dict(scope.get("headers", ())).get(b"idempotency-key", b"").decode() == request_id
            if not ours:
                await application(scope, receive, send)
                return

            async def answer(message: Any) -> None:
                if message["type"] == "http.response.start":
                    self._come("answer")
                    self._armed = False
                await send(message)

            self.reached.clear()
            self._armed = True
            await application(scope, receive, answer)

        return watched

    def _come(self, name: str) -> None:
        with self._lock:
            if not self._armed:
                return
            number = len(self.reached)
            self.reached.append(name)
            dies = name == self._name if self._at is None else number == self._at
            if not dies:
                return
            if name != self._name:
                sys.stderr.write(f"point {number} is {name!r} and not {self._name!r}\n")
                sys.stderr.flush()
                os._exit(ASTRAY)
            os._exit(KILLED)

    # --- SQLite: the writer's connection says each statement before it is run, those of the transaction too ---

    def _trace_sqlite(self, connection: Any, _: Any) -> None:
        if hasattr(connection, "set_trace_callback"):
            connection.set_trace_callback(self._traced)

    def _traced(self, statement: str) -> None:
        if self._armed and threading.current_thread().name == _WRITER and not _PASSED_OVER.match(statement):
            self._come(named(statement))

    # --- PostgreSQL: SQLAlchemy says statements, the link says the words of the transaction ---

    def _before_statement(self, connection: sa.Connection, _: Any, statement: str, *__: Any) -> None:
        if self._armed and connection in self._writing and not _PASSED_OVER.match(statement):
            self._come(named(statement))

    def _around_words(self, say: Callable[..., Any]) -> Callable[..., Any]:
        points = self

        async def said(link: links.Link, words: str, how: Any = None) -> Any:
            if words == "BEGIN":
                points._come("BEGIN")
                points._writing.add(link._connection)
            elif words == "COMMIT" and link._connection in points._writing:
                points._come("COMMIT")
            if words in ("COMMIT", "ROLLBACK"):
                points._writing.discard(link._connection)
            return await say(link, words, how)

        return said


def named(statement: str) -> str:
    """What a statement does to which table: enough to know it again."""
    found = _VERB.match(statement)
    if found is None:
        return statement[:20]
    word = found[1].split()[0]
    table = found[2] or found[3] or found[4]
    if table is None and word in ("SELECT", "WITH"):
        source = _FROM.search(statement)
        table = source[1] if source else ""
    return f"{word} {table}".strip() if table else word
