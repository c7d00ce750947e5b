"""The order to pause, on its way from the supervisor to the run: the server's answers reach only the supervisor.

It comes through a pipe and not as a signal, for signals belong to user code.
"""

import threading
from collections.abc import Callable

#: What the supervisor writes.
ORDER = b"pause\n"


class Pausing:
    """Hears the order on a thread of its own. Without a pipe none comes."""

    def __init__(self, pipe: int | None) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._pause: Callable[[], None] | None = None
        if pipe is not None:
            threading.Thread(target=self._listen, args=(pipe,), name="headrace-pausing", daemon=True).start()

    def attach(self, pause: Callable[[], None]) -> None:
        """What pauses the run, once there is one."""
        with self._lock:
            self._pause = pause
            asked = self._asked
        if asked:
            pause()

    def _listen(self, pipe: int) -> None:
        with open(pipe, "rb", buffering=0) as orders:
            while (order := orders.read(len(ORDER))) == ORDER:
                with self._lock:
                    self._asked = True
                    pause = self._pause
                if pause is not None:
                    pause()
            assert not order, order
