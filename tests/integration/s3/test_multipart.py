"""Objects are complete or leave nothing, whichever request they are cancelled at and whatever fails."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import moto.s3.models
import pytest
from aiohttp import web
from roomcast.errors import DiskFull, RoomcastError, StorageError
from roomcast.media.s3 import client, multipart
from roomcast.media.s3.multipart import etag_of_parts, part_bytes_for
from roomcast.media.s3.store import S3MediaStore
from roomcast.runtime.backoff import Backoff
from roomcast.uploads.model import new_upload_id

from tests.support.harness import eventually
from tests.support.s3_server import (
    BUCKET,
    SIGNER,
    Fault,
    Proxy,
    S3Server,
    fail,
    refusal,
    set_environment,
    without_client_backoff,
)

MIB = 1 << 20
PART = 1 << 16
DATA = os.urandom(PART + 17) * 3
"""Four parts, one more than are sent at once; the last one is short."""

Act = Callable[[S3MediaStore, str], Coroutine[Any, Any, str]]


@pytest.fixture
async def store(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[S3MediaStore]:
    set_environment(monkeypatch)
    without_client_backoff(monkeypatch)
    monkeypatch.setattr(multipart, "PART_BYTES", PART)
    monkeypatch.setattr(multipart, "_MIB", PART)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", PART)
    async with opened(proxy.url) as media:
        free = media._bucket.part_slots._value
        yield media
        assert media._bucket.part_slots._value == free


def opened(url: str) -> Any:
    return S3MediaStore.open(
        BUCKET, endpoint_url=url, signer=SIGNER, public_base_url=None, url_seconds=60, largest_bytes=1
    )


async def receive(media: S3MediaStore, upload_id: str) -> str:
    async with media.receive(upload_id) as incoming:
        for start in range(0, len(DATA), 20_000):
            await incoming.write(DATA[start : start + 20_000])
        return await incoming.commit()


async def receive_small(media: S3MediaStore, upload_id: str) -> str:
    async with media.receive(upload_id) as incoming:
        await incoming.write(DATA[:1000])
        return await incoming.commit()


@pytest.fixture
def keep(tmp_path: Path) -> Act:
    film = tmp_path / "video.mp4"
    film.write_bytes(DATA)
    return lambda media, upload_id: media.store(film, upload_id, "video.mp4", lambda _: None)


@pytest.fixture(params=["receive", "receive small", "store"])
def act(request: pytest.FixtureRequest, keep: Act) -> Act:
    return {"receive": receive, "receive small": receive_small, "store": keep}[request.param]


def left_over(server: S3Server) -> list[str]:
    return server.keys() + server.multiparts()


class Gate:
    """Holds the n-th request to a proxy, before it reaches the server or after the server has responded."""

    def __init__(self, proxy: Proxy, number: int, when: str) -> None:
        self.held, self.go = asyncio.Event(), asyncio.Event()
        self._left = number

        async def hold(_: web.Request, __: web.Response | None = None) -> None:
            self._left -= 1
            if self._left == 0:
                self.held.set()
                await self.go.wait()

        proxy.before, proxy.after = (hold, None) if when == "before" else (None, hold)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_cancel_at_any_request_leaves_nothing(
    store: S3MediaStore, server: S3Server, proxy: Proxy, act: Act, when: str
) -> None:
    """Each request is cancelled once before the server gets it and twice after its response, or the other way round."""
    for number in range(1, 30):
        gate = Gate(proxy, number, when)
        task = asyncio.create_task(act(store, new_upload_id()))
        holding = asyncio.create_task(gate.held.wait())
        await asyncio.wait({task, holding}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            holding.cancel()
            break
        for _ in range(1 + (number + (when == "after")) % 2):
            task.cancel()
            await asyncio.sleep(0)
        gate.go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(proxy.idle)
        assert left_over(server) == [], number
    assert number > 1
    assert task.result()
    assert server.multiparts() == []
    assert len(server.keys()) == 1


async def test_cancel_at_any_turn_of_the_event_loop_leaves_nothing(
    server: S3Server, store: S3MediaStore, act: Act
) -> None:
    for turns in range(0, 400, 17):
        task = asyncio.create_task(act(store, new_upload_id()))
        for _ in range(turns):
            await asyncio.sleep(0)
        ended = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if ended:
            break
        assert left_over(server) == [], turns


@pytest.mark.parametrize("writes", [1, 4, 9])
async def test_source_without_commit_leaves_nothing(store: S3MediaStore, server: S3Server, writes: int) -> None:
    async def break_off() -> None:
        async with store.receive(new_upload_id()) as incoming:
            for _ in range(writes):
                await incoming.write(DATA[: PART // 2])
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await break_off()
    assert left_over(server) == []


def coroutine_file(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    return str(coroutine.cr_code.co_filename)


async def test_shutdown_of_the_event_loop_leaves_nothing(store: S3MediaStore, server: S3Server, proxy: Proxy) -> None:
    gate = Gate(proxy, 3, "before")
    bystanders = asyncio.all_tasks()
    task = asyncio.create_task(receive(store, new_upload_id()))
    await gate.held.wait()
    gate.go.set()
    for other in asyncio.all_tasks() - bystanders:
        if other is task or "/roomcast/" in coroutine_file(other):
            other.cancel()
    await asyncio.wait({task})
    await eventually(proxy.idle)
    assert left_over(server) == []


def faults(*kinds: str) -> list[Fault]:
    return [None if kind == "break" else refusal(503, kind) for kind in kinds]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("method", "pattern"),
    [("POST", "uploads$"), ("PUT", "partNumber=2"), ("PUT", "partNumber=4"), ("POST", "uploadId="), ("HEAD", "")],
)
async def test_transient_failure_is_retried(
    store: S3MediaStore, server: S3Server, proxy: Proxy, method: str, pattern: str, *, late: bool
) -> None:
    fail(proxy, method, pattern, faults("break", "SlowDown"), late=late)
    upload_id = new_upload_id()
    await receive(store, upload_id)
    assert server.content(f"incoming/{upload_id}") == DATA
    assert server.multiparts() == []


async def test_part_is_retried_after_the_client_gave_up(store: S3MediaStore, server: S3Server, proxy: Proxy) -> None:
    fail(proxy, "PUT", "partNumber=3", faults(*["SlowDown"] * 5))
    upload_id = new_upload_id()
    await receive(store, upload_id)
    assert server.content(f"incoming/{upload_id}") == DATA


async def test_part_with_a_wrong_etag_is_sent_again(store: S3MediaStore, server: S3Server, proxy: Proxy) -> None:
    wrong = web.Response(headers={"ETag": f'"{"0" * 32}"'})
    fail(proxy, "PUT", "partNumber=2", [wrong], late=True)
    upload_id = new_upload_id()
    await receive(store, upload_id)
    assert server.content(f"incoming/{upload_id}") == DATA


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [("AccessDenied", 403, StorageError), ("QuotaExceeded", 403, DiskFull), ("SlowDown", 503, StorageError)],
)
async def test_permanent_failure_is_raised_and_leaves_nothing(
    store: S3MediaStore,
    server: S3Server,
    proxy: Proxy,
    code: str,
    status: int,
    kind: type[RoomcastError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "S3_BACKOFF", Backoff(0.0))
    fail(proxy, "PUT", "partNumber=2", [refusal(status, code) for _ in range(99)])
    with pytest.raises(kind) as caught:
        await receive(store, new_upload_id())
    assert not re.search(f"{BUCKET}|127|S3RVER|{code}", caught.value.message)
    assert left_over(server) == []


async def test_no_more_than_three_parts_are_in_flight(store: S3MediaStore, proxy: Proxy) -> None:
    most, go = 0, asyncio.Event()

    async def hold(request: web.Request) -> None:
        nonlocal most
        if "partNumber" in request.query:
            most = max(most, proxy.busy)
            await go.wait()

    proxy.before = hold
    task = asyncio.create_task(receive(store, new_upload_id()))
    await eventually(lambda: proxy.busy == 3)
    for _ in range(200):
        await asyncio.sleep(0)
    go.set()
    await task
    assert most == 3


async def test_on_bytes_is_called_for_each_part(store: S3MediaStore, server: S3Server, tmp_path: Path) -> None:
    film, reported = tmp_path / "a.bin", list[int]()
    film.write_bytes(DATA)
    upload_id = new_upload_id()
    key = await store.store(film, upload_id, "video.mp4", reported.append)
    assert sorted(reported) == [51, PART, PART, PART]
    assert server.content(key) == DATA
    reported.clear()
    film.write_bytes(b"short")
    await store.store(film, upload_id, "video.mp4", reported.append)
    assert reported == [5]
    assert server.content(key) == b"short"


async def test_full_object_checksum_is_sent_to_servers_that_store_it(
    store: S3MediaStore, server: S3Server, tmp_path: Path
) -> None:
    object.__setattr__(store._bucket, "full_checksums", True)
    upload_id = new_upload_id()
    key = await receive(store, upload_id)
    found = server.client.head_object(Bucket=BUCKET, Key=f"incoming/{upload_id}", ChecksumMode="ENABLED")
    assert found["ChecksumType"] == "FULL_OBJECT"
    async with store.fetch(key, tmp_path) as path:
        assert path.read_bytes() == DATA


def test_part_size_grows_so_that_ten_thousand_parts_are_enough() -> None:
    assert part_bytes_for(0) == part_bytes_for(80_000 * MIB) == 8 * MIB
    for size in (80_000 * MIB + 1, 5 << 40):
        part = part_bytes_for(size)
        assert part % MIB == 0
        assert -(-size // part) <= 10_000


def test_etag_of_parts_is_the_one_of_s3() -> None:
    assert etag_of_parts([b"\0" * 16] * 2) == "70bc8f4b72a86921468bf8e8441dce51-2"
