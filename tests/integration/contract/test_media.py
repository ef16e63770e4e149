"""The contract of `roomcast.media.contract.MediaStore`, held by every implementation."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from roomcast.errors import NotFound, StorageError
from roomcast.media.contract import DiskFile, InlineFile, MediaStore, Redirect
from roomcast.media.directory import DirectoryMediaStore
from roomcast.runtime.clocks import unix_time
from roomcast.uploads.model import new_upload_id

from tests.support.s3_server import SIGNER

DATA = bytes(range(256)) * 4096


async def received(media: MediaStore, upload_id: str) -> str:
    async with media.receive(upload_id) as incoming:
        await incoming.write(DATA[:1000])
        await incoming.write(bytearray(DATA[1000:]))
        return await incoming.commit()


async def test_fetched_source_has_the_bytes_that_were_received(media: MediaStore, tmp_path: Path) -> None:
    upload_id = new_upload_id()
    key = await received(media, upload_id)
    async with media.fetch(key, tmp_path) as path:
        assert path.read_bytes() == DATA
    assert await media.has_source(upload_id)
    assert list(await media.list_sources()) == [upload_id]


async def test_opened_source_has_the_bytes_that_were_filled_in(media: MediaStore, tmp_path: Path) -> None:
    key = await received(media, new_upload_id())
    async with media.open_source(key, tmp_path) as source:
        assert source.size == source.path.stat().st_size == len(DATA)
        await source.fill([(10, 2000), (600_001, 600_005)])
        content = source.path.read_bytes()
        assert (content[10:2000], content[600_001:600_005]) == (DATA[10:2000], DATA[600_001:600_005])
        for outside in ((len(DATA) - 1, len(DATA) + 1), (-1, 5)):
            with pytest.raises(StorageError):
                await source.fill([outside])
        await source.fill_all()
        assert source.path.read_bytes() == DATA
        assert source.is_complete
    assert (source.path.parent == tmp_path) != source.path.exists(), "a copy is deleted, and a source is not"
    with pytest.raises(NotFound):
        async with media.open_source(new_upload_id(), tmp_path):
            pass


async def test_uncommitted_source_is_deleted(media: MediaStore) -> None:
    upload_id = new_upload_id()

    async def break_off() -> None:
        async with media.receive(upload_id) as incoming:
            await incoming.write(DATA)
            assert list(await media.list_sources()) == [upload_id]
            assert not await media.has_source(upload_id)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await break_off()
    assert list(await media.list_sources()) == []


async def test_cancelled_receive_leaves_nothing(media: MediaStore) -> None:
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
    assert list(await media.list_sources()) == []


async def test_discarding_an_unknown_source_does_nothing(media: MediaStore, tmp_path: Path) -> None:
    upload_id = new_upload_id()
    key = await received(media, upload_id)
    await media.discard_source(upload_id)
    await media.discard_source(upload_id)
    assert not await media.has_source(upload_id)
    with pytest.raises(NotFound):
        async with media.fetch(key, tmp_path):
            pass


async def test_copied_source_outlives_the_first_one(media: MediaStore, tmp_path: Path) -> None:
    first, second = new_upload_id(), new_upload_id()
    key = await received(media, first)
    for _ in range(2):
        await media.copy_source(key, second)
    await media.discard_source(first)
    async with media.fetch(second, tmp_path) as path:
        assert path.read_bytes() == DATA
    assert list(await media.list_sources()) == [second]
    with pytest.raises(NotFound):
        await media.copy_source(key, new_upload_id())
    assert list(await media.list_sources()) == [second]


async def test_result_is_stored_replaced_and_discarded(media: MediaStore, tmp_path: Path) -> None:
    upload_id, received = new_upload_id(), 0

    def hear(count: int) -> None:
        nonlocal received
        received += count

    for content in (DATA, DATA[:10]):
        local = tmp_path / "video.mp4"
        local.write_bytes(content)
        received = 0
        key = await media.store(local, upload_id, "video.mp4", hear)
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        assert received == len(content)
        assert key.endswith(f"{upload_id}/video.mp4")
        assert await media.has_results(upload_id)
    await media.discard_results(upload_id)
    await media.discard_results(upload_id)
    assert not await media.has_results(upload_id)


async def test_fetched_result_has_the_bytes_that_were_stored(media: MediaStore, tmp_path: Path) -> None:
    local, scratch = tmp_path / "made", tmp_path / "scratch"
    scratch.mkdir()
    local.write_bytes(DATA)
    key = await media.store(local, "a/upload_x/segments", "hls-720-init.mp4", lambda _: None)
    for name in (key, "a/upload_x/segments/hls-720-init.mp4"):
        async with media.fetch_result(name, scratch) as path:
            assert path.read_bytes() == DATA
        assert list(scratch.iterdir()) == []
    with pytest.raises(NotFound):
        async with media.fetch_result(f"{key}.m4s", scratch):
            pass
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("media", ["directory", "s3"], indirect=True)  # s3rver writes content and ETag apart
async def test_segment_that_several_workers_store_at_once_is_whole(media: MediaStore, tmp_path: Path) -> None:
    contents = [bytes([number]) * 300_000 for number in range(4)]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    folder, name = f"{new_upload_id()}/segments", "hls-720-00000.m4s"
    stored = (media.store(tmp_path / str(number), folder, name, lambda _: None) for number in range(4))
    (key,) = set(await asyncio.gather(*stored))
    async with media.fetch_result(key, tmp_path) as path:
        assert path.read_bytes() in contents


async def test_result_that_is_no_file_of_its_own_is_not_stored(media: MediaStore, tmp_path: Path) -> None:
    """The program that wrote it may have been taken over by its input."""
    upload_id = new_upload_id()
    (tmp_path / "secret").write_bytes(b"of somebody else")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("link.mp4", "pipe.mp4", "folder.mp4"):
        with pytest.raises(StorageError):
            await media.store(tmp_path / name, upload_id, name, lambda _: None)
    assert not await media.has_results(upload_id)
    assert (tmp_path / "secret").read_bytes() == b"of somebody else"


async def test_free_bytes_is_a_number_or_none(media: MediaStore) -> None:
    free = await media.free_bytes()
    assert free is None or free > 0


@pytest.mark.parametrize("name", ["video.mp4", "storyboard.vtt", "segments/hls.m3u8", "segments/hls-720-init.mp4"])
async def test_served_result_has_the_bytes_that_were_stored(media: MediaStore, tmp_path: Path, name: str) -> None:
    upload_id, local = new_upload_id(), tmp_path / "local"
    local.write_bytes(DATA)
    subfolder, _, file = f"{upload_id}/{name}".rpartition("/")
    key = await media.store(local, subfolder, file, lambda _: None)
    assert f"/{upload_id}/{name}" in media.url(key)
    match await media.serve(f"{upload_id}/{name}"):
        case DiskFile(path):
            assert path.read_bytes() == DATA
        case InlineFile(content):
            assert content == DATA
        case Redirect(url):
            assert url == media.url(key)
    await media.discard_results(upload_id)


async def test_result_with_relative_urls_has_a_url_of_the_server(media: MediaStore) -> None:
    for name in ("storyboard.vtt", "hls.m3u8", "hls-720.m3u8"):
        url = media.url(f"upload_x/{name}")
        assert url == SIGNER.url(f"upload_x/{name}")
        with pytest.raises(NotFound):
            await media.serve(f"upload_x/{name}")


async def test_time_of_expiry_is_no_later_than_that_of_any_url(media: MediaStore) -> None:
    expires = media.urls_expire_at()
    assert expires is not None
    assert unix_time() < expires <= SIGNER.expires_at()


async def test_directory_serves_nothing_but_results(tmp_path: Path) -> None:
    store = DirectoryMediaStore(tmp_path / "data", SIGNER)
    (tmp_path / "data" / "secret").write_text("x")
    (tmp_path / "data" / "media" / "upload_x").mkdir()
    (tmp_path / "data" / "media" / "upload_x" / "video.mp4").write_text("film")
    (tmp_path / "data" / "media" / "upload_x" / "link.mp4").symlink_to(tmp_path / "data" / "secret")
    (tmp_path / "data" / "media" / "upload_y").mkdir()
    assert (await store.serve("upload_x/video.mp4")).path.read_text() == "film"
    refused = ["../secret", "upload_x/../../secret", "upload_y/../upload_x/video.mp4"]
    refused += ["upload_x/link.mp4", "upload_x", "/etc/passwd", str(tmp_path / "data" / "secret"), "upload_x/none"]
    for key in refused:
        with pytest.raises(NotFound):
            await store.serve(key)


async def test_sweep_deletes_stale_partial_files_and_no_complete_ones(media: MediaStore, tmp_path: Path) -> None:
    whole = new_upload_id()
    await received(media, whole)
    async with media.receive(new_upload_id()) as incoming:
        await incoming.write(DATA)
        await media.sweep(3600)
        await media.sweep(-3600)
    assert list(await media.list_sources()) == [whole]
