"""The built-in steps, declared as an application declares its own."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping

from roomcast.errors import StorageError
from roomcast.extensions.steps import Step
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import SourceKind, Tick

from roomcast_workers.image.pipeline import compress_image
from roomcast_workers.job import Job
from roomcast_workers.segments.coordinator import compress_film, plan_video
from roomcast_workers.sources.remote_index import fetch_index
from roomcast_workers.unchanged_file import verify_file
from roomcast_workers.video.pipeline import (
    compress_video,
    hls_cost,
    make_pictures,
    make_renditions,
    probe_video,
    publish_first_poster,
    wants_hls,
)

_COMPRESS: Mapping[SourceKind, Callable[[Job], Awaitable[None]]] = {
    "video": compress_video,
    "image": compress_image,
    "file": verify_file,
}
_COMPRESSING = {
    "video": "Compressing the video",
    "audio": "Compressing the audio",
    "image": "Compressing the image",
    "file": "Checking the file",
}
_LARGE_BYTES = 16 << 20
"""Smaller sources are fetched at once, and compared with their checksum."""

_CHECKING = {
    "video": "Making the storyboard",
    "audio": "Checking the audio",
    "image": "Checking the images",
    "file": "Preparing the download",
}


async def fetch_source(job: Job) -> None:
    """Get a local copy of the source, or the stored file itself. Of a large film with an index, only that is fetched
    for now, and the first packets."""
    if job.worker is None:
        raise StorageError("There is no worker that has fetched the uploaded file.")
    source = await job.state.opened.enter_async_context(job.worker.sources.open(job.source.key))
    is_film = job.source.kind == "video" and job.source.format == "mov" and source.size >= _LARGE_BYTES
    if source.is_complete or not (is_film and await fetch_index(source)):
        await source.fill_all()
    job.state.source, job.state.fetched = source, source.path
    job.state.readable = (source.path, job.source)


async def compress_source(job: Job) -> None:
    """Make the main result of the source."""
    if job.worker and job.state.plan:
        await compress_film(job, job.worker, job.state.plan)
    else:
        await _COMPRESS[job.source.kind](job)


async def store_results(job: Job) -> None:
    """Store every result that is not stored yet."""
    results = job.state.results
    files = [*results.files, *results.added]
    total = sum(file.path.stat().st_size for file in files)
    stored = 0

    def on_bytes(count: int) -> None:
        nonlocal stored
        stored += count
        job.reporter.progress(Tick(stored / total if total else 1.0))

    outputs = [(file, await job.store(file, on_bytes)) for file in files]
    main = [output for file, output in outputs[: len(results.files)] if file.listed]
    added = [output for _, output in outputs[len(results.files) :]]
    results.outputs += [*main, *results.published, *added]
    results.files, results.added, results.published = [], [], []


async def close_source(job: Job) -> None:
    """Delete the local copy of the source."""
    await job.state.opened.aclose()


def _kind(job: Job) -> str:
    verified = job.state.verified
    return "audio" if verified is not None and verified.info.video is None else job.source.kind


def _is_media(job: Job) -> bool:
    return job.source.kind == "video"


BUILT_IN_STEPS = (
    Step("fetch", fetch_source, after=Stage.FETCHING, share=1, seconds=math.inf),
    Step("probe", probe_video, after=Stage.PROBING, share=0.5, seconds=math.inf, applies=_is_media),
    Step("poster", publish_first_poster, after="probe", share=0.4, seconds=math.inf, applies=_is_media),
    Step("plan", plan_video, after="poster", share=0.1, seconds=math.inf, applies=_is_media),
    Step(
        "compress",
        compress_source,
        after=Stage.COMPRESSING,
        share=lambda job: 1 / (1 + hls_cost(job)) if wants_hls(job) else 1.0,
        seconds=math.inf,
        text=lambda job: _COMPRESSING[_kind(job)],
    ),
    Step(
        "hls",
        make_renditions,
        after="compress",
        share=lambda job: hls_cost(job) / (1 + hls_cost(job)),
        seconds=math.inf,
        applies=wants_hls,
    ),
    Step(
        "storyboard",
        make_pictures,
        after=Stage.THUMBNAILS,
        share=1,
        seconds=math.inf,
        text=lambda job: _CHECKING[_kind(job)],
    ),
    Step("store", store_results, after=Stage.STORING, share=1, seconds=math.inf),
    Step("clean", close_source, after=Stage.CLEANING, share=1, seconds=math.inf),
)
"""The steps of every upload. Each limits the time of the programs that it runs, so it has no deadline of its own."""

STAGE_TEXTS = {
    Stage.PROBING: "Reading the file",
    Stage.STORING: "Storing the result",
    Stage.CLEANING: "Cleaning up",
}
"""What people see in stages whose steps have no text of their own."""
