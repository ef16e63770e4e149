"""An Engine.IO session: one client, served by polling, over a WebSocket, or first by one and then by the other.

What is sent arrives once and in order, whichever transport serves it. What a client sends is handled one message after
another, by one task for each burst and by none at rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from roomcast.transport import packets
from roomcast.transport.frames import CloseCode
from roomcast.transport.packets import EncodedPacket, EnginePacketType, InvalidPacket

READY_PACKETS = 16
"""Packets that may wait for the next poll before the client counts as one that does not keep up."""

MAX_QUEUED_PACKETS = 512
MAX_QUEUED_BYTES = 1 << 20
"""What may wait for one client in its session; a client for which more would wait is disconnected."""

_RATE_SECONDS = 10
"""Over how long the rate of a client's packets is averaged: joining many rooms at once is no flood."""

_MAX_UNHANDLED = 64
"""Messages of one client that may wait to be handled before no more are read from it."""


class Transport(Protocol):
    """A WebSocket that serves a session."""

    paused: bool
    """Whether so much waits to be written that no more should be."""

    deflate: bool
    """Whether messages may be compressed."""

    def write(self, data: bytes) -> None:
        """Write encoded frames."""

    def buffered(self) -> int:
        """Return how many bytes wait to be written."""

    def pause_reading(self) -> None:
        """Read nothing more until `resume_reading`."""

    def resume_reading(self) -> None:
        """Go on reading."""

    def close(self, code: CloseCode = CloseCode.NORMAL) -> None:
        """Write what waits and a close frame, then end the connection."""

    def cut(self) -> None:
        """Write what waits, then end the connection without a close frame."""

    def abort(self) -> None:
        """End the connection at once."""


class Sessions(Protocol):
    """What a session needs of the engine that it belongs to."""

    max_packets_per_second: int
    """How many packets one client may send, on average over ten seconds."""

    def on_pong(self, session: Session) -> None:
        """The client has answered a ping."""

    def on_upgraded(self, transport: Transport) -> None:
        """The WebSocket has taken over from polling."""

    def on_ended(self, session: Session) -> None:
        """The session sends and receives nothing more."""

    def start_handling(self, session: Session) -> None:
        """Start the task that handles `session.received` until nothing waits there."""


class Observer(Protocol):
    """The application's side of a session."""

    def on_write_changed(self) -> None:
        """The session's `write_now` has changed."""


