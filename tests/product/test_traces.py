"""E3: traces on wish, told to a real OTLP/HTTP receiver by a server, an agent and a run that are processes of their own."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.wire import runs
from receivers import Receiver, soon
from stack import Make, Stack

pytest.importorskip("opentelemetry.sdk", reason="the extra `telemetry` is not installed")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

#: What may be in no span: a parameter's value, what a task returns, logs, prints and raises.
SECRETS = ("parameter-4711", "value-4711", "log-4711", "raised-4711")

FLOW = """
import logging
from headrace import flow, task, ThreadExecutor

@task
def text(given: str) -> list[str]:
    logging.getLogger("told").warning("log-4711")
    print("log-4711")
    return ["value-4711", given]

@task(retries=1)
def fails_at_first(given: str) -> str:
    from headrace import context
    if context.attempt == 1:
        raise ValueError("raised-4711")
    return given

@task
def asks(given: list) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    with provider.get_tracer("own").start_as_current_span("the user's own"):
        pass

@flow(executor=ThreadExecutor(2), log_prints=True)
def told(given: str = "parameter-4711") -> None:
    asks(fails_at_first.map(text(given)))

@task
def fails() -> None:
    raise ValueError("raised-4711")

@flow
def failing() -> None:
    fails()
"""


@dataclasses.dataclass
class Told:
    """One span as the collector has it."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    facts: dict[str, object]
    began: int
    ended: int
    failed: bool
    links: list[str]


class Collector(Receiver):
    """An OTLP/HTTP receiver that keeps what it is told."""

    @property
    def spans(self) -> list[Told]:
        found: list[Told] = []
        for request in list(self.requests):
            assert (request.method, request.path) == ("POST", "/v1/traces")
            for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                service = _facts(resource.resource.attributes)["service.name"]
                found += [_span(str(service), span) for each in resource.scope_spans for span in each.spans]
        return found

    def of(self, run: runs.FlowRun) -> list[Told]:
        return [span for span in self.spans if span.trace == run.id.hex]


def _facts(attributes: object) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}  # type: ignore[attr-defined]


def _span(service: str, span: object) -> Told:
    return Told(
        name=span.name,  # type: ignore[attr-defined]
        service=service,
        trace=span.trace_id.hex(),  # type: ignore[attr-defined]
        id=span.span_id.hex(),  # type: ignore[attr-defined]
        parent=span.parent_span_id.hex(),  # type: ignore[attr-defined]
        facts=_facts(span.attributes),  # type: ignore[attr-defined]
        began=span.start_time_unix_nano,  # type: ignore[attr-defined]
        ended=span.end_time_unix_nano,  # type: ignore[attr-defined]
        failed=span.status.code == 2,  # type: ignore[attr-defined]
        links=[link.trace_id.hex() for link in span.links],  # type: ignore[attr-defined]
    )


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def started(make_stack: Make, **environment: str) -> Stack:
    stack = make_stack(environment={"OTEL_BSP_SCHEDULE_DELAY": "200", **environment})
    stack.start()
    (stack.folder / "told.py").write_text(FLOW)
    stack.register(stack.folder / "told.py", "p")
    return stack


def test_a_run_is_one_trace_from_its_making_to_its_end(make_stack: Make, collector: Collector) -> None:
    stack = started(make_stack, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    run = stack.finished(stack.run("p/told"))
    assert run.state.type == "Success", run.state
    soon(lambda: {"run p/told", "create", "launch", "execute"} <= {span.name for span in collector.of(run)})
    spans = collector.of(run)
    (top,) = [span for span in spans if not span.parent]
    assert (top.name, top.service, top.failed) == ("run p/told", "headrace-server", False)
    parts = {span.name: span for span in spans if span.parent == top.id}
    assert {(name, span.service) for name, span in parts.items()} == {
        ("create", "headrace-server"),
        ("launch", "headrace-agent"),
        ("execute", "headrace-run"),
    }
    tasks = [span for span in spans if span.name.startswith("task ")]
    assert {span.parent for span in tasks} == {parts["execute"].id}
    tried = [
        (span.facts["headrace.attempt"], span.failed) for span in tasks if "map_index" in str(span.facts)
    ]
    assert sorted(tried) == [(1, False), (1, False), (2, False), (2, False)]
    assert all(top.began <= span.began <= span.ended for span in tasks)

    (own,) = [span for span in spans if span.name == "the user's own"]
    assert own.parent in {span.id for span in tasks if span.name == "task asks"}
    # what the run asked of the server is below it
    asked = {span.name for span in spans if span.parent == parts["execute"].id} - {
        span.name for span in tasks
    }
    assert {"start_flow_run", "finish_flow_run"} <= asked
    (made,) = [span for span in collector.spans if span.name == "create_flow_run"]
    assert parts["create"].links == [made.trace]
    assert made.facts["http.route"] == "/api/flow_runs"
    assert made.facts["http.response.status_code"] == 200
    for request in collector.requests:
        assert not [secret for secret in SECRETS if secret.encode() in request.body]


def test_a_failure_is_told_without_its_words(make_stack: Make, collector: Collector) -> None:
    stack = started(make_stack, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces")
    run = stack.finished(stack.run("p/failing"))
    soon(lambda: {"run p/failing", "task fails"} <= {span.name for span in collector.of(run)})
    failed = {span.name for span in collector.of(run) if span.failed}
    assert failed == {"run p/failing", "task fails"}
    for request in collector.requests:
        assert b"raised-4711" not in request.body


def test_a_share_of_the_runs_is_told_whole(make_stack: Make, collector: Collector) -> None:
    """The standard sampler by its share: a run is told by all its processes or by none."""
    stack = started(
        make_stack,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.5",
    )
    made = [stack.run("p/failing") for _ in range(10)]
    for run in made:
        stack.finished(run)
    for process in [*stack.agents.values(), stack.server]:
        assert process is not None
        stack.end(process)
    whole = {
        "run p/failing",
        "create",
        "launch",
        "execute",
        "task fails",
        "start_flow_run",
        "finish_flow_run",
    }
    told = [{span.name for span in collector.of(run)} & whole for run in made]
    assert {frozenset(names) for names in told} == {frozenset(), frozenset(whole)}


def test_a_collector_that_does_not_answer_holds_nothing_up(make_stack: Make) -> None:
    stack = started(make_stack, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert stack.finished(stack.run("p/told"), 30).state.type == "Success"
    for process in [*stack.agents.values(), stack.server]:
        assert process is not None
        assert stack.end(process, 10) == 0


def test_where_no_collector_is_named_nothing_of_it_is_loaded(make_stack: Make, tmp_path: Path) -> None:
    """By the maps of the processes: what was imported from compiled modules and what was not."""
    stack = make_stack()
    stack.start()
    source = tmp_path / "asks.py"
    source.write_text(
        "import sys\nfrom headrace import flow, task\n\n@task\ndef loaded() -> None:\n"
        "    assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n\n"
        "@flow\ndef asks() -> None:\n    loaded()\n"
    )
    stack.register(source, "p")
    assert stack.finished(stack.run("p/asks")).state.type == "Success"
