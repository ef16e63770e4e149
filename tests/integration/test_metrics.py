"""`/metrics` of a server after uploads, parsed as strictly as Prometheus' own tools do."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.conftest import Shelf
from tests.support.exposition import parse, samples
from tests.support.harness import Api, eventually
from tests.support.watchers import Watcher

COUNTED = (
    ("roomcast_uploads_total", "auto", "completed"),
    ("roomcast_errors_total", "CANCELLED", "receiving"),
    ("roomcast_step_seconds_count", "compressing", "image"),
    ("roomcast_messages_sent_total", "event", "socket"),
)


@pytest.fixture
async def busy(api: Api, watcher: Watcher, shelf: Shelf) -> None:
    """Something of everything is counted: an upload that ends well, one that fails, one that is cancelled."""
    done = await api.accepted(shelf.image())
    broken = shelf.clip()
    broken.write_bytes(broken.read_bytes()[:1000])
    failed = await api.accepted(broken)
    cancelled, _ = await api.reserved("film.mp4", 10)
    await watcher.join(cancelled)
    await api.cancel(cancelled)
    for upload_id in (done, failed):
        await api.finished(upload_id)


async def test_metrics_have_the_text_format(busy: None, api: Api) -> None:
    reply = await api.request("GET", "/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    families = parse(reply.content.decode())
    assert all(name.startswith(("roomcast_", "process_")) for name in families)

    async def counted() -> bool:
        found = samples((await api.request("GET", "/metrics")).content.decode())
        return all(found.get(sample, 0) >= 1 for sample in COUNTED)

    await eventually(counted, what="a count of each")  # an event can be read a moment before it is counted


async def test_metrics_have_the_openmetrics_format_if_asked_for(api: Api) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    reply = await api.request("GET", "/metrics", headers=accept)
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text")
    names = {family.name for family in text_string_to_metric_families(reply.content.decode())}  # type: ignore[no-untyped-call]
    assert {"roomcast_uploads", "roomcast_step_seconds", "roomcast_queue_depth"} <= names
