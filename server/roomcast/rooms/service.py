"""Wires the Socket.IO server of one web process."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from roomcast.auth import Authenticator
from roomcast.fanout.relay import Relay
from roomcast.media.contract import MediaStore
from roomcast.media.links import present
from roomcast.origins import OriginPolicy, own_hosts
from roomcast.rooms.handlers import Handlers
from roomcast.rooms.manager import Manager
from roomcast.rooms.server import Server
from roomcast.rooms.upload_rooms import UploadRooms
from roomcast.services.uploads import UploadService
from roomcast.settings import Settings
from roomcast.transport.protocol_switch import protocol_switch

_MAX_CALL_BYTES = 64 * 1024
_PONG_SECONDS = 20.0

ProtocolFactory = Callable[[], asyncio.Protocol]


class RoomService:
    """The Socket.IO server with the rooms of uploads."""

    def __init__(
        self,
        settings: Settings,
        relay: Relay,
        control: UploadService,
        media: MediaStore,
        authenticator: Authenticator,
        origins: OriginPolicy,
    ) -> None:
        with_urls = partial(present, media=media)
        self._manager = Manager(stalled_client_seconds=settings.sockets.stalled_client_seconds)
        self.stats = self._manager.stats
        self.server = Server(
            self._manager,
            logger=_quiet_logger("socketio.server"),
            engineio_logger=_quiet_logger("engineio.server"),
            ping_interval=settings.sockets.ping_seconds,
            ping_timeout=_PONG_SECONDS,
            max_http_buffer_size=_MAX_CALL_BYTES,
            cors_allowed_origins=_origin_check(origins),
            cors_credentials=not origins.any,
            # A polling client's requests would reach one process or another; a WebSocket stays where it is.
            transports=["polling", "websocket"] if settings.web_processes == 1 else ["websocket"],
            websocket_deflate=settings.sockets.websocket_deflate,
            max_unaccepted_per_address=min(settings.sockets.max_unauthenticated_per_address, _quarter_of_descriptors()),
        )
        rooms = UploadRooms(self._manager, relay, with_urls, linger_seconds=settings.retention.room_linger_seconds)
        Handlers(self.server, rooms, control, authenticator, with_urls, origins=origins, cookie=settings.auth.cookie)
        self._admin_ui = None
        if settings.sockets.socketio_admin:
            username, _, password = settings.sockets.socketio_admin.get_secret_value().partition(":")
            self._admin_ui = self.server.instrument(auth={"username": username, "password": password})

    def attach(self, app: web.Application) -> None:
        """Serve `/socket.io/` in an application."""
        self.server.attach(app)

    def protocol_factory(self, http: ProtocolFactory) -> ProtocolFactory:
        """Make the protocols of a port, where `http` makes those of HTTP connections."""
        return protocol_switch(self.server.eio, http)

    def count(self) -> int:
        """Return how many clients are connected."""
        return self._manager.count()

    async def close(self) -> None:
        """End every session so that its client reconnects, to this server's successor."""
        if self._admin_ui:
            await self._admin_ui.shutdown()
        await self.server.shutdown()


def _origin_check(origins: OriginPolicy) -> Callable[[str, Mapping[str, Any]], bool]:
    def allowed(origin: str, environ: Mapping[str, Any]) -> bool:
        names = {"Host": "HTTP_HOST", "X-Forwarded-Host": "HTTP_X_FORWARDED_HOST"}
        headers = {name: environ.get(key, "") for name, key in names.items()}
        return origins.allows(origin, *own_hosts(headers))

    return allowed


def _quiet_logger(name: str) -> logging.Logger:
    """Return a library's logger that reports errors alone: it warns of what any client may do, as often as it likes."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.ERROR)
    return logger


def _quarter_of_descriptors() -> int:
    """Return how many sockets one address may hold at most, so that the others can still connect."""
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
