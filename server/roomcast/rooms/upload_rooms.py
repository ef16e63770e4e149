"""The rooms of uploads: each is fed by the relay while clients are in it, and closes a while after its upload ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from roomcast.fanout.relay import Relay
from roomcast.rooms.manager import Manager
from roomcast.rooms.packet import encode_event
from roomcast.rooms.room import Room
from roomcast.rooms.schema import RoomState
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Message
from roomcast.uploads.model import message
from roomcast.uploads.viewer import Viewer

PROGRESS = "upload-progress"
_TERMINAL = frozenset({Status.COMPLETED, Status.ERROR})

WithUrls = Callable[[Message], Message]


class UploadRooms:
    """All rooms of uploads in this process. A room is named for its upload's id."""

    def __init__(self, manager: Manager, relay: Relay, with_urls: WithUrls, *, linger_seconds: float) -> None:
        """`linger_seconds` is how long a room stays open after its upload has ended."""
        self._manager = manager
        self._relay = relay
        self._with_urls = with_urls
        self._linger_seconds = linger_seconds
        self._feeds: dict[str, _Feed] = {}
        self._closing: dict[str, asyncio.TimerHandle] = {}
        manager.on_room_emptied = self._on_emptied

    async def join(
        self, sid: str, viewer: Viewer, upload_id: str, *, since: int | None = None, epoch: str | None = None
    ) -> RoomState:
        """Let a client enter an upload's room; return the state up to where the room's messages go on.

        With `since`, the state comes with the events after it; without, the state is also sent to the client as
        `upload-progress`, for clients that ask for no acknowledgement. Joining again replaces the first time. Raises
        what reading the upload or its ownership raises.
        """
        self.leave(sid, upload_id)
        feed = self._feeds.setdefault(upload_id, _Feed(self, upload_id))
        feed.joining += 1
        try:
            replay = await self._relay.subscribe(upload_id, feed, since=since, epoch=epoch)
            viewer.check_owns(replay.upload)
            if self._manager.is_connected(sid, "/"):  # it may have gone meanwhile
                self._manager.basic_enter_room(sid, "/", upload_id)
        finally:
            feed.joining -= 1
            self._close_if_empty(upload_id)
        state = message(replay.upload)
        self.on_moved(upload_id, state)
        shown = self._with_urls(state)
        if since is None:
            self._manager.send_event(sid, upload_id, [encode_event(PROGRESS, shown)])
        return {"state": shown, "events": [self._with_urls(event) for event in replay.events]}

    def leave(self, sid: str, upload_id: str) -> None:
        """Let a client leave an upload's room. One that is not in it is ignored."""
        self._manager.basic_leave_room(sid, "/", upload_id)

    def send_event(self, upload_id: str, event: Message, *, new_status: bool) -> None:
        """Send an event to the room as `upload-progress` and, with a new status, under the status's name too."""
        if room := self._manager.room(upload_id):
            payload = self._with_urls(event)
            packets = [encode_event(PROGRESS, payload)]
            if new_status:
                packets.append(encode_event(payload["status"], payload))
            room.send_event(packets)
        self.on_moved(upload_id, event)

    def send_tick(self, upload_id: str, tick: Message) -> None:
        """Send a reading to the room; a client that does not keep up gets only the latest."""
        if room := self._manager.room(upload_id):
            room.send_tick(encode_event(PROGRESS, self._with_urls(tick)))

    def on_moved(self, upload_id: str, event: Message) -> None:
        """Close a room a while after its upload has ended, unless the upload goes on."""
        if event["status"] in _TERMINAL:
            if upload_id not in self._closing and upload_id in self._feeds:
                loop = asyncio.get_running_loop()
                self._closing[upload_id] = loop.call_later(self._linger_seconds, self._close, upload_id)
        elif closing := self._closing.pop(upload_id, None):
            closing.cancel()

    def _close(self, upload_id: str) -> None:
        self._closing.pop(upload_id, None)
        self._manager.basic_close_room(upload_id, "/")

    def _on_emptied(self, room: Room) -> None:
        if room.namespace == "/":
            self._close_if_empty(room.name)

    def _close_if_empty(self, upload_id: str) -> None:
        """Unsubscribe from an upload when no client is in its room, or about to enter it."""
        feed = self._feeds.get(upload_id)
        if feed is None or feed.joining or self._manager.room(upload_id):
            return
        del self._feeds[upload_id]
        self._relay.unsubscribe(upload_id, feed)
        if closing := self._closing.pop(upload_id, None):
            closing.cancel()


class _Feed:
    """The relay's watcher for all clients of a room."""

    __slots__ = ("_rooms", "_upload_id", "joining")

    def __init__(self, rooms: UploadRooms, upload_id: str) -> None:
        self._rooms = rooms
        self._upload_id = upload_id
        self.joining = 0
        """How many clients are about to enter the room."""

    def on_event(self, event: Message, *, new_status: bool) -> None:
        self._rooms.send_event(self._upload_id, event, new_status=new_status)

    def on_tick(self, tick: Message) -> None:
        self._rooms.send_tick(self._upload_id, tick)
