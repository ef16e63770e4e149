"""One timer for many items that have the same time limit."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_MAX_LATENESS = 0.02
"""By which share of the limit an expiry may come late, so that limits that end close together expire together."""


class Timeouts(Generic[T]):
    """Calls `on_expired` with each item that is not cancelled within `seconds` after its start.

    An `asyncio` timer for each item would take more memory than all the rest of an idle connection.
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
        """Start the item's timeout, or restart it."""
        loop = asyncio.get_running_loop()
        self._due.pop(item, None)
        self._due[item] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire)

    def cancel(self, item: T) -> None:
        """Cancel the item's timeout. An item that was not started is ignored."""
        self._due.pop(item, None)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        expired = [item for item, _ in itertools.takewhile(lambda entry: entry[1] <= now, self._due.items())]
        for item in expired:
            del self._due[item]
        first = next(iter(self._due.values()), None)
        delay = 0.0 if first is None else max(first - now, self._seconds * _MAX_LATENESS)
        self._timer = None if first is None else loop.call_later(delay, self._expire)
        for item in expired:
            self._on_expired(item)
