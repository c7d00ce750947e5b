"""Every exception of Headrace in one tree, and the signals a task may raise.

A message says what, which one, and what to do next. Where none is given the class's docstring is the message.
One table (web/app.py) turns these into HTTP problems by `code` and `status`, one (client.py) turns them back,
one (cli/main.py) turns them into exit codes.
"""

from datetime import timedelta
from typing import Any, ClassVar


class HeadraceError(Exception):
    """Something went wrong."""

    #: Machine-readable, stable: it travels in a problem's `code`.
    code: ClassVar[str] = "error"
    #: The HTTP status of the problem made from it.
    status: ClassVar[int] = 500
    #: The exit status of a command that ends with it.
    exit_status: ClassVar[int] = 1

    def __init__(
        self, message: str | None = None, *, fields: dict[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        #: What is wrong with which field of the request: path → sentence.
        self.fields = fields or {}
        #: What the caller may want to act on, JSON values only: state, version, fence, retry_after …
        self.facts = facts

    @property
    def message(self) -> str:
        return str(self)


class Invalid(HeadraceError):
    """The request is not valid."""

    code, status, exit_status = "invalid", 422, 2


class Unauthenticated(HeadraceError):
    """Sign in first, or send an API key."""

    code, status, exit_status = "unauthenticated", 401, 4


class Forbidden(HeadraceError):
    """Your role does not allow this."""

    code, status, exit_status = "forbidden", 403, 4


class NotFound(HeadraceError):
    """There is no such thing."""

    code, status, exit_status = "not_found", 404, 3


class Conflict(HeadraceError):
    """It is not in a state that allows this."""

    code, status, exit_status = "conflict", 409, 5


class Superseded(Conflict):
    """Another attempt has taken over: this one may not write any more."""

    code = "superseded"


class TooLarge(HeadraceError):
    """The request is larger than the server accepts."""

    code, status, exit_status = "too_large", 413, 2


class TooEarly(HeadraceError):
    """The run is not due yet."""

    code, status, exit_status = "too_early", 425, 5


class UpgradeRequired(HeadraceError):
    """This client is too old for the server, or newer than it."""

    code, status, exit_status = "upgrade_required", 426, 1


class TooManyRequests(HeadraceError):
    """Too many tries; wait a moment."""

    code, status, exit_status = "too_many_requests", 429, 6


class Unavailable(HeadraceError):
    """The server cannot answer just now; try again."""

    code, status, exit_status = "unavailable", 503, 6


class StorageFull(Unavailable):
    """The server's disk is full."""

    code, status = "storage_full", 507


class Unreachable(HeadraceError):
    """The server does not answer."""

    code, status, exit_status = "unreachable", 503, 6


class Undelivered(HeadraceError):
    """The receiver did not take the message."""

    code, status, exit_status = "undelivered", 502, 1


class SettingsError(HeadraceError):
    """A setting is wrong."""

    code, status, exit_status = "settings", 500, 2


class GraphError(HeadraceError):
    """The flow cannot be built."""

    code, status, exit_status = "graph", 422, 2


class FlowFileError(HeadraceError):
    """The file does not give a flow."""

    code, status, exit_status = "flow_file", 422, 2


class ContentError(HeadraceError):
    """The flow's content cannot be read."""

    code, status, exit_status = "content", 422, 1


class ContentMismatch(ContentError):
    """The content is not what was registered."""

    code = "content_mismatch"


class ContentMissing(ContentError):
    """The content is not in its storage."""

    code = "content_missing"


class StorageUnreachable(ContentError):
    """The storage does not answer."""

    code = "storage_unreachable"


class StorageRefused(ContentError):
    """The storage does not accept the credential."""

    code = "storage_refused"


class StorageUnknown(ContentError):
    """There is no storage of this name."""

    code = "storage_unknown"


class ResultError(HeadraceError):
    """A stored result cannot be read or written."""

    code, status, exit_status = "result", 500, 1


class LaunchError(HeadraceError):
    """The run could not be started where it should."""

    code, status, exit_status = "launch", 500, 1

    @property
    def reason(self) -> str:
        """The code of core/reasons.py, where there is a better one than launch_failed."""
        return str(self.facts.get("reason", ""))


class RunFailed(HeadraceError):
    """The flow run did not succeed."""

    code, status, exit_status = "run_failed", 500, 1


class TaskFailed(RunFailed):
    """A task failed."""

    code = "task_failed"


class TaskTimedOut(TaskFailed):
    """The task ran longer than its timeout."""

    code = "task_timed_out"


class RunCancelled(RunFailed):
    """The flow run was cancelled."""

    code = "run_cancelled"


class Signal(BaseException):
    """What a task raises to choose its state. A BaseException, so that `except Exception` in a task lets it pass."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class Skip(Signal):
    """End the task as Skipped; tasks below it are skipped too, unless they say otherwise."""


class Fail(Signal):
    """End the task as Failed, with no retry."""


class Retry(Signal):
    """Try the task again after a time, counted against its retries."""

    def __init__(self, after: timedelta | float = 0, message: str = "") -> None:
        super().__init__(message)
        self.after = after if isinstance(after, timedelta) else timedelta(seconds=after)


class Pause(Signal):
    """Pause the run at this task until somebody approves; after the `timeout` (seconds) it fails."""

    def __init__(self, message: str = "", *, timeout: timedelta | float | None = None) -> None:
        super().__init__(message)
        self.timeout = timedelta(seconds=timeout) if isinstance(timeout, int | float) else timeout


class Loop(Signal):
    """Run the task once more at once; `context.loop_value` is then the value given here."""

    def __init__(self, value: Any = None, message: str = "") -> None:
        super().__init__(message)
        self.value = value
