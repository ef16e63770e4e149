"""Exponential backoff with jitter: how long to wait before the next attempt."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 60


@dataclass(frozen=True)
class Backoff:
    """Delays that start at `first` seconds, double with every further failure and never exceed `cap` seconds.

    Each delay is then multiplied by a random factor between the two bounds of `jitter`, so that clients which failed
    together do not come back together.
    """

    first: float
    cap: float = math.inf
    jitter: tuple[float, float] = (1.0, 1.0)

    def delay(self, failures: int, *, sample: float | None = None) -> float:
        """Return the seconds to wait after `failures` failed attempts in a row (at least 1).

        `sample`, from 0 to 1, chooses the point between the bounds of `jitter`; by default it is random.
        """
        low, high = self.jitter
        if sample is None:
            sample = random.random()  # noqa: S311 - it spreads load and guards no secret
        doublings = min(failures - 1, _MAX_DOUBLINGS)
        return min(self.cap, self.first * 2.0**doublings) * (low + (high - low) * sample)

    async def wait(self, failures: int) -> None:
        """Sleep for `delay(failures)`."""
        await asyncio.sleep(self.delay(failures))
