"""Interrupting Python code that runs in a thread, without signals and without harm to the code around it."""

import contextlib
import contextvars
import ctypes
import threading
from collections.abc import Callable, Generator
from typing import Any

from headrace import executors

_current: contextvars.ContextVar["Interruption | None"] = contextvars.ContextVar(
    "headrace_interruption", default=None
)


class Interruption:
    """One call that can be interrupted once, from any thread, while it runs and never after."""

    __slots__ = ("_divert", "_lock", "_thread", "sent")

    def __init__(self) -> None:
        # Re-entrant: a signal handler may interrupt the very thread that holds it.
        self._lock = threading.RLock()
        self._thread: int | None = None
        self._divert: Callable[[], None] | None = None
        #: Whether it was interrupted.
        self.sent = False

    def run(self, function: Callable[[Any, Any], Any], shared: Any, own: Any) -> Any:
        """Calls the function in this thread. Raises executors.Interrupted when it is interrupted before its end."""
        token = _current.set(self)
        try:
            self._open()
            try:
                return function(shared, own)
            finally:
                self._close()
        except executors.Interrupted:
            # It may have arrived while closing; it is sent only once, so that after this nothing more can arrive.
            self._close()
            raise
        finally:
            _current.reset(token)

    def send(self) -> None:
        """Interrupts the call: an exception in its thread, or whatever the code there has asked for instead."""
        with self._lock:
            if self.sent:
                return
            self.sent = True
            divert = self._divert
            if self._thread is not None and divert is None:
                _raise_in(self._thread, executors.Interrupted)
        if divert is not None:
            divert()

    def _open(self) -> None:
        with self._lock:
            self._thread = threading.get_ident()
            if self.sent:
                raise executors.Interrupted

    def _close(self) -> None:
        with self._lock:
            if self._thread is not None:
                self._thread = None
                if self.sent:
                    _raise_in(threading.get_ident(), None)

    @contextlib.contextmanager
    def diverted(self, to: Callable[[], None]) -> Generator[None]:
        """While inside, an interruption calls `to` and raises nothing: for code that blocks in C and can be told to end."""
        with self._lock:
            late = self.sent
            before, self._divert = self._divert, to
        try:
            if late:
                to()
            yield
        finally:
            with self._lock:
                self._divert = before


def current() -> Interruption | None:
    """The call that this code runs in."""
    return _current.get()


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    """Raises the exception in the thread at its next bytecode; with None takes back one that has not been raised yet."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if exception is None else ctypes.py_object(exception)
    )
