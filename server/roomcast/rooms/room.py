"""The members of a Socket.IO room, and how a message that was encoded once reaches all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from roomcast.fanout.send_queue import SendStats
from roomcast.rooms.connection import Connection
from roomcast.transport.packets import EncodedPacket

Write = Callable[[bytes], None]
OnQueued = Callable[[Connection], None]


class Member:
    """One client in one namespace."""

    __slots__ = ("connection", "rooms", "sid")

    def __init__(self, sid: str, connection: Connection) -> None:
        self.sid = sid
        self.connection = connection
        self.rooms: tuple[Room, ...] = ()
        """The rooms that it is in: a tuple, because most clients are in one or two."""

    def on_write_changed(self) -> None:
        """Move to the other members that keep up, or to those that do not."""
        for room in self.rooms:
            room.place(self)


class Room:
    """The members of one room.

    Those that keep up are written to straight away, in one loop over their connections' write functions; what goes to
    the others may have to be queued, and `on_queued` is called for each of them.
    """

    __slots__ = ("_buffered", "_on_queued", "_snapshot", "_stats", "_writable", "name", "namespace")

    def __init__(self, namespace: str, name: str, stats: SendStats, on_queued: OnQueued) -> None:
        self.namespace = namespace
        self.name = name
        self._stats = stats
        self._on_queued = on_queued
        self._writable: dict[Member, Write] = {}
        self._buffered: dict[Member, None] = {}
        self._snapshot: tuple[tuple[Write, ...], tuple[Member, ...]] | None = None
        """Both kinds side by side in memory; None after a member came, left or changed sides."""

    def __len__(self) -> int:
        return len(self._writable) + len(self._buffered)

    def members(self) -> list[Member]:
        """Return a copy of the members."""
        return [*self._writable, *self._buffered]

    def place(self, member: Member) -> None:
        """Add a member, or move it to the side where it belongs by now."""
        self._discard(member)
        if write := member.connection.session.write_now:
            self._writable[member] = write
        else:
            self._buffered[member] = None

    def add(self, member: Member) -> None:
        """Let a client enter the room. One that is in it stays."""
        if self not in member.rooms:
            member.rooms += (self,)
            self.place(member)

    def remove(self, member: Member) -> None:
        """Let a client leave the room. One that is not in it is ignored."""
        if self in member.rooms:
            member.rooms = tuple(room for room in member.rooms if room is not self)
            self._discard(member)

    def _discard(self, member: Member) -> None:
        self._writable.pop(member, None)
        self._buffered.pop(member, None)
        self._snapshot = None

    def send_event(self, packets: Sequence[EncodedPacket]) -> None:
        """Send an event to every member: in order, and none is left out."""
        writes, buffered = self._sides()
        frames = b"".join(packet.frame for packet in packets)
        for write in writes:
            write(frames)
        self._stats.events += len(writes)
        for member in buffered:
            member.connection.send_event(self.name, packets)
            self._on_queued(member.connection)

    def send_tick(self, packet: EncodedPacket) -> None:
        """Send a tick to every member; to one that does not keep up, only the latest."""
        writes, buffered = self._sides()
        frame = packet.frame
        for write in writes:
            write(frame)
        self._stats.ticks += len(writes)
        for member in buffered:
            member.connection.send_tick(self.name, packet)
            self._on_queued(member.connection)

    def _sides(self) -> tuple[tuple[Write, ...], tuple[Member, ...]]:
        """Return both sides as of now: a member that has no room for more after this moves to the other side then."""
        if self._snapshot is None:
            self._snapshot = tuple(self._writable.values()), tuple(self._buffered)
        return self._snapshot
