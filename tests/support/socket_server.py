"""The Socket.IO server of `roomcast.rooms` on a port, without the rest of Roomcast."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from roomcast.http.errors import errors_as_json
from roomcast.rooms.server import SocketIOServer
from roomcast.transport.engine import Engine
from roomcast.transport.protocol_switch import protocol_factory
from socketio.exceptions import ConnectionRefusedError as ErrorResponse

from tests.support.harness import eventually


@dataclass
class RunningSocketServer:
    """A running server, and its parts that tests inspect. `sids` are the connected clients."""

    port: int
    server: SocketIOServer
    http: web.Server
    sids: list[str]

    @property
    def engine(self) -> Engine:
        engine = self.server.eio
        assert isinstance(engine, Engine)
        return engine

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/socket.io/"


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[RunningSocketServer]:
    """Run a server that acknowledges `call` with its arguments, and refuses clients with `{"token": "bad"}` only."""
    server = SocketIOServer(ping_interval=15, ping_timeout=20, max_http_buffer_size=10_000, **options)
    sids: list[str] = []

    def connect(sid: str, _environ: Mapping[str, Any], auth: Any = None) -> None:
        if auth == {"token": "bad"}:
            raise ErrorResponse("The token is not valid.", {"code": "UNAUTHENTICATED"})
        sids.append(sid)

    async def call(_sid: str, *arguments: Any) -> tuple[Any, ...]:
        return ("call", *arguments)

    server.on("connect", connect)
    server.on("disconnect", lambda sid, _reason: sids.remove(sid))
    server.on("call", call)
    app = web.Application(middlewares=[errors_as_json])
    server.attach(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    http = runner.server
    assert http is not None
    factory = protocol_factory(server.eio, http)
    listening = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield RunningSocketServer(listening.sockets[0].getsockname()[1], server, http, sids)
    listening.close()
    await server.shutdown()
    await eventually(lambda: not server.eio.sockets, what="the end of every session")
    await runner.cleanup()
    assert sids == []
