"""A client that sends frames of one kind as fast as it can, in a thread of its own."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self

from websocket import ABNF

from tests.support.raw_socket import handshake

FRAMES_PER_SEND = 5_000
"""Some hundred kilobytes, so that the kernel's buffers are never empty."""


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
"""The frame that each flood repeats."""

_BEFORE = {"empty fragments": ABNF(0, 0, 0, 0, ABNF.OPCODE_TEXT, 1, b"4").format()}


class Flood:
    """A context in which a client floods a server and reads nothing, for `seconds` or until it is disconnected."""

    def __init__(self, port: int, what: str, *, seconds: float, connected: bool = False) -> None:
        """With `connected`, the client connects to the main namespace first."""
        self._port = port
        self._frames = FLOODS[what] * FRAMES_PER_SEND
        self._before = (_text("40") if connected else b"") + _BEFORE.get(what, b"")
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.disconnected = False
        """Whether the server has closed the connection."""

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(handshake())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._socket.recv(1 << 16)
        self._socket.sendall(self._before)
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join()
        self._socket.close()

    @property
    def finished(self) -> bool:
        """Whether the flood is over."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        deadline = time.monotonic() + self._seconds
        self._socket.settimeout(self._seconds)
        try:
            while time.monotonic() < deadline:
                self._socket.sendall(self._frames)
        except TimeoutError:
            pass
        except OSError:
            self.disconnected = True
