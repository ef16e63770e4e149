"""WebSocket (RFC 6455) as a server speaks it: bytes in, messages out, and back. No I/O.

A server's frames are not masked, and so are the same bytes for every client: what goes to a room is framed once.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from enum import IntEnum

_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127
_LARGEST_CONTROL = 125
_HEAD, _HEAD_WITH_2, _HEAD_WITH_8 = (struct.Struct(of).pack for of in (">BB", ">BBH", ">BBQ"))

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Section 1.3."""


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Close(IntEnum):
    """Why a connection is closed (section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NOT_TEXT = 1007
    TOO_LARGE = 1009

    @property
    def encoded(self) -> bytes:
        return self.to_bytes(2, "big")


_CLOSES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""What an endpoint may give as its reason."""


class Violation(Exception):
    """The peer broke the protocol, and the connection must end with this reason."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.name)
        self.close = close


def accept(key: str) -> str:
    """The `Sec-WebSocket-Accept` to a `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """A whole message."""
    size, first = len(payload), _FIN + opcode
    if size < _LENGTH_IN_2_BYTES:
        return _HEAD(first, size) + payload
    if size < 1 << 16:
        return _HEAD_WITH_2(first, _LENGTH_IN_2_BYTES, size) + payload
    return _HEAD_WITH_8(first, _LENGTH_IN_8_BYTES, size) + payload


class FrameReader:
    """Reads what one client sends. It keeps no more than one message of `largest` bytes."""

    __slots__ = ("_held", "_kind", "_largest", "_parts")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = b""
        self._kind: Opcode | None = None
        self._parts = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes]]:
        """The messages that `data` completes, pieces put together, and the control frames between them.

        A text's bytes are UTF-8, and so is a close's reason. Raises `Violation`, behind what came before it.
        """
        data = self._held + data if self._held else data
        self._held = b""
        start = 0
        while head := _head(data, start, self._largest):
            opcode, final, begin, size = head
            if len(data) < begin + size:
                break
            start = begin + size
            payload = _unmasked(data[begin:start], data[begin - 4 : begin])
            if opcode >= Opcode.CLOSE:
                yield opcode, _checked(opcode, payload)
            elif message := self._put_together(opcode, payload, final=final):
                yield message
        self._held = data[start:]

    def _put_together(self, opcode: Opcode, payload: bytes, *, final: bool) -> tuple[Opcode, bytes] | None:
        if (opcode is Opcode.CONTINUATION) is (self._kind is None):
            raise Violation(Close.PROTOCOL_ERROR)
        kind = self._kind or opcode
        if len(self._parts) + len(payload) > self._largest:
            raise Violation(Close.TOO_LARGE)
        if final and not self._parts:
            self._kind = None
            return kind, _checked(kind, payload)
        self._parts += payload
        if not final:
            self._kind = kind
            return None
        whole, self._kind, self._parts = bytes(self._parts), None, bytearray()
        return kind, _checked(kind, whole)


def _head(data: bytes, start: int, largest: int) -> tuple[Opcode, bool, int, int] | None:
    """The frame at `start`: opcode, whether it is the last of its message, and where its payload begins and how long
    it is; None when its head is not there yet."""
    have = len(data) - start
    if have < 2:
        return None
    first, second = data[start], data[start + 1]
    opcode = _opcode(first)
    size, begin = second & _LENGTH, start + 2
    if not second & _MASKED or (opcode >= Opcode.CLOSE and (size > _LARGEST_CONTROL or not first & _FIN)):
        raise Violation(Close.PROTOCOL_ERROR)
    if size >= _LENGTH_IN_2_BYTES:
        wide = 2 if size == _LENGTH_IN_2_BYTES else 8
        if have < 2 + wide:
            return None
        size = int.from_bytes(data[begin : begin + wide], "big")
        begin += wide
        if size < (_LENGTH_IN_2_BYTES if wide == 2 else 1 << 16) or size >> 63:
            raise Violation(Close.PROTOCOL_ERROR)
    if size > largest:
        raise Violation(Close.TOO_LARGE)
    return opcode, bool(first & _FIN), begin + 4, size


def _opcode(first: int) -> Opcode:
    try:
        opcode = Opcode(first & _OPCODE)
    except ValueError:
        raise Violation(Close.PROTOCOL_ERROR) from None
    if first & _RESERVED:
        raise Violation(Close.PROTOCOL_ERROR)
    return opcode


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Section 5.3. As one number each, they are combined at the speed of C."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def _checked(opcode: Opcode, payload: bytes) -> bytes:
    """Raises `Violation` when it is not what such a message may hold."""
    text = payload if opcode is Opcode.TEXT else b""
    if opcode is Opcode.CLOSE and payload:
        if int.from_bytes(payload[:2], "big") not in _CLOSES:  # one byte alone is not among them either
            raise Violation(Close.PROTOCOL_ERROR)
        text = payload[2:]
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Violation(Close.NOT_TEXT) from None
    return payload
