"""Workers inside the web process, when it is alone: the only place where the server reaches for them."""

from __future__ import annotations

from roomcast_workers.factory import build_workers
from roomcast_workers.worker import Workers

from roomcast.services.backends import Backends
from roomcast.settings import Settings


def embedded_workers(settings: Settings, parts: Backends) -> Workers:
    """Workers for this process, as the settings ask for them; they do not run yet."""
    return build_workers(settings, parts)
