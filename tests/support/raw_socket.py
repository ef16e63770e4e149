"""A WebSocket client that says exactly what a test wants, at a Socket.IO server."""

from __future__ import annotations

import asyncio
from typing import Self

from websocket import ABNF

HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


def handshake(query: str = "") -> bytes:
    return HANDSHAKE.format(query=query).encode()


class RawSocket:
    """A connection to a port of this machine; a WebSocket after `switch`."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, *pieces: bytes) -> str:
        """Send a request in so many pieces, and the head of its answer."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)
        return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def switch(self, *pieces: bytes) -> None:
        """Send a handshake, and become a WebSocket."""
        head = await self.ask(*pieces or (handshake(),))
        assert head.startswith("HTTP/1.1 101 "), head
        assert "sec-websocket-extensions" not in head.lower()

    async def connect(self) -> None:
        """The whole way into the main namespace."""
        await self.switch()
        assert (await self.hear()).startswith("0{")
        await self.say("40")
        assert (await self.hear()).startswith('40{"sid":')

    async def say(self, text: str) -> None:
        await self.send(ABNF.OPCODE_TEXT, text.encode())

    async def send(self, opcode: int, payload: bytes) -> None:
        self._writer.write(ABNF(1, 0, 0, 0, opcode, 1, payload).format())
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self) -> str:
        """The next text."""
        opcode, payload = await self.receive()
        assert opcode == ABNF.OPCODE_TEXT, payload
        return payload.decode()

    async def receive(self) -> tuple[int, bytes]:
        """The next frame: its opcode and what it holds."""
        async with asyncio.timeout(10):
            first, size = await self._reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2), "big")
            return first & 0x0F, await self._reader.readexactly(size)

    async def ended(self) -> bool:
        """Whether the server ends the connection; frames before that are passed over."""
        async with asyncio.timeout(10):
            await self._reader.read(-1)
        return True

    async def read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)
