"""`build_workers(settings, parts)`: the one place where workers are wired, for the worker process and the embedded."""

from __future__ import annotations

import sys
from dataclasses import replace

import structlog
from roomcast.services.backends import Backends
from roomcast.settings import Settings

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import Binaries, find_binaries
from roomcast_workers.job import WorkerDeps
from roomcast_workers.limits import MediaLimits
from roomcast_workers.sandbox.sandbox import detect
from roomcast_workers.worker import Policy, Workers

log = structlog.get_logger(__name__)


def build_workers(settings: Settings, parts: Backends) -> Workers:
    """Workers that are ready to run; `BinariesError` when there is no ffmpeg."""
    deps = WorkerDeps(
        parts.media,
        _with_sandbox(find_binaries(settings.ffmpeg_path, settings.ffprobe_path)),
        stall_seconds=settings.stall_seconds,
        step_seconds=settings.step_seconds,
        limits=MediaLimits(
            settings.max_pixels, settings.max_duration_seconds, settings.max_frames, settings.max_streams
        ),
    )
    policy = Policy(settings.lease_seconds, settings.attempts, settings.retry_seconds)
    return Workers(parts.ledger, parts.dispatch, settings.loaded_templates, deps, policy, settings.data / "work")


def _with_sandbox(binaries: Binaries) -> Binaries:
    """The same programs, behind the most walls that they, and the picture child's libraries, are seen to run behind."""
    trials = [[path, *commands.show_version()] for path in (binaries.ffmpeg, binaries.ffprobe)]
    sandbox = detect([*trials, [sys.executable, "-I", "-c", "import PIL.Image"]])
    say = log.info if sandbox.complete else log.warning
    say("sandbox", **sandbox.to_json(), missing=sandbox.missing)
    return replace(binaries, sandbox=sandbox)
