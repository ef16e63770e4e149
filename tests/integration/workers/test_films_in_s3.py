"""Films in segments whose files are in S3: all workers store there, and a cancel leaves nothing. No ffmpeg runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from roomcast.errors import UnreadableMedia
from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.s3.store import S3MediaStore
from roomcast.segments.plan import SegmentPlan, SegmentTask
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.transitions import cancelled
from roomcast_workers.job import Job
from roomcast_workers.segments import task_worker
from roomcast_workers.segments.task_encoder import EncodedTask
from roomcast_workers.sources.ranges import SourceRanges

from tests.support.app import captured_log
from tests.support.film_workers import LADDER, FilmWorkers, film_workers
from tests.support.s3_server import BUCKET, SIGNER, Proxy, S3Server, set_environment


@pytest.fixture
async def films(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FilmWorkers]:
    set_environment(monkeypatch)
    made = film_workers(tmp_path, monkeypatch)
    opening = S3MediaStore.open(
        BUCKET, endpoint_url=proxy.url, signer=SIGNER, public_base_url=None, url_seconds=60, largest_bytes=1
    )
    async with opening as store:
        made.media = cast(DirectoryMediaStore, store)
        yield made
    await made.ledger.close()


def results(s3_server: S3Server, upload_id: str) -> list[str]:
    folder, keys = f"media/{upload_id}/", s3_server.keys()
    return [key.removeprefix(folder) for key in keys if key.startswith(folder)]


async def test_two_processes_make_a_film_of_segments_in_the_bucket(films: FilmWorkers, s3_server: S3Server) -> None:
    await films.encoder.release(lambda _: False)
    async with films.workers(1), films.workers(1):
        film = await films.queue(template=LADDER.name)
        await films.encoder.until(lambda: films.encoder.running.total() == 2)
        await films.encoder.release()
        done = await films.ended(film)
    assert done.stage is Stage.DONE
    _, ladder = (done.element or {})["outputs"]
    assert ladder["key"] == f"media/{film}/segments/hls.m3u8"
    found = results(s3_server, film)
    assert {"video.mp4", "segments/hls.m3u8", "segments/hls-480.m3u8"} < set(found)
    assert not [name for name in found if "hls-720" in name], "only the ladder stays"
    assert s3_server.content(f"media/{film}/video.mp4") == b"[0][1][2]<720>"
    assert s3_server.multiparts() == []


async def test_cancel_while_segments_are_stored_leaves_nothing(
    films: FilmWorkers, s3_server: S3Server, proxy: Proxy
) -> None:
    await films.encoder.release(lambda task: task.segment == 0)
    storing, answering = asyncio.Event(), asyncio.Event()

    async def answer_late(request: web.Request, _: web.Response) -> None:
        if request.method == "PUT" and "-00001.m4s" in request.path:
            storing.set()
            await answering.wait()

    async with films.workers(3):
        film = await films.queue()
        await films.encoder.until(lambda: len(films.encoder.done) == 2 and films.encoder.running.total() == 2)
        assert results(s3_server, film) != []
        proxy.after = answer_late
        await films.encoder.release(lambda task: task.segment < 2)
        await storing.wait()
        await films.ledger.request_cancel(film, cancelled(Stage.COMPRESSING))
        answering.set()
        assert (await films.ended(film)).stage is Stage.CANCELLED
        assert results(s3_server, film) == []
    assert (results(s3_server, film), s3_server.multiparts()) == ([], [])


@pytest.mark.parametrize("reason", ["There are no frames.", "Frames are missing."])
async def test_source_is_read_whole_when_its_ranges_lack_bytes(
    films: FilmWorkers, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    films.plan = replace(films.plan, settings={"ranges": SourceRanges(((0, 1),), ((1, 2),) * 3).to_json()})
    incomplete = list[bytes]()

    async def encode(
        job: Job, plan: SegmentPlan, task: SegmentTask, on_fraction: Callable[[float], None], **similar: Any
    ) -> EncodedTask:
        if (content := job.path.read_bytes()) != b"film.mp4":
            incomplete.append(content)
            if reason == "There are no frames.":
                raise UnreadableMedia(reason)
            return EncodedTask((), ((0.0, 8.0),))
        return await films.encoder.encode(job, plan, task, on_fraction, **similar)

    monkeypatch.setattr(task_worker, "encode_task", encode)
    await films.encoder.release(lambda _: False)
    with captured_log() as log:
        async with films.workers(1):  # it has fetched the film, to plan it
            film = await films.queue()
            await films.encoder.until(lambda: films.encoder.running.total() == 1)
            async with films.workers(1):
                await films.encoder.until(lambda: films.encoder.running.total() == 2)
                await films.encoder.release()
                done = await films.ended(film)
    assert done.stage is Stage.DONE
    assert "missing" not in (done.element or {})
    assert incomplete == [b"fi" + bytes(6)], "the first task of the second process reads the rest for all others"
    assert [line["reason"] for line in log if line["event"] == "source_read_whole"] == [reason]
