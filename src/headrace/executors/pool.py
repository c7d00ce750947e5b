"""The process executor: calls in worker processes that are started fresh, never forked, and killed when they must end.

A worker is `python -m headrace.executors.pool` with two pipes. The user's `__main__` is not imported there: cloudpickle
takes along what it holds.
"""

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

from headrace import executors
from headrace.executors import frames, pickling, tracebacks, worker
from headrace.graph import showing

#: How long a worker that was told goodbye may take before it is killed.
GOODBYE_SECONDS = 2.0


class _Worker:
    """One worker process, as the run process sees it."""

    def __init__(self) -> None:
        its_reading, self._writing = os.pipe()
        self.reading, its_writing = os.pipe()
        command = [sys.executable, "-P", "-m", "headrace.executors.pool", str(its_reading), str(its_writing)]
        try:
            # A process group of its own: a kill takes the children of user code along, and Ctrl-C on a terminal
            # reaches the coordinator alone.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=(its_reading, its_writing), process_group=0
            )
        finally:
            os.close(its_reading)
            os.close(its_writing)
        self.call: executors.Call | None = None
        self.deadline: float | None = None
        #: The keys of the code it has, oldest first.
        self.known: dict[int, None] = {}
        levels = {
            name: known.level
            for name, known in logging.root.manager.loggerDict.items()
            if isinstance(known, logging.Logger) and known.level
        }
        self.send("setup", sys.path, levels, logging.root.level, _inside())

    def send(self, *message: Any) -> None:
        # A worker that has died is noticed where its pipe is read.
        with contextlib.suppress(BrokenPipeError):
            frames.write(self._writing, message)

    def learn(self, key: int, code: bytes) -> None:
        if key not in self.known:
            self.known[key] = None
            if len(self.known) > worker.KEPT:
                del self.known[next(iter(self.known))]
            self.send("code", key, code)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.reap()

    def reap(self) -> int:
        code = self.process.wait()
        os.close(self._writing)
        os.close(self.reading)
        return code


def _inside() -> tuple[Any, ...] | None:
    """As whom this run speaks to its server. A process that has not loaded the client is no such run's."""
    client = sys.modules.get("headrace.client")
    return None if client is None else client.inside()


