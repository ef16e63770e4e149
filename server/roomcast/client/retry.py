"""When to try again, and when to give up."""

from __future__ import annotations

import asyncio
import random
import time

from roomcast.client.errors import RoomcastError

_FIRST_SECONDS = 0.25
_LONGEST_SECONDS = 8.0


class Patience:
    """Pauses that double, until nothing has come of it for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.reset()

    def reset(self) -> None:
        """Something came of it."""
        self._failing_since: float | None = None
        self._pause = _FIRST_SECONDS

    async def after(self, error: RoomcastError) -> None:
        """Return when it is time to try again; raises `error` when that would be no use, or has been none for long."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if not error.retryable or now - self._failing_since > self._seconds:
            raise error
        await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  (so that many do not come at once)
        self._pause = min(self._pause * 2, _LONGEST_SECONDS)
