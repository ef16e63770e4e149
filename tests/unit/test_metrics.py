"""Upload metrics count the events that a process makes, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from roomcast.errors import TranscodeError
from roomcast.fanout.send_queue import SendStats
from roomcast.http.metrics import ListenerMetrics, ListenerStats
from roomcast.ledger.contract import Ledger
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.services.upload_metrics import UploadMetrics
from roomcast.uploads.lifecycle import Entered, Failed, Retrying, Stage
from roomcast.uploads.model import Change, error_body
from roomcast.uploads.transitions import cancelled

from tests.support.ledgers import LEASE, SOURCE, STEPS, Clock, claimed, created, queued


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def ledger(tmp_path: Path, clock: Clock, registry: CollectorRegistry) -> AsyncIterator[Ledger]:
    opened = SqliteLedger(tmp_path / "ledger.sqlite3", clock=clock)
    opened.add_observer(UploadMetrics(registry).on_event)
    yield opened
    await opened.close()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"roomcast_{name}", labels)


async def test_completed_upload_counts_its_steps_bytes_and_time(
    ledger: Ledger, clock: Clock, registry: CollectorRegistry
) -> None:
    claim = await claimed(ledger, clock)
    element = {"outputs": [{"size": 30}, {"size": 4}]}
    for stage in STEPS:
        clock.now += 2
        change = Change(Entered(stage), "", element=element if stage is Stage.DONE else None)
        await ledger.renew(claim.lease, seconds=LEASE)
        await ledger.append(claim.upload.id, change, token=claim.lease.token)
    for status in ("starting", "compressing", "uploading", "completed"):
        assert value(registry, "uploads_total", status=status, template="auto") == 1
    assert value(registry, "received_bytes_total", kind="video") == SOURCE.size
    assert value(registry, "stored_bytes_total", kind="video") == 34
    for step in ("fetching", "probing", "compressing", "thumbnails", "storing", "cleaning"):
        assert value(registry, "step_seconds_count", step=step, kind="video") == 1
        assert value(registry, "step_seconds_sum", step=step, kind="video") == pytest.approx(2)
    assert value(registry, "processing_seconds_count", mime="video/mp4") == 1
    assert value(registry, "processing_seconds_sum", mime="video/mp4") == pytest.approx(2 * len(STEPS))
    assert value(registry, "lease_losses_total") == 0


async def test_failures_are_counted_by_step_and_code(ledger: Ledger, clock: Clock, registry: CollectorRegistry) -> None:
    claim = await claimed(ledger, clock)
    body = error_body(TranscodeError("no"), Stage.FETCHING)
    await ledger.append(claim.upload.id, Change(Retrying(), "again", error=body), token=claim.lease.token)
    again = await ledger.claim_next(holder="w", seconds=LEASE)
    assert again is not None
    await ledger.append(again.upload.id, Change(Failed(), "no", error=body), token=again.lease.token)
    other = await queued(ledger, clock)
    for _ in range(2):
        await ledger.request_cancel(other.id, cancelled(Stage.QUEUED))
    assert value(registry, "errors_total", step="fetching", code="TRANSCODE_ERROR") == 2
    assert value(registry, "errors_total", step="queued", code="CANCELLED") == 1, "cancelling twice is one cancel"
    assert value(registry, "uploads_total", status="error", template="auto") == 2
    assert value(registry, "lease_losses_total") == 0


async def test_expired_leases_of_active_uploads_are_counted(
    ledger: Ledger, clock: Clock, registry: CollectorRegistry
) -> None:
    await claimed(ledger, clock)
    arriving = await created(ledger, clock)
    await ledger.claim(arriving.id, holder="w", seconds=LEASE)
    await created(ledger, clock)
    clock.now += LEASE + 1
    assert len(await ledger.expire_leases(reserved_seconds=0)) == 3
    assert value(registry, "lease_losses_total") == 2, "an unused reservation is not counted"
    assert value(registry, "errors_total", step="receiving", code="WORKER_LOST") == 1
    assert value(registry, "errors_total", step="receiving", code="STALLED") == 1
    handed_back = await ledger.claim_next(holder="w", seconds=LEASE)
    assert handed_back is not None
    await ledger.release(handed_back.lease, text="")
    assert value(registry, "lease_losses_total") == 2


def test_metrics_of_listeners_can_be_parsed(registry: CollectorRegistry) -> None:
    UploadMetrics(registry)
    registry.register(ListenerMetrics({"stream": ListenerStats(lambda: 3, SendStats(events=5, ticks=7, coalesced=11))}))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}
    assert samples["roomcast_listeners", "stream"] == 3
    assert samples["roomcast_messages_sent_total", "event", "stream"] == 5
    assert samples["roomcast_messages_sent_total", "stream", "tick"] == 7
    assert samples["roomcast_ticks_coalesced_total", "stream"] == 11
