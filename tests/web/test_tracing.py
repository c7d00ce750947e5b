"""E3: an operation is in the trace of whoever asks, where that is somebody; the standard variables decide."""

from collections.abc import Iterator

import pytest

from headrace import tracing
from headrace.client import Client
from headrace.wire import accounts, operations
from http_client import Http
from receivers import Receiver

pytest.importorskip("opentelemetry.sdk", reason="the extra `telemetry` is not installed")
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
    tracing.start("headrace-server")
    yield receiver
    tracing.stop()
    receiver.close()


def told(collector: Receiver) -> dict[str, tuple[str, str]]:
    """Each span's trace and parent, by its name; no more is sent after that."""
    tracing.stop()
    requests = [ExportTraceServiceRequest.FromString(request.body) for request in collector.requests]
    return {
        span.name: (span.trace_id.hex(), span.parent_span_id.hex())
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def test_an_operation_is_in_the_trace_of_whoever_asks(http: Http, collector: Receiver) -> None:
    http.request("GET", "/api/me", token=http.token("viewer"), headers=PARENT)
    http.request("GET", "/api/users", token=http.token("viewer"), headers={"traceparent": "nonsense"})
    spans = told(collector)
    assert spans["read_me"] == (TRACE, SPAN)
    assert spans["list_users"][0] != TRACE
    assert spans["list_users"][1] == ""


def test_whoever_is_not_known_is_in_no_trace_but_the_server_s(http: Http, collector: Receiver) -> None:
    http.request("GET", "/api/ways_in", headers=PARENT)
    assert http.request("GET", "/api/users", headers=PARENT).status == 401
    spans = told(collector)
    assert spans.keys() == {"read_ways_in"}
    assert spans["read_ways_in"][0] != TRACE


def test_the_client_says_in_which_span_of_the_caller_s_it_asks(http: Http, collector: Receiver) -> None:
    around = trace.SpanContext(int(TRACE, 16), int(SPAN, 16), False, trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(around)):
        Client(http.url, http.token("viewer")).call(operations.read_me, accounts.Nothing())
    assert told(collector)["read_me"] == (TRACE, SPAN)


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_say_whether_there_are_traces(variables: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(variables) is wanted
