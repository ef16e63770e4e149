"""The contract of `roomcast.media.contract.ResumableSources`, held by every implementation."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path
from typing import cast

import moto.s3.models
import pytest
from roomcast.errors import NotFound
from roomcast.media.contract import MediaStore, ResumableSources
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.s3 import download, multipart, resumable
from roomcast.media.s3.store import S3MediaStore
from roomcast.uploads.model import new_upload_id

from tests.support.harness import eventually

UNIT = 1 << 16
DATA = random.Random(7).randbytes(19 * UNIT)
"""Two parts of an object and a shorter one."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has eight units, as it has eight mebibytes outside of tests."""
    for module in (multipart, download, resumable):
        monkeypatch.setattr(module, "PART_BYTES", 8 * UNIT)
    monkeypatch.setattr(multipart, "_MIB", UNIT)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 5 * UNIT)


@pytest.fixture
def sources(media: MediaStore) -> ResumableSources:
    return cast(DirectoryMediaStore | S3MediaStore, media).resumable


async def put(sources: ResumableSources, name: str, start: int, stop: int, *, step: int = UNIT) -> None:
    async with sources.append(name, start) as write:
        for position in range(start, stop, step):
            await write(DATA[position : min(position + step, stop)])


class Collected:
    """An `on_chunk` that collects the bytes."""

    def __init__(self) -> None:
        self.content = bytearray()

    async def __call__(self, data: bytes) -> None:
        self.content += data


async def fetched(media: MediaStore, key: str, scratch: Path) -> bytes:
    async with media.fetch(key, scratch) as path:
        return path.read_bytes()


async def test_appended_chunks_become_a_source(media: MediaStore, sources: ResumableSources, tmp_path: Path) -> None:
    name, collected = new_upload_id(), Collected()
    assert await sources.received_bytes(name) == 0
    await put(sources, name, 0, 9 * UNIT + 5)
    assert await sources.received_bytes(name) == 9 * UNIT + 5
    await put(sources, name, 9 * UNIT + 5, 9 * UNIT + 6)
    await put(sources, name, 9 * UNIT + 6, len(DATA))
    assert await sources.received_bytes(name) == len(DATA)
    assert await sources.read_head(name, 4096) == DATA[:4096]
    assert not await media.has_source(name)
    key = await sources.complete(name, collected)
    assert collected.content == DATA
    assert await media.has_source(name)
    assert await fetched(media, key, tmp_path) == DATA
    assert list(await media.list_sources()) == [name]
    await media.discard_source(name)
    assert list(await media.list_sources()) == []


async def test_repeated_complete_succeeds(media: MediaStore, sources: ResumableSources, tmp_path: Path) -> None:
    name, collected = new_upload_id(), Collected()
    await put(sources, name, 0, UNIT)
    key = await sources.complete(name, Collected())
    assert await sources.received_bytes(name) == UNIT
    assert await sources.read_head(name, 10) == DATA[:10]
    assert await sources.complete(name, collected) == key
    assert collected.content == DATA[:UNIT]
    assert await fetched(media, key, tmp_path) == DATA[:UNIT]


async def test_bytes_before_an_interruption_can_be_written_again(sources: ResumableSources) -> None:
    name, collected = new_upload_id(), Collected()

    async def break_off() -> None:
        async with sources.append(name, 0) as write:
            for place in range(0, 18 * UNIT, UNIT):
                await write(DATA[place : place + UNIT])
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await break_off()
    assert await sources.received_bytes(name) == 18 * UNIT, "an interruption loses nothing that was written"
    await put(sources, name, 3 * UNIT, len(DATA))
    assert await sources.received_bytes(name) == len(DATA)
    await sources.complete(name, collected)
    assert collected.content == DATA


async def test_concurrent_writers_do_not_corrupt_a_source(sources: ResumableSources) -> None:
    name, collected = new_upload_id(), Collected()
    await put(sources, name, 0, UNIT)
    await asyncio.gather(
        put(sources, name, UNIT, 12 * UNIT), put(sources, name, UNIT, len(DATA)), put(sources, name, UNIT, 2 * UNIT)
    )
    assert await sources.received_bytes(name) == len(DATA)
    await sources.complete(name, collected)
    assert collected.content == DATA


