"""One timer for many things that share the same time limit."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_LATENESS = 0.02
"""By what share of the limit an expiry may come late, so that limits that end close together expire together."""


class Timeouts(Generic[T]):
    """Calls `on_expired` with each item that was not stopped within `seconds` after it was started.

    A timer per item would weigh more than everything else that is kept for an idle connection.
    """

    def __init__(self, seconds: float, on_expired: Callable[[T], None]) -> None:
        self._seconds = seconds
        self._on_expired = on_expired
        self._due: dict[T, float] = {}  # ordered by expiry, because all items have the same limit
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[T]:
        """Iterate over a copy of the started items."""
        return iter(tuple(self._due))

    def start(self, item: T) -> None:
        """Start the item's time, or start it again."""
        loop = asyncio.get_running_loop()
        self._due.pop(item, None)
        self._due[item] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire)

    def stop(self, item: T) -> None:
        """Stop the item's time. An item that was not started is ignored."""
        self._due.pop(item, None)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        expired = [item for item, _ in itertools.takewhile(lambda entry: entry[1] <= now, self._due.items())]
        for item in expired:
            del self._due[item]
        first = next(iter(self._due.values()), None)
        delay = 0.0 if first is None else max(first - now, self._seconds * _LATENESS)
        self._timer = None if first is None else loop.call_later(delay, self._expire)
        for item in expired:
            self._on_expired(item)
