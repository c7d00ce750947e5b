"""Calls on threads, with deadlines: what the thread executor is, and what the local one uses for calls with a timeout."""

import contextvars
import queue
import threading
import time

from headrace import executors
from headrace.executors import interrupts, tracebacks


class _Job:
    """A call on its way through a thread."""

    __slots__ = ("call", "context", "deadline", "ending", "interruption", "kind", "last")

    def __init__(self, call: executors.Call) -> None:
        self.call = call
        # A copy: what a task sets in a context variable must not reach the next task on the same thread.
        self.context = contextvars.copy_context()
        self.interruption = interrupts.Interruption()
        self.deadline = None if call.timeout is None else time.monotonic() + call.timeout
        #: What an interruption means for it.
        self.kind = executors.Kind.TIMED_OUT
        self.ending: executors.Ending | None = None
        #: Whether its thread ends with it.
        self.last = False

    def run(self) -> None:
        call = self.call
        try:
            value = self.context.run(self.interruption.run, call.function, call.shared, call.own)
            self.ending = executors.Ending(call.ticket, executors.Kind.DONE, value)
        except executors.Interrupted:
            self.ending = executors.Ending(call.ticket, self.kind)
        except BaseException as error:  # noqa: BLE001 - whatever ends a call must be told, or the run would wait for ever
            self.ending = executors.Ending(
                call.ticket, executors.Kind.LOST, message=tracebacks.sentence(error)
            )


class ThreadExecutor:
    """Runs calls on up to `slots` threads, started when needed and used again; an interrupted one is not."""

    queues = False

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._work: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        #: Jobs that have ended; None only wakes.
        self._ended: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._running: dict[int, _Job] = {}
        #: Past their deadline and still going.
        self._abandoned: dict[int, _Job] = {}
        self._threads = 0
        self._interrupting = False

    def submit(self, call: executors.Call) -> None:
        self._running[call.ticket] = job = _Job(call)
        if self._threads < len(self._running):
            self._threads += 1
            threading.Thread(target=self._serve, name=f"headrace-{self._threads}", daemon=True).start()
        self._work.put(job)

    def wait(self, timeout: float | None) -> list[executors.Ending]:
        endings: list[executors.Ending] = []
        try:
            job = self._ended.get(timeout=self._patience(timeout))
            while True:
                if job is not None:
                    self._end(job, endings)
                job = self._ended.get_nowait()
        except queue.Empty:
            pass
        if self._interrupting:
            self._interrupt_all()
        self._pass_deadlines(endings)
        return endings

    def wake(self) -> None:
        self._ended.put(None)

    def interrupt(self) -> None:
        self._interrupting = True
        self.wake()

    def close(self) -> None:
        for job in [*self._running.values(), *self._abandoned.values()]:
            job.interruption.send()
        for _ in range(self._threads):
            self._work.put(None)

    def _serve(self) -> None:
        while (job := self._work.get()) is not None:
            job.run()
            job.last = job.interruption.sent
            self._ended.put(job)
            if job.last:
                return

    def _end(self, job: _Job, endings: list[executors.Ending]) -> None:
        ticket = job.call.ticket
        if self._running.pop(ticket, None) is None:
            self._abandoned.pop(ticket, None)
            # It had ended by itself just before its deadline: its thread was counted out too early.
            self._threads += not job.last
            endings.append(executors.Ending(ticket, executors.Kind.RELEASED))
            return
        self._threads -= job.last
        if job.ending is not None:
            endings.append(job.ending)

    def _interrupt_all(self) -> None:
        until = time.monotonic() + executors.GRACE_SECONDS
        for job in self._running.values():
            if job.kind is not executors.Kind.CANCELLED:
                job.kind = executors.Kind.CANCELLED
                job.deadline = until
                job.interruption.send()

    def _patience(self, timeout: float | None) -> float | None:
        deadlines = [job.deadline for job in self._running.values() if job.deadline is not None]
        if not deadlines:
            return timeout
        left = max(0.0, min(deadlines) - time.monotonic())
        return left if timeout is None else min(left, timeout)

    def _pass_deadlines(self, endings: list[executors.Ending]) -> None:
        now = time.monotonic()
        late = [job for job in self._running.values() if job.deadline is not None and job.deadline <= now]
        for job in late:
            ticket = job.call.ticket
            job.interruption.send()
            del self._running[ticket]
            self._abandoned[ticket] = job
            self._threads -= 1
            endings.append(executors.Ending(ticket, job.kind, abandoned=True))
