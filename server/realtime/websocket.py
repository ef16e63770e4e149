"""A WebSocket under a session: the protocol of its connection once the handshake is over."""

from __future__ import annotations

import asyncio

from server.realtime.deadlines import Deadlines
from server.realtime.engine import Session
from server.realtime.frames import Close, FrameReader, Opcode, Violation, frame
from server.realtime.packets import Invalid

_GOODBYE_SECONDS = 10.0
"""How long what is still to be written may take when a connection ends."""


class WebSockets:
    """What the connections of one process share."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.ending = Deadlines[WebSocket](_GOODBYE_SECONDS, lambda one: one.abort())


class WebSocket(asyncio.Protocol):
    """A `Carrier`. It is `paused` as soon as the kernel takes no more: what waits, waits where it is bounded."""

    __slots__ = ("_reader", "_session", "_shared", "_transport", "paused", "write")

    def __init__(self, session: Session, transport: asyncio.Transport, shared: WebSockets) -> None:
        self._session = session
        self._transport = transport
        self._shared = shared
        self._reader = FrameReader(shared.largest)
        self.paused = False
        self.write = transport.write
        # With room to buffer, uvloop would gather what a turn of its loop writes: a fifth more work for each message.
        transport.set_write_buffer_limits(high=0)

    def buffered(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def close(self) -> None:
        self._end(Close.NORMAL.encoded)

    def cut(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def pause_writing(self) -> None:
        self.paused = True
        self._session.flush()

    def resume_writing(self) -> None:
        self.paused = False
        self._session.flush()

    def data_received(self, data: bytes) -> None:
        try:
            for opcode, payload in self._reader.feed(data):
                if self._transport.is_closing():
                    return
                self._take(opcode, payload)
        except Violation as violation:
            self._end(violation.close.encoded)
        except Invalid:
            self._end(Close.PROTOCOL_ERROR.encoded)

    def connection_lost(self, _: Exception | None) -> None:
        self._shared.ending.end(self)
        self._session.lost(self)

    def _take(self, opcode: Opcode, payload: bytes) -> None:
        match opcode:
            case Opcode.TEXT:
                self._session.receive(payload.decode(), self)
            case Opcode.BINARY:
                self._session.receive(payload, self)
            case Opcode.PING if not self.paused:
                self.write(frame(Opcode.PONG, payload))
            case Opcode.CLOSE:
                self._end(payload[:2])

    def _end(self, reason: bytes) -> None:
        """What waits is still written, but not for ever."""
        if not self._transport.is_closing():
            self.write(frame(Opcode.CLOSE, reason))
            self._transport.close()
            self._shared.ending.start(self)
