"""A client of Engine.IO and Socket.IO at the lowest level: packet by packet, on `protocol_server.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

SEPARATOR = "\x1e"
GONE = object()
"""Heard when the other side has closed."""


class Wire:
    """One WebSocket, packet by packet."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def say(self, *packets: str | bytes) -> None:
        for packet in packets:
            await (self._socket.send_bytes(packet) if isinstance(packet, bytes) else self._socket.send_str(packet))

    async def hear(self, *, over: Sequence[str] = ("2", "6")) -> Any:
        """The next packet that is none of these: a ping and a noop may come at any time."""
        while True:
            message = await self._socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                return GONE
            if message.data not in over:
                return message.data

    async def closed(self) -> None:
        while await self.hear() is not GONE:
            pass

    async def refuses(self, *packets: str | bytes) -> None:
        """The other side closes because of these, perhaps before it has them all."""
        with suppress(aiohttp.ClientConnectionError):
            await self.say(*packets)
        await self.closed()


async def _tell_sent(_: object, context: Any, __: object) -> None:
    if context.trace_request_ctx:
        context.trace_request_ctx.set()


TRACE = aiohttp.TraceConfig()
"""What the HTTP session of a `Client` is to be made with."""
TRACE.on_request_headers_sent.append(_tell_sent)


class Client:
    """Speaks to a server, at the lowest level."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url}/socket.io/"

    async def ask(
        self,
        method: str = "GET",
        body: str | bytes | None = None,
        *,
        sent: asyncio.Event | None = None,
        **query: str,
    ) -> tuple[int, str]:
        """A polling session's request: status and text. `sent` is set once it is on its way."""
        async with self._http.request(method, self._url, params=query, data=body, trace_request_ctx=sent) as answer:
            return answer.status, await answer.text()

    async def poll(self, sid: str, body: str | bytes | None = None) -> tuple[int, str]:
        """The session's next GET, or the POST of a body."""
        return await self.ask("GET" if body is None else "POST", body, EIO="4", transport="polling", sid=sid)

    async def waiting_poll(self, sid: str) -> asyncio.Task[tuple[int, str]]:
        """The session's next GET, when it is on its way before everything that follows."""
        sent = asyncio.Event()
        poll = asyncio.create_task(self.ask(sent=sent, EIO="4", transport="polling", sid=sid))
        await sent.wait()
        return poll

    async def push(self, sid: str, body: str | bytes) -> None:
        """A POST that is accepted: with `ok`, which stock says in capitals."""
        status, text = await self.poll(sid, body)
        assert (status, text.lower()) == (200, "ok")

    async def polled(self, sid: str, count: int = 1) -> list[str]:
        """The session's next packets, in as many polls as it takes; pings are passed over."""
        packets: list[str] = []
        while len(packets) < count:
            status, text = await self.poll(sid)
            assert status == 200
            packets += [packet for packet in text.split(SEPARATOR) if packet != "2"]
        return packets

    async def polling(self) -> str:
        """A new polling session's id."""
        status, text = await self.ask(EIO="4", transport="polling")
        assert status == 200
        assert text[0] == "0"
        return str(json.loads(text[1:])["sid"])

    @asynccontextmanager
    async def wire(self, **query: str) -> AsyncIterator[Wire]:
        async with self._http.ws_connect(self._url, params=query, compress=0) as socket:
            yield Wire(socket)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Wire]:
        """An Engine.IO session that is open."""
        async with self.wire(EIO="4", transport="websocket") as wire:
            assert (await wire.hear())[0] == "0"
            yield wire

    @asynccontextmanager
    async def upgrading(self) -> AsyncIterator[tuple[str, Wire]]:
        """A polling session that is becoming a WebSocket: the probe was answered."""
        sid = await self.polling()
        async with self.wire(EIO="4", transport="websocket", sid=sid) as wire:
            await wire.say("2probe")
            assert await wire.hear() == "3probe"
            yield sid, wire

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Wire]:
        """A Socket.IO client in the main namespace."""
        async with self.engine() as wire:
            await wire.say("40")
            assert (await wire.hear())[:2] == "40"
            assert await wire.hear() == '42["auth",{}]'
            yield wire

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Wire]:
        """A Socket.IO client in `/watched`."""
        async with self.engine() as wire:
            await wire.say("40/watched,")
            assert (await wire.hear()).startswith("40/watched,")
            yield wire

    async def refused(self, **query: str) -> None:
        """No WebSocket is opened, or it is closed at once."""
        try:
            async with self.wire(**query) as wire:
                assert await wire.hear() is GONE
        except aiohttp.WSServerHandshakeError as error:
            assert error.status == 400  # noqa: PT017


Case = Callable[[Client], Awaitable[None]]


class Cases(dict[str, Case]):
    """Conversations by their names. To be called as a decorator of each."""

    def __call__(self, case: Case) -> Case:
        self[case.__name__] = case
        return case
