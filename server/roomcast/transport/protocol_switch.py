"""A port's protocol factory that answers plain WebSocket handshakes itself and gives all other connections to HTTP.

Without aiohttp's parser, request, task and timers, a WebSocket connects for half the CPU time. A handshake that is not
plain, or that is refused, goes to HTTP unchanged: `Engine` also accepts handshakes that arrive through aiohttp, such as
those of a proxy that reuses its connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from aiohttp import web

from roomcast.transport.connections import network
from roomcast.transport.engine import Engine
from roomcast.transport.timeouts import Timeouts

_IDLE_SECONDS = 75.0
"""How long a connection may stay open before its first bytes come."""

ProtocolFactory = Callable[[], asyncio.Protocol]


def protocol_factory(engine: Engine, http: ProtocolFactory) -> ProtocolFactory:
    """Make the protocol factory of a port: `engine` serves plain WebSocket handshakes, `http`'s protocols the rest."""
    idle_timeouts = Timeouts[ProtocolSwitch](_IDLE_SECONDS, lambda switch: switch.close())
    return partial(ProtocolSwitch, engine, http, idle_timeouts)


class ProtocolSwitch(asyncio.Protocol):
    """The protocol of a connection until its first bytes come and choose another one."""

    __slots__ = ("_account", "_engine", "_http", "_idle_timeouts", "_transport")

    idle = True
    """The connection waits for a request (see `Connections`)."""

    def __init__(self, engine: Engine, http: ProtocolFactory, idle_timeouts: Timeouts[ProtocolSwitch]) -> None:
        self._engine = engine
        self._http = http
        self._idle_timeouts = idle_timeouts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        scheduler = self._engine.scheduler
        started = scheduler.start()
        self._transport = cast(asyncio.Transport, transport)
        self._account = scheduler.account(network(self._address))
        self._idle_timeouts.start(self)
        self._engine.connections.add(self._transport, self._address)
        scheduler.charge(self._account, started)

    def data_received(self, data: bytes) -> None:
        started = self._engine.scheduler.start()
        self._idle_timeouts.cancel(self)
        if self._engine.connections.is_excess(self._transport) or not self._try_upgrade(data):
            http = self._http()
            self._transport.set_protocol(http)
            http.connection_made(self._transport)
            http.data_received(data)
        self._engine.scheduler.charge(self._account, started)

    def connection_lost(self, _: Exception | None) -> None:
        self._idle_timeouts.cancel(self)
        self._engine.connections.remove(self._transport)

    def close(self) -> None:
        self._transport.close()

    @property
    def _address(self) -> str:
        """The client's network address; "" for a Unix socket."""
        peer = self._transport.get_extra_info("peername")
        return peer[0] if isinstance(peer, tuple) else ""

    def _try_upgrade(self, data: bytes) -> bool:
        handshake = self._engine.parse_handshake(data, self._address)
        if handshake is None:
            return False
        try:
            self._engine.upgrade(handshake, self._transport)
        except web.HTTPException:
            return False  # HTTP refuses it again, with a response that gives the reason
        return True
