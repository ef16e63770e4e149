"""`WEB_CONCURRENCY`: several web processes behind one port start and stop together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from roomcast.runtime.supervisor import PARENT_PIPE_FD

from tests.conftest import Shelf
from tests.support.harness import EXIT_WITHIN, Api, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster
from tests.support.watchers import Watcher

OLD_ENOUGH_SECONDS = 7.0
"""A child that dies younger than five seconds is not replaced: it would only die again."""


@pytest.fixture
def cluster(folder: Path, redis: RunningRedis, members: list[RunningServer]) -> Iterator[Cluster]:
    cluster = Cluster(folder, redis.url, members)
    cluster.web(WEB_CONCURRENCY="2")
    with cluster:
        yield cluster


def children(cluster: Cluster) -> list[psutil.Process]:
    """The web processes that serve."""
    found = []
    for child in cluster.webs[0].leftovers():
        with suppress(psutil.NoSuchProcess):
            if PARENT_PIPE_FD in child.environ():
                found.append(child)
    return found


def connections(child: psutil.Process) -> int:
    """The clients that this process serves."""
    port = next(one.laddr.port for one in child.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
    served = child.net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in served)


async def test_children_serve_and_are_restarted(cluster: Cluster, api: Api, watcher: Watcher, shelf: Shelf) -> None:
    first, second = children(cluster)
    watchers: list[Watcher] = []
    try:

        async def both_serve() -> bool:
            watchers.append(await Watcher(cluster.webs[0].url).__aenter__())
            return all(connections(child) for child in (first, second))

        await eventually(both_serve, what="clients at both children")
        cluster.worker()
        cluster.start()
        upload_id = await api.accepted(shelf.image())
        for one in watchers:
            assert (await one.join(upload_id, since=0))["ok"]
        for one in watchers:
            assert (await one.end(upload_id))["status"] == "completed"
    finally:
        for one in watchers:
            await one.__aexit__()

    await eventually(lambda: time.time() - first.create_time() > OLD_ENOUGH_SECONDS, what="children of some age")
    first.kill()
    await eventually(lambda: len(set(children(cluster)) - {first, second}) == 1, what="a new child")
    assert second in children(cluster)
    assert await api.healthy()
    ended = cluster.webs[0].terminate()
    assert ended.code == 0
    assert ended.seconds <= EXIT_WITHIN


async def test_sigkill_of_the_parent_leaves_no_child(cluster: Cluster) -> None:
    there = children(cluster)
    assert len(there) == 2
    cluster.webs[0].kill()
    await eventually(lambda: not any(child.is_running() for child in there), EXIT_WITHIN, what="the children's end")
