"""Workers inside the web process: the only place where the server reaches for them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from server.settings import Settings
from server.upload.dispatch import Dispatch
from server.upload.ledger import Ledger
from server.upload.media import MediaStore
from workers.ffmpeg import find_binaries
from workers.pipeline import Tools
from workers.run import Policy, Workers


def embedded_workers(
    settings: Settings, ledger: Ledger, media: MediaStore, dispatch: Dispatch
) -> AbstractAsyncContextManager[None]:
    """The workers that the settings ask for, running until the context is left."""
    tools = Tools(
        media,
        find_binaries(settings.ffmpeg_path, settings.ffprobe_path),
        stall_seconds=settings.stall_seconds,
        step_seconds=settings.step_seconds,
    )
    policy = Policy(settings.lease_seconds, settings.attempts, settings.retry_seconds)
    workers = Workers(ledger, dispatch, settings.loaded_templates, tools, policy, settings.data / "work")
    return workers.running(settings.workers)
