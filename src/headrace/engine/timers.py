"""What is to be done at a later time in a walk, soonest first."""

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Any


class Timers:
    """Functions and when to call them, on the monotonic clock. For one thread."""

    def __init__(self) -> None:
        # The number keeps those of equal times in the order in which they came.
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def at(self, due: float, function: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._heap, (due, next(self._numbers), function, arguments))

    def patience(self) -> float | None:
        """Seconds until the next one; None where there is none."""
        return max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None

    def ring(self) -> None:
        """Calls those that are due."""
        while self._heap and self._heap[0][0] <= time.monotonic():
            _, _, function, arguments = heapq.heappop(self._heap)
            function(*arguments)
