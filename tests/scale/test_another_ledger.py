"""Processes that are configured with another ledger by mistake, on a media store in use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.conftest import Shelf
from tests.support.harness import Api, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster


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


def says(member: RunningServer, words: str) -> bool:
    return words in member.log.read_text()


async def test_processes_of_another_ledger_delete_no_source_and_log_why(
    cluster: Cluster, api: Api, redis: RunningRedis, shelf: Shelf
) -> None:
    upload_id = await api.accepted(shelf.image())
    elsewhere = redis.url.removesuffix("/0") + "/9"
    astray = [cluster.worker(REDIS_URL=elsewhere), cluster.web(REDIS_URL=elsewhere)]
    await asyncio.to_thread(cluster.start)
    async with Api(astray[1]) as other:

        async def warnings() -> Any:  # the store is claimed in the background
            return (await other.request("GET", "/readyz")).body.get("warnings")

        (warning,) = await eventually(warnings, what="the warning")
    assert "The media store belongs to the deployment" in warning
    for member in astray:
        await eventually(partial(says, member, "no unused source is deleted"), what="the reason in the log")
    assert "warnings" not in (await api.request("GET", "/readyz")).body
    for member in astray:
        assert member.terminate().code == 0
    cluster.worker()
    await asyncio.to_thread(cluster.workers[-1].start)
    assert (await api.finished(upload_id))["status"] == "completed"
