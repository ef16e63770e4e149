"""Results in folders that clients named, and files that are handed out as downloads: the same in every media store."""

from __future__ import annotations

from pathlib import Path

import pytest
from roomcast.errors import NotFound
from roomcast.media.contract import DiskFile, MediaStore, Redirect, ServedFile
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.result_keys import DOWNLOAD
from roomcast.media.s3.store import S3MediaStore

from tests.support.s3_server import SIGNER


async def kept(media: MediaStore, local: Path, folder: str, name: str) -> str:
    """Keep a small file as a result; its key."""
    local.write_bytes(name.encode())
    return await media.store(local, folder, name, lambda _: None)


async def there(media: MediaStore, key: str) -> bool:
    """Whether a result is there: a bucket is asked, for its links are made without asking."""
    if isinstance(media, S3MediaStore):
        listed = await media._bucket.list_objects(media._media)
        return media._media + key.removeprefix(media._media) in [entry["Key"] for entry in listed]
    try:
        await media.serve(key)
    except NotFound:
        return False
    return True


async def test_discarding_results_leaves_the_folders_of_other_uploads(media: MediaStore, tmp_path: Path) -> None:
    local = tmp_path / "made"
    own = [
        await kept(media, local, "a/upload_1", "video.mp4"),
        await kept(media, local, f"a/upload_1/{DOWNLOAD}", "notes.txt"),
    ]
    others = [
        await kept(media, local, "a/upload_2", "video.mp4"),
        await kept(media, local, "a/upload_1/upload_3", "video.mp4"),
        await kept(media, local, f"a/upload_1/{DOWNLOAD}/upload_4", "video.mp4"),
        await kept(media, local, "upload_1", "video.mp4"),
    ]
    await media.discard_results("a/upload_1")
    assert [await there(media, key) for key in own] == [False, False]
    assert [await there(media, key) for key in others] == [True] * len(others)
    await media.discard_results("a/upload_1")


@pytest.mark.parametrize("name", ["page.html", "list.m3u8", "clip.mp4.part", "ä ö?#%.txt"])
async def test_download_of_any_name_is_served_as_an_attachment(media: MediaStore, tmp_path: Path, name: str) -> None:
    folder = f"docs/upload_1/{DOWNLOAD}"
    key = await kept(media, tmp_path / "made", folder, name)
    await media.sweep(-3600)
    served: ServedFile = await media.serve(f"{folder}/{name}")
    match served:
        case DiskFile(path):
            assert path.read_bytes() == name.encode()
        case Redirect(url):
            assert url == media.url(key)
        case _:
            raise AssertionError("it is no document of ours")


async def test_sweep_deletes_partial_results_at_any_depth(tmp_path: Path) -> None:
    store = DirectoryMediaStore(tmp_path / "data", SIGNER)
    key = await kept(store, tmp_path / "made", f"a/b/upload_1/{DOWNLOAD}", "movie.part")
    folder = tmp_path / "data" / "media" / "a" / "b" / "upload_1"
    for half in (folder / ".video.mp4.part", folder / "video.mp4.part", folder / DOWNLOAD / ".movie.part.part"):
        half.write_bytes(b"half")
    assert await store.sweep(-3600) == 3
    assert (await store.serve(key)).path.read_bytes() == b"movie.part"
