"""Assemblies and webhooks of several web processes with one Redis: each outcome is delivered once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer, eventually
from tests.support.receiver import SECRET, Receiver
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster

ASSEMBLIES = 6


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
async def cluster(
    tmp_path: Path, redis: RunningRedis, members: list[RunningServer], receiver: Receiver
) -> AsyncIterator[Cluster]:
    path = tmp_path / "templates.toml"
    path.write_text(f'[templates.told]\nkind = "image"\nwebhook_url = "{receiver.url}"\nwebhook_secret = "{SECRET}"\n')
    cluster = Cluster(tmp_path, redis.url, members, ROOMCAST_TEMPLATES=str(path), ROOMCAST_WEBHOOK_PRIVATE="1")
    for _ in range(2):
        cluster.web()
    cluster.worker()
    with cluster:
        yield cluster
        receiver.is_over.set()


async def test_each_outcome_is_delivered_once_if_a_web_process_dies(
    cluster: Cluster, api: Api, other_api: Api, shelf: Shelf, receiver: Receiver
) -> None:
    files = [shelf.image(f"{number}.png", size=(40 + number, 30)) for number in range(ASSEMBLIES)]
    replies = await asyncio.gather(*(api.upload(file, template="told") for file in files))
    wanted = {reply.body["assemblyId"] for reply in replies}
    assert len(wanted) == ASSEMBLIES
    cluster.webs[0].kill()
    await eventually(lambda: {one.status["assembly_id"] for one in receiver.received} == wanted, 60, what="every end")
    for one in receiver.received:
        one.check_signatures()
        assembly_id = one.status["assembly_id"]
        asked = await other_api.request("GET", "/api/transflow/status", params={"assemblyId": assembly_id})
        assert asked.body["ok"] == "ASSEMBLY_COMPLETED"

    async def settled() -> bool:
        logs = [await other_api.request("GET", f"/api/assemblies/{one}/deliveries") for one in sorted(wanted)]
        return all([one["status"] for one in log.body["deliveries"]] == ["delivered"] for log in logs)

    await eventually(settled, 60, what="one delivery each")
    cluster.webs[0].start()


async def test_files_completed_through_one_web_process_are_known_to_the_other(
    cluster: Cluster, api: Api, other_api: Api, shelf: Shelf, receiver: Receiver
) -> None:
    reply = await api.upload(shelf.image(size=(90, 30)), template="told")
    await receiver.until(1)
    wanted = {
        "type": "told",
        "files": [{"filename": "again.png", "md5": receiver.received[0].status["uploads"][0]["md5hash"]}],
    }
    again = await other_api.request("POST", "/api/uploads", json=wanted)
    assert (again.status, again.body["assemblyId"]) == (200, reply.body["assemblyId"])
    assert again.body["uploadId"] == reply.body["uploadId"]
