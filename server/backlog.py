"""What waits for one client of a room or a stream: bounded, whatever the client does.

Events wait in their order and up to a limit; of the ticks only the latest of each upload does, and none that an event
has overtaken.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

EVENTS_WAITING = 1000


@dataclass
class Traffic:
    """What went out to all clients of one kind, and the ticks that did not because a later one took their place."""

    events: int = 0
    ticks: int = 0
    coalesced: int = 0


class Backlog(Generic[T]):
    """One client's. Events are taken before ticks, and are what its client must get: `full` says that too many wait."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._events: deque[T] = deque()
        self._ticks: OrderedDict[str, T] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._events or self._ticks)

    @property
    def full(self) -> bool:
        return len(self._events) > EVENTS_WAITING

    def add_event(self, upload_id: str, event: T) -> None:
        if self._ticks.pop(upload_id, None) is not None:
            self._traffic.coalesced += 1
        self._events.append(event)

    def add_tick(self, upload_id: str, tick: T) -> None:
        if upload_id in self._ticks:
            self._traffic.coalesced += 1
        self._ticks[upload_id] = tick

    def take(self) -> tuple[T, bool]:
        """What is next, and whether it is an event. Whoever takes it sends it."""
        if self._events:
            self._traffic.events += 1
            return self._events.popleft(), True
        self._traffic.ticks += 1
        return self._ticks.popitem(last=False)[1], False
