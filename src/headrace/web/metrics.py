"""Figures for Prometheus: counted as plain numbers, written in its format only when somebody asks."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from headrace import errors
from headrace.web import service
from headrace.web.figures import Figure, Histogram, single

#: For so many seconds what was looked up in the database is shown again, however many ask.
FRESH_SECONDS = 5.0


class Metrics:
    """What is counted of a service's requests; what it, its loops and its nouns tell of themselves when somebody asks."""

    def __init__(self, owner: "service.Service") -> None:
        self._owner = owner
        self._requests: Counter[tuple[str, ...]] = Counter()
        self._lengths: dict[tuple[str, ...], Histogram] = {}
        self._known: Sequence[Figure] = ()
        self._known_until = 0.0
        self._looking = asyncio.Lock()

    def count(self, operation: str, status: int, seconds: float) -> None:
        self._requests[operation, str(status)] += 1
        self._lengths.setdefault((operation,), Histogram()).add(seconds)

    async def text(self) -> bytes:
        """Prometheus' text format."""
        # 60 ms of a server's start, and many are never asked
        import prometheus_client
        from prometheus_client import process_collector

        everything = [*self._own(), *await self._looked_up()]
        registry = prometheus_client.CollectorRegistry()
        registry.register(_Collector(everything))  # type: ignore[arg-type] - what it needs is `collect`
        process_collector.ProcessCollector(registry=registry)
        return prometheus_client.generate_latest(registry)

    async def _looked_up(self) -> Sequence[Figure]:
        """From the database; nothing while it does not answer, which the service's own figures outlive."""
        async with self._looking:
            if time.monotonic() >= self._known_until:
                try:
                    self._known = await self._owner.figures(self._owner)
                except errors.Unavailable:
                    self._known = ()
                self._known_until = time.monotonic() + FRESH_SECONDS
            return self._known

    def _own(self) -> Iterator[Figure]:
        owner, loops = self._owner, self._owner.loops
        yield Figure(
            "headrace_requests",
            "Requests by operation and status.",
            dict(self._requests),
            ("operation", "status"),
            counts=True,
        )
        yield Figure("headrace_request_seconds", "Time to answer.", dict(self._lengths), ("operation",))
        yield single("headrace_held_answers", "Answers held back at the moment.", owner.held)
        yield single(
            "headrace_event_loop_lag_seconds", "How late the event loop was, once a second.", owner.lag
        )
        yield single(
            "headrace_database_waiting",
            "Commands that wait for the database's writer (SQLite) or for a connection (PostgreSQL).",
            owner.database.waiting,
        )
        yield single(
            "headrace_short_of_room",
            "1: the disk was full, and its reserve was given up.",
            float(owner.database.short_of_room),
        )
        by_loop: dict[str, tuple[float, float, float]] = {
            name: (loop.runs, 1 if loop.error else 0, loop.age) for name, loop in loops.items()
        }
        for place, (name, words) in enumerate(
            (
                ("headrace_loop_runs", "Loops done."),
                ("headrace_loop_failing", "1: it failed the last time."),
                ("headrace_loop_age_seconds", "Since it was done last, or its turn was another server's."),
            )
        ):
            values = {(loop,): known[place] for loop, known in by_loop.items()}
            yield Figure(name, words, values, ("loop",), counts=place == 0)


class _Collector:
    """Figures as the library takes them."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Any]:
        """Each figure with its labels; the registry asks for them."""
        from prometheus_client import metrics_core

        for figure in self._figures:
            lengths = {key: value for key, value in figure.values.items() if isinstance(value, Histogram)}
            if lengths:
                family: Any = metrics_core.HistogramMetricFamily(
                    figure.name, figure.help, labels=figure.labels
                )
                for key, length in lengths.items():
                    family.add_metric(key, length.buckets, length.seconds)
            else:
                kind = metrics_core.CounterMetricFamily if figure.counts else metrics_core.GaugeMetricFamily
                family = kind(figure.name, figure.help, labels=figure.labels)
                for key, value in figure.values.items():
                    family.add_metric(key, value)
            yield family
