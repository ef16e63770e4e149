"""Workers inside the web process, when it is alone: the only place where the server reaches for them."""

from __future__ import annotations

from server.settings import Settings
from server.upload.opening import Parts
from workers.build import build_workers
from workers.run import Workers


def embedded_workers(settings: Settings, parts: Parts) -> Workers:
    """Workers for this process, as the settings ask for them; they do not run yet."""
    return build_workers(settings, parts)
