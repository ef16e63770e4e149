"""Connections to Redis are reset: every process continues, and no upload is lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import Api, Reply, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster
from tests.support.tcp_link import TcpLink

RESETS = 6


@pytest.fixture(scope="module")
def link(redis: RunningRedis) -> Iterator[TcpLink]:
    with TcpLink(redis.port) as link:
        yield link


@pytest.fixture(scope="module")
def cluster(folder: Path, link: TcpLink, fake: FakeFfmpeg, members: list[RunningServer]) -> Iterator[Cluster]:
    """A web process and two workers, all on the same link to Redis."""
    cluster = Cluster(
        folder,
        link.redis_url,
        members,
        **fake.env,
        ROOMCAST_LEASE_SECONDS="8",
        ROOMCAST_RETRY_SECONDS="0.1",
        ROOMCAST_ATTEMPTS=str(RESETS + 3),  # each reset may fail an attempt of the same upload
    )
    cluster.web()
    cluster.worker()
    cluster.worker()
    with cluster:
        yield cluster


async def test_workers_maintenance_and_uploads_survive_resets_of_redis_connections(
    cluster: Cluster, api: Api, link: TcpLink, shelf: Shelf, healed: FakeFfmpeg
) -> None:
    answers: list[Reply] = []
    picture = shelf.image(size=(64, 48))
    for _ in range(RESETS):
        link.reset()
        answers.append(await api.upload(picture))
        link.mend()
        answers.append(await api.upload(picture))
    accepted = [answer.body["uploadId"] for answer in answers if answer.status == 202]
    refused = {answer.body["error"]["code"] for answer in answers if answer.status != 202}
    assert refused <= {"STORAGE_ERROR"}, "a lost connection is no bug of the server's"

    async def completed(upload_id: str) -> bool:
        reply = await api.request("GET", f"/api/uploads/{upload_id}")
        if reply.status != 200:  # a connection that was reset while it was idle fails the first call that uses it
            assert reply.body["error"]["code"] == "STORAGE_ERROR"
            return False
        assert reply.body["status"] != "error", reply.body
        return bool(reply.body["status"] == "completed")

    for upload_id in accepted:
        await eventually(partial(completed, upload_id), 60, what=f"the completion of {upload_id}")

    async def ready() -> bool:
        return (await api.request("GET", "/readyz")).status == 200

    await eventually(ready, what="readiness after the resets")
    healed.behave("slow:60")
    waiting = [await api.accepted(shelf.clip()) for _ in range(2)]
    await eventually(lambda: all(worker.ffmpegs() for worker in cluster.workers), 60, what="both workers at work")
    healed.heal()
    cluster.workers[0].kill()
    for upload_id in waiting:  # maintenance, which survived the resets, expires the killed worker's lease
        await eventually(partial(completed, upload_id), 60, what=f"the completion of {upload_id}")
    for member in (cluster.webs[0], cluster.workers[1]):
        assert member.alive
        assert not [line for line in member.error_lines() if "critical" in line]
