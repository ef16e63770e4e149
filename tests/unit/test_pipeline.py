"""The steps that the bytes of every upload go through: idle timeout, rate limit, checks, digests and storage."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable

import pytest
from aiohttp import ClientPayloadError
from aiohttp.http_exceptions import TransferEncodingError
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import (
    DiskFull,
    Interrupted,
    Malformed,
    RoomcastError,
    Stalled,
    TooLarge,
    UnsupportedType,
    WrongState,
)
from roomcast.http.intake import pipeline as pipeline_module
from roomcast.http.intake.pipeline import (
    BodyPipeline,
    IdleTimeout,
    IgnoreDisconnect,
    LeastRate,
    RateLimiter,
    RequestBody,
)
from roomcast.media.batches import Batches
from roomcast.media.contract import Data
from roomcast.settings.intake import IntakeSettings
from roomcast.uploads.model import Upload
from roomcast.uploads.sniff import SNIFF_BYTES
from roomcast.uploads.templates import Template

RATE = 1000
MIB = 1 << 20
ANY_MEDIA = Template(name="any")
ANY_FILE = Template(name="files", kind="file", max_bytes=1 << 40)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def stalling() -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.Event().wait()


async def failing(error: Exception) -> AsyncIterator[bytes]:
    yield b"first"
    raise error


def body_of(chunks: AsyncIterator[bytes], *, rate: int | None = None, idle_seconds: float = 60) -> RequestBody:
    return RequestBody(chunks, "ada", RateLimiter(rate), idle_seconds=idle_seconds)


def upload_of(*, size: int | None = None, md5: str | None = None) -> Upload:
    return Upload("upload_1", "ada", "any", "a.png", "epoch", 0.0, 0.0, bytes_expected=size, declared_md5=md5)


def pipeline_of(
    template: Template = ANY_MEDIA, *, upload: Upload | None = None, hashes: str = "md5,sha256", offset: int = 0
) -> BodyPipeline:
    settings = IntakeSettings(hashes=hashes)
    return BodyPipeline(upload or upload_of(), settings, template, offset=offset)


class Store:
    """Collects the batches that a pipeline writes."""

    def __init__(self) -> None:
        self.batches: list[tuple[Data, ...]] = []

    async def write(self, *chunks: Data) -> None:
        self.batches.append(chunks)


async def stored(chunks: Iterable[bytes]) -> list[tuple[Data, ...]]:
    store = Store()
    await pipeline_of(ANY_FILE, hashes="none").run(chunks_of(*chunks), store.write)
    return store.batches


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5000), st.floats(0, 3)), max_size=30))
def test_rate_limiter_delays_each_user_by_its_own_bytes_and_no_longer(sent: list[tuple[str, int, float]]) -> None:
    limiter, now = RateLimiter(RATE), 0.0
    total = {"a": 0, "b": 0}
    for user, size, later in sent:
        now += later
        total[user] += size
        delay = limiter.delay(user, size, now)
        assert delay >= size / RATE - 1e-6
        assert now + delay >= total[user] / RATE - 1e-6
        assert delay <= total[user] / RATE + 1e-6


def test_rate_limiter_without_a_limit_never_delays() -> None:
    assert RateLimiter(None).delay("a", 10**12, 0.0) == 0.0


async def test_request_body_waits_between_chunks_when_the_user_is_limited() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert [chunk async for chunk in body_of(chunks_of(b"x" * 100, b"y"), rate=RATE)] == [b"x" * 100, b"y"]
    assert loop.time() - began >= 0.1


def test_least_rate_is_an_average_over_a_minute_of_waiting() -> None:
    rate = LeastRate(1000)
    rate.add(0, 25)
    rate.add(61_000, 34)
    rate.add(1, 0.5)  # the minute is not over
    rate.add(0, 1)
    rate.add(59_999, 59)
    with pytest.raises(Stalled):
        rate.add(0, 1)


def test_client_that_sends_a_byte_now_and_then_is_stalled_after_a_minute() -> None:
    rate = LeastRate(1024)
    for _ in range(11):
        rate.add(1, 5)
    with pytest.raises(Stalled):
        rate.add(1, 5)


async def test_idle_timeout_raises_stalled_when_the_next_chunk_takes_too_long() -> None:
    chunks = IdleTimeout(stalling(), 0.01)
    assert await anext(chunks) == b"first"
    with pytest.raises(Stalled):
        await anext(chunks)


@pytest.mark.parametrize("waiting", [True, False])
async def test_idle_timeout_raises_the_error_it_was_stopped_with_whether_a_reader_waits_or_not(waiting: bool) -> None:
    chunks = IdleTimeout(stalling(), 60)
    assert await anext(chunks) == b"first"
    following = asyncio.ensure_future(anext(chunks)) if waiting else None
    await asyncio.sleep(0)
    chunks.stop(WrongState("too late"))
    chunks.stop(WrongState("enough"))
    with pytest.raises(WrongState, match="enough"):
        await (following or anext(chunks))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ConnectionResetError(), Interrupted),
        (EOFError(), Interrupted),
        (ClientPayloadError(), Interrupted),
        (TransferEncodingError("no number"), Malformed),
        (TooLarge("too large"), TooLarge),
    ],
)
async def test_request_body_raises_errors_of_our_own_when_reading_fails(
    error: Exception, raised: type[RoomcastError]
) -> None:
    body = body_of(failing(error))
    assert await anext(body) == b"first"
    with pytest.raises(raised):
        await anext(body)


async def test_request_body_can_be_read_on_after_a_reader_was_cancelled() -> None:
    arrived = asyncio.Queue[bytes]()

    class Arriving:
        """Like aiohttp's stream, an iterator that survives the cancellation of its reader."""

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            return await arrived.get()

    body = body_of(aiter(Arriving()))
    reader = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    arrived.put_nowait(b"later")
    assert await anext(body) == b"later"


