"""Jobs for the tests of processing steps: a real store and real programs, with a reporter that only records."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from roomcast.media.directory import DirectoryMediaStore
from roomcast.media.url_signer import UrlSigner
from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.model import Source, Tick, Upload, new_upload_id
from roomcast.uploads.sniff import SNIFF_BYTES, sniff
from roomcast.uploads.templates import Template
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.ffmpeg.runner import read_capabilities
from roomcast_workers.job import Job, Results, WorkerDeps
from roomcast_workers.pipeline import run_stage
from roomcast_workers.reporter import Reporter, StepReporter
from roomcast_workers.steps.plan import StepPlan
from roomcast_workers.video.crf_search import equivalent_ssim


class RecordingReporter:
    """Records what a job reports: `updates` in events, `ticks` between them, and at which tick each stage started
    (`stage_starts`).
    """

    def __init__(self) -> None:
        self.stage = Stage.PROBING
        self.step: str | None = None
        self.updates: list[dict[str, Any]] = []
        self.ticks: list[Tick] = []
        self.stage_starts: dict[Stage, int] = {}

    async def enter(self, stage: Stage, _text: str) -> None:
        self.stage = stage
        self.stage_starts[stage] = len(self.ticks)

    async def update(self, **news: Any) -> None:
        self.updates.append({name: value for name, value in news.items() if value not in (None, 0.0)})

    def progress(self, tick: Tick) -> None:
        self.ticks.append(tick)


def job_on(
    video: Path, folder: Path, *, binaries: Binaries | None = None, **template: Any
) -> tuple[Job, RecordingReporter]:
    """Return a job whose source is the video `film`, of the type that its first bytes show; its files are below
    `folder`.
    """
    sniffed = sniff(video.read_bytes()[:SNIFF_BYTES])
    assert sniffed is not None
    source = Source(video.name, video.stat().st_size, sniffed.kind, sniffed.format, sniffed.mime, "", "")
    return _job(video, source, folder, Template(name="t", **template), binaries)


async def quality_target(vmaf: float) -> tuple[Metric, float]:
    """Return the metric by which the ffmpeg of these jobs measures quality, and its value for `vmaf` points."""
    measures_vmaf = "libvmaf" in (await read_capabilities(find_binaries())).filters
    return ("vmaf", vmaf) if measures_vmaf else ("ssim", round(equivalent_ssim(vmaf), 4))


def file_job(path: Path, folder: Path) -> tuple[Job, RecordingReporter]:
    """Return a job whose source is a file that is stored unchanged."""
    content = path.read_bytes()
    md5, sha256 = hashlib.md5(content, usedforsecurity=False), hashlib.sha256(content)
    source = Source(path.name, len(content), "file", "", "text/plain", md5.hexdigest(), sha256.hexdigest())
    template = Template(name="t", kind="file", max_bytes=1 << 30)
    return _job(path, source, folder, template, Binaries("ffmpeg", "ffprobe"))


def _job(
    video: Path, source: Source, folder: Path, template: Template, binaries: Binaries | None
) -> tuple[Job, RecordingReporter]:
    scratch = folder / "scratch %d"  # no path may be taken for a pattern
    scratch.mkdir(parents=True)
    media = DirectoryMediaStore(folder / "data", UrlSigner(b"0123456789abcdef", seconds=60))
    upload = Upload(new_upload_id(), "me", "auto", video.name, "epoch", 0.0, 0.0)
    deps = WorkerDeps(media, binaries or find_binaries(), stall_seconds=60, step_seconds=110, preset="ultrafast")
    reporter = RecordingReporter()
    job = Job(upload, source, video, template, deps, StepReporter(reporter), scratch)
    return job, reporter


async def process(job: Job, reporter: RecordingReporter | None = None) -> Results:
    """Run the steps of a job from probing to the pictures, and return what they have made."""
    plan, reporting = StepPlan(), cast(Reporter, reporter or RecordingReporter())
    for stage in (Stage.PROBING, Stage.COMPRESSING, Stage.THUMBNAILS):
        await run_stage(stage, plan.stages[stage], job, plan, reporting)
    return job.state.results
