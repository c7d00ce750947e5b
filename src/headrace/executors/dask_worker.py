"""The inside of a Dask worker: a call is one Dask task, and what it says goes to its run through the scheduler, in order.

A process serves many threads, and perhaps several runs at once: whose code it is that runs is told by its context.
"""

import contextlib
import contextvars
import importlib.metadata
import logging
import pickle
import platform
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import dask.sizeof
import distributed

from headrace import client, executors
from headrace.executors import interrupts, pickling, tracebacks, worker
from headrace.graph import showing

if TYPE_CHECKING:
    from headrace.wire.artifacts import ArtifactRecord

#: An answer with no more bytes goes to the run process whole; the value of a larger one stays here.
SMALL = 2048
#: What ends within so many seconds is told with its end, and not also when it begins.
BEGUN_SECONDS = 0.1
#: How often deadlines are looked at.
TICK_SECONDS = 0.01
#: How long a word waits for others to go with it: where the worker has more to do, and where it has not.
BUSY_SECONDS, IDLE_SECONDS = 0.05, 0.005
#: Packages of which the run process and its workers must have the same versions.
PACKAGES = ("headrace", "cloudpickle", "dask", "distributed")


class Code(NamedTuple):
    """What all calls of one task share; `greeting` is what the run process says of itself, and `body` the pickled code."""

    topic: str
    number: int
    greeting: bytes
    body: bytes


class Greeting(NamedTuple):
    """What a run process tells of itself: versions, log levels by logger, and as whom its code speaks to the server."""

    versions: dict[str, str]
    levels: dict[str, int]
    inside: tuple[Any, ...] | None


class Missing(NamedTuple):
    """Stands where a value should be that could not be made."""

    message: str


