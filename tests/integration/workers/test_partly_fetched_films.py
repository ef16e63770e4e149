"""A film in S3 is planned, and its sound begun, before all of it is fetched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from roomcast.media.s3 import sparse
from roomcast.media.s3.sparse import S3SparseSource
from roomcast.media.s3.store import S3MediaStore
from roomcast.media.shared_sources import SharedSources
from roomcast.segments.plan import SegmentPlan
from roomcast_workers.job import Job
from roomcast_workers.media_info import packet_columns
from roomcast_workers.segments import sound as sounds
from roomcast_workers.segments.planner import plan_film
from roomcast_workers.segments.sound import EncodedSound, encode_early_sound, encode_sound
from roomcast_workers.sources import remote_index
from roomcast_workers.steps import built_in
from roomcast_workers.steps.built_in import fetch_source
from roomcast_workers.video.encoder import settings_for
from roomcast_workers.video.pipeline import is_copied, probe_video, publish_first_poster, verified_media

from tests.support.clips import make_clip, make_film, make_trimmed
from tests.support.jobs import job_on
from tests.support.s3_server import BUCKET, SIGNER, Proxy, S3Server, set_environment
from tests.support.segment_runs import PlannedFilm, planned_film

pytestmark = pytest.mark.usefixtures("unlimited_programs")

NOISE = ("-g", "50", "-vf", "noise=alls=40:allf=t", "-bf", "2", "-b:v", "400k")


@pytest.fixture(autouse=True)
def small_films(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small film is fetched as a large one."""
    monkeypatch.setattr(built_in, "_LARGE_BYTES", 0)
    monkeypatch.setattr(remote_index, "_FIRST_PACKETS", 30_000)
    monkeypatch.setattr(sparse, "_MAX_GAP", 0)
    monkeypatch.setattr(sparse, "_STEP_BYTES", 300_000)


@pytest.fixture
async def sources(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SharedSources]:
    set_environment(monkeypatch)
    opening = S3MediaStore.open(
        BUCKET, endpoint_url=proxy.url, signer=SIGNER, public_base_url=None, url_seconds=60, largest_bytes=1
    )
    async with opening as store:
        shared = SharedSources(store, tmp_path / "sources")
        yield shared
        await shared.close()


def remote_job(clip: Path, folder: Path, sources: SharedSources, s3_server: S3Server) -> Job:
    s3_server.client.put_object(Bucket=BUCKET, Key="incoming/film.1", Body=clip.read_bytes())
    job, _ = job_on(clip, folder)
    return replace(job, source=replace(job.source, key="film.1"), worker=cast(Any, SimpleNamespace(sources=sources)))


async def prepared(job: Job) -> Job:
    """Do the steps before the plan."""
    await fetch_source(job)
    job = replace(job, path=job.source_path)
    await probe_video(job)
    await publish_first_poster(job)
    assert not await is_copied(job, verified_media(job))
    return job


async def test_plan_is_that_of_the_complete_film(
    sources: SharedSources, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_film(tmp_path / "index-last.mp4", *NOISE, seconds=60, rate="25", size="64x48", sound=True)
    (tmp_path / "local").mkdir()
    film = await planned_film(clip, tmp_path / "local")
    (tmp_path / "remote").mkdir()
    remote = remote_job(clip, tmp_path / "remote", sources, s3_server)
    async with remote.state.opened:
        await check_early(await prepared(remote), film, clip, monkeypatch)


async def check_early(job: Job, film: PlannedFilm, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the plan and the first sound of a film that is partly fetched."""
    media = verified_media(job)
    assert isinstance(job.state.source, S3SparseSource)
    fetched = sum(stop - start for start, stop in job.state.source.filled)
    assert fetched < 0.55 * clip.stat().st_size
    assert job.is_source_partial
    assert [output["kind"] for output in job.state.results.published] == ["poster"]
    plan = plan_film(job, media, await settings_for(job, media), None, encoder="encoder-1")
    assert isinstance(plan, SegmentPlan)
    assert (plan.segments, plan.renditions, plan.settings) == (
        film.plan.segments,
        film.plan.renditions,
        film.plan.settings,
    )
    monkeypatch.setattr(sounds, "EARLY_SECONDS", 22.0)
    monkeypatch.setattr(packet_columns, "EARLY_SECONDS", 22.0)
    early = await encode_early_sound(folder_of(job, "early"), media, plan)
    assert job.is_source_partial
    assert early is not None
    await job.complete_source()
    assert not job.is_source_partial
    assert job.path.read_bytes() == clip.read_bytes()

    async def ignore(_: EncodedSound) -> None: ...

    complete = await encode_sound(folder_of(job, "all"), media, plan, ignore)
    assert len(early.segments) == 2
    assert len(complete.segments) > 2
    for one, other in zip(early.segments, complete.segments, strict=False):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert early.init_path.read_bytes() == complete.init_path.read_bytes()


async def test_film_whose_index_does_not_show_its_packets_is_fetched_whole(
    sources: SharedSources, s3_server: S3Server, tmp_path: Path
) -> None:
    clip = make_trimmed(tmp_path / "film.mp4")
    (tmp_path / "remote").mkdir()
    job = remote_job(clip, tmp_path / "remote", sources, s3_server)
    async with job.state.opened:
        await fetch_source(job)
        assert job.is_source_partial
        job = replace(job, path=job.source_path)
        await probe_video(job)
        assert not job.is_source_partial
        assert verified_media(job).seconds == pytest.approx(2, abs=0.1)


async def test_film_without_its_first_packets_is_fetched_whole(
    sources: SharedSources, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_index, "_FIRST_PACKETS", 0)
    clip = make_clip(tmp_path / "film.mp4", seconds=1, size="64x48", codec="mpeg4")
    (tmp_path / "remote").mkdir()
    job = remote_job(clip, tmp_path / "remote", sources, s3_server)
    expected = await job_on(clip, tmp_path)[0].probe(clip, "mov")
    async with job.state.opened:
        await fetch_source(job)
        job = replace(job, path=job.source_path)
        await probe_video(job)
        assert verified_media(job).info.video == expected.video


def folder_of(job: Job, name: str) -> Job:
    folder = job.scratch / name
    folder.mkdir()
    return replace(job, scratch=folder)
