"""The sockets of this process as administrators see them: who is connected, in which rooms, and disconnecting them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import structlog

from roomcast.rooms.handlers import AuthenticatedClient, Handlers
from roomcast.rooms.manager import Manager
from roomcast.runtime.process import process_name
from roomcast.services.calls.web_calls import DISCONNECT_SOCKETS, LIST_SOCKETS, MAX_SOCKETS
from roomcast.uploads.messages import timestamp

log = structlog.get_logger(__name__)


class Sockets:
    """Answers the calls about the sockets of this process (`services.calls.web_calls`)."""

    def __init__(self, handlers: Handlers, manager: Manager) -> None:
        self._handlers = handlers
        self._manager = manager

    async def answer(self, name: str, argument: Mapping[str, Any]) -> Any:
        """Return the sockets, oldest first, or disconnect them and return their number.

        `argument` may name a socket (`sid`), a user (`user`) or a room (`upload`).
        """
        found = list(self._found(argument))
        if name == LIST_SOCKETS:
            return [self._entry(client) for client in sorted(found, key=lambda one: one.since)[: MAX_SOCKETS + 1]]
        if name == DISCONNECT_SOCKETS:
            for client in found:
                log.info("admin_disconnected", sid=client.sid, user=client.viewer.user, admin=argument.get("by"))
                await self._handlers.disconnect_client(client.sid)
            return len(found)
        raise ValueError(f"There is no call {name!r}.")

    def _found(self, argument: Mapping[str, Any]) -> Iterator[AuthenticatedClient]:
        sid, user, upload = (argument.get(name) for name in ("sid", "user", "upload"))
        for client in self._handlers.clients():
            wanted = sid in (None, client.sid) and user in (None, client.viewer.user)
            if wanted and (upload is None or upload in self._manager.get_rooms(client.sid, "/")):
                yield client

    def _entry(self, client: AuthenticatedClient) -> dict[str, Any]:
        connection = self._manager.connection(self._manager.eio_sid_from_sid(client.sid, "/") or "")
        session = connection.session if connection else None
        return {
            "sid": client.sid,
            "process": process_name(),
            "user": client.viewer.user,
            "admin": client.viewer.admin,
            "address": session.address if session else "",
            "transport": "websocket" if session and session.upgraded else "polling",
            "since": timestamp(client.since),
            "rooms": [room for room in self._manager.get_rooms(client.sid, "/") if room != client.sid],
        }
