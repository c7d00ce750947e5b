"""Figures for Prometheus: counted as plain numbers, written in its format only when somebody asks."""

import bisect
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from headrace.web import service

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BOUNDS = (*(f"{bound:g}" for bound in _BUCKETS), "+Inf")


class Metrics:
    """What is counted of a service's requests, and of its loops when it is asked."""

    def __init__(self, owner: "service.Service") -> None:
        self._owner = owner
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, float] = {}
        #: By operation: how many requests fell into each bucket, the last one without a bound.
        self._lengths: dict[str, list[int]] = {}

    def count(self, operation: str, status: int, seconds: float) -> None:
        self._requests[operation, status] += 1
        self._seconds[operation] = self._seconds.get(operation, 0.0) + seconds
        lengths = self._lengths.setdefault(operation, [0] * len(_BOUNDS))
        lengths[bisect.bisect_left(_BUCKETS, seconds)] += 1

    def text(self) -> bytes:
        """Prometheus' text format."""
        # 60 ms of a server's start, and many are never asked
        import prometheus_client
        from prometheus_client import process_collector

        registry = prometheus_client.CollectorRegistry()
        registry.register(self)  # type: ignore[arg-type] - what it needs is `collect`
        process_collector.ProcessCollector(registry=registry)
        return prometheus_client.generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """Each figure with its labels; the registry asks for them."""
        from prometheus_client import metrics_core

        requests = metrics_core.CounterMetricFamily(
            "headrace_requests", "Requests by operation and status.", labels=["operation", "status"]
        )
        for (operation, status), count in self._requests.items():
            requests.add_metric([operation, str(status)], count)
        seconds = metrics_core.HistogramMetricFamily(
            "headrace_request_seconds", "Time to answer.", labels=["operation"]
        )
        for operation, lengths in self._lengths.items():
            buckets = list(zip(_BOUNDS, map(float, itertools.accumulate(lengths)), strict=True))
            seconds.add_metric([operation], buckets, self._seconds[operation])
        held = metrics_core.GaugeMetricFamily(
            "headrace_held_answers", "Answers held back at the moment.", value=self._owner.held
        )
        runs = metrics_core.CounterMetricFamily("headrace_loop_runs", "Loops done.", labels=["loop"])
        failing = metrics_core.GaugeMetricFamily(
            "headrace_loop_failing", "1: it failed the last time.", labels=["loop"]
        )
        for name, loop in self._owner.loops.items():
            runs.add_metric([name], loop.runs)
            failing.add_metric([name], 1 if loop.error else 0)
        short = metrics_core.GaugeMetricFamily(
            "headrace_short_of_room",
            "1: the disk was full, and its reserve was given up.",
            value=float(self._owner.database.short_of_room),
        )
        yield from (requests, seconds, held, short, runs, failing)
