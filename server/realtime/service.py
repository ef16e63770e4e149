"""Socket.IO as one thing with a beginning and an end."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import orjson
import socketio
from aiohttp import web
from engineio.packet import NOOP, Packet

from server.access import Authenticator
from server.backlog import Traffic
from server.control import Control
from server.present import present
from server.realtime.calls import Calls
from server.realtime.frames import PacketQueue
from server.realtime.hub import Client, Hub
from server.realtime.relay import Relay
from server.realtime.transports import Transports
from server.settings import Settings
from server.upload.media import MediaStore

_LARGEST_CALL_BYTES = 64 * 1024


class Json:
    """orjson in the shape that python-socketio asks for."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        return orjson.loads(text)


class Realtime:
    """The Socket.IO server of one web process."""

    def __init__(
        self, settings: Settings, relay: Relay, control: Control, media: MediaStore, authenticator: Authenticator
    ) -> None:
        self._sio = socketio.AsyncServer(
            async_mode="aiohttp",
            cors_allowed_origins=settings.cors_origins or None,
            ping_interval=settings.ping_seconds,
            ping_timeout=20,
            max_http_buffer_size=_LARGEST_CALL_BYTES,
            json=Json,
            # A polling client's requests would reach one process or another; a WebSocket stays where it is.
            transports=["websocket"] if settings.web_processes > 1 else ["polling", "websocket"],
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
        )
        self._sio.eio.create_queue = PacketQueue
        self._transports = Transports(self._sio)
        show = partial(present, media=media)
        self._hub = Hub(
            relay,
            show,
            self._disconnect,
            linger_seconds=settings.room_linger_seconds,
            stalled_client_seconds=settings.stalled_client_seconds,
        )
        self.traffic = Traffic()
        Calls(self._sio, self._hub, control, authenticator, self._transports, show, settings.cookie, self.traffic)
        self._closing: set[asyncio.Future[None]] = set()

    def add_routes(self, app: web.Application) -> None:
        self._transports.add_routes(app)

    def sockets(self) -> int:
        """How many are connected."""
        return len(self._hub.clients())

    async def close(self) -> None:
        """Close every socket so that its client comes back by itself, to this server's successor."""
        # Nobody says goodbye: after Engine.IO's or Socket.IO's own, some clients stay away. A connection
        # that is simply gone, every client makes again.
        for client in self._hub.clients():
            if client.outbox.transport:
                client.outbox.transport.close()
        for socket in self._sio.eio.sockets.values():
            socket.queue.put_nowait(Packet(NOOP))  # ends a poll
        await self._sio.shutdown()

    def _disconnect(self, client: Client) -> None:
        """Cut a client that does not read: nothing that waits for it will ever be taken."""
        eio_sid = self._sio.manager.eio_sid_from_sid(client.sid, "/")
        if socket := self._sio.eio.sockets.get(eio_sid):
            closing = asyncio.ensure_future(socket.close(wait=False, abort=True))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if client.outbox.transport:
            client.outbox.transport.abort()
