"""A WebSocket client of a Socket.IO server that sends exactly the bytes that a test gives it."""

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
    """A connection to a local port, which becomes a WebSocket by `upgrade`."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def request(self, *segments: bytes) -> str:
        """Send a request in the given segments; return the head of the response."""
        for segment in segments:
            self._writer.write(segment)
            await self._writer.drain()
            await asyncio.sleep(0)
        return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def upgrade(self, *segments: bytes) -> None:
        """Send a handshake, and check that it is accepted."""
        head = await self.request(*segments or (handshake(),))
        assert head.startswith("HTTP/1.1 101 "), head
        assert "sec-websocket-extensions" not in head.lower()

    async def connect(self) -> None:
        """Open a session and connect to the main namespace."""
        await self.upgrade()
        assert (await self.receive_text()).startswith("0{")
        await self.send_text("40")
        assert (await self.receive_text()).startswith('40{"sid":')

    async def send_text(self, text: str) -> None:
        await self.send(ABNF.OPCODE_TEXT, text.encode())

    async def send(self, opcode: int, payload: bytes) -> None:
        self._writer.write(ABNF(1, 0, 0, 0, opcode, 1, payload).format())
        await self._writer.drain()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def receive_text(self) -> str:
        """Return the next text message."""
        opcode, payload = await self.receive()
        assert opcode == ABNF.OPCODE_TEXT, payload
        return payload.decode()

    async def receive(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next frame."""
        async with asyncio.timeout(60):
            first, size = await self._reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2), "big")
            return first & 0x0F, await self._reader.readexactly(size)

    async def wait_closed(self) -> bool:
        """Return True when the server has closed the connection. Frames before that are dropped."""
        async with asyncio.timeout(60):
            await self._reader.read(-1)
        return True

    async def read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)
