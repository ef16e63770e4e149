"""What goes to one client of the rooms: at once while it keeps up, and else by a bounded queue.

A client that takes nothing for a while is disconnected, and so is one for which too many events wait: it can come back
and ask for what it missed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from roomcast.fanout.send_queue import SendQueue, SendStats
from roomcast.transport.packets import EncodedPacket
from roomcast.transport.session import Session

_MAX_QUEUED_BYTES = 8 << 20


class InNamespace(Protocol):
    """A client in one namespace."""

    def on_write_changed(self) -> None:
        """Its connection keeps up again, or does not any more."""


class Connection:
    """The outgoing side of one client, in whichever namespaces it is."""

    __slots__ = ("_ahead", "_moved_at", "_queue", "_queued_bytes", "_stats", "members", "refused", "session")

    def __init__(self, session: Session, stats: SendStats) -> None:
        self.session = session
        self.members: tuple[InNamespace, ...] = ()
        self.refused = 0
        """How many namespaces have refused the client since one accepted it."""
        self._stats = stats
        self._queue: SendQueue[Sequence[EncodedPacket]] | None = None
        self._queued_bytes = 0
        self._ahead = 0
        self._moved_at = 0.0

    def on_write_changed(self) -> None:
        """Pass on that the session keeps up again, or does not any more."""
        for member in self.members:
            member.on_write_changed()

    @property
    def waiting(self) -> bool:
        """Whether something waits in the queue."""
        return self._queue is not None

    @property
    def overloaded(self) -> bool:
        """Whether more waits than a client may fall behind."""
        return self._queue is not None and (self._queue.full or self._queued_bytes > _MAX_QUEUED_BYTES)

    def send_event(self, key: str, packets: Sequence[EncodedPacket]) -> None:
        """Send an event, or queue it; `key` names what ticks it overtakes."""
        if self._queue is None and self.session.keeps_up:
            self._push(packets)
            self._stats.events += 1
            return
        self._queued_bytes += sum(len(packet.text) for packet in packets)
        self._open_queue().add_event(key, packets)

    def send_tick(self, key: str, packet: EncodedPacket) -> None:
        """Send a tick, or queue it in place of the last one with the same key."""
        if self._queue is None and self.session.keeps_up:
            self.session.push(packet)
            self._stats.ticks += 1
        else:
            self._open_queue().add_tick(key, (packet,))

    def pump(self, stalled_after: float) -> bool:
        """Send what the client has room for; return whether it has taken something within `stalled_after` seconds."""
        while self._queue and self.session.keeps_up:
            self._push(self._queue.pop()[0])
        if not self._queue:
            self._queue, self._queued_bytes = None, 0
            self.session.divert_to(None)
        ahead, now = self._measure(), time.monotonic()
        if ahead < self._ahead or not self.waiting:
            self._moved_at = now
        self._ahead = ahead
        return now - self._moved_at < stalled_after

    def _push(self, packets: Sequence[EncodedPacket]) -> None:
        for packet in packets:
            self.session.push(packet)

    def _open_queue(self) -> SendQueue[Sequence[EncodedPacket]]:
        if self._queue is None:
            self._queue = SendQueue(self._stats)
            self.session.divert_to(self._queue_packet)
            self._ahead, self._moved_at = self._measure(), time.monotonic()
        return self._queue

    def _queue_packet(self, packet: EncodedPacket) -> None:
        """Queue an ack, or what else python-socketio sends, behind the events that wait."""
        self.send_event("", (packet,))

    def _measure(self) -> int:
        """Return a number that gets smaller when the client reads."""
        return self.session.buffered + self.session.waiting