class Session:
    """One client's session. python-socketio knows it as an Engine.IO socket."""

    __slots__ = (
        "_engine",
        "_period",
        "_poll",
        "_queue",
        "_queued_bytes",
        "_sent",
        "_storage",
        "_transport",
        "_upgrading",
        "accepted",
        "address",
        "closed",
        "divert",
        "ended",
        "handled",
        "observer",
        "reason",
        "received",
        "sid",
        "write_now",
    )

    def __init__(self, engine: Sessions, sid: str, address: str) -> None:
        """`address` is the client's network address."""
        self._engine = engine
        self.sid = sid
        self.address = address
        self.observer: Observer | None = None
        self.accepted = False
        """Whether the application knows who the client is."""
        self.ended = False
        """Whether nothing more is sent or received."""
        self.closed = False
        """Whether the application has been notified of the end, too."""
        self.reason = ""
        """Why it ended, as python-socketio's handlers are given it."""
        self.received: list[tuple[str, Any]] | None = None
        """Events for the application that wait to be handled (`connect`, `message`, `disconnect`); None at rest."""
        self.handled: asyncio.Future[None] | None = None
        """Is done when all that was received has been handled; None while nobody waits for that."""
        self.write_now: Callable[[bytes], None] | None = None
        """Writes plain frames at once; None while something else must be sent first, or there is no room."""
        self.divert: Callable[[EncodedPacket], None] | None = None
        """Takes the application's packets while the application itself keeps some that must go first."""
        self._storage: dict[Any, Any] | None = None
        self._transport: Transport | None = None
        self._upgrading: Transport | None = None
        """A WebSocket that has asked to take over."""
        self._queue: deque[EncodedPacket] | None = None  # None at rest: an empty deque weighs 760 bytes
        self._queued_bytes = 0
        self._poll: asyncio.Future[None] | None = None
        self._period = 0
        self._sent = 0
        """How many packets the client has sent in the current period of ten seconds."""

    @property
    def session(self) -> dict[Any, Any]:
        """The application's dictionary for this client (`save_session`)."""
        if self._storage is None:
            self._storage = {}
        return self._storage

    @session.setter
    def session(self, storage: dict[Any, Any]) -> None:
        self._storage = storage

    @property
    def connected(self) -> bool:
        """Whether the session is open."""
        return not self.ended

    @property
    def upgraded(self) -> bool:
        """Whether a WebSocket serves it."""
        return self._transport is not None

    @property
    def waiting(self) -> int:
        """How many packets wait for a poll, or for room in the WebSocket."""
        return len(self._queue) if self._queue else 0

    @property
    def buffered(self) -> int:
        """How many bytes wait in the WebSocket."""
        return self._transport.buffered() if self._transport else 0

    @property
    def keeps_up(self) -> bool:
        """Whether there is room for more."""
        return self.waiting < READY_PACKETS and not (self._transport and self._transport.paused)

    def send(self, packet: EncodedPacket) -> None:
        """Send a packet of the application's, in its turn."""
        if self.divert:
            self.divert(packet)
        else:
            self.push(packet)

    def push(self, packet: EncodedPacket) -> None:
        """Send a packet now, or queue it behind those that wait. A client for which too much waits is disconnected."""
        if self.ended:
            return
        transport = self._transport
        if transport is not None and not transport.paused and not self._queue:
            self._write(transport, packet)
            return
        if self.waiting >= MAX_QUEUED_PACKETS or self._queued_bytes > MAX_QUEUED_BYTES:
            self.abort("transport error")
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(packet)
        self._queued_bytes += len(packet.text)
        self._end_poll()

    def divert_to(self, take: Callable[[EncodedPacket], None] | None) -> None:
        """Hand the application's packets to `take` instead of sending them; None ends that.

        For an application that keeps packets back itself: what is sent meanwhile must go behind them.
        """
        self.divert = take
        self._update_write()

    def flush(self) -> None:
        """Write what waits: the WebSocket has room now, or has none any more."""
        while self._queue and self._transport and not self._transport.paused:
            packet = self._queue.popleft()
            self._queued_bytes -= len(packet.text)
            self._write(self._transport, packet)
        if not self._queue:
            self._queue = None
        self._update_write()

    def _write(self, transport: Transport, packet: EncodedPacket) -> None:
        transport.write(packet.deflated if transport.deflate else packet.frame)

    def _update_write(self) -> None:
        """Decide anew whether frames may be written past the queue."""
        transport, write = self._transport, None
        if transport and not (transport.paused or transport.deflate or self._queue or self.divert):
            write = transport.write
        if write is not self.write_now:
            self.write_now = write
            if self.observer:
                self.observer.on_write_changed()

    def serve_with(self, transport: Transport) -> None:
        """Go on over this WebSocket, beginning with what waits."""
        self._transport, self._upgrading = transport, None
        self._engine.on_upgraded(transport)
        self.flush()

    async def poll(self) -> bytes:
        """Return the body with the packets that wait, or with the next one.

        Raises `HTTPBadRequest`, and ends the session, when another poll waits already.
        """
        if self._poll:
            self.close()
            raise web.HTTPBadRequest(reason="Only one poll of a session may wait at a time.")
        if not self._queue and not self._upgrading:
            self._poll = asyncio.get_running_loop().create_future()
            try:
                await self._poll
            finally:
                self._poll = None
        if self._upgrading or not self._queue:
            return packets.NOOP.text
        queue, self._queue, self._queued_bytes = self._queue, None, 0
        return packets.encode_payload(queue)

    def receive(self, packet: str | bytes, transport: Transport | None = None) -> None:
        """Take a packet that came by polling, or over `transport`. Raises `InvalidPacket`."""
        if self.ended:
            raise InvalidPacket("The session has ended.")
        if transport is not self._transport:
            self._upgrade(packet, transport)
        elif isinstance(packet, bytes):
            self._receive_event("message", packet)
        elif packet[:1] == EnginePacketType.MESSAGE:
            self._receive_event("message", packet[1:])
        elif packet == EnginePacketType.PONG:
            self._engine.on_pong(self)
        elif packet == EnginePacketType.CLOSE:
            for served in self._end("client disconnect"):
                served.close()
        elif packet[:1] != EnginePacketType.NOOP:
            raise InvalidPacket("No client may send a packet of this type.")

    def exceeds_rate(self, packets_or_frames: int) -> bool:
        """Count what the client has sent; return whether that is more than it may."""
        period = int(asyncio.get_running_loop().time()) // _RATE_SECONDS
        if period != self._period:
            self._period, self._sent = period, 0
        self._sent += packets_or_frames
        return self._sent > self._engine.max_packets_per_second * _RATE_SECONDS

    def start(self, environ: Any) -> None:
        """Notify the application of the new session."""
        self._receive_event("connect", environ)

    def _receive_event(self, event: str, argument: Any) -> None:
        if self.received is None:
            self.received = [(event, argument)]
            self._engine.start_handling(self)
        else:
            self.received.append((event, argument))
            if len(self.received) == _MAX_UNHANDLED and self._transport:
                self._transport.pause_reading()

    async def wait_until_handled(self) -> None:
        """Return when all that was received so far, and what came meanwhile, has been handled."""
        while self.received is not None:
            if self.handled is None:
                self.handled = asyncio.get_running_loop().create_future()
            # Unlike awaiting the future, waiting for it does not cancel it for everybody when one waiter is cancelled.
            await asyncio.wait({self.handled})

    def finish_handling(self) -> None:
        """Note that nothing waits to be handled any more, and go on reading."""
        self.received = None
        if self.handled:
            self.handled.set_result(None)
            self.handled = None
        if self._transport:
            self._transport.resume_reading()

    def _upgrade(self, packet: str | bytes, transport: Transport | None) -> None:
        """Answer a probe and end the poll that waits; from then on, packets wait for the WebSocket."""
        if transport is None or self._transport:
            raise InvalidPacket("The session is served over a WebSocket.")
        if packet == EnginePacketType.PING + "probe" and self._upgrading is None:
            self._upgrading = transport
            self._write(transport, packets.PROBE_ANSWER)
            self._end_poll()
        elif packet == EnginePacketType.UPGRADE and transport is self._upgrading:
            self.serve_with(transport)
        else:
            raise InvalidPacket("The WebSocket must be probed before it is used.")

    def on_lost(self, transport: Transport) -> None:
        """Note that the connection of a WebSocket has ended."""
        self._engine.on_upgraded(transport)
        if transport is self._transport:
            self._end("transport close")
            self._transport = None  # they refer to each other; neither should wait for the garbage collector
            self._update_write()
        elif transport is self._upgrading:
            self._upgrading = None

    def close(self, reason: str = "server disconnect", code: CloseCode = CloseCode.NORMAL) -> None:
        """End the session with a close packet, or a WebSocket with a close frame."""
        if not self.ended and not self._transport:
            self._queue = self._queue or deque()
            self._queue.append(packets.CLOSE)
        for transport in self._end(reason):
            transport.close(code)

    def cut(self) -> None:
        """End the session so that the client comes back: clients reconnect to a server that is simply gone, but some
        stay away after a close packet."""
        for transport in self._end("server disconnect"):
            transport.cut()

    def abort(self, reason: str = "transport error") -> None:
        """End the session, and discard what waits for the client."""
        self._queue, self._queued_bytes = None, 0
        for transport in self._end(reason):
            transport.abort()

    def _end(self, reason: str) -> list[Transport]:
        """Take the session out of service; return the transports that are still to be ended."""
        if not self.ended:
            self.ended, self.reason = True, reason
            self._engine.on_ended(self)
            self._end_poll()
            self._receive_event("disconnect", reason)
        return [transport for transport in (self._transport, self._upgrading) if transport]

    def _end_poll(self) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(None)
