"""Processes that are configured with another ledger by mistake, on a media store in use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster
from tests.support.start_failures import start_failures


@pytest.fixture(scope="module", params=["directory", "s3"])
def cluster(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis: RunningRedis,
    members: list[RunningServer],
) -> Iterator[Cluster]:
    """A web process, and no worker yet."""
    bucket = request.getfixturevalue("bucket") if request.param == "s3" else {}
    number = {"directory": 1, "s3": 2}[request.param]
    url = redis.url.removesuffix("/0") + f"/{number}"
    cluster = Cluster(tmp_path_factory.mktemp("ledgers"), url, members, **bucket)
    cluster.web()
    with cluster:
        yield cluster


async def test_processes_of_another_ledger_refuse_to_start_and_say_how_to_take_over(
    cluster: Cluster, api: Api, redis: RunningRedis, shelf: Shelf
) -> None:
    upload_id = await api.accepted(shelf.image())
    elsewhere = redis.url.removesuffix("/0") + "/9"
    for member in (
        cluster.worker(REDIS_URL=elsewhere),
        cluster.web(REDIS_URL=elsewhere),
        cluster.web(REDIS_URL=elsewhere, WEB_CONCURRENCY="2"),
    ):
        ended = await asyncio.to_thread(member.run)
        assert ended.code == 2
        for reason in start_failures(member.log.read_text()):
            assert reason.startswith("The media store belongs to another deployment")
            assert reason.endswith("if this ledger is to take over the store.")
    assert "warnings" not in (await api.request("GET", "/readyz")).body
    del cluster.webs[1:], cluster.workers[:]
    cluster.worker()
    await asyncio.to_thread(cluster.workers[-1].start)
    assert (await api.finished(upload_id))["status"] == "completed"
