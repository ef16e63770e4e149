"""Socket.IO as one thing with a beginning and an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from aiohttp import web

from server.access import Authenticator
from server.control import Control
from server.present import present
from server.realtime.calls import Calls
from server.realtime.endpoint import Door, Endpoint
from server.realtime.engine import Engine
from server.realtime.hub import Hub
from server.realtime.relay import Relay
from server.realtime.sockets import Sockets
from server.settings import Settings
from server.upload.media import MediaStore

_LARGEST_CALL_BYTES = 64 * 1024
_PONG_SECONDS = 20.0


class Realtime:
    """The Socket.IO server of one web process."""

    def __init__(
        self, settings: Settings, relay: Relay, control: Control, media: MediaStore, authenticator: Authenticator
    ) -> None:
        show = partial(present, media=media)
        self._hub = Hub(
            relay,
            show,
            linger_seconds=settings.room_linger_seconds,
            stalled_client_seconds=settings.stalled_client_seconds,
        )
        self.traffic = self._hub.traffic
        engine = Engine(
            Sockets(Calls(self._hub, control, authenticator, show)),
            ping_seconds=settings.ping_seconds,
            timeout_seconds=_PONG_SECONDS,
            largest=_LARGEST_CALL_BYTES,
        )
        # A polling client's requests would reach one process or another; a WebSocket stays where it is.
        polling = settings.web_processes == 1
        self._endpoint = Endpoint(engine, settings.cors_origins, settings.cookie, polling=polling)

    def add_routes(self, app: web.Application) -> None:
        self._endpoint.add_routes(app)

    def door(self, http: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """The protocols of a port's connections, where `http` makes those that serve HTTP."""
        return partial(Door, self._endpoint, http)

    def sockets(self) -> int:
        """How many are connected."""
        return len(self._hub)

    def close(self) -> None:
        """End every socket so that its client comes back by itself, to this server's successor."""
        self._endpoint.stop()
