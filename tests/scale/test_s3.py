"""Media in a bucket: received, served by signed links, sent by clients directly, and deleted."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import pytest
from roomcast.ledger.redis.ledger import RedisLedger
from roomcast.runtime.redis_connection import connect
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.transitions import deleted

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.scale.test_workers import assert_nothing_missed
from tests.support.clips import make_film, text_named_mp4
from tests.support.decoded import packets
from tests.support.harness import Api, HalfSent, Reply, RunningServer, eventually
from tests.support.redis_server import RunningRedis
from tests.support.remote_files import RemoteFiles
from tests.support.s3_server import BUCKET, S3Server
from tests.support.scale.cluster import Cluster
from tests.support.watchers import Watcher

PART = 8 << 20
"""How large the parts of small files are, the last aside."""


@pytest.fixture(scope="module")
def cluster(
    folder: Path, redis: RunningRedis, fake: FakeFfmpeg, bucket: dict[str, str], members: list[RunningServer]
) -> Iterator[Cluster]:
    templates = folder / "templates.toml"
    templates.write_text(
        '[templates.streamed]\nkind = "video"\npreset = "ultrafast"\nhls = [240, 144]\n'
        '[templates.kept]\nkind = "image"\nkeep_source = "7d"\nkeep_results = "forever"\n'
    )
    own = {"ROOMCAST_TEMPLATES": str(templates), "ROOMCAST_MAX_UPLOAD_BYTES": str(64 << 20)}
    own["ROOMCAST_IMPORT_PRIVATE"] = "1"
    cluster = Cluster(folder, redis.url, members, **fake.env, **bucket, **own, ROOMCAST_LEASE_SECONDS="10")
    cluster.web()
    cluster.worker()
    with cluster:
        yield cluster


@pytest.fixture
async def world() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that has nothing but the links it was given."""
    async with aiohttp.ClientSession() as session:
        yield session


def padded(film: Path, size: int) -> bytes:
    """The film with so much padding behind it, in a box that every player skips."""
    content = film.read_bytes()
    rest = size - len(content)
    return content + rest.to_bytes(4, "big") + b"free" + bytes(rest - 8)


def left(s3: S3Server, upload_id: str) -> list[str]:
    """What the bucket holds of an upload: objects, and multipart uploads that nobody ended."""
    return [key for key in s3.keys() + s3.multiparts() if upload_id in key]


class Direct:
    """A client that sends a file to the bucket itself."""

    def __init__(self, api: Api, world: aiohttp.ClientSession, name: str, content: bytes) -> None:
        self._api, self._world = api, world
        self._name, self._content = name, content
        self.parts: list[dict[str, Any]] = []

    async def reserve(self, **more: Any) -> str:
        size = len(self._content)
        wanted = {"direct": True, "files": [{"filename": self._name, "size": size, **more}]}
        reply = await self._api.request("POST", "/api/uploads", json=wanted)
        assert reply.status == 201, reply.body
        (self.entry,) = reply.body["uploads"]
        assert len(self.entry["partUrls"]) == -(-size // self.entry["partSize"])
        return str(self.entry["uploadId"])

    async def send(self, number: int) -> Reply:
        """Send one part, counted from 1, and say so."""
        size = self.entry["partSize"]
        piece = self._content[(number - 1) * size : number * size]
        async with self._world.put(self.entry["partUrls"][number - 1], data=io.BytesIO(piece)) as response:
            assert response.status == 200
            self.parts.append({"number": number, "etag": response.headers["ETag"]})
        return await self._api.request("POST", self.entry["progressUrl"])

    async def send_all(self) -> None:
        for number in range(1, len(self.entry["partUrls"]) + 1):
            assert (await self.send(number)).status == 200

    async def complete(self, parts: list[dict[str, Any]] | None = None) -> Reply:
        named = self.parts if parts is None else parts
        return await self._api.request("POST", self.entry["completeUrl"], json={"parts": named})


async def test_upload_is_stored_in_the_bucket_and_has_a_signed_url(
    api: Api, watcher: Watcher, world: aiohttp.ClientSession, shelf: Shelf, s3: S3Server, cluster: Cluster
) -> None:
    content = padded(shelf.clip(), 2 * PART + 1000)
    upload_id, content_url = await api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id, since=0)
    async with HalfSent(cluster.webs[0], "PUT", content_url, content, first=2 * PART) as sending:
        await eventually(lambda: left(s3, upload_id), what="parts that go to the bucket while the file still comes")
        assert not cluster.files_of(upload_id), "the source touched the disk"
        await sending.send()
        assert await sending.status() == 202
    end = await watcher.end(upload_id)
    assert end["status"] == "completed", end
    assert_nothing_missed(watcher, upload_id)
    for output in end["element"]["outputs"]:
        url = urljoin(cluster.webs[0].url, output["url"])
        assert url.startswith(cluster.webs[0].url if output["kind"] == "storyboard" else s3.url)
        async with world.get(url) as response:
            whole = await response.read()
            assert (response.status, len(whole)) == (200, output["size"])
            assert response.content_type == output["mime"]
        if output["kind"] != "storyboard":
            async with world.get(url, headers={"Range": "bytes=10-19"}) as response:
                assert (response.status, await response.read()) == (206, whole[10:20])
    await eventually(lambda: all(key.startswith("media/") for key in left(s3, upload_id)), what="the source's end")
    assert s3.multiparts() == []


