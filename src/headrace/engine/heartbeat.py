"""A run's sign of life, on a thread of the supervisor: sent, held by the server until it has an order, and sent again."""

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from headrace import client, errors
from headrace.core import leases
from headrace.wire import operations, runs


class Beat(NamedTuple):
    """One heartbeat's end. `sent_at` is of the monotonic clock; `refused` says that this attempt may not go on."""

    sent_at: float
    answer: runs.RunAnswer | None = None
    refused: str = ""


class Heartbeat:
    """Sends from `start` to `stop`; `poke` is called, from the thread, when there is something to take.

    Each says how long the run has been running: the server believes no clock, its own included, that can be set.
    """

    def __init__(
        self,
        client: client.Client,
        request: runs.HeartbeatFlowRun,
        timing: leases.Timing,
        *,
        poke: Callable[[], None],
    ) -> None:
        self._client = client
        self._request = request
        self._every = timing.heartbeat.total_seconds()
        self._poke = poke
        self._ended: queue.SimpleQueue[Beat] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._started_at = 0.0

    def start(self, started_at: float) -> None:
        """The run began at this moment of the monotonic clock."""
        if self._thread is None:
            self._started_at = started_at
            self._thread = threading.Thread(target=self._work, name="headrace-heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """No further one is sent; one that the server holds is left to itself."""
        self._stop.set()

    def taken(self) -> list[Beat]:
        """What has ended since it was asked last."""
        found: list[Beat] = []
        while not self._ended.empty():
            found.append(self._ended.get_nowait())
        return found

    def _work(self) -> None:
        failures = 0
        while not self._stop.is_set():
            sent_at = time.monotonic()
            request = msgspec.structs.replace(self._request, running_seconds=sent_at - self._started_at)
            try:
                # the answer is held for one heartbeat's time; with half of it on top two tries fit before the deadline
                answer = self._client.call(
                    operations.heartbeat_flow_run, request, timeout=1.5 * self._every, patience=0
                )
            except (errors.Conflict, errors.Unauthenticated, errors.Forbidden, errors.NotFound) as error:
                self._tell(Beat(sent_at, refused=str(error)))
                return
            except errors.HeadraceError:
                failures += 1
                longest = min(self._every, 0.2 * 2 ** min(failures, 10))
                self._stop.wait(random.uniform(0.05, longest))  # noqa: S311 - jitter, no secret
                continue
            failures = 0
            self._tell(Beat(sent_at, answer))
            self._stop.wait(sent_at + self._every - time.monotonic())

    def _tell(self, beat: Beat) -> None:
        self._ended.put(beat)
        self._poke()
