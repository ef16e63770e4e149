"""Metrics of several processes: each counts its own work, and all report the same queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.exposition import samples
from tests.support.harness import Api, RunningServer, eventually
from tests.support.ports import free_port
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster
from tests.support.watchers import Watcher


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def cluster(
    folder: Path, redis: RunningRedis, fake: FakeFfmpeg, members: list[RunningServer], port: int
) -> Iterator[Cluster]:
    cluster = Cluster(folder, redis.url, members, **fake.env, ROOMCAST_RETRY_SECONDS="60", ROOMCAST_ATTEMPTS="2")
    cluster.web()
    cluster.worker(ROOMCAST_METRICS_PORT=str(port))
    with cluster:
        yield cluster


async def scraped(url: str) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and its labels' values."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return samples(await response.text())


async def test_each_process_counts_its_own_work_and_all_report_the_same_queue(
    cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg, port: int
) -> None:
    image = shelf.image()
    upload_id = await api.accepted(image)
    element = (await api.finished(upload_id))["element"]
    healed.behave("die")
    failing = await api.accepted(shelf.clip())
    await watcher.join(failing)
    await watcher.until(failing, lambda message: message["attempt"] == 2)
    failures = "roomcast_errors_total", "TRANSCODE_ERROR", "compressing"

    async def counted() -> dict[tuple[str, ...], float] | None:
        """Return the worker's metrics once it has counted the failure, which it does after the event."""
        found = await scraped(f"http://127.0.0.1:{port}/metrics")
        return found if failures in found else None

    worker = await eventually(counted, what="the failure in the worker's metrics")
    web = await scraped(f"{cluster.webs[0].url}/metrics")
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
        assert await response.json() == {"ok": True, "checks": dict.fromkeys(("ledger", "background", "serving"), "ok")}
    assert web["roomcast_received_bytes_total", "image"] == image.stat().st_size
    assert worker["roomcast_stored_bytes_total", "image"] == sum(output["size"] for output in element["outputs"])
    assert web["roomcast_uploads_total", "auto", "starting"] == 2
    assert worker["roomcast_uploads_total", "auto", "completed"] == 1
    assert ("roomcast_uploads_total", "auto", "completed") not in web
    assert worker[failures] == 1
    assert worker["roomcast_step_seconds_count", "compressing", "image"] == 1
    assert web["roomcast_queue_depth",] == 0, "a retry that is not due waits in no queue"
    assert web["roomcast_listeners", "socket"] == 1
    assert web["roomcast_messages_sent_total", "event", "socket"] >= 1
    assert worker["process_resident_memory_bytes",] > 0
    await api.cancel(failing)
