"""Workers inside the web process, when it is alone: the only place where the server reaches for them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from server.settings import Settings
from server.upload.opening import Parts
from workers.build import build_workers


def embedded_workers(settings: Settings, parts: Parts) -> AbstractAsyncContextManager[None]:
    """The workers that the settings ask for, running until the context is left."""
    return build_workers(settings, parts).running(settings.workers)
