"""Count the events that a process makes in the ledger, as Prometheus metrics.

Each process counts its own events since its start; the totals are the sums that Prometheus computes.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from roomcast.errors import Code
from roomcast.uploads.lifecycle import Stage, is_working
from roomcast.uploads.model import Upload

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 10800)
_AT_WORK = 1000
"""The most uploads that are timed at once. One process never works on more; the oldest were lost to another."""


class UploadMetrics:
    """The metrics of uploads. `on_event` is an observer for `Ledger.add_observer`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"roomcast_{name}", text, labels, registry=registry)

        ProcessCollector(registry=registry)
        self._uploads = counter("uploads", "Uploads that entered a status", "status", "template")
        self._received = counter("received_bytes", "Bytes of received files", "kind")
        self._stored = counter("stored_bytes", "Bytes of results", "kind")
        self._errors = counter("errors", "Attempts that failed or were cancelled", "step", "code")
        self._lost = counter("lease_losses", "Leases that expired because their holder was lost")
        self._steps = Histogram(
            "roomcast_step_seconds",
            "Time that a worker spent in a step",
            ("step", "kind"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._processing = Histogram(
            "roomcast_processing_seconds",
            "Time from a worker's claim to the stored result",
            ("mime",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._entered: dict[str, float] = {}
        self._claimed: dict[str, float] = {}

    def on_event(self, before: Upload | None, after: Upload) -> None:
        """Count one event."""
        if before is None or before.state.status is not after.state.status:
            self._uploads.labels(after.state.status.value, after.template).inc()
        if before is not None and before.stage is not after.stage:
            self._count_bytes(before, after)
            self._time_step(before, after)
            self._time_processing(after)
        if after.error and (before is None or before.error != after.error):
            self._errors.labels(after.error["step"], after.error["code"]).inc()
        if before is not None and _was_lost(before, after):
            self._lost.inc()

    def _count_bytes(self, before: Upload, after: Upload) -> None:
        if before.stage is Stage.RECEIVING and after.stage is Stage.QUEUED and after.source:
            self._received.labels(_kind(after)).inc(after.source.size)
        elif after.stage is Stage.DONE and after.element:
            self._stored.labels(_kind(after)).inc(sum(output["size"] for output in after.element["outputs"]))

    def _time_step(self, before: Upload, after: Upload) -> None:
        entered_at = self._entered.pop(after.id, None)
        if entered_at is not None:
            self._steps.labels(before.stage.value, _kind(after)).observe(max(0.0, after.updated_at - entered_at))
        if is_working(after.stage):
            _remember(self._entered, after)

    def _time_processing(self, after: Upload) -> None:
        if after.stage is Stage.FETCHING:
            _remember(self._claimed, after)
        elif not is_working(after.stage):
            claimed_at = self._claimed.pop(after.id, None)
            if claimed_at is not None and after.stage is Stage.DONE and after.source:
                self._processing.labels(after.source.mime).observe(max(0.0, after.updated_at - claimed_at))


def _remember(times: dict[str, float], upload: Upload) -> None:
    times[upload.id] = upload.updated_at
    if len(times) > _AT_WORK:
        del times[next(iter(times))]


def _kind(upload: Upload) -> str:
    return upload.source.kind if upload.source else "unknown"


def _was_lost(before: Upload, after: Upload) -> bool:
    """Return whether the event was caused by an expired lease."""
    if after.error:
        return bool(after.error["code"] == Code.WORKER_LOST)
    one_more = after.state.attempt > before.state.attempt and after.state.failures == before.state.failures
    return one_more and is_working(before.stage) and after.stage is Stage.QUEUED
