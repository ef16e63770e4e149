"""Delayed calls on the event loop. They are lost with the process, as wake-ups may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from roomcast.runtime.clocks import unix_time


class DelayedCalls:
    """Functions to be called at a later time."""

    def __init__(self) -> None:
        self._timers: set[asyncio.TimerHandle] = set()

    def call_at(self, when: float, call: Callable[[], None]) -> None:
        """Call a function on the event loop at the Unix time `when`."""

        def on_due() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(max(0.0, when - unix_time()), on_due)
        self._timers.add(timer)

    def close(self) -> None:
        """Cancel the calls that are not due yet."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
