"""The Socket.IO server: python-socketio's, over our transport and with our client manager."""

from __future__ import annotations

from typing import Any

import socketio

from roomcast.rooms.manager import Manager
from roomcast.rooms.packet import Packet
from roomcast.transport.engine import Engine
from roomcast.transport.packets import InvalidPacket

_MAX_REFUSED = 3
"""Namespaces that may refuse a client, one after another, before its session is ended."""

_CONNECT = "0"
_BINARY = ("5", "6")


class Server(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    """A `socketio.AsyncServer` with the same interface: handlers, rooms, namespaces, acks, sessions.

    Takes its options and those of `Engine`. Clients that are in no namespace are closed after `accept_timeout` seconds
    (45), and at most `max_unaccepted_per_address` of one network address may be (no limit).
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
        """Let python-socketio connect a client to a namespace, and end sessions that are refused again and again."""
        connection = self.manager.connection(eio_sid)
        if connection is None:
            return
        members = len(connection.members)
        try:
            await super()._handle_eio_message(eio_sid, data)
        finally:
            if len(connection.members) > members:
                connection.refused = 0
                self.eio.accept(eio_sid)
            else:
                connection.refused += 1
                if connection.refused >= _MAX_REFUSED:
                    connection.session.close()

    def _check_binary(self, eio_sid: str, data: str) -> None:
        """Refuse attachments for a namespace that the client is not in: python-socketio would log a traceback."""
        namespace = self.packet_class(encoded_packet=data).namespace or "/"
        if not self.manager.sid_from_eio_sid(eio_sid, namespace):
            raise InvalidPacket("The client is not connected to the namespace.")


def _packet_class(max_bytes: int) -> type[Packet]:
    """Make a packet class with a limit of its own for attachments."""
    return type("Packet", (Packet,), {"max_attachment_bytes": max_bytes})
