"""The WebSocket protocol of a connection whose handshake is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

from roomcast.transport.frames import CloseCode, FrameReader, Opcode, ProtocolViolation, frame
from roomcast.transport.packets import InvalidPacket
from roomcast.transport.session import Session
from roomcast.transport.timeouts import Timeouts

_CLOSE_SECONDS = 10.0
"""How long what still waits to be written may take when a connection ends."""

_FRAMES_PER_TURN = 64
"""Frames of one connection that are handled before the others have their turn.

A read may bring 256 KiB, and uvloop reads on while there is more: without a limit, one client that sends tiny frames
has the event loop for itself for as long as it sends.
"""


class WebSockets:
    """What the WebSockets of one server share."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.closing = Timeouts[WebSocket](_CLOSE_SECONDS, lambda websocket: websocket.abort())


class WebSocket(asyncio.Protocol):
    """A session's `Transport`. It is `paused` as soon as the kernel takes no more, so that what waits, waits where it
    is bounded."""

    __slots__ = (
        "_frames",
        "_held",
        "_reader",
        "_session",
        "_shared",
        "_transport",
        "deflate",
        "paused",
        "write",
    )

    def __init__(self, session: Session, transport: asyncio.Transport, shared: WebSockets, *, deflate: bool) -> None:
        self._session = session
        self._transport = transport
        self._shared = shared
        self._reader = FrameReader(shared.max_bytes, deflate=deflate)
        self._frames: Iterator[tuple[Opcode, bytes] | None] | None = None
        """Frames that were read and are not handled yet."""
        self._held = False
        """Whether the session wants nothing to be read."""
        self.paused = False
        self.deflate = deflate
        self.write = transport.write
        # With room to buffer, uvloop would gather what a turn of its loop writes: a fifth more work for each message.
        transport.set_write_buffer_limits(high=0)

    def buffered(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def close(self, code: CloseCode = CloseCode.NORMAL) -> None:
        self._end(code.encoded)

    def cut(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        self._held = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            self._go_on()

    def pause_writing(self) -> None:
        self.paused = True
        self._session.flush()

    def resume_writing(self) -> None:
        self.paused = False
        self._session.flush()

    def data_received(self, data: bytes) -> None:
        self._frames = self._reader.feed(data)
        self._handle_some()

    def connection_lost(self, _: Exception | None) -> None:
        self._frames = None
        self._shared.closing.stop(self)
        self._session.on_lost(self)

    def _handle_some(self) -> None:
        """Handle as many frames as one turn allows, and leave the rest to the next."""
        if self._frames is None:
            return
        handled = 0
        try:
            for message in islice(self._frames, _FRAMES_PER_TURN):
                if self._transport.is_closing():
                    self._frames = None
                    return
                handled += 1
                if message:
                    self._handle(*message)
        except ProtocolViolation as violation:
            self._end(violation.code.encoded)
        except InvalidPacket:
            self._end(CloseCode.PROTOCOL_ERROR.encoded)
        if self._session.exceeds_rate(handled):
            self._end(CloseCode.POLICY_VIOLATION.encoded)
        elif handled == _FRAMES_PER_TURN:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)
            return
        self._frames = None

    def _go_on(self) -> None:
        """Handle what has been read, then read on."""
        if self._transport.is_closing() or self._held:
            return
        self._handle_some()
        if self._frames is None and not self._held and not self._transport.is_closing():
            self._transport.resume_reading()

    def _handle(self, opcode: Opcode, payload: bytes) -> None:
        match opcode:
            case Opcode.TEXT:
                self._session.receive(payload.decode(), self)
            case Opcode.BINARY:
                self._session.receive(payload, self)
            case Opcode.PING if not self.paused:
                self.write(frame(Opcode.PONG, payload))
            case Opcode.CLOSE:
                self._end(payload[:2])

    def _end(self, payload: bytes) -> None:
        """Send a close frame behind what waits, and end the connection; but do not wait for the peer for ever."""
        if not self._transport.is_closing():
            self.write(frame(Opcode.CLOSE, payload))
            self._transport.close()
            self._shared.closing.start(self)
