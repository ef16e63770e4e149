"""Engine.IO sessions with nothing around them: transports that are lists, and an engine that records events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from roomcast.transport.frames import CloseCode
from roomcast.transport.packets import EncodedPacket
from roomcast.transport.session import Session, Transport


@dataclass(eq=False)
class FakeTransport:
    """A WebSocket whose buffer is as full as a test says."""

    paused: bool = False
    deflate: bool = False
    size: int = 0
    reading: bool = True
    written: list[bytes] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def write_buffer_size(self) -> int:
        return self.size

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self, code: CloseCode | None = CloseCode.NORMAL) -> None:
        self.ended.append("close" if code else "close without a frame")

    def abort(self) -> None:
        self.ended.append("abort")

    def take(self) -> list[str]:
        """Return what was written since the last call, without the heads of short frames."""
        taken = [frame[2:].decode() for frame in self.written]
        self.written.clear()
        return taken


@dataclass
class FakeEngine:
    """Records what sessions report, and handles what they receive at once, or (`slow`) when the test says so."""

    slow: bool = False
    max_packets_per_second: int = 1000
    events: list[tuple[str, Any]] = field(default_factory=list)
    ended: list[Session] = field(default_factory=list)
    pongs: int = 0
    waiting: list[Session] = field(default_factory=list)

    def session(self) -> Session:
        """Open a session that is served by polling."""
        return Session(self, "sid", "127.0.0.1")

    def on_pong(self, _: Session) -> None:
        self.pongs += 1

    def on_upgrade_done(self, transport: Transport) -> None: ...

    def on_closing(self, session: Session) -> None:
        self.ended.append(session)

    def start_handling(self, session: Session) -> None:
        self.waiting.append(session)
        if not self.slow:
            self.handle()

    def handle(self) -> None:
        for session in self.waiting:
            self.events += session.pending_events or []
            session.finish_handling()
        self.waiting.clear()

    @property
    def messages(self) -> list[str | bytes]:
        return [argument for event, argument in self.events if event == "message"]


def packets_of(*texts: str) -> Sequence[EncodedPacket]:
    """Make packets of texts."""
    return [EncodedPacket(text.encode()) for text in texts]
