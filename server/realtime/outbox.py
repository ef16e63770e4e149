"""What waits for one Socket.IO client: bounded, whatever the client does.

A client that keeps up is written to at once: straight to its transport when nothing else is under way there, otherwise
through engineio's queue. For one that does not, a `Backlog` waits. One that takes nothing for a while is closed, and so
is one for which too many events wait: it can come back and ask for what it missed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from server.backlog import Backlog, Traffic
from server.realtime.frames import Prepared

PACKETS_AHEAD = 16
"""Packets that may lie in engineio's queue for a client before ours starts to hold back."""

BYTES_AHEAD = 64 * 1024
"""Bytes that may lie in the transport's write buffer likewise."""


class Outbox:
    """One client's outgoing side. `socket` is its Engine.IO socket, whose queue is a `PacketQueue`."""

    def __init__(self, socket: Any, transport: asyncio.Transport | None, traffic: Traffic) -> None:
        self._socket = socket
        self.transport = transport
        self._traffic = traffic
        self._backlog: Backlog[Sequence[Prepared]] = Backlog(traffic)
        self._ahead = 0
        self._moved_at = time.monotonic()

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._backlog)

    @property
    def ahead(self) -> int:
        """Packets that lie in engineio's queue for the client."""
        return int(self._socket.queue.qsize())

    def send_event(self, upload_id: str, packets: Sequence[Prepared]) -> bool:
        """Pass on, or hold back, an event; False when too much waits already and the client must go."""
        if not self._backlog and self._keeps_up():
            self._pass_on(packets)
            self._traffic.events += 1
            return True
        self._hold_back()
        self._backlog.add_event(upload_id, packets)
        return not self._backlog.full

    def send_tick(self, upload_id: str, packet: Prepared) -> None:
        """Pass on a tick, or keep it in the place of the one before."""
        if not self._backlog and self._keeps_up():
            self._pass_on((packet,))
            self._traffic.ticks += 1
            return
        self._hold_back()
        self._backlog.add_tick(upload_id, (packet,))

    def pump(self, stalled_after: float) -> bool:
        """Pass on what the client has room for; False when it has taken nothing for `stalled_after` seconds."""
        while self._backlog and self._keeps_up():
            self._pass_on(self._backlog.take()[0])
        ahead = self._measure()
        if ahead < self._ahead or not self.waiting:
            self._moved_at = time.monotonic()
        self._ahead = ahead
        return time.monotonic() - self._moved_at < stalled_after

    def _pass_on(self, packets: Sequence[Prepared]) -> None:
        queue, transport = self._socket.queue, self.transport
        if queue.idle and self._socket.upgraded and transport is not None and not transport.is_closing():
            transport.write(packets[0].frame if len(packets) == 1 else b"".join(packet.frame for packet in packets))
            return
        for packet in packets:
            queue.put_nowait(packet.packet)

    def _hold_back(self) -> None:
        if not self._backlog:
            self._ahead, self._moved_at = self._measure(), time.monotonic()

    def _keeps_up(self) -> bool:
        return self.ahead < PACKETS_AHEAD and self._buffered() < BYTES_AHEAD

    def _measure(self) -> int:
        """Something that shrinks when the client reads."""
        return self._buffered() + self.ahead

    def _buffered(self) -> int:
        transport = self.transport
        return 0 if transport is None or transport.is_closing() else transport.get_write_buffer_size()
