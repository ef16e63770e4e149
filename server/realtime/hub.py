"""The rooms of this process: which client watches which upload, and what it is sent.

A `Member` is one client in one room. Whatever goes to a room is encoded once, however many members it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from server.access import Viewer
from server.backlog import Traffic
from server.realtime import packets
from server.realtime.engine import Session
from server.realtime.outbox import Outbox
from server.realtime.packets import Packet
from server.realtime.relay import Relay
from server.realtime.shapes import RoomState
from server.upload.events import message
from server.upload.ledger import Replay
from server.upload.lifecycle import Status
from server.upload.shapes import Message

log = structlog.get_logger(__name__)

PROGRESS = "upload-progress"
_TERMINAL = frozenset({Status.COMPLETED, Status.ERROR})
_PUMP_SECONDS = 0.1

Present = Callable[[Message], Message]
Write = Callable[[bytes], None]


@dataclass(eq=False, slots=True)
class Client:
    """One connected socket."""

    sid: str
    viewer: Viewer
    session: Session
    outbox: Outbox
    rooms: dict[str, Room] = field(default_factory=dict)
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0
    gone: bool = False

    def paced(self) -> None:
        """Its session keeps up again, or does not any more."""
        for room in self.rooms.values():
            room.place(self)


class Room:
    """Whoever watches one upload here: the relay's watcher for all of them.

    What goes to everybody is written straight to the connections of those that keep up; the others have an outbox.
    """

    __slots__ = ("_hub", "_slower", "_swift", "_ways", "coming", "upload_id")

    def __init__(self, hub: Hub, upload_id: str) -> None:
        self._hub = hub
        self.upload_id = upload_id
        self.coming = 0
        self._swift: dict[Client, Write] = {}
        self._slower: dict[Client, None] = {}
        self._ways: tuple[tuple[Write, ...], tuple[Client, ...]] | None = None
        """To both kinds, side by side in memory; None when somebody came, went or changed sides."""

    def __bool__(self) -> bool:
        """Whether anybody is here."""
        return bool(self._swift or self._slower)

    def members(self) -> list[Client]:
        return [*self._swift, *self._slower]

    def place(self, client: Client) -> None:
        """Into the room, or to where it belongs by now."""
        self.remove(client)  # which forgets the ways
        if write := client.session.write_now:
            self._swift[client] = write
        else:
            self._slower[client] = None

    def remove(self, client: Client) -> None:
        self._swift.pop(client, None)
        self._slower.pop(client, None)
        self._ways = None

    def on_event(self, event: Message, *, new_status: bool) -> None:
        told = self._hub.encode(event, new_status=new_status)
        swift, slower = self._everybody()
        frames = b"".join(packet.frame for packet in told)
        for write in swift:
            write(frames)
        self._hub.traffic.events += len(swift)
        for client in slower:
            if not client.outbox.send_event(self.upload_id, told):
                self._hub.drop(client, "too many events wait")
            elif client.outbox.waiting:
                self._hub.pump_soon(client)
        self._hub.room_moved(self.upload_id, event)

    def on_tick(self, tick: Message) -> None:
        (packet,) = self._hub.encode(tick, new_status=False)
        swift, slower = self._everybody()
        frame = packet.frame
        for write in swift:
            write(frame)
        self._hub.traffic.ticks += len(swift)
        for client in slower:
            if not client.outbox.send_tick(self.upload_id, packet):
                self._hub.pump_soon(client)

    def _everybody(self) -> tuple[tuple[Write, ...], tuple[Client, ...]]:
        """As of now: whoever has no room for more after what is written next, is slower from then on."""
        if self._ways is None:
            self._ways = tuple(self._swift.values()), tuple(self._slower)
        return self._ways


class Hub:
    """All clients and rooms."""

    def __init__(
        self,
        relay: Relay,
        present: Present,
        *,
        linger_seconds: float,
        stalled_client_seconds: float,
    ) -> None:
        self._relay = relay
        self._present = present
        self._linger_seconds = linger_seconds
        self._stalled_client_seconds = stalled_client_seconds
        self.traffic = Traffic()
        self._clients: set[Client] = set()
        self._rooms: dict[str, Room] = {}
        self._closing: dict[str, asyncio.TimerHandle] = {}
        self._behind: dict[Client, None] = {}
        self._pump: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def enter(self, client: Client) -> None:
        self._clients.add(client)
        client.session.on_pace = client.paced

    def leave(self, client: Client) -> None:
        """The client is gone: out of every room, and nothing waits for it any more."""
        client.gone = True
        client.session.on_pace = None  # or they would keep each other until the garbage is collected
        self._clients.discard(client)
        self._behind.pop(client, None)
        for upload_id in tuple(client.rooms):
            self.part(client, upload_id)

    async def join(self, client: Client, upload_id: str, since: int | None, epoch: str | None) -> RoomState:
        """Into the room; `{state, events}` up to the moment from which the room's messages go on.

        Joining again replaces the first time. Raises what reading or owning the upload raises.
        """
        async with client.one_at_a_time:
            self.part(client, upload_id)
            room = self._rooms.setdefault(upload_id, Room(self, upload_id))
            room.coming += 1
            try:
                replay = await self._relay.watch(upload_id, room, since=since, epoch=epoch)
                client.viewer.check_owns(replay.upload)
                if not client.gone:
                    client.rooms[upload_id] = room
                    room.place(client)
            finally:
                room.coming -= 1
                self._close_if_empty(room)
            state = message(replay.upload)
            self.room_moved(upload_id, state)
            return {"state": self._present(state), "events": self._events(replay)}

    def part(self, client: Client, upload_id: str) -> None:
        """Out of the room; no harm if it was not in it."""
        if room := client.rooms.pop(upload_id, None):
            room.remove(client)
            self._close_if_empty(room)

    def _close_if_empty(self, room: Room) -> None:
        if room or room.coming:
            return
        self._relay.unwatch(room.upload_id, room)
        del self._rooms[room.upload_id]
        if closing := self._closing.pop(room.upload_id, None):
            closing.cancel()

    def encode(self, of: Message, *, new_status: bool) -> list[Packet]:
        """The message as `upload-progress` and, with a new status, once more under the status's name."""
        shown = self._present(of)
        told = [packets.event(PROGRESS, shown)]
        if new_status:
            told.append(packets.event(shown["status"], shown))
        return told

    def room_moved(self, upload_id: str, event: Message) -> None:
        """A room closes a while after its upload ended, unless it goes on."""
        if event["status"] in _TERMINAL:
            if upload_id not in self._closing and upload_id in self._rooms:
                loop = asyncio.get_running_loop()
                self._closing[upload_id] = loop.call_later(self._linger_seconds, self._close_room, upload_id)
        elif closing := self._closing.pop(upload_id, None):
            closing.cancel()

    def _close_room(self, upload_id: str) -> None:
        self._closing.pop(upload_id, None)
        if room := self._rooms.get(upload_id):
            for client in room.members():
                self.part(client, upload_id)

    def pump_soon(self, client: Client) -> None:
        """Something waits for the client: look again and again until nothing does."""
        self._behind[client] = None
        if self._pump is None:
            self._pump = asyncio.get_running_loop().call_later(_PUMP_SECONDS, self._pump_all)

    def _pump_all(self) -> None:
        self._pump = None
        for client in tuple(self._behind):
            if not client.outbox.pump(self._stalled_client_seconds):
                self.drop(client, "it reads nothing")
            elif not client.outbox.waiting:
                del self._behind[client]
        if self._behind:
            self._pump = asyncio.get_running_loop().call_later(_PUMP_SECONDS, self._pump_all)

    def drop(self, client: Client, why: str) -> None:
        """Close a client that cannot be served. It may come back and ask for what it missed."""
        if not client.gone:
            log.warning("client dropped", sid=client.sid, why=why)
            self.leave(client)
            client.session.abort()

    def _events(self, replay: Replay) -> list[Message]:
        return [self._present(event) for event in replay.events]
