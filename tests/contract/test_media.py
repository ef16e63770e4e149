"""The contract of `server.upload.media.MediaStore`, held by every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.upload.directory_media import DirectoryMediaStore
from server.upload.errors import NotFound
from server.upload.events import new_upload_id
from server.upload.media import MediaStore
from server.upload.s3_media import S3MediaStore
from server.upload.signing import UrlSigner
from tests.s3_server import BUCKET, S3Server, TlsServer, moto_server, s3rver, set_environment

DATA = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with s3rver(tmp_path_factory.mktemp("s3rver")) as server:
        yield server


@pytest.fixture(params=["directory", "s3", "s3-tls"])
async def media(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MediaStore]:
    if request.param == "directory":
        yield DirectoryMediaStore(tmp_path / "data", UrlSigner(b"0123456789abcdef", seconds=60))
        return
    set_environment(monkeypatch)
    if request.param == "s3":
        url = request.getfixturevalue("moto").url
    else:
        server = request.getfixturevalue("tls")
        url = server.url
        monkeypatch.setenv("AWS_CA_BUNDLE", str(server.certificate))
    opening = S3MediaStore.open(
        BUCKET, endpoint_url=url, public_base_url=None, url_seconds=60, prefix=new_upload_id(), largest_bytes=1
    )
    async with opening as store:
        yield store


async def received(media: MediaStore, upload_id: str) -> str:
    async with media.receive(upload_id) as incoming:
        await incoming.write(DATA[:1000])
        await incoming.write(bytearray(DATA[1000:]))
        return await incoming.commit()


async def test_a_source_comes_back_as_it_came(media: MediaStore, tmp_path: Path) -> None:
    upload_id = new_upload_id()
    key = await received(media, upload_id)
    async with media.fetch(key, tmp_path) as path:
        assert path.read_bytes() == DATA
    assert await media.has_source(upload_id)
    assert await media.sources() == [upload_id]


async def test_a_source_that_is_not_committed_leaves_nothing(media: MediaStore) -> None:
    upload_id = new_upload_id()

    async def break_off() -> None:
        async with media.receive(upload_id) as incoming:
            await incoming.write(DATA)
            assert await media.sources() == [upload_id]
            assert not await media.has_source(upload_id)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await break_off()
    assert await media.sources() == []


async def test_a_cancelled_intake_leaves_nothing(media: MediaStore) -> None:
    upload_id, begun = new_upload_id(), asyncio.Event()

    async def take_in() -> None:
        async with media.receive(upload_id) as incoming:
            await incoming.write(DATA)
            begun.set()
            while True:
                await incoming.write(DATA)

    task = asyncio.create_task(take_in())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert await media.sources() == []


async def test_discarding_a_source_is_silent_when_there_is_none(media: MediaStore, tmp_path: Path) -> None:
    upload_id = new_upload_id()
    key = await received(media, upload_id)
    await media.discard_source(upload_id)
    await media.discard_source(upload_id)
    assert not await media.has_source(upload_id)
    with pytest.raises(NotFound):
        async with media.fetch(key, tmp_path):
            pass


async def test_results_are_stored_whole_replaced_and_discarded(media: MediaStore, tmp_path: Path) -> None:
    upload_id, heard = new_upload_id(), 0

    def hear(count: int) -> None:
        nonlocal heard
        heard += count

    for content in (DATA, DATA[:10]):
        local = tmp_path / "video.mp4"
        local.write_bytes(content)
        heard = 0
        key = await media.store(local, upload_id, "video.mp4", hear)
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        assert (key, heard) == (f"{upload_id}/video.mp4", len(content))
    assert f"/media/{key}?" in media.url(key)
    await media.discard_results(upload_id)
    await media.discard_results(upload_id)


async def test_free_bytes_is_a_number_or_unknown(media: MediaStore) -> None:
    free = await media.free_bytes()
    assert free is None or free > 0


def test_the_directory_serves_nothing_but_results(tmp_path: Path) -> None:
    store = DirectoryMediaStore(tmp_path / "data", UrlSigner(b"0123456789abcdef", seconds=60))
    (tmp_path / "data" / "secret").write_text("x")
    (tmp_path / "data" / "media" / "upload_x").mkdir()
    (tmp_path / "data" / "media" / "upload_x" / "video.mp4").write_text("film")
    (tmp_path / "data" / "media" / "upload_x" / "link.mp4").symlink_to(tmp_path / "data" / "secret")
    assert store.path("upload_x/video.mp4").read_text() == "film"
    for key in ("../secret", "upload_x/../../secret", "upload_x/link.mp4", "upload_x", "/etc/passwd", "upload_x/none"):
        with pytest.raises(NotFound):
            store.path(key)


async def test_sweeping_takes_what_is_stale_and_leaves_what_is_whole(media: MediaStore, tmp_path: Path) -> None:
    whole = new_upload_id()
    await received(media, whole)
    async with media.receive(new_upload_id()) as incoming:
        await incoming.write(DATA)
        await media.sweep(3600)
        await media.sweep(-3600)
    assert await media.sources() == [whole]
