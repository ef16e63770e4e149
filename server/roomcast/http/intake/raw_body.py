"""Large bodies, read from the socket straight into the memory from which they are written to disk.

aiohttp's parser copies what it is given twice over and hands it on in small pieces, which would be half of what taking
in a film costs. So the connection of a request with a large body is taken from the parser. It does not get it back: it
could not know where the next request begins, and the connection ends with the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from roomcast.http.intake.pipeline import BATCH_BYTES, Chunks

_LARGE_BYTES = 4 << 20
"""Below it, keeping the connection is worth more."""

_GATHERING_SECONDS = 0.05
"""How long the first bytes in a buffer may wait for more. A fast sender fills it sooner."""

_WASTE_BYTES = 1 << 16

_TAKEN = web.RequestKey("taken", bool)


@asynccontextmanager
async def body(request: web.Request) -> AsyncIterator[Chunks]:
    """The request's body as it comes.

    A chunk that is no `bytes` has `BATCH_BYTES`, or is the last one, and its memory is used again when the next chunk
    but one is asked for. Raises one of `arrival.BROKEN` when the connection is gone.
    """
    transport, left = request.transport, _left(request)
    if transport is None or left < _LARGE_BYTES:
        yield request.content.iter_any()
        return
    request[_TAKEN] = True
    straight = _StraightBody(request, transport)
    try:
        yield straight.chunks()
    finally:
        straight.waste()


async def end_connection(request: web.Request, response: web.StreamResponse) -> None:
    """Before an answer on a connection that was taken from the parser: it is the last one."""
    if _TAKEN in request:
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()


def _left(request: web.Request) -> int:
    """How many bytes the parser has not seen; 0 where it must see them."""
    if request.content_length is None or hdrs.CONTENT_ENCODING in request.headers:
        return 0
    return request.content_length - request.content.total_bytes


class _StraightBody(asyncio.BufferedProtocol):
    """The protocol of the connection from now on: first it reads the body, then it goes on for aiohttp's sake."""

    def __init__(self, request: web.Request, transport: asyncio.Transport) -> None:
        self._http = request.protocol
        self._content = request.content
        self._transport = transport
        self._seen = _seen(request)
        self._left = _left(request)
        self._filling = bytearray(min(BATCH_BYTES, self._left))
        self._written = bytearray()
        self._filled = 0
        self._due = asyncio.Event()
        self._gathering: asyncio.TimerHandle | None = None
        self._lost = False
        self._wasting = False
        transport.pause_reading()  # so that it is done anew, and into our memory
        transport.set_protocol(self)
        transport.resume_reading()

    async def chunks(self) -> Chunks:
        if self._seen:
            yield self._seen
        while True:
            await self._due.wait()
            self._due.clear()
            if self._full:
                yield memoryview(self._filling)[: self._filled]
                if not self._left:
                    return
                self._filling, self._written = self._written or bytearray(BATCH_BYTES), self._filling
                self._filled = 0
                self._read()
            elif self._filled:
                chunk, self._filled = bytes(memoryview(self._filling)[: self._filled]), 0
                yield chunk  # and meanwhile more comes
            if self._lost:
                raise ConnectionResetError("The connection is gone.")

    def waste(self) -> None:
        """No more of the body is wanted. What still comes must be read, or its sender would not hear the answer."""
        self._wasting = True
        self._filling = self._written = bytearray(_WASTE_BYTES)
        self._filled = 0
        self._stop_gathering()
        self._read()
        self._end_if_all_came()

    def get_buffer(self, _: int) -> memoryview:
        stop = len(self._filling) if self._wasting else self._filled + self._left
        return memoryview(self._filling)[self._filled : stop]

    def buffer_updated(self, count: int) -> None:
        self._left -= count
        if self._wasting:
            self._end_if_all_came()
            return
        self._filled += count
        if self._full:
            self._transport.pause_reading()
            self._stop_gathering()
            self._due.set()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(_GATHERING_SECONDS, self._gathered)

    def _read(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def _full(self) -> bool:
        return self._filled == len(self._filling) or not self._left

    def _gathered(self) -> None:
        self._gathering = None
        self._due.set()

    def _stop_gathering(self) -> None:
        if self._gathering:
            self._gathering.cancel()
            self._gathering = None

    def _end_if_all_came(self) -> None:
        if self._left <= 0 and not self._content.is_eof():
            self._content.feed_eof()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._due.set()
        self._http.connection_lost(error)

    def pause_writing(self) -> None:
        self._http.pause_writing()

    def resume_writing(self) -> None:
        self._http.resume_writing()


def _seen(request: web.Request) -> bytes:
    """What the parser has seen of the body, and nothing is left in the parser: taking bytes from it lets it go on."""
    seen = b""
    while more := request.content.read_nowait():
        seen += more
    return seen
