"""A message as bytes that every WebSocket of a room shares, and when they may go straight to its transport."""

from __future__ import annotations

import asyncio
from typing import Any

from engineio.packet import MESSAGE, Packet

_WHOLE_TEXT = 0x81
"""The first byte of a WebSocket frame that is a text, and all of it (RFC 6455, section 5.2)."""


class PacketQueue(asyncio.Queue[Any]):
    """engineio's queue of one socket, which knows when nothing is on its way.

    Whoever takes from it hands on what it took before it comes for more. So while it waits for more, and nothing has
    been put in, all that ever was in the queue has been handed on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.idle = False

    async def get(self) -> Any:
        self.idle = self.empty()
        try:
            return await super().get()
        finally:
            self.idle = False

    def put_nowait(self, item: Any) -> None:
        self.idle = False
        super().put_nowait(item)


class Prepared:
    """A Socket.IO packet: as the WebSocket frame that is the same for every client, for a server's frames are not
    masked; and, where it must take its turn, as engineio's packet."""

    __slots__ = ("_packet", "_text", "frame")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._packet: Packet | None = None
        self.frame = _head(1 + len(text)) + b"%d" % MESSAGE + text

    @property
    def packet(self) -> Packet:
        if self._packet is None:
            self._packet = Packet(MESSAGE, self._text.decode())
        return self._packet


def _head(size: int) -> bytes:
    """Of an unmasked frame that holds a text of so many bytes."""
    if size < 126:
        return bytes((_WHOLE_TEXT, size))
    if size < 1 << 16:
        return bytes((_WHOLE_TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((_WHOLE_TEXT, 127)) + size.to_bytes(8, "big")
