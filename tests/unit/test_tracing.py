"""Traces: when they are asked for, how spans nest, and what an upload's record carries."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from roomcast import tracing
from roomcast.errors import NotFound, RoomcastError
from roomcast.uploads.model import Upload, decode, encode

REMOTE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use_tracer_provider(provider)
    yield exporter
    tracing.shut_down_tracing()


@pytest.mark.parametrize(
    ("environment", "exporter"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "films"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, None),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, None),
    ],
)
def test_traces_are_exported_where_the_environment_asks_for_them(
    environment: dict[str, str], exporter: str | None
) -> None:
    assert tracing._requested_exporter(environment) == exporter


@pytest.mark.parametrize(
    "environment",
    [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}],
)
def test_exporter_or_protocol_that_is_not_supported_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(RoomcastError, match="is not supported"):
        tracing._requested_exporter(environment)


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(RoomcastError, match=r"pip install 'roomcast\[otel\]'"):
        tracing.configure_tracing("roomcast-web")


def test_span_has_the_current_or_the_named_parent_and_a_link_only_if_asked(exporter: InMemorySpanExporter) -> None:
    with tracing.span("outer", upload_id="upload_1", nothing=None):
        with tracing.span("inner"):
            pass
        with tracing.span("other", parent=REMOTE, link=True):
            assert (tracing.traceparent() or "").startswith(REMOTE[:36])
        with tracing.span("damaged", parent="00-xyz"):
            pass
    assert tracing.traceparent() is None
    spans = {span.name: span for span in exporter.get_finished_spans()}
    outer = spans["outer"].get_span_context()
    assert outer is not None
    assert dict(spans["outer"].attributes or {}) == {"roomcast.upload_id": "upload_1"}
    for name in ("inner", "damaged"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == outer.span_id
    other = spans["other"].parent
    assert other is not None
    assert f"{other.span_id:016x}" == REMOTE[36:52]
    assert [link.context.span_id for link in spans["other"].links] == [outer.span_id]


def test_span_of_a_failure_has_its_code(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(NotFound), tracing.span("failing"):
        raise NotFound("There is no such upload.")
    (span,) = exporter.get_finished_spans()
    assert span.status.is_ok is False
    assert dict(span.attributes or {}) == {"error.type": "NOT_FOUND"}


def test_span_that_began_earlier_has_its_beginning(exporter: InMemorySpanExporter) -> None:
    tracing.record_span("queue", 1_700_000_000.0, parent=REMOTE)
    (span,) = exporter.get_finished_spans()
    assert span.start_time == 1_700_000_000 * 10**9
    assert (span.end_time or 0) > span.start_time


def test_no_span_is_recorded_without_a_provider() -> None:
    with tracing.span("nothing", parent=REMOTE) as span:
        span.set(upload_id="upload_1")
        assert tracing.traceparent() is None
    assert not tracing.is_tracing()


def test_record_of_an_upload_carries_its_trace_and_one_of_an_earlier_version_none() -> None:
    upload = Upload("upload_1", "ada", "auto", "a.mp4", "e", 1.0, 1.0, traceparent=REMOTE)
    assert decode(encode(upload)) == upload
    assert decode(encode(upload).replace(b"traceparent", b"newer")).traceparent is None
