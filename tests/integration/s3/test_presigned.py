"""Presigned uploads: parts that clients send by presigned URLs, and completions that do not match them."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator

import aiohttp
import moto.s3.models
import pytest
from roomcast.errors import Malformed, NotFound, StorageError
from roomcast.media.contract import PartETag, PresignedParts
from roomcast.media.s3 import multipart
from roomcast.media.s3.store import S3MediaStore
from roomcast.uploads.model import new_upload_id

from tests.support.s3_server import (
    BUCKET,
    SIGNER,
    Proxy,
    S3Server,
    fail,
    refusal,
    set_environment,
    without_client_backoff,
)

MIB = 1 << 20
DATA = os.urandom(2 * MIB + 5)


@pytest.fixture
async def store(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3MediaStore]:
    set_environment(monkeypatch)
    without_client_backoff(monkeypatch)
    monkeypatch.setattr(multipart, "PART_BYTES", MIB)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", MIB)
    opening = S3MediaStore.open(BUCKET, endpoint_url=proxy.url, signer=SIGNER, public_base_url=None, url_seconds=60)
    async with opening as media:
        yield media


async def send(begun: PresignedParts, data: bytes = DATA, *, only: int | None = None) -> list[PartETag]:
    """Send the parts as a browser does."""
    parts = []
    async with aiohttp.ClientSession() as session:
        for index, url in list(enumerate(begun.urls))[:only]:
            body = io.BytesIO(data[index * begun.part_size : (index + 1) * begun.part_size])
            async with session.put(url, data=body, skip_auto_headers=["Content-Type"]) as answer:
                assert answer.status == 200
                parts.append(PartETag(index + 1, answer.headers["ETag"]))
    return parts


async def test_parts_sent_by_a_client_become_a_source(store: S3MediaStore, server: S3Server) -> None:
    presigned, upload_id = store.presigned, new_upload_id()
    begun = await presigned.begin(upload_id, len(DATA))
    assert (begun.part_size, len(begun.urls)) == (MIB, 3)
    parts = await send(begun)
    assert [part.size for part in await presigned.list_parts(upload_id, begun.token)] == [MIB, MIB, 5]
    assert not await store.has_source(upload_id)
    key = await presigned.complete(upload_id, begun.token, parts[::-1], size=len(DATA))
    assert await store.has_source(upload_id)
    assert server.content(f"incoming/{upload_id}") == DATA
    assert b"".join([chunk async for chunk in presigned.read_chunks(key)]) == DATA
    assert server.multiparts() == []


async def test_complete_called_twice_succeeds_twice(store: S3MediaStore) -> None:
    presigned, upload_id = store.presigned, new_upload_id()
    begun = await presigned.begin(upload_id, len(DATA))
    parts = await send(begun)
    for _ in range(2):
        await presigned.complete(upload_id, begun.token, parts, size=len(DATA))


async def test_lost_response_to_complete_is_recovered(store: S3MediaStore, proxy: Proxy) -> None:
    presigned, upload_id = store.presigned, new_upload_id()
    begun = await presigned.begin(upload_id, len(DATA))
    parts = await send(begun)
    fail(proxy, "POST", "uploadId", [refusal(503, "SlowDown") for _ in range(3)], late=True)
    await presigned.complete(upload_id, begun.token, parts, size=len(DATA))
    assert await store.has_source(upload_id)


async def test_missing_part_can_still_be_sent(store: S3MediaStore) -> None:
    presigned, upload_id = store.presigned, new_upload_id()
    begun = await presigned.begin(upload_id, len(DATA))
    parts = await send(begun, only=2)
    with pytest.raises(Malformed):
        await presigned.complete(upload_id, begun.token, parts, size=len(DATA))
    assert not await store.has_source(upload_id)
    await presigned.complete(upload_id, begun.token, await send(begun), size=len(DATA))


async def test_parts_that_do_not_match_are_refused(store: S3MediaStore) -> None:
    presigned, upload_id = store.presigned, new_upload_id()
    begun = await presigned.begin(upload_id, len(DATA))
    parts = await send(begun)
    wrong = [
        (parts[:2], len(DATA)),
        ([*parts, PartETag(4, '"x"')], len(DATA)),
        ([*parts[:2], PartETag(3, parts[0].etag)], len(DATA)),
        (parts, len(DATA) - 1),
        (parts, len(DATA) + MIB),
        ([], 0),
    ]
    for reported, size in wrong:
        with pytest.raises(Malformed):
            await presigned.complete(upload_id, begun.token, reported, size=size)
    assert not await store.has_source(upload_id)


async def test_empty_file_is_refused(store: S3MediaStore, server: S3Server) -> None:
    with pytest.raises(Malformed):
        await store.presigned.begin(new_upload_id(), 0)
    assert server.multiparts() == []


async def test_abort_leaves_nothing(store: S3MediaStore, server: S3Server) -> None:
    presigned, upload_id = store.presigned, new_upload_id()
    begun = await presigned.begin(upload_id, len(DATA))
    await send(begun, only=1)
    for _ in range(2):
        await presigned.abort(upload_id, begun.token)
    assert server.multiparts() == []
    with pytest.raises(NotFound):
        await presigned.complete(upload_id, begun.token, [], size=len(DATA))


async def test_token_of_another_upload_is_refused(store: S3MediaStore) -> None:
    begun = await store.presigned.begin(new_upload_id(), len(DATA))
    parts = await send(begun)
    with pytest.raises((NotFound, StorageError)):
        await store.presigned.complete(new_upload_id(), begun.token, parts, size=len(DATA))


@pytest.mark.parametrize("late", [False, True])
async def test_cancelled_begin_leaves_nothing(
    store: S3MediaStore, server: S3Server, proxy: Proxy, *, late: bool
) -> None:
    held, go = asyncio.Event(), asyncio.Event()

    async def hold(*_: object) -> None:
        held.set()
        await go.wait()

    proxy.before, proxy.after = (None, hold) if late else (hold, None)
    task = asyncio.create_task(store.presigned.begin(new_upload_id(), len(DATA)))
    await held.wait()
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.multiparts() == []