async def test_hls_playlist_in_a_bucket_plays_from_one_url(
    api: Api, world: aiohttp.ClientSession, shelf: Shelf, s3: S3Server, cluster: Cluster
) -> None:
    """Playlists come from the web process, which sends players on to the bucket for their segments."""
    end = await api.finished(
        await api.accepted(shelf.clip(seconds=5, size="320x240", fps=10, audio=True), template="streamed")
    )
    assert end["status"] == "completed", end
    outputs = {output["kind"]: output for output in end["element"]["outputs"]}
    for kind, sibling in (("hls", r"^hls-\d+\.m3u8$"), ("storyboard", r"^(.+)#xywh=0,0,")):
        document = urljoin(cluster.webs[0].url, outputs[kind]["url"])
        async with world.get(document) as response:
            assert (response.status, response.content_type) == (200, outputs[kind]["mime"])
            names = re.findall(sibling, await response.text(), re.MULTILINE)
        if kind == "hls":
            document = urljoin(document, names[0])
            async with world.get(document) as response:
                names = re.findall(r"^hls-\d+-00000\.m4s$", await response.text(), re.MULTILINE)
        async with world.get(urljoin(document, names[0])) as response:
            (sent_on,) = response.history
            assert (sent_on.status, response.status) == (302, 200)
            assert str(response.url).startswith(f"{s3.url}/{BUCKET}/media/{end['uploadId']}/{names[0]}?")
            assert await response.read() == s3.content(f"media/{end['uploadId']}/{names[0]}")
        forged = document.replace(end["uploadId"], f"upload_{'0' * 32}")
        async with world.get(urljoin(forged, names[0]), allow_redirects=False) as response:
            assert response.status == 403


async def test_cancel_while_receiving_leaves_nothing_in_the_bucket(
    api: Api, watcher: Watcher, shelf: Shelf, s3: S3Server, cluster: Cluster
) -> None:
    content = padded(shelf.clip(), 2 * PART + 1000)
    upload_id, content_url = await api.reserved("clip.mp4", len(content))
    await watcher.join(upload_id)
    async with HalfSent(cluster.webs[0], "PUT", content_url, content, first=2 * PART) as sending:
        await eventually(lambda: left(s3, upload_id), what="parts in the bucket")
        assert await watcher.cancel(upload_id) == {"ok": True}
        assert left(s3, upload_id) == []
        await sending.cut()
    assert (await watcher.end(upload_id))["error"]["code"] == "CANCELLED"
    assert s3.multiparts() == []


async def test_cancel_while_compressing_leaves_nothing_in_the_bucket(
    api: Api, watcher: Watcher, shelf: Shelf, s3: S3Server, cluster: Cluster, healed: FakeFfmpeg
) -> None:
    healed.behave("slow:60")
    upload_id = await api.accepted(shelf.clip())
    await watcher.join(upload_id)
    await watcher.until(upload_id, lambda message: bool(message["speed"]))
    assert await watcher.cancel(upload_id) == {"ok": True}
    assert (cluster.ffmpegs(), left(s3, upload_id), cluster.scratch()) == ([], [], [])


