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
from roomcast.media.s3 import download as s3_reading
from roomcast.media.s3 import multipart as s3_parts
from roomcast.media.s3 import resumable as s3_resumable
from roomcast.media.s3.store import S3MediaStore
from roomcast.uploads.model import new_upload_id

UNIT = 1 << 16
DATA = random.Random(7).randbytes(19 * UNIT)
"""More than two parts of an object, and a rest."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has eight units, as it has eight mebibytes outside of tests."""
    for module in (s3_parts, s3_reading, s3_resumable):
        monkeypatch.setattr(module, "PART_BYTES", 8 * UNIT)
    monkeypatch.setattr(s3_parts, "_MIB", UNIT)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 5 * UNIT)


@pytest.fixture
def sources(media: MediaStore) -> ResumableSources:
    return cast(DirectoryMediaStore | S3MediaStore, media).resumable


async def put(sources: ResumableSources, name: str, start: int, stop: int, *, step: int = UNIT) -> None:
    async with sources.append(name, start) as write:
        for place in range(start, stop, step):
            await write(DATA[place : min(place + step, stop)])


class Seen:
    """What a completion showed."""

    def __init__(self) -> None:
        self.content = bytearray()

    async def __call__(self, data: bytes) -> None:
        self.content += data


async def whole(media: MediaStore, key: str, scratch: Path) -> bytes:
    async with media.fetch(key, scratch) as path:
        return path.read_bytes()


async def test_pieces_make_a_source(media: MediaStore, sources: ResumableSources, tmp_path: Path) -> None:
    name, seen = new_upload_id(), Seen()
    assert await sources.received_bytes(name) == 0
    await put(sources, name, 0, 9 * UNIT + 5)
    assert await sources.received_bytes(name) == 9 * UNIT + 5
    await put(sources, name, 9 * UNIT + 5, 9 * UNIT + 6)
    await put(sources, name, 9 * UNIT + 6, len(DATA))
    assert await sources.received_bytes(name) == len(DATA)
    assert await sources.read_head(name, 4096) == DATA[:4096]
    assert not await media.has_source(name)
    key = await sources.complete(name, seen)
    assert seen.content == DATA
    assert await media.has_source(name)
    assert await whole(media, key, tmp_path) == DATA
    assert await media.list_sources() == [name]
    await media.discard_source(name)
    assert await media.list_sources() == []


async def test_completing_again_completes_again(media: MediaStore, sources: ResumableSources, tmp_path: Path) -> None:
    name, seen = new_upload_id(), Seen()
    await put(sources, name, 0, UNIT)
    key = await sources.complete(name, Seen())
    assert await sources.received_bytes(name) == UNIT
    assert await sources.read_head(name, 10) == DATA[:10]
    assert await sources.complete(name, seen) == key
    assert seen.content == DATA[:UNIT]
    assert await whole(media, key, tmp_path) == DATA[:UNIT]


async def test_what_was_written_before_a_break_may_be_written_again(sources: ResumableSources) -> None:
    name, seen = new_upload_id(), Seen()

    async def break_off() -> None:
        async with sources.append(name, 0) as write:
            for place in range(0, 18 * UNIT, UNIT):
                await write(DATA[place : place + UNIT])
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await break_off()
    received = await sources.received_bytes(name)
    assert 8 * UNIT <= received <= 18 * UNIT
    await put(sources, name, received, 18 * UNIT)
    await put(sources, name, 3 * UNIT, len(DATA))
    assert await sources.received_bytes(name) == len(DATA)
    await sources.complete(name, seen)
    assert seen.content == DATA


async def test_two_who_write_at_once_do_no_harm(sources: ResumableSources) -> None:
    name, seen = new_upload_id(), Seen()
    await put(sources, name, 0, UNIT)
    await asyncio.gather(
        put(sources, name, UNIT, 12 * UNIT), put(sources, name, UNIT, len(DATA)), put(sources, name, UNIT, 2 * UNIT)
    )
    assert await sources.received_bytes(name) == len(DATA)
    await sources.complete(name, seen)
    assert seen.content == DATA


async def test_two_who_make_it_whole_at_once_do_no_harm(
    media: MediaStore, sources: ResumableSources, tmp_path: Path
) -> None:
    name, seen, overtaken = new_upload_id(), Seen(), Seen()
    await put(sources, name, 0, 9 * UNIT)
    await put(sources, name, 9 * UNIT, len(DATA))

    async def see(data: bytes) -> None:
        if not overtaken.content:
            await sources.complete(name, seen)
        await overtaken(data)

    key = await sources.complete(name, see)
    assert seen.content == overtaken.content == DATA
    assert await whole(media, key, tmp_path) == DATA


async def test_a_cancelled_piece_leaves_what_counts(sources: ResumableSources) -> None:
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


async def test_several_sources_become_one(media: MediaStore, sources: ResumableSources, tmp_path: Path) -> None:
    name, seen = new_upload_id(), Seen()
    parts = [f"{name}.{number}" for number in range(3)]
    for number, part in enumerate(parts):
        async with sources.append(part, 0) as write:
            await write(DATA[number * 7 * UNIT : (number + 1) * 7 * UNIT])
    key = await sources.complete(name, seen, concat=parts)
    assert hashlib.sha256(seen.content).digest() == hashlib.sha256(DATA).digest()
    assert await whole(media, key, tmp_path) == DATA
    for part in parts:
        await media.discard_source(part)
    again = Seen()
    assert await sources.complete(name, again, concat=parts) == key
    assert again.content == DATA


async def test_nothing_is_not_found(sources: ResumableSources) -> None:
    name = new_upload_id()
    assert (await sources.received_bytes(name), await sources.read_head(name, 10)) == (0, b"")
    with pytest.raises(NotFound):
        await sources.complete(name, Seen())
    with pytest.raises(NotFound):
        await sources.complete(name, Seen(), concat=[new_upload_id()])


async def test_pieces_are_partial_sources(media: MediaStore, sources: ResumableSources) -> None:
    kept, gone, stale = (new_upload_id() for _ in range(3))
    for name in (kept, gone):
        await put(sources, name, 0, 9 * UNIT)
    assert await media.list_sources() == sorted((kept, gone))
    await media.discard_source(gone)
    assert await sources.received_bytes(gone) == 0
    await sources.complete(kept, Seen())
    await put(sources, stale, 0, 10)
    await media.sweep(3600)
    assert await sources.received_bytes(stale) == 10
    await media.sweep(-3600)
    assert await media.list_sources() == [kept]
