"""Redis behind Sentinel and TLS: the processes find the master, and follow it to another server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_trust import RedisTrust

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.certificates import Authority, authority
from tests.support.harness import Api, RunningServer, eventually
from tests.support.redis_sentinel import WatchedRedis
from tests.support.scale.cluster import Cluster

FAILOVER_SECONDS = 60.0


@pytest.fixture(scope="module")
def known(folder: Path) -> Authority:
    return authority(folder)


@pytest.fixture(scope="module")
def watched(folder: Path, known: Authority) -> Iterator[WatchedRedis]:
    with WatchedRedis(folder / "watched", known.certificate.path, known.sign(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(
    folder: Path, watched: WatchedRedis, known: Authority, fake: FakeFfmpeg, members: list[RunningServer]
) -> Iterator[Cluster]:
    """A web process and a worker, which the first sentinel does not answer."""
    watched.kill(watched.sentinels[0])
    authority_file = str(known.certificate.path)
    cluster = Cluster(folder, watched.url, members, **fake.env, ROOMCAST_REDIS_CA=authority_file)
    cluster.web()
    cluster.worker()
    with cluster:
        yield cluster


@pytest.fixture
async def replica(watched: WatchedRedis, known: Authority) -> AsyncIterator[Redis]:
    """A client of the second server."""
    trust = RedisTrust(ca=known.certificate.path.read_text())
    async with connect(watched.node_url(watched.nodes[1]), trust=trust, connections=1) as client:
        yield client


async def role(replica: Redis) -> list[object]:
    """Return the answer of the server to ROLE; nothing if it does not answer."""
    try:
        return list(await replica.execute_command("ROLE"))  # type: ignore[no-untyped-call]
    except RedisError:
        return []


async def test_uploads_complete_before_and_after_the_master_is_lost(
    cluster: Cluster, api: Api, watched: WatchedRedis, replica: Redis, shelf: Shelf
) -> None:
    picture = shelf.image(size=(64, 48))
    first = await api.accepted(picture)
    assert (await api.finished(first))["status"] == "completed"

    async def replicated() -> bool:
        answer = await role(replica)
        return bool(answer) and answer[3] == b"connected"

    await eventually(replicated, FAILOVER_SECONDS, what="a replica that has everything")
    watched.kill(watched.nodes[0])

    async def promoted() -> bool:
        answer = await role(replica)
        return bool(answer) and answer[0] == b"master"

    await eventually(promoted, FAILOVER_SECONDS, what="the promotion of the replica")

    async def ready() -> bool:
        return (await api.request("GET", "/readyz")).status == 200

    await eventually(ready, FAILOVER_SECONDS, what="readiness on the new master")
    assert (await api.get(first)).body["status"] == "completed"
    assert (await api.finished(await api.accepted(picture)))["status"] == "completed"
    for member in cluster.members:
        assert member.alive
