"""Wait until the ledger and the media store can be used, so that a process says that it is ready only when it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from roomcast.errors import RoomcastError, Unavailable
from roomcast.runtime.backoff import Backoff
from roomcast.runtime.tasks import cancel_and_wait
from roomcast.services.backends import Backends
from roomcast.settings.storage import StorageSettings

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[None]]

_BACKOFF = Backoff(0.1, cap=1.0, jitter=(0.5, 1.0))


async def wait_until_usable(backends: Backends, storage: StorageSettings, stop: asyncio.Event) -> bool:
    """Return True as soon as Redis and S3, if they are in use, can be written to, and False if `stop` is set before.

    The reason for waiting is logged once. Local storage was written to when it was opened.
    """
    checks: list[Check] = []
    if storage.redis_url:
        checks.append(backends.ledger.check_writable)
    if storage.s3_bucket:
        checks.append(backends.media.check_writable)
    if not checks:
        return not stop.is_set()
    stopping = asyncio.create_task(_wait_for(stop))
    waiting = asyncio.create_task(_succeed(checks))
    try:
        await asyncio.wait({stopping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
        return not stop.is_set()
    finally:
        await cancel_and_wait(stopping, waiting)


async def _wait_for(stop: asyncio.Event) -> None:
    await stop.wait()


async def _succeed(checks: Sequence[Check]) -> None:
    """Repeat each check until it succeeds."""
    for check in checks:
        failures, logged = 0, ""
        while True:
            try:
                await check()
                break
            except Unavailable:
                pass  # which is logged as an outage
            except RoomcastError as error:
                if error.message != logged:
                    logged = error.message
                    log.warning("not_ready", reason=logged, advice="Roomcast tries again until this has changed.")
            failures += 1
            await _BACKOFF.wait(failures)
