"""The local executor: one call after another in the coordinator's own thread."""

from headrace import executors
from headrace.executors import interrupts, threads, tracebacks


class LocalExecutor:
    """Runs a call when it is waited for. One that has a timeout, or asks for it, gets a thread of its own."""

    slots = 1
    queues = False

    def __init__(self) -> None:
        self._beside = threads.ThreadExecutor(1)
        self._next: executors.Call | None = None
        self._interruption: interrupts.Interruption | None = None
        self._interrupted = False

    def submit(self, call: executors.Call) -> None:
        if call.timeout is not None or call.own_thread:
            self._beside.submit(call)
        else:
            self._interruption = interrupts.Interruption()
            self._next = call

    def wait(self, timeout: float | None) -> list[executors.Ending]:
        call, interruption = self._next, self._interruption
        if call is None or interruption is None:
            return self._beside.wait(timeout)
        if self._interrupted:
            interruption.send()
        try:
            value = interruption.run(call.function, call.shared, call.own)
            return [executors.Ending(call.ticket, executors.Kind.DONE, value)]
        except executors.Interrupted:
            return [executors.Ending(call.ticket, executors.Kind.CANCELLED)]
        except Exception as error:  # noqa: BLE001 - the function ought not to raise; what it raised is told
            return [executors.Ending(call.ticket, executors.Kind.LOST, message=tracebacks.sentence(error))]
        finally:
            self._next = self._interruption = None

    def wake(self) -> None:
        self._beside.wake()

    def interrupt(self) -> None:
        self._interrupted = True
        interruption = self._interruption
        if interruption is not None:
            interruption.send()
        self._beside.interrupt()

    def close(self) -> None:
        self._beside.close()