def versions() -> dict[str, str]:
    """By name: Python's without its last part, and those of the packages that must be the same everywhere."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


_given: contextvars.ContextVar[list[Any]] = contextvars.ContextVar("headrace_given")


def given(number: int) -> Any:
    """One of the values that Dask has brought to a call: what a `Remote` among its arguments becomes here."""
    return _given.get()[number]


class _Task:
    """A call while its function runs."""

    __slots__ = ("began", "began_at", "deadline", "interruption", "late", "run", "said", "ticket")

    def __init__(self, run: "_Run", ticket: int, timeout: float | None) -> None:
        self.run = run
        self.ticket = ticket
        self.interruption = interrupts.Interruption()
        self.began_at = datetime.now(UTC)
        self.began = time.monotonic()
        self.deadline = None if timeout is None else self.began + timeout
        #: Whether it was said that it has begun, and whether its time was over.
        self.said = self.late = False


_current: contextvars.ContextVar[_Task | None] = contextvars.ContextVar("headrace_dask_task", default=None)


class _Forwarding(logging.Handler):
    """Sends what the code of runs logs to them; what Dask says of itself stays in its own log."""

    def emit(self, record: logging.LogRecord) -> None:
        task = _current.get() or _only_task()
        if task is None or record.name.partition(".")[0] == "distributed":
            return
        try:
            task.run.say("log", task.ticket, worker.portable(record))
        except Exception:  # noqa: BLE001 - what logging asks of handlers: a record must not end the code that made it
            self.handleError(record)


class _Run:
    """One run's part in this process."""

    def __init__(self, topic: str, greeting: Greeting) -> None:
        self.topic = topic
        self.greeting = greeting
        self.tasks: dict[int, _Task] = {}
        self.interrupted = False
        self._lock = threading.Lock()
        #: What is yet to be said, and the last word of each progress.
        self._words: list[tuple[Any, ...]] = []
        self._progress: dict[str, ArtifactRecord] = {}
        self._progress_at = self._said_at = 0.0
        self._worker = distributed.get_worker()
        self._code: dict[int, tuple[Callable[[Any, Any], Any], Any]] = {}
        root = logging.getLogger()
        if not any(isinstance(handler, _Forwarding) for handler in root.handlers):
            root.addHandler(_Forwarding())
        for name, level in greeting.levels.items():
            logging.getLogger(name).setLevel(level)
        here = versions()
        different = {
            name: f"{version} in the run process and {here.get(name, 'missing')}"
            for name, version in greeting.versions.items()
            if here.get(name) != version
        }
        if different:
            self.say("different", self._worker.address, different)

    # --- saying ---

    def say(self, *word: Any) -> None:
        """Plain values and bytes only, so that whoever hears it runs no one's code."""
        with self._lock:
            self._words.append(word)
        _look_after()

    def hush(self, *, now: bool = False) -> bool:
        """Sends what was said, unless something was sent just before; whether anything waits."""
        with self._lock:
            if not self._words:
                return False
            enough = BUSY_SECONDS if self._worker.state.ready else IDLE_SECONDS
            if not now and time.monotonic() - self._said_at < enough:
                return True
            words, self._words = self._words, []
            self._said_at = time.monotonic()
            # under the lock: what is said first is sent first
            self._worker.log_event(self.topic, pickle.dumps(words, protocol=pickle.HIGHEST_PROTOCOL))
        return False

    def show(self, record: "ArtifactRecord") -> None:
        """Sends an artifact to the run process."""
        if not record.token:
            self.say("artifact", pickling.dumps(record))
            return
        with self._lock:
            self._progress[record.token] = record
        _look_after()

    def _show_progress(self, *, now: bool = False) -> None:
        with self._lock:
            early = not now and time.monotonic() - self._progress_at < worker.PROGRESS_SECONDS
            if not self._progress or early:
                return
            waiting, self._progress = self._progress, {}
            self._progress_at = time.monotonic()
        for record in waiting.values():
            self.say("artifact", pickling.dumps(record))

    def tick(self) -> bool:
        """Says who has begun, interrupts who is late; whether there is anything left to look after."""
        now = time.monotonic()
        for task in list(self.tasks.values()):
            if not task.said and now - task.began >= BEGUN_SECONDS:
                task.said = True
                self.say("begun", task.ticket, task.began_at)
            if task.deadline is not None and task.deadline <= now and not task.late:
                task.late = True
                self.say("late", task.ticket)
                task.interruption.send()
        self._show_progress()
        return self.hush() or bool(self.tasks or self._progress)

    # --- running ---

    def perform(self, code: Code, ticket: int, own: bytes, timeout: float | None, values: list[Any]) -> Any:
        """Runs the call; answers the value that is to stay, a Missing where there is none, or None."""
        missing = next((value for value in values if isinstance(value, Missing)), None)
        try:
            if missing is not None:
                return self._end(ticket, "lost", f"what it needs was lost with its worker: {missing.message}")
            function, shared = self._load(code)
            arguments = self._arguments(own, values)
        except BaseException as error:  # noqa: BLE001 - importing users' modules may raise anything
            message = f"it cannot be loaded in a Dask worker: {tracebacks.sentence(error)}"
            return self._end(ticket, "refused", message)
        task = _Task(self, ticket, timeout)
        self.tasks[ticket] = task
        _look_after()
        if self.interrupted:
            task.interruption.send()
        kind, answer = self._call(task, function, shared, arguments)
        del self.tasks[ticket]
        self._show_progress(now=True)
        if kind == "done":
            return self._answer(task, answer)
        return self._end(ticket, "released" if task.late else kind, answer, task)

    def _call(
        self, task: _Task, function: Callable[[Any, Any], Any], shared: Any, own: Any
    ) -> tuple[str, Any]:
        def inside() -> Any:
            _current.set(task)
            identity = self.greeting.inside
            with showing.to(self.show), contextlib.ExitStack() as stack:
                if identity is not None:
                    stack.enter_context(client.within_run(*identity))
                return task.interruption.run(function, shared, own)

        try:
            # A copy: what a task sets in a context variable must not reach the next task on the same thread.
            return "done", contextvars.copy_context().run(inside)
        except executors.Interrupted:
            return "cancelled", ""
        except BaseException as error:  # noqa: BLE001 - the function ought not to raise; what it raised is told
            return "lost", tracebacks.sentence(error)

    def _answer(self, task: _Task, answer: Any) -> Any:
        if task.late:
            return self._end(task.ticket, "released", "", task)
        value, size, length = None, None, None
        carries = bool(getattr(answer, "carries", False))
        try:
            try:
                data = pickling.dumps(answer, SMALL if carries else None)
            except pickling.TooLargeError:
                value, answer.value = answer.value, None
                size, length = _measure(value)
                data = pickling.dumps(answer)
                answer.value = value
        except BaseException as error:  # noqa: BLE001 - pickling users' objects may raise anything
            reason = tracebacks.sentence(error)
            return self._end(
                task.ticket, "refused", f"its value cannot be sent from a Dask worker: {reason}", task
            )
        self._end(task.ticket, "done", (data, size, length), task)
        return answer.value if carries else None

    def _end(self, ticket: int, kind: str, content: Any, task: _Task | None = None) -> Missing:
        began_at = None if task is None or task.said else task.began_at
        self.say("ended", ticket, kind, began_at, content)
        self.hush()
        return Missing(content if isinstance(content, str) and content else "it was interrupted")

    def _load(self, code: Code) -> tuple[Callable[[Any, Any], Any], Any]:
        known = self._code.get(code.number)
        if known is None:
            known = self._code[code.number] = pickling.loads(code.body)
            if len(self._code) > worker.KEPT:
                del self._code[next(iter(self._code))]
        return known

    @staticmethod
    def _arguments(own: bytes, values: list[Any]) -> Any:
        before = _given.set(values)
        try:
            return pickling.loads(own)
        finally:
            _given.reset(before)


