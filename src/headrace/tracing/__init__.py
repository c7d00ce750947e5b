"""Traces, on wish: what the server does as spans, and each run as one trace from its making to its end.

They are on where the standard variables of OpenTelemetry name a collector and the extra `telemetry` is installed. Where they
are off nothing of it is imported, and a call here costs one comparison.

Nothing has to be handed on for the spans of a run to meet: its trace has the run's id, and the spans that others are below
have ids that follow from it. Spans carry names, ids, states and counts, and never parameters, values, messages or logs.
"""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from headrace.tracing import spans

logger = logging.getLogger("headrace.tracing")

#: Either says where the collector is.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
#: Seconds that the end of a process waits for the collector to take what is left.
FLUSH_SECONDS = 3.0

_spans: "spans.Spans | None" = None


def is_wanted(variables: Mapping[str, str]) -> bool:
    """Whether these variables name a collector, and do not say that nothing is to be sent."""
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if variables.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return False
    return any(variables.get(name) for name in ENDPOINTS)


def warm_up() -> None:
    """Imports what spans are made with, where they are wanted, and starts nothing: the process may still be forked."""
    if is_wanted(os.environ):
        with contextlib.suppress(ImportError):
            importlib.import_module("headrace.tracing.spans")


def start(service: str) -> None:
    """This process makes spans from here on, where they are wanted. `service` is its name unless the variables give one."""
    global _spans
    if _spans is not None or not is_wanted(os.environ):
        return
    try:
        # a quarter of a second, and an extra that most do not install
        from headrace.tracing import spans
    except ImportError as error:
        logger.warning(
            "traces are wanted (OTEL_EXPORTER_OTLP_ENDPOINT), but %s is not installed: pip install 'headrace[telemetry]'",
            error.name,
        )
        return
    _spans = spans.Spans(service)


def stop(seconds: float = FLUSH_SECONDS) -> None:
    """Sends what is left, and waits for it so long at most."""
    global _spans
    ending, _spans = _spans, None
    if ending is not None:
        ending.close(seconds)


def is_on() -> bool:
    """Whether this process makes spans."""
    return _spans is not None


def headers() -> dict[str, str]:
    """By which a request is told in which span it is made, ours or the caller's own; nothing where there is none."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    # somebody has imported it before
    from opentelemetry import trace

    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return {}
    return {"traceparent": f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags & 1:02x}"}


# --- the server ---


def operation(
    name: str, method: str, route: str, parent: bytes | None
) -> AbstractContextManager[Callable[[int], None]]:
    """One operation of the server; it is told the status of its answer. `parent`: the request's `traceparent`."""
    if _spans is None:
        return contextlib.nullcontext(_nobody)
    return _spans.operation(name, method, route, parent)


def run_created(run_id: UUID, name: str, flow: str, project: str, due_at: datetime) -> None:
    """A run has been made, by the operation that this process is in, if any."""
    if _spans is not None:
        _spans.run_created(run_id, name, flow, project, due_at)


def run_ended(run_id: UUID, title: str, due_at: datetime, ended_at: datetime, state: str) -> None:
    """A run has come to its end; `title` is its flow with the project."""
    if _spans is not None:
        _spans.run_ended(run_id, title, due_at, ended_at, state)


# --- the agent ---


def launch(run_id: UUID, fence: int, agent: str) -> AbstractContextManager[object]:
    """An agent launches one attempt of a run."""
    return contextlib.nullcontext() if _spans is None else _spans.launch(run_id, fence, agent)


# --- the run's process ---


def run(run_id: UUID, fence: int, attempt: int, flow: str) -> AbstractContextManager[object]:
    """One attempt of a run, in its process."""
    return contextlib.nullcontext() if _spans is None else _spans.run(run_id, fence, attempt, flow)


def task_state(
    slug: str, map_index: int, attempt: int, state: str, at: datetime, *, is_running: bool, is_failure: bool
) -> None:
    """A task run of this process's run has entered a state."""
    if _spans is not None:
        _spans.task_state(slug, map_index, attempt, state, at, is_running=is_running, is_failure=is_failure)


def within(run_id: str, slug: str, map_index: int, attempt: int) -> AbstractContextManager[object]:
    """Spans that a task's own code makes are below the task's, where it runs in the process of its run."""
    if _spans is None or not _spans.is_of(run_id):
        return contextlib.nullcontext()
    return _spans.within(slug, map_index, attempt)


def _nobody(status: int) -> None:
    """Nobody asks for the status."""
