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
from tests.support.harness import Api, Reply, RunningServer, eventually
from tests.support.redis_sentinel import SERVICE, WatchedRedis
from tests.support.scale.cluster import Cluster

FAILOVER_SECONDS = 60.0
UNREACHED = "STORAGE_ERROR"


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


async def completed(api: Api, picture: Path) -> str:
    """Upload a picture and wait until it is completed; return its id. A call that the server cannot serve is repeated,
    as clients do: to find the master anew takes a busy machine longer than a call may take."""

    async def sent() -> Reply | None:
        reply = await api.upload(picture)
        return None if reply.code == UNREACHED else reply

    reply = await eventually(sent, FAILOVER_SECONDS, what="a server that takes the picture")
    assert reply.status == 202, reply.body
    upload_id: str = reply.body["uploadId"]
    await eventually(lambda: is_completed(api, upload_id), FAILOVER_SECONDS, what="the completed picture")
    return upload_id


async def is_completed(api: Api, upload_id: str) -> bool:
    reply = await api.get(upload_id)
    if reply.code == UNREACHED:
        return False
    assert reply.body["status"] != "error", reply.body
    return bool(reply.body["status"] == "completed")


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
    first = await completed(api, picture)
    _, written, _ = await eventually(lambda: answer(master, "ROLE"), what="how much the master has written")

    async def replicated() -> bool:
        role = await answer(replica, "ROLE")
        return bool(role) and role[3] == b"connected" and role[4] >= written

    async def promotable() -> bool:
        """Return whether the sentinel has heard of the replica, and that it follows the master."""
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
    await eventually(lambda: is_completed(api, first), FAILOVER_SECONDS, what="the first picture on the new master")
    await completed(api, picture)
    for member in cluster.members:
        assert member.alive
