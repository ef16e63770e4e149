"""python-socketio's client manager: lean rooms, and one encoding of what goes to many.

The base class keeps who is connected to which namespace, and here nothing else; a client's own room is its id. That
makes a client's leaving independent of how many there are, and a room as light as its members.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import socketio
import structlog
from socketio import packet

from roomcast.fanout.send_queue import SendStats
from roomcast.rooms.connection import Connection
from roomcast.rooms.packet import OrjsonModule, Packet, encode_event
from roomcast.rooms.room import Member, Room
from roomcast.transport.packets import EncodedPacket

log = structlog.get_logger(__name__)

_PUMP_SECONDS = 0.1


class Manager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    """The clients and rooms of one server. To be combined with `socketio.AsyncRedisManager` by inheritance."""

    def __init__(
        self,
        *args: Any,
        stalled_client_seconds: float = 20.0,
        on_room_emptied: Callable[[Room], None] | None = None,
        **options: Any,
    ) -> None:
        """
        :param stalled_client_seconds: a client that takes nothing of what waits for it for so long is disconnected.
        :param on_room_emptied: is called when the last member has left a room.
        """
        super().__init__(*args, **options)
        self.stats = SendStats()
        self.on_room_emptied = on_room_emptied
        self._stalled_client_seconds = stalled_client_seconds
        self._members: dict[str, Member] = {}
        self._rooms: dict[tuple[str, str], Room] = {}
        self._behind: dict[Connection, None] = {}
        self._pump: asyncio.TimerHandle | None = None
        self._plain_json = False
        """Whether events may be encoded without the server's packet class: it is ours, and so is the JSON module."""

    # --- for Roomcast ------------------------------------------------------------------------------------------------

    def count(self, namespace: str = "/") -> int:
        """Return how many clients are in a namespace."""
        return len(self.rooms.get(namespace, {}).get(None, ()))

    def room(self, name: str, namespace: str = "/") -> Room | None:
        """Return a room that has members."""
        return self._rooms.get((namespace, name))

    def connection(self, eio_sid: str) -> Connection | None:
        """Return the connection of an Engine.IO session."""
        session = self.server.eio.sockets.get(eio_sid)
        return session.observer if session else None

    def connect_session(self, eio_sid: str) -> None:
        """Note a new Engine.IO session."""
        session = self.server.eio.sockets[eio_sid]
        session.observer = Connection(session, self.stats)

    def disconnect_session(self, eio_sid: str) -> None:
        """Note the end of an Engine.IO session."""
        session = self.server.eio.sockets.get(eio_sid)
        if session and session.observer:
            self._behind.pop(session.observer, None)
            session.observer = None  # they refer to each other; neither should wait for the garbage collector

    def send_event(self, sid: str, key: str, packets: Sequence[EncodedPacket]) -> None:
        """Send encoded packets to one client, now. `key` names the room whose ticks they overtake."""
        if member := self._members.get(sid):
            member.connection.send_event(key, packets)
            self._on_queued(member.connection)

    def emit_latest(self, event: str, data: Any, room: str, namespace: str = "/") -> None:
        """Send a reading to a room, now: a client that does not keep up gets only the latest (volatile, in Node)."""
        if members := self.room(room, namespace):
            (encoded,) = self._encode(event, data, namespace)
            members.send_tick(encoded)

    # --- what python-socketio calls ----------------------------------------------------------------------------------

    def set_server(self, server: Any) -> None:
        """Note whose clients these are."""
        super().set_server(server)
        self._plain_json = issubclass(server.packet_class, Packet) and server.packet_class.json is OrjsonModule

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event to a client, a room, several rooms, or all clients of the namespace."""
        room = to or room
        if callback:
            await super().emit(event, data, namespace, room=room, skip_sid=skip_sid, callback=callback, **kwargs)
            return
        single = None if room is None or isinstance(room, list | tuple | set) else self.room(room, namespace)
        if single and not skip_sid:
            single.send_event(self._encode(event, data, namespace))
            return
        skipped = set(skip_sid) if isinstance(skip_sid, list | tuple | set) else {skip_sid}
        members = [member for member in self._members_of(namespace, room) if member.sid not in skipped]
        if members:
            encoded = self._encode(event, data, namespace)
            for member in members:
                self.send_event(member.sid, "", encoded)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """Iterate over the `(sid, eio_sid)` of a room's members; a list names several rooms, None all clients."""
        for member in self._members_of(namespace, room):
            yield member.sid, member.connection.session.sid

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the rooms that a client is in, its own included."""
        member = self._member(sid, namespace)
        return [sid, *(room.name for room in member.rooms)] if member else []

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Let a client enter a room. Raises `ValueError` when it is not in the namespace, or the room is a client's."""
        if room is None:
            super().basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
            self._enter_namespace(sid, eio_sid)
            return
        if room == sid:
            return
        member = self._member(sid, namespace)
        if member is None:
            raise ValueError("sid is not connected to requested namespace")
        if self._member(room, namespace):
            raise ValueError("cannot enter a sid room")
        key = namespace, room
        if key not in self._rooms:
            self._rooms[key] = Room(namespace, room, self.stats, self._on_queued)
        self._rooms[key].add(member)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Let a client leave a room. One that is not in it is ignored."""
        if room is None:
            super().basic_leave_room(sid, namespace, None)
            self._leave_namespace(sid)
        elif (member := self._member(sid, namespace)) and (left := self.room(room, namespace)):
            self._leave(member, left)

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Remove a client from a namespace and from its rooms there."""
        for room in self.get_rooms(sid, namespace):
            self.basic_leave_room(sid, namespace, room)
        super().basic_disconnect(sid, namespace, **kwargs)

    # --- members and rooms -------------------------------------------------------------------------------------------

    def _member(self, sid: Any, namespace: str) -> Member | None:
        in_namespace = sid in self.rooms.get(namespace, {}).get(None, ())
        return self._members.get(sid) if in_namespace else None

    def _members_of(self, namespace: str, room: Any) -> Iterable[Member]:
        """Return the members of a room, of each of a list of rooms, or (None) of the namespace."""
        if room is None:
            return [self._members[sid] for sid in tuple(self.rooms.get(namespace, {}).get(None, ()))]
        if isinstance(room, list | tuple | set):
            return dict.fromkeys(member for one in room for member in self._members_of(namespace, one))
        members = self.room(room, namespace)
        own = self._member(room, namespace)
        return members.members() if members else [own] if own else []

    def _enter_namespace(self, sid: str, eio_sid: str | None) -> None:
        connection = self.connection(eio_sid or "")
        if connection is None:
            raise ValueError("the client has gone")
        member = self._members[sid] = Member(sid, connection)
        connection.members += (member,)

    def _leave_namespace(self, sid: str) -> None:
        if member := self._members.pop(sid, None):
            for room in member.rooms:
                self._leave(member, room)
            connection = member.connection
            connection.members = tuple(other for other in connection.members if other is not member)
            if not connection.members:
                self.server.eio.unaccept(connection.session.sid)

    def _leave(self, member: Member, room: Room) -> None:
        room.remove(member)
        if not room and self._rooms.pop((room.namespace, room.name), None) is not None and self.on_room_emptied:
            self.on_room_emptied(room)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _encode(self, event: str, data: Any, namespace: str) -> list[EncodedPacket]:
        """Encode an event once. A tuple holds several arguments, and None holds none."""
        arguments = data if isinstance(data, tuple) else () if data is None else (data,)
        if self._plain_json:
            with suppress(TypeError):  # what is not plain JSON goes the way of all packets
                return [encode_event(event, *arguments, namespace=namespace)]
        encoded = self.server.packet_class(packet.EVENT, namespace=namespace, data=[event, *arguments]).encode()
        return [EncodedPacket.message(one) for one in (encoded if isinstance(encoded, list) else [encoded])]

    def _on_queued(self, connection: Connection) -> None:
        """Note that something may wait for a client: look after it until nothing does."""
        if connection.overloaded:
            self._drop(connection, "too many events wait for it")
        elif connection.waiting:
            self._behind[connection] = None
            if self._pump is None:
                self._pump = asyncio.get_running_loop().call_later(_PUMP_SECONDS, self._pump_all)

    def _pump_all(self) -> None:
        self._pump = None
        for connection in tuple(self._behind):
            if not connection.pump(self._stalled_client_seconds):
                self._drop(connection, "it reads nothing")
            elif not connection.waiting:
                del self._behind[connection]
        if self._behind:
            self._pump = asyncio.get_running_loop().call_later(_PUMP_SECONDS, self._pump_all)

    def _drop(self, connection: Connection, reason: str) -> None:
        """Disconnect a client that cannot be served. It may come back and ask for what it missed."""
        self._behind.pop(connection, None)
        if not connection.session.ended:
            log.warning("client disconnected", session=connection.session.sid, reason=reason)
            connection.session.abort()
