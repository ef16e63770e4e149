"""The Socket.IO server: python-socketio's, with our transport and client manager."""

from __future__ import annotations

from typing import Any

import socketio

from roomcast.rooms.manager import Manager
from roomcast.rooms.packet import Packet
from roomcast.transport.engine import Engine
from roomcast.transport.packets import InvalidPacket

_MAX_REFUSALS = 3
"""Refusals by namespaces, one after another, at which a client's session is closed."""

_CONNECT = "0"
_BINARY = ("5", "6")


class SocketIOServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    """A `socketio.AsyncServer` with the same interface: handlers, rooms, namespaces, acks, sessions.

    Accepts its options and those of `Engine`. A client that is in no namespace for `accept_timeout` seconds (default:
    45) is disconnected, and `max_unaccepted_per_address` limits such clients of one network address.
    """

    def __init__(self, client_manager: Manager | None = None, **options: Any) -> None:
        options.setdefault("serializer", _packet_class(options.get("max_http_buffer_size", 1_000_000)))
        options.setdefault("accept_timeout", 45.0)
        super().__init__(client_manager=client_manager or Manager(), **options)

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _handle_eio_connect(self, eio_sid: str, environ: Any) -> Any:
        self.manager.connect_session(eio_sid)
        return await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        self.manager.disconnect_session(eio_sid)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        if isinstance(data, str) and data.startswith(_CONNECT):
            await self._connect_namespace(eio_sid, data)
            return
        if isinstance(data, str) and data.startswith(_BINARY):
            self._check_binary(eio_sid, data)
        await super()._handle_eio_message(eio_sid, data)

    async def _connect_namespace(self, eio_sid: str, data: str) -> None:
        """Connect a client to a namespace. Close its session after `_MAX_REFUSALS` refusals without an acceptance."""
        connection = self.manager.connection(eio_sid)
        if connection is None:
            return
        members = len(connection.members)
        try:
            await super()._handle_eio_message(eio_sid, data)
        finally:
            if len(connection.members) > members:
                connection.refusals = 0
                self.eio.accept(eio_sid)
            else:
                connection.refusals += 1
                if connection.refusals >= _MAX_REFUSALS:
                    connection.session.close()

    def _check_binary(self, eio_sid: str, data: str) -> None:
        """Raise `InvalidPacket` for a namespace that the client is not in, where python-socketio logs a traceback."""
        namespace = self.packet_class(encoded_packet=data).namespace or "/"
        if not self.manager.sid_from_eio_sid(eio_sid, namespace):
            raise InvalidPacket("The client is not connected to the namespace.")


def _packet_class(max_bytes: int) -> type[Packet]:
    """Make a packet class whose attachments are limited to `max_bytes`."""
    return type("Packet", (Packet,), {"max_attachment_bytes": max_bytes})
