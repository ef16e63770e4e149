"""What waits for one Socket.IO client: bounded, whatever the client does.

A client that keeps up is written to at once. For one that does not, events wait, in order and up to a limit, and of
the ticks only the latest per upload does. One that takes nothing for a while is closed, and so is one for which too
many events wait: it can come back and ask for what it missed.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import Any

PACKETS_AHEAD = 16
"""Packets that may lie in engineio's queue for a client before ours starts to hold back."""

BYTES_AHEAD = 64 * 1024
"""Bytes that may lie in the transport's write buffer likewise."""

EVENTS_WAITING = 1000


class Outbox:
    """One client's outgoing side. `socket` is its Engine.IO socket."""

    def __init__(self, socket: Any, transport: asyncio.Transport | None) -> None:
        self._socket = socket
        self.transport = transport
        self._events: deque[tuple[str, Any]] = deque()
        self._ticks: OrderedDict[str, Any] = OrderedDict()
        self._ahead = 0
        self._moved_at = time.monotonic()

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._events or self._ticks)

    @property
    def ahead(self) -> int:
        """Packets that lie in engineio's queue for the client."""
        return int(self._socket.queue.qsize())

    def send_event(self, upload_id: str, packets: list[Any]) -> bool:
        """Pass on, or hold back, an event; False when too much waits already and the client must go."""
        self._ticks.pop(upload_id, None)
        if not self.waiting and self._keeps_up():
            self._pass_on(packets)
            return True
        self._hold_back()
        self._events.extend((upload_id, packet) for packet in packets)
        return len(self._events) <= EVENTS_WAITING

    def send_tick(self, upload_id: str, packet: Any) -> None:
        """Pass on a tick, or keep it in the place of the one before."""
        if not self.waiting and self._keeps_up():
            self._pass_on([packet])
            return
        self._hold_back()
        self._ticks[upload_id] = packet

    def pump(self, stalled_after: float) -> bool:
        """Pass on what the client has room for; False when it has taken nothing for `stalled_after` seconds."""
        while self.waiting and self._keeps_up():
            packet = self._events.popleft()[1] if self._events else self._ticks.popitem(last=False)[1]
            self._pass_on([packet])
        ahead = self._measure()
        if ahead < self._ahead or not self.waiting:
            self._moved_at = time.monotonic()
        self._ahead = ahead
        return time.monotonic() - self._moved_at < stalled_after

    def _pass_on(self, packets: list[Any]) -> None:
        for packet in packets:
            self._socket.queue.put_nowait(packet)

    def _hold_back(self) -> None:
        if not self.waiting:
            self._ahead, self._moved_at = self._measure(), time.monotonic()

    def _keeps_up(self) -> bool:
        return self.ahead < PACKETS_AHEAD and self._buffered() < BYTES_AHEAD

    def _measure(self) -> int:
        """Something that shrinks when the client reads."""
        return self._buffered() + self.ahead

    def _buffered(self) -> int:
        transport = self.transport
        return 0 if transport is None or transport.is_closing() else transport.get_write_buffer_size()
