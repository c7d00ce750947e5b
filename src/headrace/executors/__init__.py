"""Executors: what the tasks of a run are run by. This is their contract; `kinds.build` makes one from its descriptor.

An executor is driven by one thread, the coordinator: it submits at most `slots` unfinished calls and waits for their
endings. Only `wake` and `interrupt` may come from any thread.
"""

import enum
from collections.abc import Callable
from logging import LogRecord
from typing import Any, NamedTuple, Protocol

#: How long an interrupted thread may go on, to clean up, before it is abandoned.
GRACE_SECONDS = 1.0


class Interrupted(BaseException):
    """Raised inside a task's code when the task is to end: its time is over, or its run was cancelled."""


class Call(NamedTuple):
    """`function(shared, own)` is to be called; it answers, it does not raise.

    `shared` is one object for many calls (a worker process gets it once). `own_thread`: never run it in the
    coordinator's thread. `timeout` is in seconds from the start of the function.
    """

    ticket: int
    function: Callable[[Any, Any], Any]
    shared: Any
    own: Any
    timeout: float | None = None
    own_thread: bool = False


class Kind(enum.Enum):
    """How a call ended."""

    DONE = "done"
    TIMED_OUT = "timed out"
    #: Interrupted by `interrupt`.
    CANCELLED = "cancelled"
    #: What ran it died, or the function raised after all.
    LOST = "lost"
    #: It cannot be sent to where it would run.
    REFUSED = "refused"
    #: A call that had timed out has now ended: until this comes it may not be tried again.
    RELEASED = "released"


class Ending(NamedTuple):
    """The end of a call. `abandoned`: its code still runs somewhere, and RELEASED follows when it has ended."""

    ticket: int
    kind: Kind
    value: Any = None
    message: str = ""
    abandoned: bool = False


#: Is given the log records of calls that run in other processes, from the coordinator's thread.
LogSink = Callable[[int, LogRecord], None]


class Executor(Protocol):
    """One way to run calls."""

    #: How many calls may be unfinished at once.
    slots: int

    def submit(self, call: Call) -> None:
        """Starts a call, or keeps it until the next `wait`."""
        ...

    def wait(self, timeout: float | None) -> list[Ending]:
        """The calls that have ended; waits for one until the timeout, or until interrupted."""
        ...

    def wake(self) -> None:
        """Lets a `wait` end now. From any thread."""
        ...

    def interrupt(self) -> None:
        """Ends what runs and whatever is submitted from now on, as CANCELLED. From any thread.

        Threads are given GRACE_SECONDS to clean up; processes are killed.
        """
        ...

    def close(self) -> None:
        """Ends threads and processes; what is still running is left behind (threads) or killed (processes)."""
        ...