class ProcessExecutor:
    """Runs calls in up to `slots` worker processes."""

    queues = False

    def __init__(self, workers: int | None, log: executors.LogSink) -> None:
        self.slots = workers or os.cpu_count() or 1
        self._log = log
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}
        #: By function and the identity of `shared`, which is held so that the identity stays its own: key, pickled code.
        self._code: dict[tuple[Any, int], tuple[Any, int, bytes]] = {}
        self._keys = 0
        self._refused: list[executors.Ending] = []
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._interrupting = False

    def submit(self, call: executors.Call) -> None:
        try:
            key, code = self._code_of(call)
            own = pickling.dumps(call.own)
        except Exception as error:  # noqa: BLE001 - pickling users' objects may raise anything
            message = f"it cannot be sent to a worker process: {tracebacks.sentence(error)}"
            self._refused.append(executors.Ending(call.ticket, executors.Kind.REFUSED, message=message))
            return
        chosen = self._worker()
        chosen.call = call
        self._busy[call.ticket] = chosen
        chosen.learn(key, code)
        chosen.send("call", call.ticket, key, call.timeout is not None, own)

    def wait(self, timeout: float | None) -> list[executors.Ending]:
        endings, self._refused = self._refused, []
        for key, _ in self._selector.select(0 if endings else self._patience(timeout)):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            else:
                self._hear(key.data, endings)
        if self._interrupting:
            self._kill(list(self._busy.values()), executors.Kind.CANCELLED, endings)
        now = time.monotonic()
        late = [busy for busy in self._busy.values() if busy.deadline is not None and busy.deadline <= now]
        self._kill(late, executors.Kind.TIMED_OUT, endings)
        return endings

    def interrupt(self) -> None:
        self._interrupting = True
        self.wake()

    def wake(self) -> None:
        # A full pipe wakes as well as one more byte.
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"!")

    def close(self) -> None:
        for idle in self._idle:
            idle.send("goodbye")
        for busy in self._busy.values():
            busy.kill()
        until = time.monotonic() + GOODBYE_SECONDS
        for idle in self._idle:
            try:
                idle.process.wait(max(0.0, until - time.monotonic()))
                idle.reap()
            except subprocess.TimeoutExpired:
                idle.kill()
        self._idle, self._busy = [], {}
        self._selector.close()
        os.close(self._woken)
        os.close(self._waker)

    def _code_of(self, call: executors.Call) -> tuple[int, bytes]:
        identity = (call.function, id(call.shared))
        known = self._code.get(identity)
        if known is None:
            self._keys += 1
            known = (call.shared, self._keys, pickling.dumps((call.function, call.shared)))
            self._code[identity] = known
            if len(self._code) > worker.KEPT:
                del self._code[next(iter(self._code))]
        return known[1], known[2]

    def _worker(self) -> _Worker:
        while self._idle:
            idle = self._idle.pop()
            if idle.process.poll() is None:
                return idle
            self._forget(idle)
            idle.reap()
        fresh = _Worker()
        self._selector.register(fresh.reading, selectors.EVENT_READ, fresh)
        return fresh

    def _forget(self, gone: _Worker) -> None:
        self._selector.unregister(gone.reading)

    def _patience(self, timeout: float | None) -> float | None:
        deadlines = [busy.deadline for busy in self._busy.values() if busy.deadline is not None]
        if not deadlines:
            return timeout
        left = max(0.0, min(deadlines) - time.monotonic())
        return left if timeout is None else min(left, timeout)

    def _hear(self, speaker: _Worker, endings: list[executors.Ending]) -> None:
        try:
            message = frames.read(speaker.reading)
        except (frames.Closed, OSError):
            self._bury(speaker, endings)
            return
        match message:
            case ("log", ticket, record):
                self._log(ticket, logging.makeLogRecord(pickling.loads(record)))
            case ("artifact", record):
                # this is the coordinator's thread: the run's own sink takes it
                if (sink := showing.sink()) is not None:
                    sink(pickling.loads(record))
            case ("begun", _):
                if speaker.call is not None and speaker.call.timeout is not None:
                    speaker.deadline = time.monotonic() + speaker.call.timeout
            case (kind, ticket, value):
                self._rest(speaker)
                endings.append(_ending(kind, ticket, value))
            case _:
                raise AssertionError(message[0])

    def _rest(self, worked: _Worker) -> None:
        if worked.call is not None:
            del self._busy[worked.call.ticket]
        worked.call = worked.deadline = None
        self._idle.append(worked)

    def _bury(self, dead: _Worker, endings: list[executors.Ending]) -> None:
        self._forget(dead)
        code = dead.reap()
        if dead.call is None:
            self._idle.remove(dead)
            return
        del self._busy[dead.call.ticket]
        message = f"its worker process {_death(code)}"
        endings.append(executors.Ending(dead.call.ticket, executors.Kind.LOST, message=message))

    def _kill(self, doomed: list[_Worker], kind: executors.Kind, endings: list[executors.Ending]) -> None:
        for one in doomed:
            self._forget(one)
            one.kill()
            if one.call is not None:
                del self._busy[one.call.ticket]
                endings.append(executors.Ending(one.call.ticket, kind))


def _ending(kind: str, ticket: int, value: Any) -> executors.Ending:
    if kind == "refused":
        return executors.Ending(ticket, executors.Kind.REFUSED, message=value)
    try:
        return executors.Ending(ticket, executors.Kind.DONE, pickling.loads(value))
    except Exception as error:  # noqa: BLE001 - users' objects may raise anything when they are read
        message = f"its value cannot be read from a worker process: {tracebacks.sentence(error)}"
        return executors.Ending(ticket, executors.Kind.REFUSED, message=message)


def _death(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"was killed by signal {-code} ({name})"


if __name__ == "__main__":
    worker.main()
