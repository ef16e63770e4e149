"""Redis behind Sentinel and TLS: the processes find the master, and follow it to another server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_trust import RedisTrust

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.certificates import Authority, authority
from tests.support.harness import Api, RunningServer, eventually
from tests.support.redis_sentinel import SERVICE, WatchedRedis
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
    """A web process and a worker."""
    authority_file = str(known.certificate.path)
    cluster = Cluster(folder, watched.url, members, **fake.env, ROOMCAST_REDIS_CA=authority_file)
    cluster.web()
    cluster.worker()
    with cluster:
        yield cluster


@pytest.fixture
def trust(known: Authority) -> RedisTrust:
    return RedisTrust(ca=known.certificate.path.read_text())


@pytest.fixture
async def master(watched: WatchedRedis, trust: RedisTrust) -> AsyncIterator[Redis]:
    """A client of the first server."""
    async with connect(watched.node_url(watched.nodes[0]), trust=trust, connections=1) as client:
        yield client


@pytest.fixture
async def replica(watched: WatchedRedis, trust: RedisTrust) -> AsyncIterator[Redis]:
    """A client of the second server."""
    async with connect(watched.node_url(watched.nodes[1]), trust=trust, connections=1) as client:
        yield client


@pytest.fixture
async def sentinel(watched: WatchedRedis, trust: RedisTrust) -> AsyncIterator[Redis]:
    async with connect(watched.sentinel_url, trust=trust, connections=1) as client:
        yield client


async def answer(server: Redis, *command: object) -> list[Any]:
    """Return the answer of a server to a command; nothing if it does not answer."""
    try:
        return list(await server.execute_command(*command))  # type: ignore[no-untyped-call]
    except RedisError:
        return []


async def test_uploads_complete_before_and_after_the_master_is_lost(
    cluster: Cluster,
    api: Api,
    watched: WatchedRedis,
    master: Redis,
    replica: Redis,
    sentinel: Redis,
    shelf: Shelf,
) -> None:
    picture = shelf.image(size=(64, 48))
    first = await api.accepted(picture)
    assert (await api.finished(first))["status"] == "completed"

    _, written, _ = await eventually(lambda: answer(master, "ROLE"), what="how much the master has written")

    async def replicated() -> bool:
        role = await answer(replica, "ROLE")
        return bool(role) and role[3] == b"connected" and role[4] >= written

    async def promotable() -> bool:
        """Whether the sentinel has heard of the replica, and that it follows the master."""
        found = await answer(sentinel, "SENTINEL", "REPLICAS", SERVICE)
        return any(dict(zip(one[::2], one[1::2], strict=True))[b"master-link-status"] == b"ok" for one in found)

    await eventually(replicated, FAILOVER_SECONDS, what="a replica that has everything")
    await eventually(promotable, FAILOVER_SECONDS, what="a sentinel that knows the replica")
    watched.kill(watched.nodes[0])
    await sentinel.execute_command("SENTINEL", "SET", SERVICE, "down-after-milliseconds", "500")  # type: ignore[no-untyped-call]

    async def promoted() -> bool:
        role = await answer(replica, "ROLE")
        return bool(role) and role[0] == b"master"

    await eventually(promoted, FAILOVER_SECONDS, what="the promotion of the replica")

    async def ready() -> bool:
        return (await api.request("GET", "/readyz")).status == 200

    await eventually(ready, FAILOVER_SECONDS, what="readiness on the new master")
    assert (await api.get(first)).body["status"] == "completed"
    assert (await api.finished(await api.accepted(picture)))["status"] == "completed"
    for member in cluster.members:
        assert member.alive
