"""Process one upload: fetch, probe, compress, store. Reports each stage; leases and retries are `worker`'s."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from roomcast.errors import StorageError
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import SourceKind, Tick, Upload, element_type
from roomcast.uploads.templates import Template

from roomcast_workers.image.pipeline import process_image
from roomcast_workers.job import Job, ProcessingStep, Results, WorkerDeps
from roomcast_workers.reporter import Reporter
from roomcast_workers.unchanged_file import process_file
from roomcast_workers.video.pipeline import process_video

_STEPS: Mapping[SourceKind, ProcessingStep] = {"video": process_video, "image": process_image, "file": process_file}


async def process_upload(
    upload: Upload, template: Template, deps: WorkerDeps, reporter: Reporter, scratch: Path
) -> dict[str, Any]:
    """Process an upload, store its results, and return its `element`. `scratch` is an empty directory for this upload.

    Raises a `RoomcastError`; its `retryable` says whether another attempt may succeed.
    """
    source = upload.source
    if source is None:
        raise StorageError("The uploaded file is missing.")
    # Two directories: what downloads the source has no write access to the results, and the steps only read the source.
    fetched, results_dir = scratch / "source", scratch / "results"
    fetched.mkdir()
    results_dir.mkdir()
    async with deps.media.fetch(source.key, fetched) as path:
        job = Job(upload, source, path, template, deps, reporter, results_dir)
        await reporter.enter(Stage.PROBING, "Reading the file")
        results = await _STEPS[source.kind](job)
    await reporter.enter(Stage.STORING, "Storing the result")
    outputs = await _store(job, results)
    await reporter.enter(Stage.CLEANING, "Cleaning up")
    return _element(job, results, outputs)


async def _store(job: Job, results: Results) -> list[dict[str, Any]]:
    """Store every result and return the outputs that are listed."""
    total = sum(file.path.stat().st_size for file in results.files)
    stored = 0

    def on_bytes(count: int) -> None:
        nonlocal stored
        stored += count
        job.reporter.progress(Tick(stored / total if total else 1.0))

    outputs = [(file, await job.store(file, on_bytes)) for file in results.files]
    return [output for file, output in outputs if file.listed] + results.stored


def _element(job: Job, results: Results, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the client contract's `element`, without URLs."""
    upload, source, main = job.upload, job.source, outputs[0]
    saved = source.size - main["size"]
    return {
        "id": upload.id,
        "type": element_type(upload),
        "filename": f"{Path(upload.filename).stem}{Path(main['key']).suffix}",
        "outputs": outputs,
        "original": {
            "filename": upload.filename,
            "size": source.size,
            "mime": source.mime,
            **source.digests,
            **results.original,
        },
        "saved": {"bytes": saved, "percent": round(100 * saved / max(1, source.size), 1)},
        **results.extra,
    }
