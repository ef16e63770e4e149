"""Engine.IO sessions without connections: a transport that records writes, and an engine that records events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from roomcast.transport.frames import CloseCode
from roomcast.transport.packets import EncodedPacket
from roomcast.transport.scheduler import Account
from roomcast.transport.session import Session, Transport


@dataclass(eq=False)
class FakeTransport:
    """A WebSocket that records what is written. Tests set whether it is writable."""

    paused: bool = False
    deflate: bool = False
    size: int = 0
    reading: bool = True
    written: list[bytes] = field(default_factory=list)
    closes: list[str] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def write_buffer_size(self) -> int:
        return self.size

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self, code: CloseCode | None = CloseCode.NORMAL) -> None:
        self.closes.append("close" if code else "close without a frame")

    def abort(self) -> None:
        self.closes.append("abort")

    def pop_written(self) -> list[str]:
        """Return what was written since the last call, without the heads of short frames."""
        texts = [frame[2:].decode() for frame in self.written]
        self.written.clear()
        return texts


@dataclass
class FakeEngine:
    """Records the calls of sessions. Handles their events at once, or, if `manual`, when a test calls `handle`."""

    manual: bool = False
    max_packets_per_second: int = 1000
    events: list[tuple[str, Any]] = field(default_factory=list)
    closed_sessions: list[Session] = field(default_factory=list)
    pongs: int = 0
    pending: list[Session] = field(default_factory=list)

    def session(self) -> Session:
        """Open a session that is served by polling."""
        return Session(self, "sid", "127.0.0.1", Account("127.0.0.1"))

    def on_pong(self, _: Session) -> None:
        self.pongs += 1

    def on_upgrade_done(self, transport: Transport) -> None: ...

    def on_closing(self, session: Session) -> None:
        self.closed_sessions.append(session)

    def start_handling(self, session: Session) -> None:
        self.pending.append(session)
        if not self.manual:
            self.handle()

    def handle(self) -> None:
        for session in self.pending:
            self.events += session.pending_events or []
            session.finish_handling()
        self.pending.clear()

    @property
    def messages(self) -> list[str | bytes]:
        return [argument for event, argument in self.events if event == "message"]


def packets_of(*texts: str) -> Sequence[EncodedPacket]:
    """Make a packet of each text."""
    return [EncodedPacket(text.encode()) for text in texts]
