"""A run's log: every record of its process, with the task that made it, on its way to the reporter.

Records leave without the run's token, without source lines, cut at a size and at a rate; what a flood costs is counted.
"""

import base64
import contextlib
import io
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO
from urllib.parse import quote

from headrace.executors import tracebacks
from headrace.graph import context
from headrace.wire import runs

#: Records a second that a run may log, and how many it may have saved up.
RATE = 1_000.0
BURST = 10_000.0
#: The longest message, in bytes of UTF-8.
MESSAGE_BYTES = 64 * 1024
_REDACTED = "[redacted]"


class Sink(Protocol):
    """Where records go: the reporter."""

    def log(self, record: runs.LogRecord) -> None: ...

    def dropped(self, count: int) -> None: ...


class Bucket:
    """Lets so many through in a second, and as many as were saved up in a burst."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens = burst
        self._at = clock()

    def take(self) -> bool:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RunHandler(logging.Handler):
    """Hands records to the sink, with the task that the code which logs is in."""

    def __init__(
        self, sink: Sink, *, level: int, secrets: Sequence[str] = (), bucket: Bucket | None = None
    ) -> None:
        super().__init__(level)
        self._sink = sink
        self._bucket = bucket or Bucket(RATE, BURST)
        self._secrets = _spellings(secrets)

    def emit(self, record: logging.LogRecord) -> None:
        if not self._bucket.take():
            self._sink.dropped(1)
            return
        task, map_index = _whose()
        at = datetime.fromtimestamp(record.created, UTC)
        self._sink.log(runs.LogRecord(at, record.levelno, record.name, self._text(record), task, map_index))

    def _text(self, record: logging.LogRecord) -> str:
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 - arguments that do not fit, or a user's __str__ that raises: the line must not be lost
            text = f"{record.msg} (its arguments cannot be put in: {type(error).__name__})"
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}\n{tracebacks.strip(record.exc_info[1])}"
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        return _cut(text)


def _whose() -> tuple[str | None, int]:
    facts = context.current()
    return (facts.task_slug, facts.map_index) if isinstance(facts, context.Task) else (None, -1)


def _spellings(secrets: Sequence[str]) -> tuple[str, ...]:
    """Each secret as it is, and as it stands in URLs and in base64."""
    found: list[str] = []
    for secret in filter(None, secrets):
        plain = secret.encode()
        found += [
            secret,
            quote(secret, safe=""),
            base64.b64encode(plain).decode(),
            base64.urlsafe_b64encode(plain).decode(),
        ]
    return tuple(dict.fromkeys(found))


def _cut(text: str) -> str:
    if len(text) <= MESSAGE_BYTES // 4:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= MESSAGE_BYTES:
        return text
    return f"{encoded[:MESSAGE_BYTES].decode(errors='ignore')} … ({len(encoded) - MESSAGE_BYTES} more bytes)"


class _Lines(io.TextIOBase):
    """Stands in for a standard stream: whole lines become records, except inside a task, where the text goes on as it was.

    What tasks print is logged where they ask for it (`log_prints`), not here.
    """

    def __init__(self, before: TextIO, logger: logging.Logger) -> None:
        self.before = before
        self._logger = logger
        self._rest = ""
        self._busy = threading.local()

    def write(self, text: str, /) -> int:
        # a handler that prints while it logs must not come back here
        if _whose()[0] is not None or getattr(self._busy, "now", False):
            return self.before.write(text)
        self._busy.now = True
        try:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in lines:
                self._logger.info("%s", line)
        finally:
            self._busy.now = False
        return len(text)

    def flush(self) -> None:
        self.before.flush()

    def end(self) -> None:
        """Logs what was written after the last line's end."""
        if self._rest:
            self.write("\n")

    def fileno(self) -> int:
        return self.before.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.before.encoding


@contextlib.contextmanager
def captured(
    sink: Sink, *, level: str, secrets: Sequence[str] = (), extra_loggers: Sequence[str] = ()
) -> Generator[None]:
    """Inside, what this process logs or prints reaches the sink, and so do warnings and what ends a thread.

    `extra_loggers` names those that do not pass their records on to the root.
    """
    number: int = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    handler = RunHandler(sink, level=number, secrets=secrets)
    root = logging.getLogger()
    # the client logs each connection at DEBUG, and a log of sending the log would never end
    quiet = logging.getLogger("urllib3")
    loggers = [root, *(logging.getLogger(name) for name in extra_loggers)]
    before = [(logger, logger.level) for logger in (*loggers, quiet)]
    streams = sys.stdout, sys.stderr
    out, err = (
        _Lines(sys.stdout, logging.getLogger("stdout")),
        _Lines(sys.stderr, logging.getLogger("stderr")),
    )
    hooks = threading.excepthook, sys.unraisablehook, warnings.showwarning
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(number)
    quiet.setLevel(logging.WARNING)
    sys.stdout, sys.stderr = out, err
    threading.excepthook, sys.unraisablehook, warnings.showwarning = _thread_ended, _unraisable, _warned
    try:
        yield
    finally:
        out.end()
        err.end()
        sys.stdout, sys.stderr = streams
        threading.excepthook, sys.unraisablehook, warnings.showwarning = hooks
        for logger in loggers:
            logger.removeHandler(handler)
        for logger, number in before:
            logger.setLevel(number)


# Python's own hooks print source lines, which must not leave the process.


def _thread_ended(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    name = args.thread.name if args.thread else "?"
    logging.getLogger("headrace").error(
        "The thread %r ended with an exception.\n%s", name, tracebacks.strip(args.exc_value)
    )


def _unraisable(args: Any) -> None:
    words = args.err_msg or "An exception was ignored"
    trace = tracebacks.strip(args.exc_value) if args.exc_value is not None else ""
    logging.getLogger("headrace").warning("%s.\n%s", words, trace)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logging.getLogger("py.warnings").warning("%s:%s: %s: %s", filename, lineno, category.__name__, message)
