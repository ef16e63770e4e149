"""The protocol of a WebSocket's connection, from the end of its handshake on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice

from roomcast.transport.connections import Connections
from roomcast.transport.frames import CloseCode, FrameReader, Opcode, ProtocolError, encode_frame
from roomcast.transport.packets import InvalidPacket
from roomcast.transport.scheduler import Scheduler
from roomcast.transport.session import Session
from roomcast.transport.timeouts import Timeouts

_CLOSE_SECONDS = 10.0
"""How long a connection that is closing may take to write its buffer."""

_FRAMES_PER_TURN = 64
"""Frames of one connection that are handled in a turn of the event loop.

A read may bring 256 KiB, and uvloop reads on while there is more: without a limit, one client that sends tiny frames
would occupy the event loop for as long as it sends.
"""


class WebSocketContext:
    """The limits and timeouts that all WebSockets of one server share."""

    def __init__(self, max_bytes: int, connections: Connections, scheduler: Scheduler) -> None:
        """`max_bytes` is the size limit of one message."""
        self.max_bytes = max_bytes
        self.scheduler = scheduler
        self.connections = connections
        self.close_timeouts = Timeouts[WebSocket](_CLOSE_SECONDS, lambda websocket: websocket.abort())


class WebSocket(asyncio.Protocol):
    """A session's `Transport` over one connection.

    It is `paused` as soon as the kernel accepts no more bytes, so that unsent packets wait in the session's queue,
    which is bounded.
    """

    __slots__ = (
        "_context",
        "_deferred",
        "_frames",
        "_read_paused",
        "_reader",
        "_session",
        "_transport",
        "deflate",
        "paused",
        "write",
    )

    def __init__(
        self, session: Session, transport: asyncio.Transport, context: WebSocketContext, *, deflate: bool
    ) -> None:
        self._session = session
        self._transport = transport
        self._context = context
        self._reader = FrameReader(context.max_bytes, deflate=deflate)
        self._frames: Iterator[tuple[Opcode, bytes] | None] | None = None
        """Frames that were read and are not handled yet."""
        self._read_paused = False
        """Whether the session has paused reading."""
        self._deferred = False
        """Whether reading waits for the turn of the session's account."""
        self.paused = False
        self.deflate = deflate
        self.write = transport.write
        # With room to buffer, uvloop would gather what a turn of its loop writes: a fifth more work for each message.
        transport.set_write_buffer_limits(high=0)

    def write_buffer_size(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def close(self, code: CloseCode | None = CloseCode.NORMAL) -> None:
        if code is None:
            self._transport.close()
        else:
            self._close(code.encoded)

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        self._read_paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            self._resume()

    def pause_writing(self) -> None:
        self.paused = True
        self._session.flush()

    def resume_writing(self) -> None:
        self.paused = False
        self._session.flush()

    def data_received(self, data: bytes) -> None:
        self._frames = self._reader.feed(data)
        self._charge_frames(0.0)

    def connection_lost(self, _: Exception | None) -> None:
        self._frames = None
        self._context.close_timeouts.cancel(self)
        self._context.connections.remove(self._transport)
        self._session.on_connection_lost(self)

    def _charge_frames(self, prepaid: float) -> None:
        """Handle frames at the expense of the session's account. Read on when it is the account's turn."""
        scheduler, session = self._context.scheduler, self._session
        started = scheduler.start()
        self._handle_frames()
        scheduler.charge(session.account, started, prepaid)
        if self._frames is not None or not scheduler.admits(session.account):
            self._transport.pause_reading()
            self._deferred = True
            scheduler.defer(session.account, self._start_turn)

    def _handle_frames(self) -> None:
        """Handle as many frames as one turn allows."""
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
                    self._handle_message(*message)
        except ProtocolError as error:
            self._close(error.code.encoded)
        except InvalidPacket:
            self._close(CloseCode.PROTOCOL_ERROR.encoded)
        if self._session.exceeds_rate(handled):
            self._close(CloseCode.POLICY_VIOLATION.encoded)
        elif handled == _FRAMES_PER_TURN:
            return
        self._frames = None

    def _start_turn(self, prepaid: float) -> None:
        """Read on after a deferral, unless the session has paused reading as well."""
        self._deferred = False
        self._resume(prepaid)

    def _resume(self, prepaid: float = 0.0) -> None:
        """Handle the frames that were read, then resume reading, unless it is paused or deferred."""
        if self._is_reading_allowed and self._frames is not None:
            self._charge_frames(prepaid)  # may pause or defer reading again
        if self._is_reading_allowed:
            self._transport.resume_reading()

    @property
    def _is_reading_allowed(self) -> bool:
        return not (self._read_paused or self._deferred or self._transport.is_closing())

    def _handle_message(self, opcode: Opcode, payload: bytes) -> None:
        match opcode:
            case Opcode.TEXT:
                self._session.receive(payload.decode(), self)
            case Opcode.BINARY:
                self._session.receive(payload, self)
            case Opcode.PING if not self.paused:
                self.write(encode_frame(Opcode.PONG, payload))
            case Opcode.CLOSE:
                self._close(payload[:2])

    def _close(self, payload: bytes) -> None:
        """Send a close frame after the buffer, and close the connection within `_CLOSE_SECONDS`."""
        if not self._transport.is_closing():
            self.write(encode_frame(Opcode.CLOSE, payload))
            self._transport.close()
            self._context.close_timeouts.start(self)
