"""A Socket.IO room: how a message that is encoded once reaches every member, and what a slow client gets.

A client that is writable is written to at once. For one that is not, events wait in a bounded queue, and of the ticks
only the latest (`fanout/send_queue.py`). A client is disconnected when too much waits for it, or when it has read
nothing for a while: it can reconnect and request the events that it has missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from roomcast.fanout.send_queue import SendQueue, SendStats
from roomcast.transport.packets import EncodedPacket
from roomcast.transport.session import Session

_MAX_QUEUED_BYTES = 8 << 20

WriteFrames = Callable[[bytes], None]


class Room:
    """The members of one room.

    Frames are written directly to the members that are writable, in one loop over their write functions. Packets for
    the other members may have to be queued; `on_queued` is called with the connection of each of them.
    """

    __slots__ = ("_buffered", "_on_queued", "_snapshot", "_stats", "_writable", "name", "namespace")

    def __init__(
        self, namespace: str, name: str, stats: SendStats, on_queued: Callable[[ClientConnection], None]
    ) -> None:
        self.namespace = namespace
        self.name = name
        self._stats = stats
        self._on_queued = on_queued
        self._writable: dict[Member, WriteFrames] = {}
        self._buffered: dict[Member, None] = {}
        self._snapshot: tuple[tuple[WriteFrames, ...], tuple[Member, ...]] | None = None
        """Cached copy of both sets; invalidated on join, leave, or change of writability."""

    def __len__(self) -> int:
        return len(self._writable) + len(self._buffered)

    def send_event(self, packets: Sequence[EncodedPacket]) -> None:
        """Send an event, which may be several packets, to every member. None is left out or reordered."""
        writes, buffered = self._members_now()
        frames = b"".join(packet.frame for packet in packets)
        for write in writes:
            write(frames)
        self._stats.events += len(writes)
        for member in buffered:
            member.connection.send_event(self.name, packets)
            self._on_queued(member.connection)

    def send_tick(self, packet: EncodedPacket, *, key: str | None = None) -> None:
        """Send a tick to every member. A slow one gets only the latest of each `key`, by default of the room."""
        writes, buffered = self._members_now()
        frame = packet.frame
        for write in writes:
            write(frame)
        self._stats.ticks += len(writes)
        for member in buffered:
            member.connection.send_tick(key or self.name, packet)
            self._on_queued(member.connection)

    def _members_now(self) -> tuple[tuple[WriteFrames, ...], tuple[Member, ...]]:
        """Return the writable and the other members as copies: a write may move a member from the one to the other."""
        if self._snapshot is None:
            self._snapshot = tuple(self._writable.values()), tuple(self._buffered)
        return self._snapshot

    def members(self) -> list[Member]:
        """Return a copy of the members."""
        return [*self._writable, *self._buffered]

    def add(self, member: Member) -> None:
        """Add a member. One that is in the room already is ignored."""
        if self not in member.rooms:
            member.rooms += (self,)
            self.classify(member)

    def remove(self, member: Member) -> None:
        """Remove a member. One that is not in the room is ignored."""
        if self in member.rooms:
            member.rooms = tuple(room for room in member.rooms if room is not self)
            self._discard(member)

    def classify(self, member: Member) -> None:
        """Put a member among the writable or the other ones, as its session is now."""
        self._discard(member)
        if write := member.connection.session.fast_write:
            self._writable[member] = write
        else:
            self._buffered[member] = None

    def _discard(self, member: Member) -> None:
        self._writable.pop(member, None)
        self._buffered.pop(member, None)
        self._snapshot = None


class Member:
    """One client in one namespace, and its rooms there."""

    __slots__ = ("connection", "rooms", "sid")

    def __init__(self, sid: str, connection: ClientConnection) -> None:
        self.sid = sid
        self.connection = connection
        self.rooms: tuple[Room, ...] = ()  # smaller than a set: most clients are in one or two rooms


class ClientConnection:
    """One client's connection, in all of its namespaces: writes to the session, or to a queue while it is slow."""

    __slots__ = ("_progressed_at", "_queue", "_queued_bytes", "_stats", "_unsent", "members", "refusals", "session")

    def __init__(self, session: Session, stats: SendStats) -> None:
        self.session = session
        self.members: tuple[Member, ...] = ()
        """The client in each of its namespaces."""
        self.refusals = 0
        """Namespaces that have refused the client since the last one accepted it."""
        self._stats = stats
        self._queue: SendQueue[Sequence[EncodedPacket]] | None = None
        self._queued_bytes = 0
        self._unsent = 0
        self._progressed_at = 0.0

    def on_writable_change(self) -> None:
        """Reclassify the client in all of its rooms. The session calls it."""
        for member in self.members:
            for room in member.rooms:
                room.classify(member)

    @property
    def has_queued(self) -> bool:
        """Whether something is queued."""
        return self._queue is not None

    @property
    def overloaded(self) -> bool:
        """Whether more is queued than a client may be behind."""
        return self._queue is not None and (self._queue.full or self._queued_bytes > _MAX_QUEUED_BYTES)

    def send_event(self, key: str, packets: Sequence[EncodedPacket]) -> None:
        """Send an event, or queue it. A queued tick with the same key is dropped."""
        if self._queue is None and self.session.writable:
            self._write(packets)
            self._stats.events += 1
            return
        self._queued_bytes += sum(len(packet.text) for packet in packets)
        self._open_queue().add_event(key, packets)

    def send_tick(self, key: str, packet: EncodedPacket) -> None:
        """Send a tick, or queue it in place of the last one with the same key."""
        if self._queue is None and self.session.writable:
            self.session.send_direct(packet)
            self._stats.ticks += 1
        else:
            self._open_queue().add_tick(key, (packet,))

    def flush(self, stalled_after: float) -> bool:
        """Send from the queue while the session is writable; return False if the client is stalled.

        A client is stalled when it has read nothing for `stalled_after` seconds.
        """
        while self._queue and self.session.writable:
            self._write(self._queue.pop()[0])
        if not self._queue:
            self._queue, self._queued_bytes = None, 0
            self.session.set_interceptor(None)
        unsent, now = self._measure_unsent(), time.monotonic()
        if unsent < self._unsent or not self.has_queued:
            self._progressed_at = now
        self._unsent = unsent
        return now - self._progressed_at < stalled_after

    def _write(self, packets: Sequence[EncodedPacket]) -> None:
        for packet in packets:
            self.session.send_direct(packet)

    def _open_queue(self) -> SendQueue[Sequence[EncodedPacket]]:
        if self._queue is None:
            self._queue = SendQueue(self._stats)
            # Acks, and everything else that python-socketio sends, must not overtake the queued events.
            self.session.set_interceptor(lambda packet: self.send_event("", (packet,)))
            self._unsent, self._progressed_at = self._measure_unsent(), time.monotonic()
        return self._queue

    def _measure_unsent(self) -> int:
        """Return a number that decreases only when the client reads."""
        return self.session.write_buffer_size + self.session.queued_packets
