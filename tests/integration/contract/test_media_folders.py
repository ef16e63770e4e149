"""Results in folders that clients named, and files that are handed out as downloads: the same in every media store."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

import pytest
from roomcast.errors import DiskFull, NotFound
from roomcast.media import directory
from roomcast.media.contract import DiskFile, MediaStore, Redirect, ServedFile
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.result_keys import DOWNLOAD, SEGMENTS
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
        await kept(media, local, f"a/upload_1/{SEGMENTS}", "hls-720-00000.m4s"),
    ]
    others = [
        await kept(media, local, "a/upload_2", "video.mp4"),
        await kept(media, local, "a/upload_1/upload_3", "video.mp4"),
        await kept(media, local, f"a/upload_1/{DOWNLOAD}/upload_4", "video.mp4"),
        await kept(media, local, f"a/upload_1/{SEGMENTS}/upload_5", "video.mp4"),
        await kept(media, local, f"{SEGMENTS}/upload_6", "video.mp4"),
        await kept(media, local, "upload_1", "video.mp4"),
    ]
    await media.discard_results("a/upload_1")
    assert [await there(media, key) for key in own] == [False] * len(own)
    assert [await there(media, key) for key in others] == [True] * len(others)
    await media.discard_results("a/upload_1")


async def test_discarding_segments_leaves_the_other_results(media: MediaStore, tmp_path: Path) -> None:
    local, folder = tmp_path / "made", f"a/upload_1/{SEGMENTS}"
    names = ("hls.m3u8", "hls-1080-00000.m4s", "hls-1080-init.mp4", "hls-720-00000.m4s")
    segments = [await kept(media, local, folder, name) for name in names]
    others = [
        await kept(media, local, "a/upload_1", "hls-1080.mp4"),
        await kept(media, local, f"a/upload_1/{DOWNLOAD}", "notes.txt"),
        await kept(media, local, f"{folder}/upload_2", "hls-1080.mp4"),
    ]
    await media.discard_segments("a/upload_1", beginning="hls-1080-")
    assert [await there(media, key) for key in segments] == [True, False, False, True]
    await media.discard_segments("a/upload_1")
    await media.discard_segments("a/upload_1")
    assert [await there(media, key) for key in segments] == [False] * len(segments)
    assert [await there(media, key) for key in others] == [True] * len(others)


async def test_upload_whose_only_results_were_its_segments_has_none(media: MediaStore, tmp_path: Path) -> None:
    await kept(media, tmp_path / "made", f"a/upload_1/{SEGMENTS}", "hls.m3u8")
    assert await media.has_results("a/upload_1")
    await media.discard_segments("a/upload_1")
    assert not await media.has_results("a/upload_1")


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


async def test_copy_that_fails_on_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, local = DirectoryMediaStore(tmp_path / "data", SIGNER), tmp_path / "made"
    local.write_bytes(b"segment")

    def rename(_path: Path, _target: Path) -> None:
        raise OSError(errno.EXDEV, "another file system")

    def copy(_source: BinaryIO, target: BinaryIO, _report: object) -> None:
        with target:
            target.write(b"half")
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(directory, "_copy", copy)
    with pytest.raises(DiskFull):
        await store.store(local, f"upload_1/{SEGMENTS}", "hls-720-00000.m4s", lambda _: None)
    assert [path for path in (tmp_path / "data" / "media").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("is_copied", [False, True])
async def test_result_is_stored_although_its_folder_is_deleted_as_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_copied: bool
) -> None:
    store, local = DirectoryMediaStore(tmp_path / "data", SIGNER), tmp_path / "made"
    local.write_bytes(b"video")
    folder, rename, make = tmp_path / "data" / "media" / "upload_1", Path.rename, Path.mkdir
    made: list[Path] = []

    def mkdir(path: Path, *args: bool, **options: bool) -> None:
        make(path, *args, **options)
        if path == folder and len(made) < 3:
            made.append(path)
            path.rmdir()

    def rename_within(path: Path, target: Path) -> None:
        if is_copied and path == local:
            raise OSError(errno.EXDEV, "another file system")
        rename(path, target)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rename", rename_within)
    key = await store.store(local, "upload_1", "video.mp4", lambda _: None)
    assert (await store.serve(key)).path.read_bytes() == b"video"
    assert len(made) == 3


async def test_sweep_deletes_partial_results_at_any_depth(tmp_path: Path) -> None:
    store = DirectoryMediaStore(tmp_path / "data", SIGNER)
    key = await kept(store, tmp_path / "made", f"a/b/upload_1/{DOWNLOAD}", "movie.part")
    folder = tmp_path / "data" / "media" / "a" / "b" / "upload_1"
    for half in (folder / ".video.mp4.part", folder / "video.mp4.part", folder / DOWNLOAD / ".movie.part.part"):
        half.write_bytes(b"half")
    assert await store.sweep(-3600) == 3
    assert (await store.serve(key)).path.read_bytes() == b"movie.part"