async def test_ignore_disconnect_yields_what_arrived_and_keeps_the_error() -> None:
    chunks = IgnoreDisconnect(body_of(failing(ConnectionResetError())))
    assert [chunk async for chunk in chunks] == [b"first"]
    assert isinstance(chunks.error, Interrupted)


@given(st.lists(st.sampled_from([1, 1000, 1 << 18, MIB]), max_size=30))
async def test_pipeline_writes_the_chunks_themselves_in_order_in_batches_of_about_a_mebibyte(sizes: list[int]) -> None:
    chunks = [bytes(size) for size in sizes]
    batches = await stored(chunks)
    assert [id(chunk) for batch in batches for chunk in batch] == [id(chunk) for chunk in chunks]
    for batch in batches:
        assert sum(map(len, batch[:-1])) < MIB


async def test_pipeline_writes_small_batches_when_bytes_arrive_one_by_one() -> None:
    batches = await stored([b"x"] * 2000)
    assert max(map(len, batches)) < 1000
    assert sum(map(len, batches)) == 2000


async def test_pipeline_reports_progress_and_computes_the_digests_of_what_it_writes() -> None:
    pipeline, store, reported = pipeline_of(), Store(), list[int]()

    async def report(size: int) -> None:
        reported.append(size)

    await pipeline.run(chunks_of(PNG, b"more"), store.write, report)
    assert reported == [len(PNG), len(PNG) + 4, len(PNG) + 4], "after each chunk, and after the one write"
    assert store.batches == [(PNG, b"more")]
    assert pipeline.digests.hex("sha256") == hashlib.sha256(PNG + b"more").hexdigest()
    assert pipeline.digests.hex("md5") == hashlib.md5(PNG + b"more", usedforsecurity=False).hexdigest()
    assert pipeline.verify(ANY_MEDIA).format == "PNG"


async def test_pipeline_inspecting_stored_bytes_finds_the_same_as_one_that_writes_them() -> None:
    written, inspected = pipeline_of(), pipeline_of()
    await written.run(chunks_of(PNG, b"more"), Store().write)
    for chunk in (PNG, b"more"):
        await inspected.inspect(chunk)
    assert inspected.verify(ANY_MEDIA) == written.verify(ANY_MEDIA)
    assert (inspected.size, inspected.digests.hex("md5")) == (written.size, written.digests.hex("md5"))


