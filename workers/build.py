"""`build_workers(settings, parts)`: the one place where workers are wired, for the worker process and the embedded."""

from __future__ import annotations

from server.settings import Settings
from server.upload.opening import Parts
from workers.ffmpeg import find_binaries
from workers.job import Tools
from workers.run import Policy, Workers


def build_workers(settings: Settings, parts: Parts) -> Workers:
    """Workers that are ready to run; `BinariesError` when there is no ffmpeg."""
    tools = Tools(
        parts.media,
        find_binaries(settings.ffmpeg_path, settings.ffprobe_path),
        stall_seconds=settings.stall_seconds,
        step_seconds=settings.step_seconds,
    )
    policy = Policy(settings.lease_seconds, settings.attempts, settings.retry_seconds)
    return Workers(parts.ledger, parts.dispatch, settings.loaded_templates, tools, policy, settings.data / "work")
