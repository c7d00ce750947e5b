"""Figures for Prometheus, in a registry of each service's own."""

from typing import Any

import prometheus_client
from prometheus_client import process_collector

from headrace.web import service

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """What is counted of a service's requests, and of its loops when it is asked."""

    def __init__(self, owner: "service.Service") -> None:
        registry = prometheus_client.CollectorRegistry()
        self._registry = registry
        self._requests = prometheus_client.Counter(
            "headrace_requests",
            "Requests by operation and status.",
            ["operation", "status"],
            registry=registry,
        )
        self._seconds = prometheus_client.Histogram(
            "headrace_request_seconds", "Time to answer.", ["operation"], buckets=_BUCKETS, registry=registry
        )
        held = prometheus_client.Gauge(
            "headrace_held_answers", "Answers held back at the moment.", registry=registry
        )
        held.set_function(lambda: owner.held)
        registry.register(_Loops(owner))
        process_collector.ProcessCollector(registry=registry)

    def count(self, operation: str, status: int, seconds: float) -> None:
        self._requests.labels(operation, status).inc()
        self._seconds.labels(operation).observe(seconds)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return prometheus_client.generate_latest(self._registry)


class _Loops(prometheus_client.registry.Collector):
    """How often each loop was done, and whether it failed the last time."""

    def __init__(self, owner: "service.Service") -> None:
        self._owner = owner

    def collect(self) -> Any:
        runs = prometheus_client.metrics_core.CounterMetricFamily(
            "headrace_loop_runs", "Loops done.", labels=["loop"]
        )
        failing = prometheus_client.metrics_core.GaugeMetricFamily(
            "headrace_loop_failing", "1: it failed the last time.", labels=["loop"]
        )
        for name, loop in self._owner.loops.items():
            runs.add_metric([name], loop.runs)
            failing.add_metric([name], 1 if loop.error else 0)
        return [runs, failing]
