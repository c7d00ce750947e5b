"""The inside of a worker process of the process executor: reads calls, runs them one by one, writes what they answer.

It ends with the process that started it: when the pipe closes without a goodbye it kills its process group, user code,
children and all.
"""

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.executors import frames, pickling, tracebacks
from headrace.graph import showing

if TYPE_CHECKING:
    from headrace.wire.artifacts import ArtifactRecord

#: How many tasks' code a worker keeps. Both sides forget the oldest in the same order.
KEPT = 64
#: Of a progress that goes on, one word in so many seconds leaves the process, and the last one.
PROGRESS_SECONDS = 0.1


class _Forwarding(logging.Handler):
    """Sends every record to the run process, in the order in which they were made."""

    def __init__(self, worker: "_Worker") -> None:
        super().__init__()
        self._worker = worker

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._worker.send("log", self._worker.ticket, portable(record))
        except Exception:  # noqa: BLE001 - what logging asks of handlers: a record must not end the code that made it
            self.handleError(record)


def portable(record: logging.LogRecord) -> bytes:
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text = f"{text}\n{tracebacks.strip(record.exc_info[1])}"
    values = dict(record.__dict__, msg=text, args=None, exc_info=None, exc_text=None)
    try:
        return pickling.dumps(values)
    except Exception:  # noqa: BLE001 - `extra=` may hold anything; the record matters more than its extras
        plain = {name: value for name, value in values.items() if isinstance(value, str | int | float | None)}
        return pickling.dumps(plain)


class _Worker:
    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._lock = threading.Lock()
        self._frames: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._code: dict[int, bytes | tuple[Callable[[Any, Any], Any], Any]] = {}
        self._progress: dict[str, ArtifactRecord] = {}
        self._progress_at = 0.0
        self.ticket = 0

    def send(self, *message: Any) -> None:
        with self._lock:
            frames.write(self._writing, message)

    def show(self, record: "ArtifactRecord") -> None:
        """Sends an artifact to the run process."""
        if not record.token:
            self.send("artifact", pickling.dumps(record))
            return
        with self._lock:
            is_first = not self._progress
            self._progress[record.token] = record
            early = self._progress_at + PROGRESS_SECONDS - time.monotonic()
        if early <= 0:
            self._send_progress()
        elif is_first:
            # the task may say no more for a long time
            waiting = threading.Timer(early, self._send_progress)
            waiting.daemon = True
            waiting.start()

    def _send_progress(self) -> None:
        with self._lock:
            waiting, self._progress = self._progress, {}
            self._progress_at = time.monotonic()
        for record in waiting.values():
            self.send("artifact", pickling.dumps(record))

    def serve(self) -> None:
        threading.Thread(target=self._read, name="headrace-frames", daemon=True).start()
        with showing.to(self.show):
            self._serve()

    def _serve(self) -> None:
        while True:
            match self._frames.get():
                case ("setup", path, levels, root_level, inside):
                    _set_up(self, path, levels, root_level, inside)
                case ("code", key, data):
                    self._code[key] = data
                    if len(self._code) > KEPT:
                        del self._code[next(iter(self._code))]
                case ("call", ticket, key, timed, own):
                    self.ticket = ticket
                    answer = self._answer(ticket, key, own, timed)
                    if self._progress:
                        self._send_progress()
                    self.send(*answer)
                case _:
                    return

    def _read(self) -> None:
        """Beside the calls, so that the end of the run process is seen while user code runs."""
        try:
            while True:
                message = frames.read(self._reading)
                self._frames.put(message)
                if message[0] == "goodbye":
                    return
        except (frames.Closed, OSError):
            os.killpg(0, signal.SIGKILL)

    def _answer(self, ticket: int, key: int, own: bytes, timed: bool) -> tuple[Any, ...]:
        try:
            code = self._code[key]
            if isinstance(code, bytes):
                code = self._code[key] = pickling.loads(code)
            function, shared = code
            arguments = pickling.loads(own)
        except BaseException as error:  # noqa: BLE001 - importing users' modules may raise anything
            return "refused", ticket, f"it cannot be loaded in a worker process: {tracebacks.sentence(error)}"
        if timed:
            # Only now: loading users' modules is not their task's time.
            self.send("begun", ticket)
        value = function(shared, arguments)
        try:
            return "done", ticket, pickling.dumps(value)
        except BaseException as error:  # noqa: BLE001 - pickling users' objects may raise anything
            reason = tracebacks.sentence(error)
            return "refused", ticket, f"its value cannot be sent from a worker process: {reason}"


def _set_up(
    worker: _Worker, path: list[str], levels: dict[str, int], root_level: int, inside: tuple[Any, ...] | None
) -> None:
    sys.path[:] = path
    if inside is not None:
        from headrace import client  # 30 ms that a run without a server need not spend

        client.enter_run(*inside)
    root = logging.getLogger()
    root.addHandler(_Forwarding(worker))
    root.setLevel(root_level)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def main() -> None:
    reading, writing = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (reading, writing):
        os.set_inheritable(descriptor, False)
    for stream in (sys.stdout, sys.stderr):
        # What user code prints must be out before a kill can lose it.
        stream.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    _Worker(reading, writing).serve()
