"""Socket.IO's HTTP endpoint: python-socketio on aiohttp, with what it leaves open decided.

permessage-deflate is refused by not offering it on to the WebSocket (it more than doubles the memory of a client),
and the transport under each socket is known, so that what waits in it can be seen and a dead one can be cut.
"""

from __future__ import annotations

import asyncio
from typing import cast

import socketio
from aiohttp import web
from multidict import CIMultiDict

from server.realtime.outbox import Outbox

PATH = "/socket.io/"


class Transports:
    """Socket.IO's routes, and the transport under each of its sockets."""

    def __init__(self, sio: socketio.AsyncServer) -> None:
        self._sio = sio
        self._outboxes: dict[str, Outbox] = {}
        self._upgraded: dict[str, asyncio.Transport] = {}

    def add_routes(self, app: web.Application) -> None:
        for method in ("GET", "POST", "OPTIONS"):
            app.router.add_route(method, PATH, self._handle)

    def follow(self, eio_sid: str, outbox: Outbox) -> None:
        """Tell `outbox` when its Engine.IO socket is upgraded to a WebSocket, or that it was already."""
        self._outboxes[eio_sid] = outbox
        outbox.transport = self._upgraded.get(eio_sid, outbox.transport)

    def forget(self, eio_sid: str) -> None:
        self._outboxes.pop(eio_sid, None)
        if socket := self._sio.eio.sockets.get(eio_sid):
            # engineio leaves a poll of a closed socket waiting for 35 s; behind what is still sent, this ends it.
            asyncio.get_running_loop().call_soon(socket.queue.put_nowait, None)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        eio_sid, transport = request.query.get("sid", ""), websocket_transport(request)
        if transport:
            self._upgraded[eio_sid] = transport
            if outbox := self._outboxes.get(eio_sid):
                outbox.transport = transport
        try:
            return cast(web.StreamResponse, await self._sio.handle_request(_without_extensions(request)))
        finally:
            if transport:
                self._upgraded.pop(eio_sid, None)


def websocket_transport(request: web.Request) -> asyncio.Transport | None:
    """The transport that a WebSocket request keeps; None for polling, whose requests end."""
    is_websocket = request.headers.get("Upgrade", "").lower() == "websocket"
    return request.transport if is_websocket else None


def _without_extensions(request: web.Request) -> web.Request:
    if "Sec-WebSocket-Extensions" not in request.headers:
        return request
    headers = CIMultiDict(request.headers)
    del headers["Sec-WebSocket-Extensions"]
    return request.clone(headers=headers)