async def test_presigned_upload_completes(
    api: Api, watcher: Watcher, world: aiohttp.ClientSession, shelf: Shelf, s3: S3Server
) -> None:
    content = padded(shelf.clip(), 2 * PART)
    direct = Direct(api, world, "clip.mp4", content)
    upload_id = await direct.reserve(md5=hashlib.md5(content, usedforsecurity=False).hexdigest())
    assert (await watcher.join(upload_id, since=0))["state"]["stage"] == "receiving"
    part = await direct.send(1)
    assert part.status == 200
    assert part.body["state"]["bytesReceived"] == direct.entry["partSize"]
    message = await watcher.until(upload_id, lambda message: message["bytesReceived"] > 0)
    assert (message["bytesReceived"], message["bytesExpected"]) == (direct.entry["partSize"], len(content))
    assert message["progress"] == 5
    await direct.send(2)
    reply = await direct.complete()
    assert (reply.status, reply.body["state"]["stage"]) == (202, "queued")
    end = await watcher.end(upload_id)
    assert end["status"] == "completed", end
    assert end["element"]["original"]["size"] == len(content)
    assert_nothing_missed(watcher, upload_id)
    await eventually(lambda: all(key.startswith("media/") for key in left(s3, upload_id)), what="the source's end")


async def test_presigned_upload_with_wrong_parts_is_refused(
    api: Api, world: aiohttp.ClientSession, shelf: Shelf, s3: S3Server
) -> None:
    direct = Direct(api, world, "clip.mp4", padded(shelf.clip(), PART + 1000))
    upload_id = await direct.reserve()
    await direct.send_all()
    first, second = direct.parts
    wrong: dict[str, list[dict[str, Any]]] = {
        "etag": [first, {**second, "etag": '"' + "0" * 32 + '"'}],
        "missing part": [first],
        "unsent part": [first, second, {**second, "number": 3}],
        "no parts": [],
        "nonsense": [{"number": "one"}],
    }
    for what, parts in wrong.items():
        assert (await direct.complete(parts)).refusal == (400, "MALFORMED"), what
    assert (await direct.complete()).status == 202, "nothing is lost: the right parts are still there"
    assert (await api.finished(upload_id))["status"] == "completed"
    await eventually(lambda: all(key.startswith("media/") for key in left(s3, upload_id)), what="the source's end")


@pytest.mark.parametrize("then", ["cancel", "complete a text"])
async def test_presigned_upload_that_is_not_completed_leaves_nothing(
    api: Api, watcher: Watcher, world: aiohttp.ClientSession, s3: S3Server, tmp_path: Path, then: str
) -> None:
    direct = Direct(api, world, "clip.mp4", text_named_mp4(tmp_path / "clip.mp4").read_bytes())
    upload_id = await direct.reserve()
    await watcher.join(upload_id)
    await direct.send_all()
    assert left(s3, upload_id), "the part lies in the bucket"
    if then == "cancel":
        assert await watcher.cancel(upload_id) == {"ok": True}
        assert (await direct.complete()).refusal == (409, "WRONG_STATE")
    else:
        assert (await direct.complete()).refusal == (415, "UNSUPPORTED_TYPE")
        assert (await watcher.end(upload_id))["error"]["code"] == "UNSUPPORTED_TYPE"
    assert left(s3, upload_id) == []


async def test_readyz_reports_an_unreachable_bucket(api: Api, s3: S3Server) -> None:
    reply = await api.request("GET", "/readyz")
    assert (reply.status, reply.body["checks"]["media"]) == (200, "ok")
    there = s3.keys()
    assert not [key for key in there if not re.match("incoming/|media/|check$|deployment$", key)]


