"""An Engine.IO session: one client, served by polling, over a WebSocket, or by polling until a WebSocket takes over.

Packets arrive once and in order whichever transport serves the session. The client's messages are handled one after
another, by one task for each burst of messages and by none while idle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from roomcast.transport import packets
from roomcast.transport.errors import EngineError, engine_error
from roomcast.transport.frames import CloseCode
from roomcast.transport.packets import EncodedPacket, EnginePacketType, InvalidPacket
from roomcast.transport.scheduler import Account

HIGH_WATER_PACKETS = 16
"""Queued packets from which on a session is not `writable`."""

MAX_QUEUED_PACKETS = 512
MAX_QUEUED_BYTES = 1 << 20
"""Limits of a session's queue. A client that would exceed one of them is disconnected."""

_RATE_SECONDS = 10
"""Period over which a client's packet rate is averaged, so that joining many rooms at once does not exceed it."""

_MAX_PENDING_EVENTS = 64
"""Unhandled messages of one client at which reading from it is paused."""


class Transport(Protocol):
    """A WebSocket that serves a session."""

    paused: bool
    """Whether the kernel's buffer is full, so that nothing should be written."""

    deflate: bool
    """Whether messages may be compressed."""

    def write(self, data: bytes) -> None:
        """Write encoded frames."""

    def write_buffer_size(self) -> int:
        """Return the number of bytes that are not written to the kernel yet."""

    def pause_reading(self) -> None:
        """Stop reading until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read again."""

    def close(self, code: CloseCode | None = CloseCode.NORMAL) -> None:
        """Close the connection after writing the buffer and a close frame (None: without a close frame)."""

    def abort(self) -> None:
        """Close the connection at once, and discard the buffer."""


class SessionOwner(Protocol):
    """The engine, as its sessions call it."""

    max_packets_per_second: int
    """Packets that one client may send per second, on average over ten seconds."""

    def on_pong(self, session: Session) -> None:
        """Handle the client's answer to a ping."""

    def on_upgrade_done(self, transport: Transport) -> None:
        """Handle the end of an upgrade: the WebSocket serves its session, or is lost."""

    def on_closing(self, session: Session) -> None:
        """Handle the end of a session, which sends and receives nothing more."""

    def start_handling(self, session: Session) -> None:
        """Start the task that handles `session.pending_events` until there are none."""


class SessionObserver(Protocol):
    """The application's side of a session."""

    def on_writable_change(self) -> None:
        """Handle a change of the session's `fast_write`."""


