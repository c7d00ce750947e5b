"""Figures: plain numbers that a service keeps or looks up, and that `/metrics` shows."""

import bisect
import dataclasses
import itertools
from collections.abc import Mapping

#: Seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")


class Histogram:
    """How long something took, each time."""

    def __init__(self) -> None:
        self.seconds = 0.0
        #: How many fell into each bucket, the last one without a bound.
        self._counts = [0] * len(_BOUNDS)

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        self._counts[bisect.bisect_left(BUCKETS, seconds)] += 1

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus counts: each with all below it."""
        return list(zip(_BOUNDS, map(float, itertools.accumulate(self._counts)), strict=True))


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure by the values of its labels: numbers that stand as they are, counts that only rise (`counts`), or times."""

    name: str
    help: str
    values: Mapping[tuple[str, ...], "float | Histogram"]
    labels: tuple[str, ...] = ()
    counts: bool = False


def single(name: str, words: str, value: "float | Histogram") -> Figure:
    """One without labels."""
    return Figure(name, words, {(): value})