async def test_concurrent_completions_do_not_corrupt_a_source(
    media: MediaStore, sources: ResumableSources, tmp_path: Path
) -> None:
    name, collected, overtaken = new_upload_id(), Collected(), Collected()
    await put(sources, name, 0, 9 * UNIT)
    await put(sources, name, 9 * UNIT, len(DATA))

    async def see(data: bytes) -> None:
        if not overtaken.content:
            await sources.complete(name, collected)
        await overtaken(data)

    key = await sources.complete(name, see)
    assert collected.content == overtaken.content == DATA
    assert await fetched(media, key, tmp_path) == DATA


async def test_cancelled_append_leaves_a_valid_offset(sources: ResumableSources) -> None:
    name, begun = new_upload_id(), asyncio.Event()

    async def take() -> None:
        async with sources.append(name, 0) as write:
            await write(DATA[: 9 * UNIT])
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(take())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await sources.received_bytes(name) == 9 * UNIT


async def test_partial_sources_are_concatenated(media: MediaStore, sources: ResumableSources, tmp_path: Path) -> None:
    name, collected = new_upload_id(), Collected()
    parts = [f"{name}.{number}" for number in range(3)]
    for number, part in enumerate(parts):
        async with sources.append(part, 0) as write:
            await write(DATA[number * 7 * UNIT : (number + 1) * 7 * UNIT])
    key = await sources.complete(name, collected, concat=parts)
    assert hashlib.sha256(collected.content).digest() == hashlib.sha256(DATA).digest()
    assert await fetched(media, key, tmp_path) == DATA
    for part in parts:
        await media.discard_source(part)
    again = Collected()
    assert await sources.complete(name, again, concat=parts) == key
    assert again.content == DATA


async def test_completing_an_unknown_source_raises_not_found(sources: ResumableSources) -> None:
    name = new_upload_id()
    assert (await sources.received_bytes(name), await sources.read_head(name, 10)) == (0, b"")
    with pytest.raises(NotFound):
        await sources.complete(name, Collected())
    with pytest.raises(NotFound):
        await sources.complete(name, Collected(), concat=[new_upload_id()])


async def test_resumable_sources_are_listed_and_swept_like_others(media: MediaStore, sources: ResumableSources) -> None:
    kept, gone, stale = (new_upload_id() for _ in range(3))
    for name in (kept, gone):
        await put(sources, name, 0, 9 * UNIT)
    assert list(await media.list_sources()) == sorted((kept, gone))
    await media.discard_source(gone)
    assert await sources.received_bytes(gone) == 0
    await sources.complete(kept, Collected())
    await put(sources, stale, 0, 10)
    await media.sweep(3600)
    assert await sources.received_bytes(stale) == 10
    await media.sweep(-3600)
    assert list(await media.list_sources()) == [kept]


async def test_late_bytes_of_a_complete_source_are_deleted_without_it(
    media: MediaStore, sources: ResumableSources, tmp_path: Path
) -> None:
    name, deleted = new_upload_id(), new_upload_id()
    await put(sources, name, 0, 3 * UNIT)
    key = await sources.complete(name, Collected())
    for late in (name, deleted):
        await put(sources, late, 0, 2 * UNIT)
        await sources.discard_incomplete(late)
        await sources.discard_incomplete(late)
    assert list(await media.list_sources()) == [name]
    assert await fetched(media, key, tmp_path) == DATA[: 3 * UNIT]


async def test_bytes_of_a_slow_writer_are_soon_stored_and_no_more_are_said_to_be(
    sources: ResumableSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "SEGMENT_SECONDS", 0.01)
    name = new_upload_id()
    async with sources.append(name, 0) as write:
        assert write.stored == 0
        for size in (3, 7):
            await write(DATA[write.stored : size])
            await eventually(lambda size=size: write.stored == size)  # type: ignore[misc]
            assert await sources.received_bytes(name) == size
    assert await sources.received_bytes(name) == 7


async def test_bytes_that_wait_in_memory_are_not_said_to_be_stored(sources: ResumableSources) -> None:
    name = new_upload_id()
    async with sources.append(name, 0) as write:
        await write(DATA[:3])
        assert write.stored == await sources.received_bytes(name)
