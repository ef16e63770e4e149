"""Engine.IO: sessions that are served by polling, over a WebSocket, or first so and then so.

What a session is sent goes out in its order, whatever carries it, and who does not answer a ping is gone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from server.realtime import packets
from server.realtime.deadlines import Deadlines
from server.realtime.packets import Engine as Kind
from server.realtime.packets import Invalid, Packet
from server.upload.errors import Malformed

PACKETS_AHEAD = 16
"""Packets that may wait for a client's next poll before it counts as one that does not keep up."""

_UPGRADE_SECONDS = 10.0
"""How long a WebSocket may take to take over from polling."""


class Carrier(Protocol):
    """A WebSocket."""

    paused: bool
    """Whether so much waits to be written that no more should come."""

    def write(self, data: bytes) -> None:
        """Frames."""

    def buffered(self) -> int:
        """Bytes that wait to be written."""

    def close(self) -> None:
        """Behind what waits, and with a word of goodbye."""

    def cut(self) -> None:
        """Behind what waits, and without a word."""

    def abort(self) -> None:
        """At once."""


class Application(Protocol):
    """What the sessions are for."""

    def opened(self, session: Session) -> None:
        """It may send from now on."""

    def received(self, session: Session, message: str | bytes) -> None:
        """Raises `Invalid` for what no client may send."""

    def closed(self, session: Session) -> None:
        """Nothing that is sent to it arrives any more."""


class Engine:
    """All sessions of this process."""

    def __init__(self, application: Application, *, ping_seconds: float, timeout_seconds: float, largest: int) -> None:
        """`largest` is how many bytes a client may send at a time."""
        self.application = application
        self.largest = largest
        self.sessions: dict[str, Session] = {}
        self.pings = Deadlines[Session](ping_seconds, self._ping)
        self.pongs = Deadlines[Session](timeout_seconds, Session.close)
        self.upgrades = Deadlines[Carrier](_UPGRADE_SECONDS, lambda carrier: carrier.close())
        self._opened = partial(
            packets.opened, ping_seconds=ping_seconds, timeout_seconds=timeout_seconds, largest=largest
        )

    def open(self, credential: str | None) -> Session:
        """A new session, by polling until something carries it."""
        session = Session(self, secrets.token_urlsafe(15), credential)
        self.sessions[session.sid] = session
        self.pings.start(session)
        self.application.opened(session)
        return session

    def greeting(self, session: Session, *, upgrades: list[str]) -> Packet:
        """What must come before everything else."""
        return self._opened(session.sid, upgrades=upgrades)

    def polled(self, sid: str) -> Session:
        """The session of that id. Raises `Malformed` when there is none, or none that is served by polling."""
        session = self.sessions.get(sid)
        if session is None or session.carried:
            raise Malformed("There is no such session.")
        return session

    def _ping(self, session: Session) -> None:
        self.pongs.start(session)
        session.send(packets.PING)


