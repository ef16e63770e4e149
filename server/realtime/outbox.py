"""What waits for one Socket.IO client: bounded, whatever the client does.

A client that keeps up is sent everything at once. For one that does not, a `Backlog` waits. One that takes nothing for
a while is closed, and so is one for which too many events wait: it can come back and ask for what it missed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from server.backlog import Backlog, Traffic
from server.realtime.engine import Session
from server.realtime.packets import Packet


class Outbox:
    """One client's outgoing side."""

    __slots__ = ("_ahead", "_backlog", "_moved_at", "_session", "_traffic")

    def __init__(self, session: Session, traffic: Traffic) -> None:
        self._session = session
        self._traffic = traffic
        self._backlog: Backlog[Sequence[Packet]] | None = None
        self._ahead = 0
        self._moved_at = 0.0

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return self._backlog is not None

    def send_event(self, upload_id: str, packets: Sequence[Packet]) -> bool:
        """Pass on, or hold back, an event; False when too much waits already and the client must go."""
        if self._backlog is None and self._session.keeps_up:
            self._pass_on(packets)
            self._traffic.events += 1
            return True
        backlog = self._hold_back()
        backlog.add_event(upload_id, packets)
        return not backlog.full

    def send_tick(self, upload_id: str, packet: Packet) -> bool:
        """Pass on a tick, or keep it in the place of the one before: False when it waits."""
        if self._backlog is None and self._session.keeps_up:
            self._session.send(packet)
            self._traffic.ticks += 1
            return True
        self._hold_back().add_tick(upload_id, (packet,))
        return False

    def pump(self, stalled_after: float) -> bool:
        """Pass on what the client has room for; False when it has taken nothing for `stalled_after` seconds."""
        while self._backlog and self._session.keeps_up:
            self._pass_on(self._backlog.take()[0])
        if not self._backlog:
            self._backlog = None
            self._session.hold(held=False)
        ahead, now = self._measure(), time.monotonic()
        if ahead < self._ahead or not self.waiting:
            self._moved_at = now
        self._ahead = ahead
        return now - self._moved_at < stalled_after

    def _pass_on(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            self._session.send(packet)

    def _hold_back(self) -> Backlog[Sequence[Packet]]:
        if self._backlog is None:
            self._backlog = Backlog(self._traffic)
            self._session.hold(held=True)
            self._ahead, self._moved_at = self._measure(), time.monotonic()
        return self._backlog

    def _measure(self) -> int:
        """Something that shrinks when the client reads."""
        return self._session.buffered + self._session.waiting
