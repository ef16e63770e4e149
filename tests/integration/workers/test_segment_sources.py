"""A segment of a film in S3: encoded from the bytes that it needs, it is the same as from the complete file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from roomcast.media.byte_ranges import ByteRange, subtracted
from roomcast.media.contract import MediaStore
from roomcast.media.s3.store import S3MediaStore
from roomcast.segments.plan import PlannedRendition, SegmentPlan
from roomcast_workers.segments.task_encoder import encode_task
from roomcast_workers.sources import ranges
from roomcast_workers.sources.excerpts import Excerpts
from roomcast_workers.sources.ranges import SourceRanges

from tests.support.clips import make_film, make_remuxed
from tests.support.s3_server import BUCKET, SIGNER, Proxy, S3Server, ranges_read, set_environment
from tests.support.segment_runs import PlannedFilm, planned_film

pytestmark = pytest.mark.usefixtures("unlimited_programs")

FILM = ("-g", "50", "-vf", "noise=alls=40:allf=t", "-bf", "2")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k", "-f", "webm")
LENGTH: dict[str, Any] = {"seconds": 40, "rate": "25", "size": "64x48"}
MIDDLE = 2


@pytest.fixture
async def media(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MediaStore]:
    set_environment(monkeypatch)
    opening = S3MediaStore.open(
        BUCKET, endpoint_url=proxy.url, signer=SIGNER, public_base_url=None, url_seconds=60, largest_bytes=1
    )
    async with opening as store:
        yield store


@pytest.fixture(autouse=True)
def small_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small film has bytes that are not needed."""
    monkeypatch.setattr(ranges, "_HEAD_BYTES", 1000)
    monkeypatch.setattr(ranges, "_AHEAD_BYTES", 1000)
    monkeypatch.setattr("roomcast.media.s3.sparse._MAX_GAP", 0)


async def film_of(folder: Path, name: str, *encoding: str) -> PlannedFilm:
    codec = VP9 if encoding == VP9 else ("-preset", "ultrafast")
    clip = make_film(folder / f"film{'.webm' if encoding == VP9 else '.mp4'}", *FILM, *codec, **LENGTH)
    if encoding != VP9:
        clip = make_remuxed(folder / name, clip, *encoding)
    (folder / "work").mkdir(parents=True)
    film = await planned_film(clip, folder / "work")
    if encoding == VP9:
        return film
    copied = PlannedRendition("copy", 64, 48, copied=True)
    return replace(film, plan=replace(film.plan, renditions=(*film.plan.renditions, copied)))


async def encoded(film: PlannedFilm, source: Path, scratch: Path) -> bytes:
    """Return the middle segment of a film in all renditions, of which one is copied, from the file `source`."""
    scratch.mkdir()
    task = next(task for task in film.plan.tasks if task.segment == MIDDLE)
    made = await encode_task(replace(film.job, path=source, scratch=scratch), film.plan, task, lambda _: None)
    assert made.missing == ()
    return b"".join(file.path.read_bytes() for file in made.files)


def needed_for(plan: SegmentPlan, segment: int) -> tuple[ByteRange, ...]:
    if "excerpts" in plan.settings:
        return Excerpts.from_json(plan.settings["excerpts"]).ranges(segment)
    return SourceRanges.from_json(plan.settings["ranges"]).of(segment)


def file_for(plan: SegmentPlan, segment: int, source: Path, folder: Path) -> Path:
    """Return the file from which a worker encodes a segment."""
    if "excerpts" not in plan.settings:
        return source
    path = folder / f"excerpt-{segment}"
    Excerpts.from_json(plan.settings["excerpts"]).write(segment, source, path)
    return path


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("index-last.mp4", ()),
        ("index-first.mp4", ("-movflags", "+faststart")),
        ("live.mkv", ("-live", "1")),
        ("fragments.mp4", ("-movflags", "+frag_keyframe+empty_moov")),
        ("default-base.mp4", ("-movflags", "+frag_keyframe+delay_moov+default_base_moof+global_sidx")),
        ("film.webm", VP9),
    ],
)
async def test_segment_is_the_same_from_the_bytes_that_it_needs(
    media: MediaStore, s3_server: S3Server, proxy: Proxy, tmp_path: Path, name: str, encoding: tuple[str, ...]
) -> None:
    film = await film_of(tmp_path, name, *encoding)
    content = film.job.path.read_bytes()
    s3_server.client.put_object(Bucket=BUCKET, Key="incoming/film.1", Body=content)
    read = ranges_read(proxy)
    async with media.open_source("film.1", tmp_path) as source:
        needed = needed_for(film.plan, MIDDLE)
        await source.fill(needed)
        assert subtracted(needed, read) == subtracted(read, needed) == []
        assert sum(stop - start for start, stop in read) < 0.55 * len(content)
        expected = await encoded(film, film.job.path, tmp_path / "from the file")
        file = file_for(film.plan, MIDDLE, source.path, tmp_path)
        assert await encoded(film, file, tmp_path / "from its bytes") == expected
        read.clear()
        await source.fill(needed_for(film.plan, MIDDLE + 1))
        assert sum(stop - start for start, stop in read) < 0.3 * len(content), "the rest was there already"
