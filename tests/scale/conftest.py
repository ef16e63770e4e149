"""A cluster for each module: two web processes and two workers over a Redis that keeps what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import Api, RunningServer
from tests.support.redis_server import RunningRedis
from tests.support.s3_server import BUCKET, ENVIRONMENT, S3Server, moto_server
from tests.support.scale.cluster import Cluster, Worker
from tests.support.tcp_link import TcpLink
from tests.support.watchers import Watcher


@pytest.fixture(scope="session")
def clip_size() -> str:
    return "160x120"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scale")


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[RunningRedis]:
    with RunningRedis(folder / "redis", persistent=True) as running:
        yield running


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with moto_server() as running:
        yield running


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> dict[str, str]:
    """The environment of processes whose media store is a bucket."""
    return {**ENVIRONMENT, "S3_BUCKET": BUCKET, "AWS_ENDPOINT_URL": s3.url}


@pytest.fixture(scope="module")
def fake(folder: Path) -> FakeFfmpeg:
    return FakeFfmpeg(folder / "fake")


@pytest.fixture
def healed(fake: FakeFfmpeg) -> Iterator[FakeFfmpeg]:
    """The module's ffmpeg, honest again after the test."""
    yield fake
    fake.heal()


@pytest.fixture(scope="module")
def members() -> list[RunningServer]:
    """The processes of the module's cluster: a failed test's report shows their logs."""
    return []


@pytest.fixture(scope="module")
def links() -> dict[Worker, TcpLink]:
    """Each worker's own link to Redis."""
    return {}


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """The environment of the module's `cluster`; a module that wants another one defines its own."""
    return {}


@pytest.fixture(scope="module")
def cluster(
    folder: Path,
    redis: RunningRedis,
    fake: FakeFfmpeg,
    members: list[RunningServer],
    links: dict[Worker, TcpLink],
    settings: dict[str, str],
) -> Iterator[Cluster]:
    cluster = Cluster(folder, redis.url, members, **fake.env, ROOMCAST_RETRY_SECONDS="0.1", **settings)
    with ExitStack() as stack:
        for _ in range(2):
            cluster.web()
            link = stack.enter_context(TcpLink(redis.port))
            links[cluster.worker(REDIS_URL=link.redis_url)] = link
        yield stack.enter_context(cluster)


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    """A client of the first web process."""
    async with Api(cluster.webs[0]) as client:
        yield client


@pytest.fixture
async def other_api(cluster: Cluster) -> AsyncIterator[Api]:
    """A client of the second."""
    async with Api(cluster.webs[1]) as client:
        yield client


@pytest.fixture
async def watcher(cluster: Cluster) -> AsyncIterator[Watcher]:
    """A watcher on the last web process: another than uploads go to, where there are two."""
    async with Watcher(cluster.webs[-1].url) as client:
        yield client