class Session:
    """One client. `credential` is the token that came with its handshake, `user` whatever the application keeps."""

    __slots__ = (
        "_carrier",
        "_coming",
        "_engine",
        "_held",
        "_poll",
        "_queue",
        "closed",
        "credential",
        "on_pace",
        "sid",
        "user",
        "write_now",
    )

    def __init__(self, engine: Engine, sid: str, credential: str | None) -> None:
        self._engine = engine
        self.sid = sid
        self.credential = credential
        self.user: Any = None
        self.closed = False
        self._carrier: Carrier | None = None
        self._coming: Carrier | None = None
        """One that has asked to take over."""
        self._queue: list[Packet] = []
        self._held = False
        self._poll: asyncio.Future[None] | None = None
        self.write_now: Callable[[bytes], None] | None = None
        """Writes a frame at once; None while something must go before it, or there is no room for more."""
        self.on_pace: Callable[[], None] | None = None
        """Is called when `write_now` is another one."""

    @property
    def carried(self) -> bool:
        """Whether it is served over a WebSocket."""
        return self._carrier is not None

    @property
    def waiting(self) -> int:
        """Packets that wait for a poll, or for the WebSocket to have room."""
        return len(self._queue)

    @property
    def buffered(self) -> int:
        """Bytes that wait in the WebSocket."""
        return self._carrier.buffered() if self._carrier else 0

    @property
    def keeps_up(self) -> bool:
        """Whether there is room for more."""
        return len(self._queue) < PACKETS_AHEAD and not (self._carrier and self._carrier.paused)

    def send(self, packet: Packet) -> None:
        """In its turn."""
        carrier = self._carrier
        if carrier is not None and not carrier.paused and not self._queue:
            carrier.write(packet.frame)
        else:
            self._queue.append(packet)
            self._answer_poll()

    def hold(self, *, held: bool) -> None:
        """Whether the application keeps something back that must go before what `write_now` would write."""
        self._held = held
        self._look()

    def carry(self, carrier: Carrier) -> None:
        """From now on over this WebSocket, beginning with what waits."""
        self._carrier, self._coming = carrier, None
        self._engine.upgrades.end(carrier)
        self.flush()

    def flush(self) -> None:
        """The WebSocket has room, or has none any more."""
        while self._queue and self._carrier and not self._carrier.paused:
            self._carrier.write(self._queue.pop(0).frame)
        self._look()

    def _look(self) -> None:
        carrier, write = self._carrier, None
        if carrier and not (carrier.paused or self._queue or self._held):
            write = carrier.write
        if write is not self.write_now:
            self.write_now = write
            if self.on_pace:
                self.on_pace()

    async def poll(self) -> bytes:
        """The packets that wait, or the next one. Raises `Malformed`, and ends the session, when a poll waits."""
        if self._poll:
            self.close()
            raise Malformed("One poll at a time.")
        if not self._queue and not self._coming:
            self._poll = asyncio.get_running_loop().create_future()
            try:
                await self._poll
            finally:
                self._poll = None
        if self._coming or not self._queue:
            return packets.NOOP.text
        waiting, self._queue = self._queue, []
        return packets.body_of(waiting)

    def receive(self, packet: str | bytes, carrier: Carrier | None = None) -> None:
        """What came by polling or over `carrier`. Raises `Invalid` for what no client may send."""
        if self.closed:
            raise Invalid
        if carrier is not self._carrier:
            self._upgrade(packet, carrier)
        elif isinstance(packet, bytes):
            self._engine.application.received(self, packet)
        elif packet[:1] == Kind.MESSAGE:
            self._engine.application.received(self, packet[1:])
        elif packet == Kind.PONG:
            self._engine.pongs.end(self)
            self._engine.pings.start(self)
        elif packet == Kind.CLOSE:
            for ended in self._leave():
                ended.close()
        elif packet[:1] != Kind.NOOP:
            raise Invalid

    def _upgrade(self, packet: str | bytes, carrier: Carrier | None) -> None:
        """A probe is answered, and ends the poll that waits. From then on, packets wait for the WebSocket."""
        if carrier is None or self._carrier:
            raise Invalid
        if packet == Kind.PING + "probe" and self._coming is None:
            self._coming = carrier
            carrier.write(packets.PROBED.frame)
            self._answer_poll()
        elif packet == Kind.UPGRADE and carrier is self._coming:
            self.carry(carrier)
        else:
            raise Invalid

    def lost(self, carrier: Carrier) -> None:
        """The WebSocket is gone."""
        self._engine.upgrades.end(carrier)
        if carrier is self._carrier:
            self._leave()
            self._carrier = None  # they knew each other; neither should wait for the garbage collector
            self._look()
        elif carrier is self._coming:
            self._coming = None

    def close(self) -> None:
        """End it, and say so."""
        if not self._carrier:
            self._queue.append(packets.CLOSE)
        for carrier in self._leave():
            carrier.close()

    def cut(self) -> None:
        """End it so that the client comes back: a connection that is simply gone, every client makes again, but after
        Engine.IO's or Socket.IO's goodbye some stay away."""
        for carrier in self._leave():
            carrier.cut()

    def abort(self) -> None:
        """End it, and keep nothing that waits for it."""
        self._queue.clear()
        for carrier in self._leave():
            carrier.abort()

    def _leave(self) -> list[Carrier]:
        """Out of the books; what is left to be ended."""
        if not self.closed:
            self.closed = True
            del self._engine.sessions[self.sid]
            self._engine.pings.end(self)
            self._engine.pongs.end(self)
            self._answer_poll()
            self._engine.application.closed(self)
        return [carrier for carrier in (self._carrier, self._coming) if carrier]

    def _answer_poll(self) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(None)
