"""Processes of an earlier version beside today's, over one ledger: a rolling deployment, and a rollback.

`EARLIER` is a commit with the same schema version. When its code does not run with today's dependencies any more, or
the schema version changes, name a later one.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.conftest import Shelf
from tests.support.harness import ROOT, Api, RunningServer
from tests.support.redis_server import RunningRedis
from tests.support.scale.cluster import Cluster
from tests.support.tus import Tus, id_of

EARLIER = "d72d6d7f7a6a335eb3592a2f04d18eb4b1d0412b"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that runs the earlier version."""
    archive = subprocess.run(
        ["git", "archive", EARLIER, "server", "workers", "static"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        pytest.skip(f"This clone does not have the commit {EARLIER[:7]}: {archive.stderr.decode().strip()}")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return {"PYTHONPATH": f"{folder / 'server'}:{folder / 'workers'}"}


def is_earlier(server: RunningServer, earlier: dict[str, str]) -> bool:
    return earlier["PYTHONPATH"] == server.process.environ().get("PYTHONPATH")


async def half_sent(api: Api, content: bytes) -> str:
    url = await Tus(api).create(len(content), filename="half.png")
    assert (await Tus(api).patch(url, 0, content[:100])).status == 204
    return id_of(url)


async def continued(api: Api, upload_id: str, content: bytes) -> None:
    url = f"/api/tus/{upload_id}"
    offset = await Tus(api).offset(url)
    assert offset == 100
    assert (await Tus(api).patch(url, offset, content[offset:])).status == 204


async def ids(api: Api) -> set[str]:
    uploads = (await api.list()).body["uploads"]
    return {upload["uploadId"] for upload in uploads}


async def test_webs_and_workers_of_two_versions_share_a_ledger_in_redis(
    earlier: dict[str, str], tmp_path: Path, redis: RunningRedis, members: list[RunningServer], shelf: Shelf
) -> None:
    image = shelf.image(size=(64, 64))
    content = image.read_bytes()
    cluster = Cluster(tmp_path, redis.url.removesuffix("/0") + "/5", members)
    webs = [cluster.web(**earlier), cluster.web()]
    with cluster:
        assert [is_earlier(web, earlier) for web in webs] == [True, False]
        workers = [cluster.worker(**earlier), cluster.worker()]
        async with Api(webs[0]) as old, Api(webs[1]) as new:
            known: set[str] = set()
            for worker in workers:
                await asyncio.to_thread(worker.start)
                assert is_earlier(worker, earlier) == (worker is workers[0])
                for begins, ends in ((old, new), (new, old)):
                    upload_id = await half_sent(begins, content)
                    await continued(ends, upload_id, content)
                    assert (await begins.finished(upload_id))["status"] == "completed"
                    known.add(upload_id)
                assert worker.terminate().code == 0
            assert await ids(old) == await ids(new) == known


async def test_embedded_data_is_used_by_an_earlier_version_and_again_by_this_one(
    earlier: dict[str, str], tmp_path: Path, shelf: Shelf
) -> None:
    image = shelf.image(size=(64, 64))
    content = image.read_bytes()
    known: list[str] = []
    half = ""
    for number, version in enumerate(({}, earlier, {})):
        with RunningServer(tmp_path / "data", name=f"server{number}", **version) as server:
            assert is_earlier(server, earlier) == bool(version)
            async with Api(server) as api:
                assert await ids(api) == {*known, *([half] if half else [])}
                for upload_id in known:
                    done = (await api.get(upload_id)).body
                    assert done["status"] == "completed"
                    assert (await api.request("GET", done["element"]["url"])).status == 200
                if half:
                    await continued(api, half, content)
                    assert (await api.finished(half))["status"] == "completed"
                    known.append(half)
                known.append(await api.accepted(image))
                assert (await api.finished(known[-1]))["status"] == "completed"
                half = await half_sent(api, content)
            if version:
                server.kill()
