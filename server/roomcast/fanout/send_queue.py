"""The bounded queue of one slow client of a room or a stream.

Events are queued in order and up to a limit. Of each upload's ticks only the latest is queued, and an event of the
upload drops it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_EVENTS = 1000
"""Events that a client may be behind."""


@dataclass
class SendStats:
    """Counts of the messages to all clients: sent events and ticks, and ticks that a later message replaced."""

    events: int = 0
    ticks: int = 0
    coalesced: int = 0


class SendQueue(Generic[T]):
    """The unsent messages of one client. Events are sent before ticks."""

    def __init__(self, stats: SendStats) -> None:
        self._stats = stats
        self._events: deque[T] = deque()
        self._ticks: OrderedDict[str, T] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether something is queued."""
        return bool(self._events or self._ticks)

    @property
    def full(self) -> bool:
        """Whether more than `MAX_EVENTS` events are queued. The client should be disconnected then."""
        return len(self._events) > MAX_EVENTS

    def add_event(self, upload_id: str, event: T) -> None:
        """Queue an event, and drop the upload's queued tick."""
        if self._ticks.pop(upload_id, None) is not None:
            self._stats.coalesced += 1
        self._events.append(event)

    def add_tick(self, upload_id: str, tick: T) -> None:
        """Queue a tick in place of the upload's queued one."""
        if upload_id in self._ticks:
            self._stats.coalesced += 1
        self._ticks[upload_id] = tick

    def pop(self) -> tuple[T, bool]:
        """Remove and return the next message, and whether it is an event. The queue must not be empty."""
        if self._events:
            self._stats.events += 1
            return self._events.popleft(), True
        self._stats.ticks += 1
        return self._ticks.popitem(last=False)[1], False
