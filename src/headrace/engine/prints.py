"""`log_prints`: what a task prints becomes records of its logger, also with many tasks printing on many threads."""

import contextlib
import contextvars
import io
import logging
import sys
import threading
from collections.abc import Generator
from typing import TextIO

_lock = threading.Lock()
_users = 0
_sink: contextvars.ContextVar["_Sink | None"] = contextvars.ContextVar("headrace_prints", default=None)


class _Sink:
    """Collects text until a line is whole."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._logger.info("%s", line)

    def end(self) -> None:
        if self._rest:
            self._logger.info("%s", self._rest)
            self._rest = ""


class _Redirected(io.TextIOBase):
    """Stands in for `sys.stdout`: text goes to the sink of the context that prints, else to where it went before."""

    def __init__(self, before: TextIO) -> None:
        self.before = before

    def write(self, text: str, /) -> int:
        sink = _sink.get()
        if sink is None:
            return self.before.write(text)
        # A handler that itself prints must not come back here.
        token = _sink.set(None)
        try:
            sink.write(text)
        finally:
            _sink.reset(token)
        return len(text)

    def flush(self) -> None:
        self.before.flush()

    def isatty(self) -> bool:
        return _sink.get() is None and self.before.isatty()

    def fileno(self) -> int:
        return self.before.fileno()

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.before.encoding

    def writable(self) -> bool:
        return True


@contextlib.contextmanager
def logged(logger: logging.Logger) -> Generator[None]:
    """What this context prints is logged at INFO, line by line."""
    sink = _Sink(logger)
    _take()
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)
        sink.end()
        _give_back()


def _take() -> None:
    global _users
    with _lock:
        _users += 1
        if not isinstance(sys.stdout, _Redirected):
            sys.stdout = _Redirected(sys.stdout)


def _give_back() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0 and isinstance(sys.stdout, _Redirected):
            sys.stdout = sys.stdout.before
