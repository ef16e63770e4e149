"""A source that several workers of a process read is opened once, and closed some time after the last of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from roomcast.errors import StorageError
from roomcast.media.contract import MediaStore
from roomcast.media.shared_sources import SharedSources
from roomcast.runtime.tasks import cancel_and_wait

from tests.support.harness import eventually


class RecordingStore:
    """A media store that only opens sources, and records which are open."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.fails = False

    @asynccontextmanager
    async def open_source(self, key: str, scratch: Path) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        if self.fails:
            raise StorageError("The bucket does not answer.")
        path = scratch / key
        path.write_bytes(b"film")
        self.opened.append(key)
        yield path
        self.closed.append(key)


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


def shared(store: RecordingStore, folder: Path, idle_seconds: float) -> SharedSources:
    return SharedSources(cast(MediaStore, store), folder, idle_seconds=idle_seconds)


async def test_readers_at_the_same_time_share_one_source(store: RecordingStore, tmp_path: Path) -> None:
    sources = shared(store, tmp_path, 3600)

    async def read(key: str) -> object:
        async with sources.open(key, is_needed_again=True) as source:
            await asyncio.sleep(0)
            return source

    found = await asyncio.gather(read("a"), read("a"), read("b"))
    assert found[0] is found[1]
    assert sorted(store.opened) == ["a", "b"]
    assert await read("a") is found[0]
    await sources.close()
    assert (sorted(store.opened), sorted(store.closed)) == (["a", "b"], ["a", "b"])


async def test_source_without_readers_is_closed_and_its_copy_deleted(store: RecordingStore, tmp_path: Path) -> None:
    sources = shared(store, tmp_path, 0)
    async with sources.open("a", is_needed_again=True):
        pass
    assert store.closed == []
    await eventually(lambda: store.closed == ["a"] and list(tmp_path.iterdir()) == [], what="the end of the copy")
    async with sources.open("a"):
        pass
    assert list(tmp_path.iterdir()) == []
    await sources.close()
    assert store.opened == store.closed == ["a", "a"]


async def test_cancelled_reader_leaves_no_copy_except_to_other_readers(store: RecordingStore, tmp_path: Path) -> None:
    sources = shared(store, tmp_path, 3600)
    reading = asyncio.Event()

    async def read() -> None:
        async with sources.open("a", is_needed_again=True):
            reading.set()
            await asyncio.Event().wait()

    async def cancel_reader() -> None:
        reading.clear()
        reader = asyncio.create_task(read())
        await reading.wait()
        await cancel_and_wait(reader)

    async with sources.open("a"):
        await cancel_reader()
        assert store.closed == []
    await cancel_reader()
    assert store.opened == store.closed == ["a", "a"]
    assert list(tmp_path.iterdir()) == []


async def test_source_that_could_not_be_opened_is_opened_again(store: RecordingStore, tmp_path: Path) -> None:
    sources = shared(store, tmp_path, 3600)
    store.fails = True
    with pytest.raises(StorageError):
        async with sources.open("a"):
            pass
    store.fails = False
    async with sources.open("a"):
        assert store.opened == ["a"]
    await sources.close()
