"""When to retry a request, and when to give up."""

from __future__ import annotations

import time

from roomcast.client.errors import ClientError
from roomcast.runtime.backoff import Backoff

_BACKOFF = Backoff(0.25, cap=8.0, jitter=(0.5, 1.0))


class RetryWindow:
    """Waits between attempts, with exponential backoff, until none has succeeded for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.reset()

    def reset(self) -> None:
        """Start again with short delays and a full window: an attempt has made progress."""
        self._failing_since: float | None = None
        self._failures = 0

    async def wait_or_raise(self, error: ClientError) -> None:
        """Return when it is time to try again. Raise `error` if it is not retryable, or if the window is over."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if not error.retryable or now - self._failing_since > self._seconds:
            raise error
        self._failures += 1
        await _BACKOFF.wait(self._failures)