class Session:
    """One client's session. python-socketio uses it as an Engine.IO socket."""

    __slots__ = (
        "_engine",
        "_packets_in_period",
        "_period",
        "_poll",
        "_queue",
        "_queued_bytes",
        "_storage",
        "_transport",
        "_upgrading",
        "accepted",
        "account",
        "address",
        "closed",
        "closing",
        "fast_write",
        "handled",
        "interceptor",
        "observer",
        "pending_events",
        "reason",
        "sid",
    )

    def __init__(self, engine: SessionOwner, sid: str, address: str, account: Account) -> None:
        """`address` is the client's network address, and `account` is charged for the work for this client."""
        self._engine = engine
        self.sid = sid
        self.address = address
        self.account = account
        self.observer: SessionObserver | None = None
        self.accepted = False
        """Whether the application has accepted the client (`Engine.accept`)."""
        self.closing = False
        """Whether the session has ended: nothing more is sent or received."""
        self.closed = False
        """Whether the `disconnect` handler has run, too."""
        self.reason = ""
        """The reason for the end, as python-socketio's handlers get it."""
        self.pending_events: list[tuple[str, Any]] | None = None
        """`connect`, `message` and `disconnect` events that are not handled yet; None while idle."""
        self.handled: asyncio.Future[None] | None = None
        """Is done when all pending events have been handled; None while nothing awaits it."""
        self.fast_write: Callable[[bytes], None] | None = None
        """Writes uncompressed frames to the WebSocket; None while packets must go through `send`."""
        self.interceptor: Callable[[EncodedPacket], None] | None = None
        """Gets the packets that python-socketio sends (`set_interceptor`)."""
        self._storage: dict[Any, Any] | None = None
        self._transport: Transport | None = None
        self._upgrading: Transport | None = None
        """A WebSocket that has sent a probe and does not serve the session yet."""
        self._queue: deque[EncodedPacket] | None = None  # None while empty: an empty deque takes 760 bytes
        self._queued_bytes = 0
        self._poll: asyncio.Future[None] | None = None
        self._period = 0
        self._packets_in_period = 0

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
    def upgraded(self) -> bool:
        """Whether a WebSocket serves the session."""
        return self._transport is not None

    # --- sending -----------------------------------------------------------------------------------------------------

    @property
    def queued_packets(self) -> int:
        """The number of packets that wait for a poll, or for the WebSocket to be writable."""
        return len(self._queue) if self._queue else 0

    @property
    def write_buffer_size(self) -> int:
        """The number of bytes that the WebSocket has not written yet."""
        return self._transport.write_buffer_size() if self._transport else 0

    @property
    def writable(self) -> bool:
        """Whether the client receives as fast as it is sent to."""
        return self.queued_packets < HIGH_WATER_PACKETS and not (self._transport and self._transport.paused)

    def send(self, packet: EncodedPacket) -> None:
        """Send a packet, or give it to the interceptor."""
        if self.interceptor:
            self.interceptor(packet)
        else:
            self.send_direct(packet)

    def send_direct(self, packet: EncodedPacket) -> None:
        """Write a packet, or queue it, without regard to the interceptor. A full queue disconnects the client."""
        if self.closing:
            return
        transport = self._transport
        if transport is not None and not transport.paused and not self._queue:
            self._write(transport, packet)
            return
        if self.queued_packets >= MAX_QUEUED_PACKETS or self._queued_bytes > MAX_QUEUED_BYTES:
            self.abort("transport error")
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(packet)
        self._queued_bytes += len(packet.text)
        self._wake_poll()

    def set_interceptor(self, interceptor: Callable[[EncodedPacket], None] | None) -> None:
        """Give packets to `interceptor` instead of sending them, until it is None again.

        An application that has a queue of its own uses it to put python-socketio's packets behind that queue.
        """
        self.interceptor = interceptor
        self._update_fast_write()

    def flush(self) -> None:
        """Write queued packets while the WebSocket is writable. The transport calls it when `paused` changes."""
        while self._queue and self._transport and not self._transport.paused:
            packet = self._queue.popleft()
            self._queued_bytes -= len(packet.text)
            self._write(self._transport, packet)
        if not self._queue:
            self._queue = None
        self._update_fast_write()

    def _write(self, transport: Transport, packet: EncodedPacket) -> None:
        transport.write(packet.deflated if transport.deflate else packet.frame)

    def _update_fast_write(self) -> None:
        """Set `fast_write` if no packet, limit or compression stands between a frame and the WebSocket."""
        transport, write = self._transport, None
        if transport and not (transport.paused or transport.deflate or self._queue or self.interceptor):
            write = transport.write
        if write is not self.fast_write:
            self.fast_write = write
            if self.observer:
                self.observer.on_writable_change()

    def attach(self, transport: Transport) -> None:
        """Serve the session over a WebSocket from now on, beginning with the queue."""
        self._transport, self._upgrading = transport, None
        self._engine.on_upgrade_done(transport)
        self.flush()

    async def poll(self) -> bytes:
        """Return the body of a poll's response: the queued packets, or the next one.

        Raises `HTTPBadRequest`, and ends the session, when another poll is waiting.
        """
        if self._poll:
            self.close()
            raise engine_error(EngineError.BAD_REQUEST, "Only one poll of a session may wait at a time.")
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

    def _wake_poll(self) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(None)

    # --- receiving ---------------------------------------------------------------------------------------------------

    def receive(self, packet: str | bytes, transport: Transport | None = None) -> None:
        """Process a packet that was received over `transport` (None: by polling). Raises `InvalidPacket`."""
        if self.closing:
            raise InvalidPacket("The session has ended.")
        if transport is not self._transport:
            self._upgrade(packet, transport)
        elif isinstance(packet, bytes):
            self._add_event("message", packet)
        elif packet[:1] == EnginePacketType.MESSAGE:
            self._add_event("message", packet[1:])
        elif packet == EnginePacketType.PONG:
            self._engine.on_pong(self)
        elif packet == EnginePacketType.CLOSE:
            for open_transport in self._start_closing("client disconnect"):
                open_transport.close()
        elif packet[:1] != EnginePacketType.NOOP:
            raise InvalidPacket("No client may send a packet of this type.")

    def _upgrade(self, packet: str | bytes, transport: Transport | None) -> None:
        """Process a packet of a WebSocket that does not serve the session yet: a probe, then the upgrade.

        A probe is answered and ends the waiting poll; from then on, packets are queued for the WebSocket.
        """
        if transport is None or self._transport:
            raise InvalidPacket("The session is served over a WebSocket.")
        if packet == EnginePacketType.PING + "probe" and self._upgrading is None:
            self._upgrading = transport
            self._write(transport, packets.PONG_PROBE)
            self._wake_poll()
        elif packet == EnginePacketType.UPGRADE and transport is self._upgrading:
            self.attach(transport)
        else:
            raise InvalidPacket("The WebSocket must be probed before it is used.")

    def exceeds_rate(self, count: int) -> bool:
        """Add `count` received packets or frames; return whether the client has exceeded its rate limit."""
        period = int(asyncio.get_running_loop().time()) // _RATE_SECONDS
        if period != self._period:
            self._period, self._packets_in_period = period, 0
        self._packets_in_period += count
        return self._packets_in_period > self._engine.max_packets_per_second * _RATE_SECONDS

    def start(self, environ: Any) -> None:
        """Call the application's `connect` handler."""
        self._add_event("connect", environ)

    def _add_event(self, event: str, argument: Any) -> None:
        if self.pending_events is None:
            self.pending_events = [(event, argument)]
            self._engine.start_handling(self)
        else:
            self.pending_events.append((event, argument))
            if len(self.pending_events) == _MAX_PENDING_EVENTS and self._transport:
                self._transport.pause_reading()

    async def wait_until_handled(self) -> None:
        """Return when no event is pending, including those that come meanwhile."""
        while self.pending_events is not None:
            if self.handled is None:
                self.handled = asyncio.get_running_loop().create_future()
            # Unlike an await, `wait` does not cancel the future, which others may await, when one waiter is cancelled.
            await asyncio.wait({self.handled})

    def finish_handling(self) -> None:
        """Return to the idle state after all pending events were handled, and resume reading."""
        self.pending_events = None
        if self.handled:
            self.handled.set_result(None)
            self.handled = None
        if self._transport:
            self._transport.resume_reading()

    # --- the end -----------------------------------------------------------------------------------------------------

    def on_connection_lost(self, transport: Transport) -> None:
        """End the session, or the upgrade, whose WebSocket is lost."""
        self._engine.on_upgrade_done(transport)
        if transport is self._transport:
            self._start_closing("transport close")
            self._transport = None  # breaks a reference cycle, so that both are freed without the garbage collector
            self._update_fast_write()
        elif transport is self._upgrading:
            self._upgrading = None

    def close(self, reason: str = "server disconnect", code: CloseCode | None = CloseCode.NORMAL) -> None:
        """End the session with a close packet, or its WebSocket with a close frame.

        Without a `code`, neither is sent: some clients reconnect after a lost connection, but not after a close packet.
        """
        if code is not None and not self.closing and not self._transport:
            self._queue = self._queue or deque()
            self._queue.append(packets.CLOSE)
        for transport in self._start_closing(reason):
            transport.close(code)

    def abort(self, reason: str = "transport error") -> None:
        """End the session at once, and discard its queue."""
        self._queue, self._queued_bytes = None, 0
        for transport in self._start_closing(reason):
            transport.abort()

    def _start_closing(self, reason: str) -> list[Transport]:
        """Mark the session as ended and call the `disconnect` handler; return the transports that must be closed."""
        if not self.closing:
            self.closing, self.reason = True, reason
            self._engine.on_closing(self)
            self._wake_poll()
            self._add_event("disconnect", reason)
        return [transport for transport in (self._transport, self._upgrading) if transport]
