"""Hints that are due later. They wait in this process; what is lost with it, the backstop makes up for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Delays:
    """Calls that are due at a time."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.TimerHandle] = set()

    def call_at(self, when: float, act: Callable[[], None]) -> None:
        """Call `act` on the event loop at `when` (Unix time)."""

        def due() -> None:
            self._waiting.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(max(0.0, when - time.time()), due)
        self._waiting.add(timer)

    def close(self) -> None:
        """Forget what is not due yet."""
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
