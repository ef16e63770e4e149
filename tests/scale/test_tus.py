"""tus 1.0.0 over several processes and a bucket: every chunk may go to another web process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from roomcast.runtime.redis_connection import connect

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import Api, RunningServer, eventually
from tests.support.interrupted_upload import InterruptedUpload
from tests.support.redis_server import RunningRedis
from tests.support.s3_server import S3Server
from tests.support.scale.cluster import Cluster
from tests.support.tus import MIB, Tus, completed, half_sent, id_of, metadata, reserved
from tests.support.watchers import Watcher


@pytest.fixture(scope="module")
def cluster(
    folder: Path, redis: RunningRedis, fake: FakeFfmpeg, bucket: dict[str, str], members: list[RunningServer]
) -> Iterator[Cluster]:
    cluster = Cluster(folder, redis.url, members, **fake.env, **bucket, ROOMCAST_LEASE_SECONDS="10")
    cluster.web()
    cluster.web()
    cluster.worker()
    with cluster:
        yield cluster


def content_for(shelf: Shelf, seed: int, size: int) -> bytes:
    picture = shelf.image().read_bytes()
    return picture + random.Random(seed).randbytes(size - len(picture))


async def expire(redis: RunningRedis, upload_id: str) -> None:
    """Let the upload have waited for its bytes for longer than any reservation."""
    async with connect(redis.url) as client:
        (waiting,) = await client.keys("*:receiving")
        assert await client.zadd(waiting, {upload_id: 0}, xx=True, ch=True) == 1


def left(s3: S3Server, url: str) -> list[str]:
    """What the bucket holds of an upload."""
    return [key for key in s3.keys() + s3.multiparts() if id_of(url) in key]


@pytest.mark.parametrize("seed", range(3))
async def test_upload_sent_through_several_processes_is_stored_unchanged(
    api: Api, other_api: Api, shelf: Shelf, s3: S3Server, cluster: Cluster, seed: int
) -> None:
    content = content_for(shelf, seed, 3 * MIB)
    url = await reserved(api, content)
    await InterruptedUpload(cluster.webs, [api, other_api], url, content, random.Random(seed)).complete()
    await completed(api, url)
    await eventually(lambda: all(key.startswith("media/") for key in left(s3, url)), what="the end of the pieces")


async def test_another_process_resumes_an_upload_whose_process_was_killed(
    api: Api, other_api: Api, shelf: Shelf, s3: S3Server, cluster: Cluster
) -> None:
    content = content_for(shelf, 10, 19 * MIB)
    url = await reserved(api, content)
    async with half_sent(cluster.webs[0], url, 0, content, 18 * MIB) as dead:
        await eventually(lambda: len(left(s3, url)) >= 2, what="pieces in the bucket while the file still comes")
        offset = await Tus(other_api).offset(url)
        assert 16 * MIB <= offset <= 18 * MIB
        assert (await Tus(other_api).patch(url, offset, content[offset:])).status == 204
        await completed(other_api, url)
        await dead.send()
    await eventually(lambda: all(key.startswith("media/") for key in left(s3, url)), what="the end of the pieces")


async def test_partial_uploads_are_concatenated_in_the_bucket(
    api: Api, other_api: Api, shelf: Shelf, s3: S3Server, cluster: Cluster
) -> None:
    content = content_for(shelf, 11, 9 * MIB)
    parts = []
    for sender, piece in ((api, content[: 6 * MIB]), (other_api, content[6 * MIB :])):
        made = await Tus(sender).post(piece, Upload_Concat="partial", Upload_Length=str(len(piece)))
        parts.append(made.headers["Location"])
    final = await Tus(api).post(
        Upload_Concat=f"final;{' '.join(parts)}", Upload_Metadata=metadata(filename="whole.png")
    )
    assert final.status == 201, final.body
    last = await completed(other_api, final.headers["Location"])
    assert last["element"]["original"]["size"] == len(content)
    for url in parts:
        assert left(s3, url) == []


@pytest.mark.parametrize("end", ["termination", "expiry"])
async def test_terminated_upload_leaves_nothing_in_the_bucket(
    api: Api, other_api: Api, watcher: Watcher, shelf: Shelf, s3: S3Server, redis: RunningRedis, end: str
) -> None:
    content = content_for(shelf, 12, 10 * MIB)
    url = await Tus(api).create(len(content))
    await watcher.join(id_of(url))
    assert (await Tus(api).patch(url, 0, content[: 9 * MIB])).status == 204
    assert left(s3, url)
    if end == "termination":
        assert (await Tus(other_api).delete(url)).status == 204
    else:
        await expire(redis, id_of(url))
    last = await watcher.end(id_of(url))
    assert last["error"]["code"] == {"termination": "CANCELLED", "expiry": "STALLED"}[end]
    await eventually(lambda: left(s3, url) == [], what="the end of its bytes")
    assert (await Tus(other_api).head(url)).status == 410
