"""One WebSocket that sends as fast as it can: what it sends, and a thread that does it."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self

from websocket import ABNF

from tests.support.raw_socket import handshake

TOGETHER = 5_000
"""Frames in one call of `send`: some hundred kilobytes, so that the kernel's buffers are never empty."""


def _text(packet: str) -> bytes:
    return ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 1, packet.encode()).format()


FLOODS = {
    "pongs": _text("3"),
    "noops": _text("6"),
    "namespaces": _text("40/x,"),
    "events": _text('42["nothing",1]'),
    "calls": _text('421["join-upload","x"]'),
    "acknowledgements": _text("431[]"),
    "acknowledgements of call zero": _text("430[]"),
    "WebSocket pings": ABNF(1, 0, 0, 0, ABNF.OPCODE_PING, 1, b"").format(),
    "WebSocket pongs": ABNF(1, 0, 0, 0, ABNF.OPCODE_PONG, 1, b"").format(),
    "empty fragments": ABNF(0, 0, 0, 0, ABNF.OPCODE_CONT, 1, b"").format(),
}
"""By a name: the frame that is sent again and again."""

_BEFORE = {"empty fragments": ABNF(0, 0, 0, 0, ABNF.OPCODE_TEXT, 1, b"4").format()}


class Flood:
    """A context in which one client floods a server, reading nothing, for so many seconds or until it is cut off."""

    def __init__(self, port: int, what: str, *, seconds: float, connected: bool = False) -> None:
        """`connected`: it comes into the main namespace first."""
        self._port = port
        self._frames = FLOODS[what] * TOGETHER
        self._before = (_text("40") if connected else b"") + _BEFORE.get(what, b"")
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.cut_off = False
        """Whether the server ended the connection."""

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(handshake())
        while b"\r\n\r\n" not in self._socket.recv(1 << 16):
            pass
        self._socket.sendall(self._before)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join()
        self._socket.close()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        give_up = time.monotonic() + self._seconds
        self._socket.settimeout(self._seconds)
        try:
            while time.monotonic() < give_up:
                self._socket.sendall(self._frames)
        except TimeoutError:
            pass
        except OSError:
            self.cut_off = True
