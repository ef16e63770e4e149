"""One timer for many things that each have the same time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_LATENESS = 0.02
"""By what share of their time deadlines may come late, so that those that lie close together are met together."""


class Deadlines(Generic[T]):
    """`over` is told of each thing that was not taken out within `seconds` after it was put in.

    A timer of its own would weigh more than all else that is kept for a connection that rests.
    """

    def __init__(self, seconds: float, over: Callable[[T], None]) -> None:
        self._seconds = seconds
        self._over = over
        self._due: dict[T, float] = {}  # in the order in which they are due, because all have the same time
        self._timer: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[T]:
        """What is in, as of now."""
        return iter(tuple(self._due))

    def start(self, thing: T) -> None:
        """Its time begins, or begins anew."""
        loop = asyncio.get_running_loop()
        self._due.pop(thing, None)
        self._due[thing] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)

    def end(self, thing: T) -> None:
        """Take it out; no harm if it is not in."""
        self._due.pop(thing, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        late = [thing for thing, _ in itertools.takewhile(lambda one: one[1] <= now, self._due.items())]
        for thing in late:
            del self._due[thing]
        first = next(iter(self._due.values()), None)
        pause = 0.0 if first is None else max(first - now, self._seconds * _LATENESS)
        self._timer = None if first is None else loop.call_later(pause, self._look)
        for thing in late:
            self._over(thing)
