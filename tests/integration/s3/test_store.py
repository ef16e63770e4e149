"""The media store in a bucket: URLs, headers, downloads, leftovers and failures, beyond the contract of all stores."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from roomcast.errors import NotFound, StorageError
from roomcast.media.s3 import download as download_module
from roomcast.media.s3 import sparse as sparse_module
from roomcast.media.s3 import store as store_module
from roomcast.media.s3.store import S3MediaStore
from roomcast.uploads.model import new_upload_id

from tests.support.harness import eventually
from tests.support.ports import free_port
from tests.support.s3_server import (
    BUCKET,
    SIGNER,
    Proxy,
    S3Server,
    fail,
    ranges_read,
    refusal,
    set_environment,
    without_client_backoff,
)

DATA = os.urandom(1 << 20)
RANGE_BYTES = 100_000
"""Eleven ranges to a fetch."""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch)
    without_client_backoff(monkeypatch)
    monkeypatch.setattr(download_module, "PART_BYTES", RANGE_BYTES)


def opened(url: str | None, bucket: str = BUCKET, **more: Any) -> Any:
    wanted = {"signer": SIGNER, "public_base_url": None, "url_seconds": 60, "largest_bytes": 1, **more}
    return S3MediaStore.open(bucket, endpoint_url=url, **wanted)


@pytest.fixture
async def store(proxy: Proxy) -> AsyncIterator[S3MediaStore]:
    async with opened(proxy.url) as media:
        yield media


async def received(store: S3MediaStore, data: bytes = DATA) -> str:
    async with store.receive(new_upload_id()) as incoming:
        await incoming.write(data)
        return await incoming.commit()


async def stored(store: S3MediaStore, tmp_path: Path, name: str = "video.mp4") -> str:
    film = tmp_path / name
    film.write_bytes(DATA)
    return await store.store(film, new_upload_id(), name, lambda _: None, filename="höliday.mov")


async def test_presigned_url_serves_ranges(store: S3MediaStore, tmp_path: Path) -> None:
    url = store.url(await stored(store, tmp_path))
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Range": "bytes=5-1004"}) as answer:
        assert answer.status == 206
        assert await answer.read() == DATA[5:1005]
        assert answer.content_type == "video/mp4"
        assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''h%C3%B6liday.mp4"
        assert answer.headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("name", ["poster.jpg", "image.webp", "odd.xyz"])
async def test_result_has_the_content_type_of_its_suffix(
    store: S3MediaStore, server: S3Server, tmp_path: Path, name: str
) -> None:
    found = server.head(await stored(store, tmp_path, name))
    types = {".jpg": "image/jpeg", ".webp": "image/webp", ".xyz": "application/octet-stream"}
    assert found["ContentType"] == types[Path(name).suffix]


async def test_public_bucket_has_plain_urls(server: S3Server, tmp_path: Path) -> None:
    async with opened(server.url, public_base_url="https://cdn.example/", prefix="/roomcast/") as store:
        key = await stored(store, tmp_path)
        assert store.url(key) == f"https://cdn.example/{key}"
        assert key.startswith("roomcast/media/upload_")
        assert server.head(key)["CacheControl"] == "public, max-age=60"
    server.empty()


async def test_url_on_amazon_has_the_bucket_in_its_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    async with opened(None) as store:
        url = store.url("upload_x/video.mp4")
        assert url.partition("?")[0] == store.url("media/upload_x/video.mp4").partition("?")[0], "an older record's key"
        assert url.startswith("https://films.s3.eu-central-1.amazonaws.com/media/upload_x/video.mp4?")
        assert "%2Feu-central-1%2Fs3%2Faws4_request" in url


async def test_endpoint_is_read_from_the_environment(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    async with opened(None) as store:
        await store.check_writable()
        assert store.url("x/y.mp4").startswith(f"{server.url}/{BUCKET}/media/x/y.mp4?")
    server.empty()


async def test_empty_source_can_be_fetched(store: S3MediaStore, tmp_path: Path) -> None:
    async with store.fetch(await received(store, b""), tmp_path) as path:
        assert path.read_bytes() == b""


async def test_fetched_file_is_deleted_with_its_context(store: S3MediaStore, tmp_path: Path) -> None:
    async with store.fetch(await received(store), tmp_path) as path:
        assert path.read_bytes() == DATA
        assert path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["break", "SlowDown"])
async def test_failed_range_is_retried(store: S3MediaStore, proxy: Proxy, tmp_path: Path, kind: str) -> None:
    key = await received(store)
    fail(proxy, "GET", key, [None if kind == "break" else refusal(503, kind) for _ in range(5)])
    async with store.fetch(key, tmp_path) as path:
        assert path.read_bytes() == DATA


async def test_interrupted_range_is_continued(store: S3MediaStore, proxy: Proxy, tmp_path: Path) -> None:
    key, asked = await received(store), list[str]()

    async def cut(request: web.Request, answer: web.Response) -> web.StreamResponse | None:
        asked.append(request.headers.get("Range", ""))
        if request.method != "GET" or len(asked) != 3:
            return None
        half = web.StreamResponse(status=206, headers={"Content-Length": str(RANGE_BYTES)})
        await half.prepare(request)
        assert isinstance(answer.body, bytes)
        await half.write(answer.body[:60_000])
        assert request.transport is not None
        request.transport.close()
        return half

    proxy.after = cut
    async with store.fetch(key, tmp_path) as path:
        assert path.read_bytes() == DATA
    starts = {int(start) for start in re.findall(r"bytes=(\d+)-", " ".join(asked))}
    assert len(starts - set(range(0, len(DATA), RANGE_BYTES))) <= 1


async def test_damaged_download_raises_storage_error(store: S3MediaStore, proxy: Proxy, tmp_path: Path) -> None:
    key = await received(store)

    async def damage(request: web.Request, answer: web.Response) -> web.Response | None:
        if request.method != "GET":
            return None
        assert isinstance(answer.body, bytes)
        return web.Response(status=206, body=answer.body[:-1] + b"?")

    proxy.after = damage
    with pytest.raises(StorageError):
        async with store.fetch(key, tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


async def test_cancelled_fetch_leaves_no_file(store: S3MediaStore, proxy: Proxy, tmp_path: Path) -> None:
    key, go = await received(store), asyncio.Event()

    async def hold(request: web.Request) -> None:
        if request.method == "GET" and proxy.requests.count("GET") > 2:
            await go.wait()

    async def fetch() -> None:
        async with store.fetch(key, tmp_path):
            pass

    proxy.before = hold
    task = asyncio.create_task(fetch())
    await eventually(lambda: proxy.requests.count("GET") > 2)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


async def test_discard_source_aborts_multipart_uploads_of_dead_processes(store: S3MediaStore, server: S3Server) -> None:
    ours, others = new_upload_id(), new_upload_id()
    for upload_id in (ours, others):
        server.client.create_multipart_upload(Bucket=BUCKET, Key=f"incoming/{upload_id}")
    assert list(await store.list_sources()) == sorted([ours, others])
    await store.discard_source(ours)
    assert server.multiparts() == [f"incoming/{others}"]


async def test_sweep_aborts_only_stale_multipart_uploads(store: S3MediaStore, server: S3Server, proxy: Proxy) -> None:
    # moto's multipart uploads are all of one day long past; the proxy makes one of them young.
    for key in ("incoming/a", "media/a/video.mp4", "of-somebody-else"):
        server.client.create_multipart_upload(Bucket=BUCKET, Key=key)

    async def younger(_: web.Request, answer: web.Response) -> web.Response | None:
        assert answer.body is None or isinstance(answer.body, bytes)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        body = re.sub(
            r"(media/a/video.*?<Initiated>)[^<]*", rf"\g<1>{now}", (answer.body or b"").decode(), flags=re.DOTALL
        )
        return web.Response(status=answer.status, text=body, content_type="application/xml") if body else None

    proxy.after = younger
    assert await store.sweep(3600) == 1
    assert server.multiparts() == ["media/a/video.mp4", "of-somebody-else"]


async def test_discard_results_leaves_other_uploads(store: S3MediaStore, server: S3Server, tmp_path: Path) -> None:
    one, other = await stored(store, tmp_path), await stored(store, tmp_path)
    await store.discard_results(one.split("/")[-2])
    assert server.keys() == [other]


@pytest.fixture
def reads(proxy: Proxy) -> list[tuple[int, int]]:
    return ranges_read(proxy)


async def test_opened_source_is_read_only_where_it_is_needed(
    store: S3MediaStore, reads: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_module, "_REQUEST_BYTES", 400_000)
    key = await received(store)
    async with store.open_source(key, tmp_path) as source:
        near = 64 << 10
        await source.fill([(0, 10), (near, near + 10), (300_000, 300_100)])
        assert sorted(reads) == [(0, near + 10), (300_000, 300_100)], "ranges that are near are one request"
        assert not source.is_complete
        reads.clear()
        await asyncio.gather(*(source.fill([(100, 200), (299_990, 300_200)]) for _ in range(3)))
        assert sorted(reads) == [(299_990, 300_000), (300_100, 300_200)], "no byte is read twice"
        reads.clear()
        await source.fill_all()
        assert sum(stop - start for start, stop in reads) == len(DATA) - (near + 10) - 210
        assert max(stop - start for start, stop in reads) == 400_000
        assert source.is_complete
        assert source.path.read_bytes() == DATA
    assert not source.path.exists()


async def test_source_that_is_filled_at_once_is_verified(store: S3MediaStore, proxy: Proxy, tmp_path: Path) -> None:
    key = await received(store)

    async def damage(request: web.Request, answer: web.Response) -> web.Response | None:
        if request.method != "GET":
            return None
        assert isinstance(answer.body, bytes)
        return web.Response(status=answer.status, body=answer.body[::-1])

    async with store.open_source(key, tmp_path) as source:
        proxy.after = damage
        with pytest.raises(StorageError, match="damaged"):
            await source.fill_all()
        assert not source.is_complete
        proxy.after = None
        await source.fill_all()
        assert source.is_complete
        assert source.path.read_bytes() == DATA


async def test_source_that_is_replaced_while_it_is_read_is_an_error(
    store: S3MediaStore, server: S3Server, tmp_path: Path
) -> None:
    key = await received(store)
    async with store.open_source(key, tmp_path) as source:
        await source.fill([(0, 10)])
        server.client.put_object(Bucket=BUCKET, Key=f"incoming/{key}", Body=DATA[::-1])
        with pytest.raises(StorageError, match="replaced"):
            await source.fill([(5, 200_000)])
    async with store.open_source(key, tmp_path) as source:
        await source.fill([(0, 10)])
        server.client.delete_object(Bucket=BUCKET, Key=f"incoming/{key}")
        with pytest.raises(NotFound):
            await source.fill_all()


async def test_range_that_breaks_off_is_read_again_and_a_cancelled_fill_is_not_counted(
    store: S3MediaStore, proxy: Proxy, tmp_path: Path
) -> None:
    key = await received(store)
    async with store.open_source(key, tmp_path) as source:
        fail(proxy, "GET", key, [None, refusal(500, "InternalError")])
        await source.fill([(0, 300_000)])
        assert source.path.read_bytes()[:300_000] == DATA[:300_000]
        arrived, ended = asyncio.Event(), asyncio.Event()

        async def hang(_: web.Request) -> None:
            arrived.set()
            await ended.wait()

        proxy.before = hang
        filling = asyncio.create_task(source.fill_all())
        await arrived.wait()
        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling
        ended.set()
        proxy.before = None
        await source.fill_all()
        assert source.path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == []


async def test_server_url_of_a_playlist_leads_to_the_server(server: S3Server) -> None:
    """Also where the bucket is public: a playlist that grows is in the ledger, not in the bucket."""
    for public in (None, "https://cdn.example.com"):
        async with opened(server.url, prefix="roomcast", public_base_url=public) as store:
            key = "upload_x/segments/hls.m3u8"
            for name in (key, f"roomcast/media/{key}"):
                assert store.server_url(name) == SIGNER.url(key)


async def test_segment_stays_when_another_worker_is_cancelled_while_it_stores_it(
    store: S3MediaStore, server: S3Server, proxy: Proxy, tmp_path: Path
) -> None:
    local, arrived, answering = tmp_path / "segment", asyncio.Event(), asyncio.Event()
    local.write_bytes(DATA)
    key = await store.store(local, "upload_x/segments", "hls-720-00000.m4s", lambda _: None)

    async def answer_late(request: web.Request, _: web.Response) -> None:
        if request.method == "PUT":
            arrived.set()
            await answering.wait()

    proxy.after = answer_late
    storing = asyncio.create_task(store.store(local, "upload_x/segments", "hls-720-00000.m4s", lambda _: None))
    await arrived.wait()
    storing.cancel()
    answering.set()
    with pytest.raises(asyncio.CancelledError):
        await storing
    proxy.after = None
    assert server.content(key) == DATA
    await store.discard_segments("upload_x")
    assert (server.keys(), server.multiparts()) == ([], [])


async def test_many_results_are_deleted_by_one_request(store: S3MediaStore, server: S3Server, proxy: Proxy) -> None:
    for number in range(20):
        server.client.put_object(Bucket=BUCKET, Key=f"media/upload_x/segments/{number}.m4s", Body=b"")
    await store.discard_segments("upload_x")
    assert server.keys() == []
    assert sorted(proxy.requests) == ["GET", "GET", "POST"]


async def test_many_results_are_deleted_one_by_one_where_the_server_has_no_other_way(
    store: S3MediaStore, server: S3Server, proxy: Proxy
) -> None:
    for number in range(20):
        server.client.put_object(Bucket=BUCKET, Key=f"media/upload_x/segments/{number}.m4s", Body=b"")
    fail(proxy, "POST", r"\?delete", [refusal(501, "NotImplemented")])
    await store.discard_segments("upload_x")
    assert server.keys() == []


async def test_failed_deletion_of_many_results_is_a_storage_error(
    store: S3MediaStore, server: S3Server, proxy: Proxy
) -> None:
    for number in range(20):
        server.client.put_object(Bucket=BUCKET, Key=f"media/upload_x/segments/{number}.m4s", Body=b"")

    async def refuse(request: web.Request) -> web.Response | None:
        refused = request.method == "POST" or request.path.endswith("/5.m4s")
        return refusal(403, "AccessDenied") if refused else None

    proxy.before = refuse
    with pytest.raises(StorageError):
        await store.discard_segments("upload_x")
    assert server.client.head_object(Bucket=BUCKET, Key="media/upload_x/segments/5.m4s")
    proxy.before = None
    await store.discard_segments("upload_x")
    assert server.keys() == []


async def test_listing_of_several_pages_is_complete(
    store: S3MediaStore, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        server.client.put_object(Bucket=BUCKET, Key=f"incoming/upload_{number}", Body=b"")
    with monkeypatch.context() as patch:
        patch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
        assert list(await store.list_sources()) == [f"upload_{number}" for number in range(5)]


async def test_writable_bucket_passes_the_check_with_one_write(
    store: S3MediaStore, proxy: Proxy, server: S3Server
) -> None:
    for _ in range(3):
        await store.check_writable()
    assert (server.keys(), proxy.requests) == (["check"], ["PUT", "HEAD", "HEAD"])


async def test_bucket_that_failed_the_check_is_written_to_by_the_next_one(
    store: S3MediaStore, proxy: Proxy, server: S3Server
) -> None:
    await store.check_writable()
    server.client.delete_object(Bucket=BUCKET, Key="check")
    server.client.delete_bucket(Bucket=BUCKET)
    with pytest.raises(StorageError):
        await store.check_writable()
    server.client.create_bucket(Bucket=BUCKET)
    await store.check_writable()
    assert (server.keys(), proxy.requests) == (["check"], ["PUT", "HEAD", "PUT"])


async def test_error_for_a_missing_bucket_does_not_name_it(server: S3Server, tmp_path: Path) -> None:
    async with opened(server.url, bucket="no-such-bucket") as store:
        for act in (store.check_writable(), received(store), store.list_sources()):
            with pytest.raises(StorageError) as caught:
                await act
            assert "bucket" not in caught.value.message
        with pytest.raises(NotFound):
            async with store.fetch("upload_x", tmp_path):
                pass


async def test_unreachable_server_raises_storage_error() -> None:
    async with opened(f"http://127.0.0.1:{free_port()}") as store:
        with pytest.raises(StorageError, match=r"^The media store does not answer\.$"):
            await store.check_writable()


async def test_silent_server_fails_the_check_in_time(
    store: S3MediaStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_CHECK_SECONDS", 0.1)
    go = asyncio.Event()

    async def hold(_: web.Request) -> None:
        await go.wait()

    proxy.before = hold
    with pytest.raises(StorageError):
        await store.check_writable()
    go.set()


@pytest.mark.parametrize("url", ["nonsense", "http://"])
async def test_invalid_endpoint_raises_storage_error(url: str) -> None:
    with pytest.raises(StorageError, match=r"^AWS_ENDPOINT_URL must be a URL"):
        async with opened(url):
            pass


async def test_missing_credentials_raise_storage_error(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StorageError, match="credentials"):
        async with opened(server.url):
            pass
