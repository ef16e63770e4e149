"""Build the workers from the settings, for the worker process and for the web process alike."""

from __future__ import annotations

import sys
from dataclasses import replace

import structlog
from roomcast.ledger.lease import AttemptPolicy
from roomcast.services.backends import Backends
from roomcast.settings.settings import Settings

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.job import WorkerDeps
from roomcast_workers.limits import MediaLimits
from roomcast_workers.sandbox.sandbox import SandboxError, Trial, detect
from roomcast_workers.steps.plan import StepPlan
from roomcast_workers.worker import WorkerPool

log = structlog.get_logger(__name__)


def build_workers(settings: Settings, backends: Backends, plan: StepPlan) -> WorkerPool:
    """Return workers that are not running yet, with the steps of `plan`. Raise `BinariesError` when ffmpeg or ffprobe
    is missing, and `SandboxError` when the sandbox that is required is."""
    worker, scratch = settings.worker, settings.storage.data / "work"
    deps = WorkerDeps(
        backends.media,
        _with_sandbox(find_binaries(worker.ffmpeg_path, worker.ffprobe_path), required=worker.sandbox == "required"),
        stall_seconds=worker.stall_seconds,
        step_seconds=worker.step_seconds,
        preset=worker.preset,
        limits=MediaLimits(worker.max_pixels, worker.max_duration_seconds, worker.max_frames, worker.max_streams),
    )
    policy = AttemptPolicy(worker.lease_seconds, worker.attempts, worker.retry_seconds)
    templates = settings.assemblies.loaded_templates
    return WorkerPool(backends.ledger, backends.dispatch, templates, deps, plan, policy, scratch)


def _with_sandbox(binaries: Binaries, *, required: bool) -> Binaries:
    """Return the binaries with the strongest sandbox in which they and the image child's libraries run.

    Raise `SandboxError` if that is incomplete and `required`.
    """
    sandbox = detect(
        [
            Trial((binaries.ffmpeg, *commands.show_version()), "ffmpeg version", "FFMPEG_PATH"),
            Trial((binaries.ffprobe, *commands.show_version()), "ffprobe version", "FFPROBE_PATH"),
            Trial((sys.executable, "-I", "-c", "import PIL.Image")),
        ]
    )
    log_it = log.info if sandbox.complete else log.warning
    log_it("sandbox_detected", **sandbox.to_json(), missing=sandbox.missing, weaknesses=sandbox.weaknesses)
    if required and not sandbox.complete:
        raise SandboxError(
            "ROOMCAST_SANDBOX=required, and a program that reads uploads cannot be confined here. "
            f"{' '.join(sandbox.weaknesses)} What was tried: {'; '.join(sandbox.missing)}."
        )
    return replace(binaries, sandbox=sandbox)
