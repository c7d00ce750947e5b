"""The spans themselves, by OpenTelemetry. Imported only where traces are on.

The provider is our own, for the process's global one is the user's. Of an exception only its class is told: its text may
hold values.
"""

import contextlib
import contextvars
import hashlib
import threading
import time
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider, export, id_generator, sampling
from opentelemetry.trace.propagation import tracecontext
from opentelemetry.util import types

_propagator = tracecontext.TraceContextTextMapPropagator()
#: The ids that the next span gets, where they follow from a run: of its trace, and its own.
_given: contextvars.ContextVar[tuple[int, int] | None] = contextvars.ContextVar("headrace_ids", default=None)

#: A run that is due so soon after it was made is one that was wanted at once.
AT_ONCE = timedelta(seconds=1)

Told = Callable[[int], None]


class Spans:
    """What this process tells its collector. `service` is its name, unless the variables give one."""

    def __init__(self, service: str) -> None:
        named = Resource({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(
            resource=Resource.create(named.attributes), id_generator=_Ids(), shutdown_on_exit=False
        )
        self._provider.sampler = _Even(self._provider.sampler)
        self._provider.add_span_processor(export.BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("headrace")
        self._running: _Running | None = None

    def close(self, seconds: float) -> None:
        """A collector that does not answer is waited for so long at most."""
        ending = threading.Thread(target=self._provider.shutdown, name="headrace-traces", daemon=True)
        ending.start()
        ending.join(seconds)

    # --- the server ---

    @contextlib.contextmanager
    def operation(self, name: str, method: str, route: str, parent: bytes | None) -> Generator[Told]:
        around = contexts.Context()
        if parent is not None:
            around = _propagator.extract({"traceparent": parent.decode("latin-1")}, around)
        facts = {"http.request.method": method, "http.route": route}
        span = self._tracer.start_span(name, around, trace.SpanKind.SERVER, facts)

        def told(status: int) -> None:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(trace.StatusCode.ERROR)

        with _entered(trace.set_span_in_context(span, around)):
            try:
                yield told
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                told(int(getattr(error, "status", 500)))
                raise
            finally:
                span.end()

    def run_created(self, run_id: UUID, name: str, flow: str, project: str, due_at: datetime) -> None:
        """A span of no length, with a link to the operation. What is made long before it is due is not told: a trace of an
        hour's waiting shows nothing of what follows.
        """
        made_at = _made_at(run_id)
        if _began_at(run_id, due_at) > made_at:
            return
        facts = {**_facts(run_id), "headrace.flow": flow, "headrace.project": project, "headrace.run": name}
        asked = trace.get_current_span().get_span_context()
        links = [trace.Link(asked)] if asked.is_valid else []
        at = _nanoseconds(made_at)
        span = self._tracer.start_span(
            "create", self._below(run_id), attributes=facts, links=links, start_time=at
        )
        span.end(at)

    def run_ended(self, run_id: UUID, title: str, due_at: datetime, ended_at: datetime, state: str) -> None:
        """The span that all others of the run are below."""
        began = min(_began_at(run_id, due_at), ended_at)
        facts = {**_facts(run_id), "headrace.state": state}
        token = _given.set((run_id.int, _id(run_id)))
        try:
            span = self._tracer.start_span(
                f"run {title}", contexts.Context(), attributes=facts, start_time=_nanoseconds(began)
            )
        finally:
            _given.reset(token)
        if state in ("Failed", "Crashed"):
            span.set_status(trace.StatusCode.ERROR)
        span.end(_nanoseconds(ended_at))

    # --- the agent ---

    @contextlib.contextmanager
    def launch(self, run_id: UUID, fence: int, agent: str) -> Generator[None]:
        facts = {**_facts(run_id), "headrace.fence": fence, "headrace.agent": agent}
        span = self._tracer.start_span("launch", self._below(run_id), attributes=facts)
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(trace.StatusCode.ERROR)
            raise
        finally:
            span.end()

    # --- the run's process ---

    @contextlib.contextmanager
    def run(self, run_id: UUID, fence: int, attempt: int, flow: str) -> Generator[None]:
        facts = {
            **_facts(run_id),
            "headrace.flow": flow,
            "headrace.fence": fence,
            "headrace.attempt": attempt,
        }
        span = self._tracer.start_span("execute", self._below(run_id), attributes=facts)
        around = trace.set_span_in_context(span)
        self._running = _Running(self._tracer, run_id, fence, around)
        with _entered(around):
            try:
                yield
            finally:
                self._running.end_all()
                span.end()

    def task_state(
        self,
        slug: str,
        map_index: int,
        attempt: int,
        state: str,
        at: datetime,
        *,
        is_running: bool,
        is_failure: bool,
    ) -> None:
        """A task's span is from where it began to run to the state that follows."""
        if (running := self._running) is None:
            return
        if is_running:
            running.began[slug, map_index] = (attempt, _nanoseconds(at))
        else:
            running.end(slug, map_index, _nanoseconds(at), state, failed=is_failure)

    def is_of(self, run_id: str) -> bool:
        """Whether this process executes that run."""
        return self._running is not None and str(self._running.run_id) == run_id

    @contextlib.contextmanager
    def within(self, slug: str, map_index: int, attempt: int) -> Generator[None]:
        running = self._running
        if running is None:
            yield
            return
        outer = trace.get_current_span(running.around).get_span_context()
        own = trace.SpanContext(
            outer.trace_id, running.id_of(slug, map_index, attempt), False, outer.trace_flags
        )
        with _entered(trace.set_span_in_context(trace.NonRecordingSpan(own))):
            yield

    def _below(self, run_id: UUID) -> contexts.Context:
        """Where spans of a run are made that know nothing of each other: below its own span, whoever makes that."""
        nowhere = contexts.Context()
        decided = self._provider.sampler.should_sample(nowhere, run_id.int, "run")
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if decided.decision.is_sampled() else 0)
        above = trace.SpanContext(run_id.int, _id(run_id), is_remote=True, trace_flags=flags)
        return trace.set_span_in_context(trace.NonRecordingSpan(above), nowhere)


class _Running:
    """The run of this process and its tasks that run. `around` is the context of its span."""

    def __init__(self, tracer: trace.Tracer, run_id: UUID, fence: int, around: contexts.Context) -> None:
        self.run_id = run_id
        self.around = around
        #: By slug and map index: the attempt, and when it began.
        self.began: dict[tuple[str, int], tuple[int, int]] = {}
        self._tracer = tracer
        self._fence = fence

    def id_of(self, slug: str, map_index: int, attempt: int) -> int:
        return _id(self.run_id, self._fence, attempt, map_index, slug)

    def end(self, slug: str, map_index: int, at: int, state: str, *, failed: bool) -> None:
        if (known := self.began.pop((slug, map_index), None)) is None:
            return  # it never ran: it was skipped, cached or cancelled before
        attempt, began = known
        facts: types.Attributes = {
            "headrace.task": slug,
            "headrace.attempt": attempt,
            "headrace.state": state,
            **({} if map_index < 0 else {"headrace.map_index": map_index}),
        }
        outer = trace.get_current_span(self.around).get_span_context()
        token = _given.set((outer.trace_id, self.id_of(slug, map_index, attempt)))
        try:
            span = self._tracer.start_span(f"task {slug}", self.around, attributes=facts, start_time=began)
        finally:
            _given.reset(token)
        if failed:
            span.set_status(trace.StatusCode.ERROR)
        span.end(max(at, began))

    def end_all(self) -> None:
        """What was interrupted with the run."""
        for slug, map_index in list(self.began):
            self.end(slug, map_index, time.time_ns(), "", failed=False)


class _Ids(id_generator.RandomIdGenerator):
    """Random ids, but for spans whose ids follow from a run. The last 62 bits of a run's id are random, too."""

    def generate_span_id(self) -> int:
        given = _given.get()
        return super().generate_span_id() if given is None else given[1]

    def generate_trace_id(self) -> int:
        given = _given.get()
        return super().generate_trace_id() if given is None else given[0]


class _Even(sampling.Sampler):
    """The sampler that the variables name. A share of traces is chosen by their last bits, and those of a run's id are not
    evenly spread: so it is asked about a hash, by every process alike.
    """

    def __init__(self, inner: sampling.Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: contexts.Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: types.Attributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> sampling.SamplingResult:
        spread = int.from_bytes(hashlib.sha256(trace_id.to_bytes(16)).digest()[:16])
        return self._inner.should_sample(parent_context, spread, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return self._inner.get_description()


@contextlib.contextmanager
def _entered(around: contexts.Context) -> Generator[None]:
    token = contexts.attach(around)
    try:
        yield
    finally:
        contexts.detach(token)


def _facts(run_id: UUID) -> dict[str, str | int]:
    return {"headrace.run_id": str(run_id)}


def _id(*of: object) -> int:
    """A span's id that everybody finds who knows what it is of."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, of)).encode()).digest()[:8]) or 1


def _made_at(run_id: UUID) -> datetime:
    """A run's id begins with the time at which it was made."""
    return datetime.fromtimestamp((run_id.int >> 80) / 1000, UTC)


def _began_at(run_id: UUID, due_at: datetime) -> datetime:
    """Where its trace begins: when it was made, or was due long after that."""
    made_at = _made_at(run_id)
    return due_at if due_at - made_at > AT_ONCE else made_at


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000
