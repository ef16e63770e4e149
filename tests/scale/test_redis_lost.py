"""Redis is killed while clients watch: with its data no event is missed, without it uploads are reported lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.scale.test_workers import assert_nothing_missed
from tests.support.harness import Api, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster, Worker
from tests.support.streams import StreamWatcher
from tests.support.watchers import Watcher

TOLD_WITHIN = 60.0


@pytest.fixture(scope="module")
def cluster(folder: Path, redis: RunningRedis, fake: FakeFfmpeg, members: list[RunningServer]) -> Iterator[Cluster]:
    """Without a worker at first."""
    cluster = Cluster(folder, redis.url, members, **fake.env, ROOMCAST_RETRY_SECONDS="0.1")
    cluster.web()
    with cluster:
        yield cluster


@pytest.fixture
def worker(cluster: Cluster) -> Worker:
    if not cluster.workers:
        cluster.worker()
        cluster.start()
    return cluster.workers[0]


async def checks(api: Api) -> dict[str, str]:
    """What `/readyz` says of each part; 200 if and only if all are well."""
    reply = await api.request("GET", "/readyz")
    words: dict[str, str] = reply.body["checks"]
    ok = all(word == "ok" for word in words.values())
    assert (reply.status, reply.body["ok"]) == (200 if ok else 503, ok)
    return words


async def test_readyz_names_what_a_lost_redis_breaks(cluster: Cluster, api: Api, redis: RunningRedis) -> None:

    async def relay_hears() -> dict[str, str] | None:
        words = await checks(api)
        return words if words["relay"] == "ok" else None

    words = await eventually(relay_hears, what="the connection for notifications, which readiness does not wait for")
    assert words.pop("workers") == "No worker is alive."
    assert set(words.values()) == {"ok"}
    cluster.worker()
    cluster.start()

    async def ready() -> bool:
        return set((await checks(api)).values()) == {"ok"}

    await eventually(ready, what="readiness with a worker")
    redis.kill()

    async def relay_knows() -> dict[str, str] | None:
        words = await checks(api)
        return words if words["relay"] != "ok" else None

    assert await eventually(relay_knows, what="that the relay hears nothing") == {
        "ledger": "The ledger could not be reached.",
        "relay": "The connection for notifications is down.",
        "media": "ok",
        "workers": "The dispatch could not be reached.",
        "background": "ok",
        "serving": "ok",
    }
    assert await api.healthy()
    redis.restart()
    await eventually(ready, 60, what="readiness with Redis back")
    assert not [line for line in cluster.webs[0].error_lines() if "health_check_failed" in line]


def stream(cluster: Cluster, upload_id: str) -> StreamWatcher:
    """The upload's stream from its beginning."""
    return StreamWatcher(f"{cluster.webs[0].url}/api/uploads/{upload_id}/events", headers={"Last-Event-ID": "0"})


async def one_at_work(api: Api, watcher: Watcher, shelf: Shelf) -> tuple[str, str]:
    """Two uploads that are watched: one is compressed, the other waits for the only worker."""
    upload_id, waiting = await api.accepted(shelf.clip()), await api.accepted(shelf.image())
    for watched in (upload_id, waiting):
        assert (await watcher.join(watched, since=0))["ok"]
    await watcher.until(upload_id, lambda message: bool(message["speed"]))
    return upload_id, waiting


async def test_uploads_go_on_after_redis_is_killed_and_restarts_with_its_data(
    cluster: Cluster, worker: Worker, api: Api, watcher: Watcher, shelf: Shelf, healed: FakeFfmpeg, redis: RunningRedis
) -> None:
    healed.behave("busy")
    upload_id, waiting = await one_at_work(api, watcher, shelf)
    async with stream(cluster, upload_id) as streaming:
        redis.kill()
        redis.restart()
        healed.heal()
        for watched in (upload_id, waiting):
            assert (await watcher.end(watched))["status"] == "completed"
            assert_nothing_missed(watcher, watched)
        await streaming.closed()
        assert streaming.events(upload_id) == watcher.events(upload_id)
    assert watcher.disconnections == 0


async def test_uploads_are_reported_lost_after_redis_restarts_empty(
    cluster: Cluster,
    worker: Worker,
    api: Api,
    watcher: Watcher,
    shelf: Shelf,
    healed: FakeFfmpeg,
    redis: RunningRedis,
) -> None:
    healed.behave("slow:60")
    upload_id, waiting = await one_at_work(api, watcher, shelf)
    async with stream(cluster, upload_id) as streaming:
        redis.kill()
        redis.forget()
        redis.restart()
        await streaming.closed(TOLD_WITHIN)
        assert streaming.messages(upload_id)[-1]["error"]["code"] == "WORKER_LOST"
    async with stream(cluster, upload_id) as streaming:
        assert streaming.status == 404
    for watched in (upload_id, waiting):
        end = await watcher.end(watched, TOLD_WITHIN)
        assert (end["status"], end["error"]["code"]) == ("error", "WORKER_LOST")
        assert end["message"] == "The server lost this upload."
        seqs = [message["seq"] for message in watcher.events(watched)]
        assert seqs == list(range(1, end["seq"] + 1))
        assert (await watcher.join(watched))["error"]["code"] == "NOT_FOUND"
        assert (await api.get(watched)).refusal == (404, "NOT_FOUND")
    await eventually(lambda: not cluster.ffmpegs() and not cluster.scratch(), what="the end of work on what is lost")
    healed.heal()
    again = await api.accepted(shelf.image())
    assert (await api.finished(again))["status"] == "completed", "what comes after that goes on as ever"
    for watched in (upload_id, waiting):
        assert len([message for message in watcher.live_messages(watched) if message["status"] == "error"]) == 1
