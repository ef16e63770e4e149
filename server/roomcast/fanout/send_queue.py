"""The queue of one slow client of a room or a stream: bounded, whatever the client does.

Events wait in order and up to a limit; of the ticks of each upload only the latest waits, and none that an event has
overtaken.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_EVENTS = 1000


@dataclass
class SendStats:
    """What was sent to all clients of one kind, and the ticks that were not because a later one replaced them."""

    events: int = 0
    ticks: int = 0
    coalesced: int = 0


class SendQueue(Generic[T]):
    """What waits for one client. Events go before ticks; `full` says that too many of them wait."""

    def __init__(self, stats: SendStats) -> None:
        self._stats = stats
        self._events: deque[T] = deque()
        self._ticks: OrderedDict[str, T] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._events or self._ticks)

    @property
    def full(self) -> bool:
        """Whether more events wait than a client may fall behind."""
        return len(self._events) > MAX_EVENTS

    def add_event(self, upload_id: str, event: T) -> None:
        """Queue an event, in place of the upload's tick if one waits."""
        if self._ticks.pop(upload_id, None) is not None:
            self._stats.coalesced += 1
        self._events.append(event)

    def add_tick(self, upload_id: str, tick: T) -> None:
        """Queue a tick in place of the upload's last one."""
        if upload_id in self._ticks:
            self._stats.coalesced += 1
        self._ticks[upload_id] = tick

    def pop(self) -> tuple[T, bool]:
        """Return what is to be sent next, and whether it is an event."""
        if self._events:
            self._stats.events += 1
            return self._events.popleft(), True
        self._stats.ticks += 1
        return self._ticks.popitem(last=False)[1], False
