"""Executors: what the tasks of a run are run by. This is their contract; `kinds.build` makes one from its descriptor.

An executor is driven by one thread, the coordinator: it submits at most `slots` unfinished calls and waits for their
endings. Only `wake` and `interrupt` may come from any thread.

What a function answers may say that it carries a value: its attribute `carries` is true, and `value` can be set. An executor
whose calls run elsewhere may leave that value where it was made: then a `Remote` stands for it, which later calls may be
given as if it were the value.
"""

import abc
import enum
from collections.abc import Callable, Mapping, Sequence
from logging import LogRecord
from typing import Any, NamedTuple, Protocol

#: How long an interrupted thread may go on, to clean up, before it is abandoned.
GRACE_SECONDS = 1.0


class Interrupted(BaseException):
    """Raised inside a task's code when the task is to end: its time is over, or its run was cancelled."""


class Call(NamedTuple):
    """`function(shared, own)` is to be called; it answers, it does not raise.

    `shared` is one object for many calls (a worker process gets it once). `own_thread`: never run it in the
    coordinator's thread. `timeout` is in seconds from the start of the function. `name` is for people, `placement` for
    executors that can choose where a call runs.
    """

    ticket: int
    function: Callable[[Any, Any], Any]
    shared: Any
    own: Any
    timeout: float | None = None
    own_thread: bool = False
    name: str = ""
    placement: Mapping[str, Any] | None = None


class Remote(abc.ABC):
    """Stands for a value that stays where it was made."""

    @abc.abstractmethod
    def fetch(self, others: "Sequence[Remote]" = ()) -> Any:
        """The value, brought here; those of `others`, of the same executor, come along. Raises errors.ResultError."""

    @abc.abstractmethod
    def items(self) -> "Sequence[Remote] | None":
        """Of a list that is too large to be brought here its items, where they are."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """How many bytes it has, as far as is known."""


def here(value: Any) -> Any:
    """The value itself, also where it stayed elsewhere. Raises errors.ResultError."""
    return value.fetch() if isinstance(value, Remote) else value


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
    #: No end: a call that had waited for its turn has begun, at the time that is the value. Of executors that queue.
    BEGUN = "begun"


class Gone(Exception):
    """What runs the calls is gone, with all that ran there and every value that stayed there."""


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
    #: Whether calls wait for their turn after they were submitted; then it says BEGUN of each.
    queues: bool

    def submit(self, call: Call) -> None:
        """Starts a call, or keeps it until the next `wait`."""
        ...

    def wait(self, timeout: float | None) -> list[Ending]:
        """The calls that have ended; waits for one until the timeout, or until interrupted. Raises Gone."""
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
