"""An Engine.IO engine with nothing around it: WebSockets that are lists, and an application that remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.realtime.engine import Engine, Session
from server.realtime.packets import Packet


@dataclass(eq=False)
class Carried:
    """A WebSocket whose buffer is as full as it is told."""

    paused: bool = False
    size: int = 0
    written: list[bytes] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def buffered(self) -> int:
        return self.size

    def close(self) -> None:
        self.ended.append("close")

    def cut(self) -> None:
        self.ended.append("cut")

    def abort(self) -> None:
        self.ended.append("abort")

    def take(self) -> list[str]:
        """What was written, without the heads of short frames."""
        taken = [frame[2:].decode() for frame in self.written]
        self.written.clear()
        return taken


@dataclass
class Application:
    """Who uses the sessions."""

    open: list[Session] = field(default_factory=list)
    heard: list[str | bytes] = field(default_factory=list)

    def opened(self, session: Session) -> None:
        self.open.append(session)

    def received(self, session: Session, message: str | bytes) -> None:
        assert session in self.open
        self.heard.append(message)

    def closed(self, session: Session) -> None:
        self.open.remove(session)


def engine(application: Application, *, ping: float = 15.0, pong: float = 20.0) -> Engine:
    return Engine(application, ping_seconds=ping, timeout_seconds=pong, largest=1000)


def told(*texts: str) -> list[Packet]:
    """Packets that say so."""
    return [Packet(text.encode()) for text in texts]
