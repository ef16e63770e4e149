"""Traces for OpenTelemetry: spans from the request that creates an upload to the programs that process it.

OpenTelemetry is loaded only where its own variables ask for traces (`OTEL_EXPORTER_OTLP_ENDPOINT`, for instance). An
upload's record has the context of its first request, so the spans of all processes are in one trace.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any, Protocol

from roomcast.errors import RoomcastError

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_EXPORTERS = ("otlp", "console")
_PROTOCOL = "http/protobuf"

Attribute = str | int | float | bool


@contextmanager
def without_opentelemetry() -> Iterator[None]:
    """Hide OpenTelemetry from the imports in the context: redis would load its SDK for metrics that are not read, which
    takes 60 ms of every start. Where the application has loaded it, nothing is hidden."""
    if "opentelemetry" in sys.modules:
        yield
        return
    sys.modules["opentelemetry"] = None  # type: ignore[assignment]  # an import then raises ImportError
    try:
        yield
    finally:
        del sys.modules["opentelemetry"]


class Span(Protocol):
    """A span that has begun."""

    def set(self, **attributes: Attribute | None) -> None:
        """Add attributes: `upload_id` is stored as `roomcast.upload_id`, a name with a dot as it is. None is none."""

    def end(self, error: BaseException | None = None) -> None:
        """End the span, as failed if there is an `error`."""


class _NoSpan:
    """The span of a process without traces."""

    def set(self, **attributes: Attribute | None) -> None:
        pass

    def end(self, error: BaseException | None = None) -> None:
        pass


class _Tracing:
    """The tracer of a process. What it needs of OpenTelemetry is imported when it is made."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415  (see the module's docstring)

        self._trace = trace
        self._provider = provider
        self._tracer = provider.get_tracer("roomcast")

    def start(self, name: str, parent: Any, start: float | None, linked: Any = None) -> _RecordedSpan:
        context = self._trace.set_span_in_context(parent) if parent is not None else None
        links = [self._trace.Link(linked.get_span_context())] if linked is not None else None
        began = None if start is None else int(start * 1e9)
        return _RecordedSpan(self._tracer.start_span(name, context, links=links, start_time=began), self._trace)

    def remote_parent(self, traceparent: str | None) -> Any:
        """Return the parent that a `traceparent` names, or None."""
        match = _TRACEPARENT.fullmatch(traceparent or "")
        if match is None:
            return None
        flags = self._trace.TraceFlags(int(match[3], 16))
        context = self._trace.SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=flags)
        return self._trace.NonRecordingSpan(context) if context.is_valid else None

    def shut_down(self) -> None:
        self._provider.shutdown()


class _RecordedSpan:
    """A span that OpenTelemetry exports when it ends."""

    def __init__(self, span: Any, trace: Any) -> None:
        self.recorded = span
        self._trace = trace

    def set(self, **attributes: Attribute | None) -> None:
        for name, value in attributes.items():
            if value is not None:
                self.recorded.set_attribute(name if "." in name else f"roomcast.{name}", value)

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            code = error.code if isinstance(error, RoomcastError) else type(error).__name__
            self.recorded.set_attribute("error.type", str(code))
            self.recorded.set_status(self._trace.Status(self._trace.StatusCode.ERROR, str(error)))
        self.recorded.end()


_NO_SPAN = _NoSpan()
_tracing: _Tracing | None = None
_current: ContextVar[_RecordedSpan | None] = ContextVar("roomcast_span", default=None)


def configure_tracing(service: str) -> None:
    """Export the traces of this process if the environment asks for it. `service` is the default of
    `OTEL_SERVICE_NAME`. Raise `RoomcastError` for an exporter or a protocol that is not supported."""
    exporter = _requested_exporter(os.environ)
    if exporter is None:
        return
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise RoomcastError("OTEL_* asks for traces, and OpenTelemetry is not installed: pip install 'roomcast[otel]'.")
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  (see the module's docstring)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter  # noqa: PLC0415

    os.environ.setdefault("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create())
    if exporter == "console":
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use_tracer_provider(provider)


def _requested_exporter(environment: Mapping[str, str]) -> str | None:
    """Return `otlp` or `console`, or None if no traces are asked for. Raise `RoomcastError` for any other."""
    named = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if disabled or named == "none" or not (named or any(environment.get(name) for name in _ENDPOINTS)):
        return None
    if named not in ("", *_EXPORTERS):
        raise RoomcastError(f"OTEL_TRACES_EXPORTER={named} is not supported. Write otlp, console or none.")
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if named != "console" and protocol not in (None, "", _PROTOCOL):
        raise RoomcastError(f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not supported. Write {_PROTOCOL}.")
    return named or "otlp"


def use_tracer_provider(provider: Any) -> None:
    """Record spans by a `TracerProvider` of OpenTelemetry's SDK; None records no more."""
    global _tracing  # noqa: PLW0603  (a process has one tracer, as it has one log)
    _tracing = _Tracing(provider) if provider is not None else None


def shut_down_tracing() -> None:
    """Export the spans that are not exported yet, and record no more."""
    if _tracing is not None:
        _tracing.shut_down()
        use_tracer_provider(None)


def is_tracing() -> bool:
    """Return whether spans are recorded."""
    return _tracing is not None


def start_span(
    name: str,
    *,
    parent: str | None = None,
    link: bool = False,
    start: float | None = None,
    **attributes: Attribute | None,
) -> Span:
    """Begin a span, whose parent is the one that the traceparent `parent` names, or else the current span.

    With `link`, a span whose parent is named is linked to the current one. `start` is its beginning in seconds since
    the Unix epoch if it began before this call.
    """
    return _start(name, parent, link, start, attributes)


def _start(
    name: str, parent: str | None, link: bool, start: float | None, attributes: Mapping[str, Attribute | None]
) -> Span:
    if _tracing is None:
        return _NO_SPAN
    current = _current.get()
    remote = _tracing.remote_parent(parent)
    own = current.recorded if current is not None else None
    began = _tracing.start(name, remote or own, start, own if link and remote is not None else None)
    began.set(**attributes)
    return began


def make_current(span: Span) -> None:
    """Make a span the parent of those that this task, and the tasks that it starts, begin from now on."""
    if isinstance(span, _RecordedSpan):
        _current.set(span)


@contextmanager
def span(name: str, *, parent: str | None = None, link: bool = False, **attributes: Attribute | None) -> Iterator[Span]:
    """Record a span for the duration of the context, in which it is the current one. See `start_span`."""
    if _tracing is None:
        yield _NO_SPAN
        return
    began = _start(name, parent, link, None, attributes)
    before = _current.get()
    make_current(began)
    try:
        yield began
    except BaseException as error:
        began.end(error)
        raise
    else:
        began.end()
    finally:
        _current.set(before)


def record_span(name: str, start: float, *, parent: str | None, **attributes: Attribute | None) -> None:
    """Record a span from `start`, in seconds since the Unix epoch, until now."""
    _start(name, parent, False, min(start, time.time()), attributes).end()


def traceparent() -> str | None:
    """Return the current span as the header `traceparent` of W3C Trace Context names it; None if there is none."""
    if _tracing is None or (current := _current.get()) is None:
        return None
    context = current.recorded.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