async def test_pipeline_refuses_a_file_at_the_byte_beyond_the_templates_limit() -> None:
    pipeline = pipeline_of(Template(name="small", kind="file", max_bytes=10))
    with pytest.raises(TooLarge) as caught:
        await pipeline.run(chunks_of(b"x" * 10, b"x", b"never read"), Store().write)
    assert (pipeline.size, caught.value.details) == (11, {"maxBytes": 10})


async def test_pipeline_refuses_more_bytes_than_were_declared() -> None:
    with pytest.raises(TooLarge, match="that were declared"):
        await pipeline_of(upload=upload_of(size=3)).run(chunks_of(b"four"), Store().write)


async def test_pipeline_refuses_a_type_as_soon_as_the_first_bytes_show_it() -> None:
    pipeline = pipeline_of(Template(name="films", kind="video"))
    with pytest.raises(UnsupportedType):
        await pipeline.run(chunks_of(PNG, bytes(SNIFF_BYTES), b"never read"), Store().write)
    assert pipeline.size == len(PNG) + SNIFF_BYTES


async def test_pipeline_of_a_later_chunk_neither_detects_a_type_nor_computes_digests() -> None:
    pipeline = pipeline_of(offset=SNIFF_BYTES)
    await pipeline.run(chunks_of(b"text " * 1000), Store().write)
    assert (pipeline.size, pipeline.digests.hex("sha256")) == (SNIFF_BYTES + 5000, None)


@pytest.mark.parametrize(
    ("upload", "template", "raised"),
    [
        (upload_of(size=len(PNG) + 1), ANY_MEDIA, Malformed),
        (upload_of(md5="0" * 32), ANY_MEDIA, Malformed),
        (upload_of(), Template(name="small", kind="image", max_bytes=10), TooLarge),
        (upload_of(), Template(name="films", kind="video"), UnsupportedType),
    ],
    ids=["declared size", "declared md5", "limit of the template", "type of the template"],
)
async def test_pipeline_verifies_a_complete_file_under_the_template_that_is_decided_last(
    upload: Upload, template: Template, raised: type[RoomcastError]
) -> None:
    pipeline = pipeline_of(upload=upload)
    await pipeline.run(chunks_of(PNG), Store().write)
    with pytest.raises(raised):
        pipeline.verify(template)


async def test_pipeline_writes_what_a_slow_client_has_sent_before_the_batch_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline_module, "BATCH_SECONDS", 0.01)
    store, written = Store(), asyncio.Event()

    async def write(*chunks: Data) -> None:
        await store.write(*chunks)
        written.set()

    running = asyncio.create_task(pipeline_of(ANY_FILE).run(stalling(), write))
    await written.wait()
    assert b"".join(bytes(chunk) for batch in store.batches for chunk in batch) == b"first"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("preserve", [True, False])
async def test_cancelled_pipeline_writes_what_it_has_only_if_that_can_be_resumed(preserve: bool) -> None:
    store, read = Store(), asyncio.Event()

    async def report(_: int) -> None:
        read.set()

    running = asyncio.create_task(pipeline_of(ANY_FILE).run(stalling(), store.write, report, preserve=preserve))
    await read.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert b"".join(bytes(chunk) for batch in store.batches for chunk in batch) == (b"first" if preserve else b"")


async def test_batches_are_written_in_order_and_stop_at_the_first_failure() -> None:
    written: list[bytes] = []

    async def write(batch: list[Data]) -> None:
        if batch[0] == b"c":
            raise DiskFull("The disk is full.")
        written.append(b"".join(batch))

    batches = Batches(write, max_bytes=1, max_chunks=9, max_seconds=0.001)
    for chunk in (b"a", b"b", b"c"):
        await batches.add(chunk)
    with pytest.raises(DiskFull):
        await batches.add(b"d")
    with pytest.raises(DiskFull):
        await batches.finish()
    await batches.close()
    assert written == [b"a", b"b"]