async def test_files_in_a_bucket_are_downloaded_processed_again_linked_and_deleted(
    cluster: Cluster, api: Api, s3: S3Server, shelf: Shelf, world: aiohttp.ClientSession, aiohttp_server: Any
) -> None:
    remote = RemoteFiles(shelf.image().read_bytes())
    url = (await aiohttp_server(remote.app())).make_url("/file.png")
    imported = await api.request("POST", "/api/uploads", json={"url": str(url), "type": "kept"})
    upload_id = imported.body["uploadId"]
    state = await api.finished(upload_id)
    assert state["status"] == "completed", state
    assert [key for key in left(s3, upload_id) if "incoming/" in key], "the source is kept"
    output = state["element"]["outputs"][0]
    async with world.get(urljoin(api.server.url, output["downloadUrl"])) as saved:
        assert saved.headers["Content-Disposition"].startswith('attachment; filename="file.')
        assert len(await saved.read()) == output["size"]
    again = await api.request("POST", f"/api/uploads/{upload_id}/process", json={"type": "image"})
    second = await api.finished(again.body["uploadId"])
    assert second["status"] == "completed", second
    link = (await api.request("POST", f"/api/uploads/{upload_id}/links", json={})).body["url"]
    async with world.get(urljoin(api.server.url, link)) as page:
        assert (page.status, "<picture>" in await page.text()) == (200, True)
    async with Watcher(api.server.url) as watcher:
        await watcher.join(upload_id)
        assert (await api.delete(upload_id)).status == 200
        await watcher.wait_until(lambda: [one for one in watcher.received if one.name == "deleted"])
    assert left(s3, upload_id) == []
    assert (await api.get(upload_id)).refusal == (410, "DELETED")
    async with world.get(urljoin(api.server.url, link)) as page:
        assert page.status == 404
    async with world.get(urljoin(api.server.url, second["element"]["url"])) as result:
        assert result.status == 200, "the copy does not depend on the first upload"


async def test_deletion_that_was_killed_is_finished_after_the_restart(
    cluster: Cluster, redis: RunningRedis, api: Api, s3: S3Server, shelf: Shelf
) -> None:
    upload_id = await api.accepted(shelf.image(), template="kept")
    await api.finished(upload_id)
    (web,) = cluster.webs
    web.kill()
    ledger = RedisLedger(connect(redis.url))
    await ledger.append(upload_id, deleted(Stage.DONE))  # what the request that was killed had come to
    await ledger.close()
    assert left(s3, upload_id) != []
    web.restart()
    assert (await api.get(upload_id)).refusal == (410, "DELETED")
    await eventually(lambda: left(s3, upload_id) == [], 60, what="the end of the deletion")


async def test_film_is_made_of_segments_in_the_bucket(
    cluster: Cluster, api: Api, world: aiohttp.ClientSession, s3: S3Server, tmp_path: Path
) -> None:
    film = make_film(tmp_path / "film.mp4", "-pix_fmt", "yuv444p", size="320x240", sound=True)
    upload_id = await api.accepted(film, template="streamed")
    done = await api.finished(upload_id)
    assert done["status"] == "completed", done
    outputs = {output["kind"]: output for output in done["element"]["outputs"]}
    assert outputs["hls"]["key"] == f"media/{upload_id}/segments/hls.m3u8"
    master = await fetched(world, cluster, outputs["hls"]["url"])
    playlists = re.findall(r"^hls-(?:240|144)\.m3u8$", master.decode(), re.MULTILINE)
    assert playlists == ["hls-240.m3u8", "hls-144.m3u8"]
    for name in (*playlists, "hls-audio.m3u8"):
        url = urljoin(cluster.webs[0].url_of(outputs["hls"]["url"]), name)
        playlist = (await fetched(world, cluster, url)).decode()
        assert playlist.endswith("#EXT-X-ENDLIST\n")
        for segment in re.findall(r"^hls-.*\.m4s$", playlist, re.MULTILINE):
            assert await fetched(world, cluster, urljoin(url, segment))
    video = tmp_path / "video.mp4"
    video.write_bytes(await fetched(world, cluster, outputs["video"]["url"]))
    assert len(packets(video, "v")) == 120
    await eventually(lambda: all(key.startswith("media/") for key in left(s3, upload_id)), what="the source's end")
    assert s3.multiparts() == []
    await eventually(lambda: not cluster.scratch(), 60, what="the end of the scratch files")


async def fetched(world: aiohttp.ClientSession, cluster: Cluster, url: str) -> bytes:
    async with world.get(cluster.webs[0].url_of(url)) as response:
        assert response.status == 200, url
        return await response.read()
