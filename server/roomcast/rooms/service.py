"""The Socket.IO server of a web process, with the rooms of uploads and the handlers of calls."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from roomcast.assemblies.links import UploadLinks
from roomcast.errors import Forbidden
from roomcast.forwarded import TrustedProxies, environ_headers
from roomcast.origins import OpenModeGuard, OriginPolicy, PageHeaders
from roomcast.rooms.handlers import CALLS, SOCKET_PATH, Handlers
from roomcast.rooms.manager import Manager
from roomcast.rooms.shared_server import SharedServer
from roomcast.rooms.sockets import Sockets
from roomcast.rooms.upload_rooms import UploadRooms
from roomcast.services.authentication import Authenticator
from roomcast.services.uploads import UploadService
from roomcast.settings.settings import Settings
from roomcast.transport.connections import Connections
from roomcast.transport.handshake import Environ
from roomcast.transport.protocol_switch import ProtocolFactory, protocol_factory
from roomcast.transport.scheduler import Scheduler

_MAX_CALL_BYTES = 64 * 1024
_PONG_SECONDS = 20.0

_MANY_DESCRIPTORS = 1 << 20
"""The limit where the system has none."""

_RESERVED_DESCRIPTORS = 1024
"""File descriptors that connections leave to files, programs and other servers; at most a quarter of all."""


def socket_server(settings: Settings) -> SharedServer:
    """Return the Socket.IO server that the settings describe. It serves uploads once it is in a `RoomService`."""
    origins = OriginPolicy(settings.sockets.cors_origins, public_url=settings.server.public_url)
    proxies = TrustedProxies(settings.server.trusted_proxies)
    most = _descriptors() - min(_descriptors() // 4, _RESERVED_DESCRIPTORS)
    return SharedServer(
        CALLS,
        client_manager=Manager(stalled_client_seconds=settings.sockets.stalled_client_seconds),
        logger=_quiet_logger("socketio.server"),
        engineio_logger=_quiet_logger("engineio.server"),
        ping_interval=settings.sockets.ping_seconds,
        ping_timeout=_PONG_SECONDS,
        max_http_buffer_size=_MAX_CALL_BYTES,
        cors_allowed_origins=_origin_check(origins, proxies),
        cors_credentials=not origins.any,
        client_address=_client_address(proxies),
        # The requests of a polling client would reach different processes.
        transports=["polling", "websocket"] if settings.web_processes == 1 else ["websocket"],
        websocket_deflate=settings.sockets.websocket_deflate,
        max_unaccepted_per_address=min(settings.sockets.max_unauthenticated_per_address, _descriptors() // 4),
        connections=Connections(most, max_per_address=most // 2),
    )


class RoomService:
    """Runs a Socket.IO server with the rooms of uploads."""

    def __init__(
        self,
        settings: Settings,
        uploads: UploadService,
        authenticator: Authenticator,
        links: UploadLinks,
        proxies: TrustedProxies,
        guard: OpenModeGuard | None = None,
        server: SharedServer | None = None,
    ) -> None:
        """`server` is one of `socket_server`, which the application may have added handlers to."""
        self.server = server or socket_server(settings)
        self._manager: Manager = self.server.manager
        self.stats = self._manager.stats
        self.connections: Connections = self.server.eio.connections
        self.scheduler: Scheduler = self.server.eio.scheduler
        self.server.eio.allow_handshake = _handshake_check(guard, proxies) if guard else None
        self._prefix = settings.server.prefix
        rooms = UploadRooms(self._manager, uploads, linger_seconds=settings.retention.room_linger_seconds)
        handlers = Handlers(self.server, rooms, uploads, authenticator, links=links, proxies=proxies)
        self.sockets = Sockets(handlers, self._manager)
        self._admin_ui = None
        if settings.sockets.socketio_admin:
            username, _, password = settings.sockets.socketio_admin.get_secret_value().partition(":")
            self._admin_ui = self.server.instrument(auth={"username": username, "password": password})

    def attach(self, app: web.Application) -> None:
        """Add the routes of `/socket.io/` to an application, which may be below a prefix."""
        self.server.attach(app)
        self.server.eio.path = f"{self._prefix}{SOCKET_PATH}"

    def protocol_factory(self, http: ProtocolFactory) -> ProtocolFactory:
        """Make the protocol factory of a port; `http` is the one for HTTP connections."""
        return protocol_factory(self.server.eio, http)

    def count(self) -> int:
        """Return the number of connected clients."""
        return self._manager.count()

    async def close(self) -> None:
        """End all sessions without a close packet, so that their clients reconnect."""
        if self._admin_ui:
            await self._admin_ui.shutdown()
        await self.server.shutdown()


def _origin_check(origins: OriginPolicy, proxies: TrustedProxies) -> Callable[[str, Mapping[str, Any]], bool]:
    """Return the check of an `Origin` header that python-engineio calls with the request's environ."""

    return lambda _, environ: origins.allows(PageHeaders.of_environ(environ, proxies))


def _handshake_check(guard: OpenModeGuard, proxies: TrustedProxies) -> Callable[[Environ], bool]:
    """Return the check of a handshake that HTTP does not see. One that is refused goes to HTTP, which says why."""

    def allowed(environ: Environ) -> bool:
        try:
            guard.check(PageHeaders.of_environ(environ, proxies), safe=False)
        except Forbidden:
            return False
        return True

    return allowed


def _client_address(proxies: TrustedProxies) -> Callable[[Environ], str]:
    """Return what finds the network address that the limits of a session count for."""
    return lambda environ: proxies.client(environ.remote, environ_headers(environ))


def _quiet_logger(name: str) -> logging.Logger:
    """Return a library's logger, limited to errors: its warnings are caused by clients, as many as they like."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.ERROR)
    return logger


def _descriptors() -> int:
    """Return how many file descriptors the process may have open."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MANY_DESCRIPTORS if limit == resource.RLIM_INFINITY else max(64, limit)