_runs: dict[str, _Run] = {}
_lock = threading.Lock()
#: Set while there is something to look after.
_busy = threading.Event()


def _look_after() -> None:
    if not _busy.is_set():
        _busy.set()


def call(ticket: int, own: bytes, timeout: float | None, values: list[Any], code: Code) -> Any:
    """The Dask task. `values` are those that stayed on workers, in the order in which `own` names them."""
    run = _runs.get(code.topic) or _enter(code)
    return run.perform(code, ticket, own, timeout, values)


def itself(code: Code) -> Code:
    """The Dask task for code that others need."""
    return code


def item(whole: Any, index: int) -> Any:
    """The Dask task for one item of a list that stayed on a worker."""
    return whole if isinstance(whole, Missing) else whole[index]


def interrupt(topic: str) -> list[int]:
    """Ends what this process runs of a run, and whatever it is given from now on. The tickets of what runs."""
    run = _runs.get(topic)
    if run is None:
        return []
    run.interrupted = True
    running = list(run.tasks.values())
    for task in running:
        task.interruption.send()
    return [task.ticket for task in running]


def forget(topic: str) -> None:
    """The run is over."""
    run = _runs.pop(topic, None)
    if run is not None:
        run.hush(now=True)


def _enter(code: Code) -> _Run:
    with _lock:
        if code.topic not in _runs:
            if not any(thread.name == _TICKER for thread in threading.enumerate()):
                threading.Thread(target=_tick, name=_TICKER, daemon=True).start()
            _runs[code.topic] = _Run(code.topic, Greeting(*pickle.loads(code.greeting)))  # noqa: S301 - the run is of whoever owns the cluster
        return _runs[code.topic]


def _measure(value: Any) -> tuple[int, int | None]:
    """Bytes, as far as Dask can tell, and of a list how many items it has."""
    sizeof: Any = dask.sizeof.sizeof
    return sizeof(value), len(value) if isinstance(value, (list, tuple)) else None  # pyright: ignore[reportUnknownArgumentType]


_TICKER = "headrace-ticker"


def _tick() -> None:
    while True:
        _busy.wait()
        time.sleep(TICK_SECONDS)
        _busy.clear()
        for run in list(_runs.values()):
            if run.tick():
                _busy.set()


def _only_task() -> _Task | None:
    """Whose a thread is that user code started by itself, where there is no doubt."""
    running = [task for run in list(_runs.values()) for task in list(run.tasks.values())]
    return running[0] if len(running) == 1 else None
