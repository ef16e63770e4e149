"""A client of Engine.IO and Socket.IO that sends and receives single packets, for `server.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

SEPARATOR = "\x1e"
CLOSED = object()
"""The result of `receive` when the server has closed the connection."""


class Wire:
    """A WebSocket that sends and receives packets."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            await (self._socket.send_bytes(packet) if isinstance(packet, bytes) else self._socket.send_str(packet))

    async def receive(self, *, ignored: Sequence[str] = ("2", "6")) -> Any:
        """Return the next packet that is not in `ignored`: a ping or a noop may come at any time."""
        while True:
            message = await self._socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return CLOSED
            if message.data not in ignored:
                return message.data

    async def closed(self) -> None:
        while await self.receive() is not CLOSED:
            pass

    async def send_until_closed(self, *packets: str | bytes) -> None:
        """Send packets and wait until the server closes the connection, perhaps before it has received them all."""
        with suppress(aiohttp.ClientConnectionError):
            await self.send(*packets)
        await self.closed()


async def _set_sent(_: object, context: Any, __: object) -> None:
    if context.trace_request_ctx:
        context.trace_request_ctx.set()


TRACE = aiohttp.TraceConfig()
"""The trace configuration that the HTTP session of a `Client` needs."""
TRACE.on_request_headers_sent.append(_set_sent)


class Client:
    """A client of one server, by polling requests and WebSockets."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._server = url
        self._url = f"{url}/socket.io/"

    async def request(
        self,
        method: str = "GET",
        body: str | bytes | None = None,
        *,
        sent: asyncio.Event | None = None,
        **query: str,
    ) -> tuple[int, str]:
        """Send a polling request; return status and text. `sent` is set when its headers are sent."""
        async with self._http.request(method, self._url, params=query, data=body, trace_request_ctx=sent) as response:
            return response.status, await response.text()

    async def poll(self, sid: str, body: str | bytes | None = None) -> tuple[int, str]:
        """Send a session's GET, or the POST of a body; return status and text."""
        return await self.request("GET" if body is None else "POST", body, EIO="4", transport="polling", sid=sid)

    async def waiting_poll(self, sid: str) -> asyncio.Task[tuple[int, str]]:
        """Start a session's GET, and return when its headers are sent."""
        sent = asyncio.Event()
        poll = asyncio.create_task(self.request(sent=sent, EIO="4", transport="polling", sid=sid))
        await sent.wait()
        return poll

    async def post(self, sid: str, body: str | bytes) -> None:
        """Send a POST that must be accepted, with `ok` (`OK` from stock python-socketio)."""
        status, text = await self.poll(sid, body)
        assert (status, text.lower()) == (200, "ok")

    async def post_after_a_poll(self, sid: str, body: str | bytes) -> None:
        """Send a POST that must be accepted, over a connection of its own: a server that has stood still reads it after
        a `waiting_poll`, whose connection it has accepted before."""
        async with aiohttp.ClientSession() as http:
            await Client(http, self._server).post(sid, body)

    async def poll_packets(self, sid: str, count: int = 1) -> list[str]:
        """Poll until `count` packets have come, without pings; return them."""
        packets: list[str] = []
        while len(packets) < count:
            status, text = await self.poll(sid)
            assert status == 200
            packets += [packet for packet in text.split(SEPARATOR) if packet != "2"]
        return packets

    async def open_polling(self) -> str:
        """Open a polling session; return its id."""
        status, text = await self.request(EIO="4", transport="polling")
        assert status == 200
        assert text[0] == "0"
        return str(json.loads(text[1:])["sid"])

    @asynccontextmanager
    async def websocket(self, **query: str) -> AsyncIterator[Wire]:
        async with self._http.ws_connect(self._url, params=query, compress=0) as socket:
            yield Wire(socket)

    @asynccontextmanager
    async def open_websocket(self) -> AsyncIterator[Wire]:
        """Open an Engine.IO session over a WebSocket."""
        async with self.websocket(EIO="4", transport="websocket") as websocket:
            assert (await websocket.receive())[0] == "0"
            yield websocket

    @asynccontextmanager
    async def upgrading(self) -> AsyncIterator[tuple[str, Wire]]:
        """Open a polling session and a WebSocket for it whose probe is answered; yield the id and the WebSocket."""
        sid = await self.open_polling()
        async with self.websocket(EIO="4", transport="websocket", sid=sid) as websocket:
            await websocket.send("2probe")
            assert await websocket.receive() == "3probe"
            yield sid, websocket

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Wire]:
        """Connect a Socket.IO client to the main namespace."""
        async with self.open_websocket() as websocket:
            await websocket.send("40")
            assert (await websocket.receive())[:2] == "40"
            assert await websocket.receive() == '42["auth",{}]'
            yield websocket

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Wire]:
        """Connect a Socket.IO client to `/watched`."""
        async with self.open_websocket() as websocket:
            await websocket.send("40/watched,")
            assert (await websocket.receive()).startswith("40/watched,")
            yield websocket

    async def assert_refused(self, **query: str) -> None:
        """Check that a WebSocket is refused, or closed at once."""
        try:
            async with self.websocket(**query) as websocket:
                assert await websocket.receive() is CLOSED
        except aiohttp.WSServerHandshakeError as error:
            assert error.status == 400  # noqa: PT017


Case = Callable[[Client], Awaitable[None]]


class Cases(dict[str, Case]):
    """Protocol cases by name. Called as the decorator of a case, adds it."""

    def __call__(self, case: Case) -> Case:
        self[case.__name__] = case
        return case
