"""The client manager of python-socketio: rooms that encode an event once for all members.

The base class stores only which client is connected to which namespace. A client's own room is its id and needs no
`Room`, so that connecting and disconnecting cost the same however many clients there are.
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
from roomcast.rooms.packet import OrjsonModule, Packet, encode_event
from roomcast.rooms.room import ClientConnection, Member, Room
from roomcast.transport.packets import EncodedPacket

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 0.1
"""How often the queues of slow clients are flushed."""


class Manager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    """The clients and rooms of one server. Can be combined with `socketio.AsyncRedisManager` by inheritance."""

    def __init__(self, *args: Any, stalled_client_seconds: float = 20.0, **options: Any) -> None:
        """:param stalled_client_seconds: how long a client with a queue may read nothing before it is disconnected."""
        super().__init__(*args, **options)
        self.stats = SendStats()
        self.on_room_emptied: Callable[[Room], None] | None = None
        """Is called when the last member has left a room."""
        self._stalled_client_seconds = stalled_client_seconds
        self._members: dict[str, Member] = {}
        self._rooms: dict[tuple[str, str], Room] = {}
        self._slow_clients: dict[ClientConnection, None] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        self._plain_json = False
        """Whether `encode_event` can replace the server's packet class: neither it nor its JSON module was replaced."""

    # --- what python-socketio does not have --------------------------------------------------------------------------

    def count(self, namespace: str = "/") -> int:
        """Return the number of clients in a namespace."""
        return len(self.rooms.get(namespace, {}).get(None, ()))

    def room(self, name: str, namespace: str = "/") -> Room | None:
        """Return a room, or None if it has no members."""
        return self._rooms.get((namespace, name))

    def connection(self, eio_sid: str) -> ClientConnection | None:
        """Return the connection of an Engine.IO session, or None if the session has ended."""
        session = self.server.eio.sockets.get(eio_sid)
        return session.observer if session else None

    def connect_session(self, eio_sid: str) -> None:
        """Add the connection of a new Engine.IO session."""
        session = self.server.eio.sockets[eio_sid]
        session.observer = ClientConnection(session, self.stats)

    def disconnect_session(self, eio_sid: str) -> None:
        """Remove the connection of an Engine.IO session that has ended."""
        session = self.server.eio.sockets.get(eio_sid)
        if session and session.observer:
            self._slow_clients.pop(session.observer, None)
            session.observer = None  # breaks a reference cycle, so that both are freed without the garbage collector

    def send_event(self, sid: str, key: str, packets: Sequence[EncodedPacket]) -> None:
        """Send an encoded event to one client, without awaiting. A queued tick of the room `key` is dropped."""
        if member := self._members.get(sid):
            member.connection.send_event(key, packets)
            self._on_queued(member.connection)

    # --- what python-socketio calls ----------------------------------------------------------------------------------

    def set_server(self, server: Any) -> None:
        """Set the server whose clients these are."""
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
        """Yield `(sid, eio_sid)` of the members of a room, of several rooms (a list), or of the namespace (None)."""
        for member in self._members_of(namespace, room):
            yield member.sid, member.connection.session.sid

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """Return the rooms of a client, including its own."""
        member = self._member(sid, namespace)
        return [sid, *(room.name for room in member.rooms)] if member else []

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        """Add a client to a room. Raises `ValueError` if it is not in the namespace, or the room is a client's id."""
        if room is None:
            super().basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
            self._enter_namespace(sid, eio_sid)
            return
        if room == sid:
            return
        member = self._member(sid, namespace)
        if member is None:
            raise ValueError("The sid is not connected to the requested namespace.")
        if self._member(room, namespace):
            raise ValueError("A client cannot enter the sid room of another client.")
        key = namespace, room
        if key not in self._rooms:
            self._rooms[key] = Room(namespace, room, self.stats, self._on_queued)
        self._rooms[key].add(member)

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        """Remove a client from a room. One that is not in it is ignored."""
        if room is None:
            super().basic_leave_room(sid, namespace, None)
            self._leave_namespace(sid)
        elif (member := self._member(sid, namespace)) and (found := self.room(room, namespace)):
            self._leave(member, found)

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
        """Return the members of a room, of several rooms (a list), or of the namespace (None)."""
        if room is None:
            return [self._members[sid] for sid in tuple(self.rooms.get(namespace, {}).get(None, ()))]
        if isinstance(room, list | tuple | set):
            return dict.fromkeys(member for name in room for member in self._members_of(namespace, name))
        if found := self.room(room, namespace):
            return found.members()
        own = self._member(room, namespace)
        return [own] if own else []

    def _enter_namespace(self, sid: str, eio_sid: str | None) -> None:
        connection = self.connection(eio_sid or "")
        if connection is None:
            raise ValueError("The sid has no connection.")
        member = self._members[sid] = Member(sid, connection)
        connection.members += (member,)

    def _leave_namespace(self, sid: str) -> None:
        if member := self._members.pop(sid, None):
            for room in member.rooms:
                self._leave(member, room)
            connection = member.connection
            connection.members = tuple(other for other in connection.members if other is not member)
            if not connection.members:
                self.server.eio.revoke(connection.session.sid)

    def _leave(self, member: Member, room: Room) -> None:
        room.remove(member)
        if not room and self._rooms.pop((room.namespace, room.name), None) is not None and self.on_room_emptied:
            self.on_room_emptied(room)

    # --- sending -----------------------------------------------------------------------------------------------------

    def _encode(self, event: str, data: Any, namespace: str) -> list[EncodedPacket]:
        """Encode an event. A tuple has several arguments, and None has none."""
        arguments = data if isinstance(data, tuple) else () if data is None else (data,)
        if self._plain_json:
            with suppress(TypeError):  # what orjson cannot serialize is left to the packet class
                return [encode_event(event, *arguments, namespace=namespace)]
        encoded = self.server.packet_class(packet.EVENT, namespace=namespace, data=[event, *arguments]).encode()
        return [EncodedPacket.message(data) for data in (encoded if isinstance(encoded, list) else [encoded])]

    def _on_queued(self, connection: ClientConnection) -> None:
        """Schedule flushes of a client's queue until it is empty, or disconnect an overloaded client."""
        if connection.overloaded:
            self._disconnect_slow_client(connection, "too many events are queued")
        elif connection.has_queued:
            self._slow_clients[connection] = None
            self._schedule_flush()

    def _schedule_flush(self) -> None:
        if self._flush_timer is None and self._slow_clients:
            self._flush_timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._flush_slow_clients)

    def _flush_slow_clients(self) -> None:
        self._flush_timer = None
        for connection in tuple(self._slow_clients):
            if not connection.flush(self._stalled_client_seconds):
                self._disconnect_slow_client(connection, "the client reads nothing")
            elif not connection.has_queued:
                del self._slow_clients[connection]
        self._schedule_flush()

    def _disconnect_slow_client(self, connection: ClientConnection, reason: str) -> None:
        self._slow_clients.pop(connection, None)
        if not connection.session.closing:
            log.warning("client_disconnected", session=connection.session.sid, reason=reason)
            connection.session.abort()
