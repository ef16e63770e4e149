"""`/socket.io/`: polling through aiohttp, WebSockets beside it.

A WebSocket has no use for an HTTP server's parser, request, task and timers once it is open, and they would be most of
what it weighs. So the first bytes of every connection are looked at here: a plain handshake is answered at once, and
everything else is handed to aiohttp, as is a handshake that comes later on its connection, as behind a proxy it may.
That one is taken over from aiohttp.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import cast

from aiohttp import hdrs, web

from server.realtime import packets
from server.realtime.deadlines import Deadlines
from server.realtime.engine import Engine, Session
from server.realtime.handshake import PATH, Handshake, plain
from server.realtime.packets import Invalid
from server.realtime.websocket import WebSocket, WebSockets
from server.upload.errors import Malformed, RoomcastError, TooLarge

_SILENT_SECONDS = 75.0
"""How long a connection may be open without a word."""

_WORTH_COMPRESSING_BYTES = 1024


class Endpoint:
    """The HTTP side of an `Engine`. Pages of `origins` may come too, `cookie` may hold a token, and without `polling`
    there are only WebSockets."""

    def __init__(self, engine: Engine, origins: Collection[str], cookie: str, *, polling: bool) -> None:
        self._engine = engine
        self._polling = polling
        self._origins = frozenset(origins)
        self._cookie = cookie
        self._websockets = WebSockets(engine.largest)
        self.silent = Deadlines[Door](_SILENT_SECONDS, lambda door: door.close())

    def add_routes(self, app: web.Application) -> None:
        app.router.add_route(hdrs.METH_GET, PATH, self._get)
        app.router.add_route(hdrs.METH_POST, PATH, self._post)
        app.router.add_route(hdrs.METH_OPTIONS, PATH, self._options)

    def stop(self) -> None:
        """End what is open."""
        for door in self.silent:
            door.close()
        for session in tuple(self._engine.sessions.values()):
            session.cut()

    def upgrade(self, handshake: Handshake, transport: asyncio.Transport) -> None:
        """Answer the handshake, and let a session have the connection. Raises a `RoomcastError` when it may not."""
        handshake.check_origin(self._origins)
        if handshake.query.get("transport") != "websocket":
            raise Malformed("There is no such transport.")
        switch, sid = handshake.switch_protocols(), handshake.query.get("sid")
        session = self._open(handshake, upgrades=[]) if sid is None else self._engine.polled(sid)
        websocket = WebSocket(session, transport, self._websockets)
        transport.set_protocol(websocket)
        transport.write(switch)
        if sid is None:
            session.carry(websocket)
        else:
            self._engine.upgrades.start(websocket)

    def _open(self, handshake: Handshake, *, upgrades: list[str]) -> Session:
        """A new session, to which the first packet is on its way."""
        handshake.check_version()
        session = self._engine.open(handshake.credential(self._cookie))
        session.send(self._engine.greeting(session, upgrades=upgrades))
        return session

    async def _get(self, request: web.Request) -> web.StreamResponse:
        handshake = Handshake(request.query, request.headers)
        if handshake.wants_websocket and request.transport:
            self.upgrade(handshake, request.transport)
            _let_go(request)
            return web.Response()  # goes nowhere
        handshake.check_origin(self._origins)
        if handshake.query.get("transport") != "polling" or not self._polling:
            raise Malformed("There is no such transport.")
        sid = handshake.query.get("sid")
        session = self._open(handshake, upgrades=["websocket"]) if sid is None else self._engine.polled(sid)
        body = await session.poll()
        if request.transport is None or request.transport.is_closing():
            session.abort()  # what this poll took, nobody got
        return self._answer(handshake, body)

    async def _post(self, request: web.Request) -> web.Response:
        handshake = Handshake(request.query, request.headers)
        handshake.check_origin(self._origins)
        session = self._engine.polled(handshake.query.get("sid", ""))
        body = await request.read()
        if len(body) > self._engine.largest:
            raise TooLarge("The body is too large.")
        try:
            for packet in packets.packets_of(body):
                session.receive(packet)
        except Invalid as error:
            session.close()
            raise Malformed("This is no packet.") from error
        return self._answer(handshake, b"ok")

    async def _options(self, request: web.Request) -> web.Response:
        handshake = Handshake(request.query, request.headers)
        handshake.check_origin(self._origins)
        answer = self._answer(handshake, b"")
        answer.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        answer.headers["Access-Control-Allow-Headers"] = handshake.headers.get("Access-Control-Request-Headers", "")
        return answer

    def _answer(self, handshake: Handshake, body: bytes) -> web.Response:
        answer = web.Response(body=body, content_type="text/plain", charset="utf-8")
        answer.headers["Cache-Control"] = "no-store"
        if origin := handshake.headers.get("Origin"):
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Credentials"] = "true"
        if len(body) >= _WORTH_COMPRESSING_BYTES:
            answer.enable_compression()
        return answer


class Door(asyncio.Protocol):
    """The protocol of a connection until its first bytes have come. `http` makes the one that serves HTTP."""

    __slots__ = ("_endpoint", "_http", "_transport")

    def __init__(self, endpoint: Endpoint, http: Callable[[], asyncio.Protocol]) -> None:
        self._endpoint = endpoint
        self._http = http

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._endpoint.silent.start(self)

    def data_received(self, data: bytes) -> None:
        self._endpoint.silent.end(self)
        handshake = plain(data)
        if handshake is None or not self._upgrade(handshake):
            self._hand_on(data)

    def _upgrade(self, handshake: Handshake) -> bool:
        try:
            self._endpoint.upgrade(handshake, self._transport)
        except RoomcastError:
            return False  # HTTP has the words for it
        return True

    def _hand_on(self, data: bytes) -> None:
        http = self._http()
        self._transport.set_protocol(http)
        http.connection_made(self._transport)
        http.data_received(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._endpoint.silent.end(self)

    def close(self) -> None:
        self._transport.close()


def _let_go(request: web.Request) -> None:
    """aiohttp's part in the request's connection ends, as if the connection had, but the connection goes on."""
    http = request.protocol
    http.transport = None
    http.connection_lost(None)
