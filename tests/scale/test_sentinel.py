"""Redis behind Sentinel and TLS: the processes find the master, and follow it to another server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from roomcast.runtime.redis_connection import connect
from roomcast.runtime.redis_trust import RedisTrust

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.certificates import Authority, authority
from tests.support.harness import Api, RunningServer, eventually
from tests.support.redis_sentinel import WatchedRedis
from tests.support.scale.cluster import Cluster

FAILOVER_SECONDS = 30.0


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


async def role(watched: WatchedRedis, known: Authority, port: int) -> list[object]:
    """Return the answer of a server to ROLE; nothing if it does not answer."""
    trust = RedisTrust(ca=known.certificate.path.read_text())
    try:
        async with connect(watched.node_url(port), trust=trust, connections=1) as client:
            return list(await client.execute_command("ROLE"))  # type: ignore[no-untyped-call]
    except RedisError:
        return []


async def test_uploads_complete_before_and_after_the_master_is_lost(
    cluster: Cluster, api: Api, watched: WatchedRedis, known: Authority, shelf: Shelf
) -> None:
    picture = shelf.image(size=(64, 48))
    first = await api.accepted(picture)
    assert (await api.finished(first))["status"] == "completed"
    master, replica = watched.nodes

    async def replicated() -> bool:
        answer = await role(watched, known, replica)
        return bool(answer) and answer[3] == b"connected"

    await eventually(replicated, FAILOVER_SECONDS, what="a replica that has everything")
    watched.kill(master)

    async def promoted() -> bool:
        answer = await role(watched, known, replica)
        return bool(answer) and answer[0] == b"master"

    await eventually(promoted, FAILOVER_SECONDS, what="the promotion of the replica")

    async def ready() -> bool:
        return (await api.request("GET", "/readyz")).status == 200

    await eventually(ready, FAILOVER_SECONDS, what="readiness on the new master")
    assert (await api.get(first)).body["status"] == "completed"
    assert (await api.finished(await api.accepted(picture)))["status"] == "completed"
    for member in cluster.members:
        assert member.alive
