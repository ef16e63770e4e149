"""Plain WebSocket handshakes are answered before an HTTP parser sees them.

Beside aiohttp, a connect costs half of what it costs through it: no parser, request, task and timers are made that a
WebSocket has no use for. Everything else is handed to HTTP as it came, and so are handshakes that would be refused;
`Engine` takes over from aiohttp those that it accepts, as behind a proxy that keeps its connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from aiohttp import web

from roomcast.transport.engine import Engine
from roomcast.transport.timeouts import Timeouts

_SILENCE_SECONDS = 75.0
"""How long a connection may stay open before its first bytes come."""

ProtocolFactory = Callable[[], asyncio.Protocol]


def protocol_switch(engine: Engine, http: ProtocolFactory) -> ProtocolFactory:
    """Make the protocol factory of a port that serves WebSockets by `engine` and all else by what `http` makes."""
    silent = Timeouts[_Switch](_SILENCE_SECONDS, lambda switch: switch.close())
    return partial(_Switch, engine, http, silent)


class _Switch(asyncio.Protocol):
    """The protocol of a connection until its first bytes have come."""

    __slots__ = ("_engine", "_http", "_silent", "_transport")

    def __init__(self, engine: Engine, http: ProtocolFactory, silent: Timeouts[_Switch]) -> None:
        self._engine = engine
        self._http = http
        self._silent = silent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._silent.start(self)

    def data_received(self, data: bytes) -> None:
        self._silent.stop(self)
        if not self._try_upgrade(data):
            http = self._http()
            self._transport.set_protocol(http)
            http.connection_made(self._transport)
            http.data_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._silent.stop(self)

    def close(self) -> None:
        self._transport.close()

    def _try_upgrade(self, data: bytes) -> bool:
        peer = self._transport.get_extra_info("peername")
        handshake = self._engine.takes(data, peer[0] if isinstance(peer, tuple) else "")
        if handshake is None:
            return False
        try:
            self._engine.upgrade(handshake, self._transport)
        except web.HTTPException:
            return False  # HTTP answers it, and says why
        return True
