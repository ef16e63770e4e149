"""The rooms of uploads. Each sends the relay's messages to its members, and closes some time after its upload ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from roomcast.rooms.manager import Manager
from roomcast.rooms.packet import encode_event
from roomcast.rooms.room import Room
from roomcast.rooms.schema import RoomState
from roomcast.services.uploads import UploadService
from roomcast.uploads.lifecycle import TERMINAL_STATUSES, Stage
from roomcast.uploads.messages import Message
from roomcast.uploads.viewer import Viewer

PROGRESS = "upload-progress"
DELETED = "deleted"
"""The name of the event that the upload was deleted, instead of its status's."""


class UploadRoom:
    """The relay's subscriber for one upload. Its room in python-socketio has the upload's id as its name."""

    __slots__ = ("_close_timer", "_linger_seconds", "_manager", "_upload_id", "joining")

    def __init__(self, upload_id: str, manager: Manager, linger_seconds: float) -> None:
        self._upload_id = upload_id
        self._manager = manager
        self._linger_seconds = linger_seconds
        self._close_timer: asyncio.TimerHandle | None = None
        self.joining = 0
        """How many clients are about to enter the room."""

    def on_event(self, event: Message, *, names: Sequence[str]) -> None:
        """Send an event as `upload-progress`, and again under each of `names` (for a deleted upload: `deleted`) and
        the name of the application's event."""
        if room := self._manager.room(self._upload_id):
            also = [DELETED] if event["stage"] == Stage.DELETED else [*names]
            if "event" in event:
                also.append(event["event"]["name"])
            room.send_event([encode_event(name, event) for name in (PROGRESS, *also)])
        self.update_close_timer(event)

    def on_tick(self, tick: Message) -> None:
        """Send a progress reading as `upload-progress`. A slow client gets only the latest."""
        room = self._manager.room(self._upload_id)
        if room and "event" in tick:
            for name in (PROGRESS, tick["event"]["name"]):
                room.send_tick(encode_event(name, tick), key=f"{self._upload_id} {tick['event']['name']} {name}")
        elif room:
            room.send_tick(encode_event(PROGRESS, tick))

    def update_close_timer(self, latest: Message) -> None:
        """Start the timer that closes the room when the upload has ended; cancel it when the upload is retried."""
        if latest["status"] not in TERMINAL_STATUSES:
            self.cancel_close_timer()
        elif self._close_timer is None:
            self._close_timer = asyncio.get_running_loop().call_later(self._linger_seconds, self._close)

    def cancel_close_timer(self) -> None:
        """Keep the room open."""
        if self._close_timer:
            self._close_timer.cancel()
            self._close_timer = None

    def _close(self) -> None:
        self._close_timer = None
        self._manager.basic_close_room(self._upload_id, "/")


class UploadRooms:
    """All rooms of uploads in this process. Each exists while clients are in it or about to enter it."""

    def __init__(self, manager: Manager, uploads: UploadService, *, linger_seconds: float) -> None:
        """`linger_seconds` is how long a room stays open after its upload has ended."""
        self._manager = manager
        self._uploads = uploads
        self._linger_seconds = linger_seconds
        self._rooms: dict[str, UploadRoom] = {}
        manager.on_room_emptied = self._on_room_emptied

    async def join(
        self, sid: str, viewer: Viewer, upload_id: str, *, since: int | None = None, epoch: str | None = None
    ) -> RoomState:
        """Add a client to an upload's room; return the state, which the room's next message continues.

        With `since`, the result has the events after it. Without, the state is also sent to the client as
        `upload-progress`, for clients that request no acknowledgement. A second join replaces the first. Raises
        `NotFound`, and `Forbidden` for another user's upload.
        """
        self.leave(sid, upload_id)
        room = self._rooms.get(upload_id)
        if room is None:
            room = UploadRoom(upload_id, self._manager, self._linger_seconds)
            self._rooms[upload_id] = room
        room.joining += 1
        try:
            replay = await self._uploads.subscribe(viewer, upload_id, room, since=since, epoch=epoch)
            if self._manager.is_connected(sid, "/"):  # it may have disconnected during the read
                self._manager.basic_enter_room(sid, "/", upload_id)
        finally:
            room.joining -= 1
            self._remove_if_empty(upload_id)
        state = self._uploads.message(replay.upload)
        if upload_id in self._rooms:
            self._rooms[upload_id].update_close_timer(state)
        if since is None:
            self._manager.send_event(sid, upload_id, [encode_event(PROGRESS, state)])
        return {"state": state, "events": replay.events}

    def leave(self, sid: str, upload_id: str) -> None:
        """Remove a client from an upload's room. One that is not in it is ignored."""
        self._manager.basic_leave_room(sid, "/", upload_id)

    def _on_room_emptied(self, room: Room) -> None:
        if room.namespace == "/":
            self._remove_if_empty(room.name)

    def _remove_if_empty(self, upload_id: str) -> None:
        """Unsubscribe from an upload when no client is in its room or about to enter it."""
        room = self._rooms.get(upload_id)
        if room is None or room.joining or self._manager.room(upload_id):
            return
        del self._rooms[upload_id]
        self._uploads.unsubscribe(upload_id, room)
        room.cancel_close_timer()
