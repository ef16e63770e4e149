"""WebSocket frames (RFC 6455) as a server reads and writes them. Pure: bytes in, messages out.

A server's frames are not masked, so they are the same bytes for every client: what goes to a room is framed once.
Compression (RFC 7692) is negotiated without context takeover for the same reason: a message compressed once is good for
every client, and no compressor is kept per connection.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum

_FIN, _RSV1, _RESERVED, _OPCODE = 0x80, 0x40, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127
_MAX_CONTROL_BYTES = 125
_HEAD, _HEAD_WITH_2, _HEAD_WITH_8 = (struct.Struct(layout).pack for layout in (">BB", ">BBH", ">BBQ"))

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3."""

_DEFLATE_TAIL = b"\x00\x00\xff\xff"
"""RFC 7692, section 7.2.1: the end of a compressed message, which is not sent."""


class Opcode(IntEnum):
    """RFC 6455, section 5.2."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """Reasons to close a connection (RFC 6455, section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    NOT_TEXT = 1007
    POLICY_VIOLATION = 1008
    TOO_LARGE = 1009

    @property
    def encoded(self) -> bytes:
        """Encode the code as the payload of a close frame."""
        return self.to_bytes(2, "big")


_VALID_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


class ProtocolViolation(Exception):
    """The peer broke the protocol; the connection must be closed with `code`."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


def accept_key(key: str) -> str:
    """Compute the `Sec-WebSocket-Accept` header for a `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """Encode a whole message as one frame."""
    return _frame(_FIN + opcode, payload)


def deflated_frame(opcode: Opcode, payload: bytes) -> bytes:
    """Encode a whole message as one compressed frame."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return _frame(_FIN + _RSV1 + opcode, data.removesuffix(_DEFLATE_TAIL))


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _LENGTH_IN_2_BYTES:
        return _HEAD(first, size) + payload
    if size < 1 << 16:
        return _HEAD_WITH_2(first, _LENGTH_IN_2_BYTES, size) + payload
    return _HEAD_WITH_8(first, _LENGTH_IN_8_BYTES, size) + payload


class FrameReader:
    """Reads the frames that one client sends, and buffers at most one message of `max_bytes` bytes.

    With `deflate`, messages may be compressed; `max_bytes` is their size after inflation too.
    """

    __slots__ = ("_buffer", "_deflates", "_fragments", "_max_bytes", "_opcode")

    def __init__(self, max_bytes: int, *, deflate: bool = False) -> None:
        self._max_bytes = max_bytes
        self._deflates = deflate
        self._buffer = b""
        self._opcode: int | None = None
        """The first byte of the message whose fragments are being collected, without the FIN bit."""
        self._fragments: bytearray | None = None  # None while idle: an empty bytearray weighs 57 bytes a connection

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes] | None]:
        """Yield, for each frame that `data` completes, the message that it completes: fragments joined, and control
        frames between them; None for a fragment that others must follow.

        The payload of a text message, and the reason of a close, are valid UTF-8. Raises `ProtocolViolation` behind
        the messages that came before it. The iterator must be used up before `feed` is called again.
        """
        data = self._buffer + data if self._buffer else data
        self._buffer = b""
        start = 0
        while head := _head(data, start, self._max_bytes, _RSV1 if self._deflates else 0):
            first, begin, size = head
            if len(data) < begin + size:
                break
            start = begin + size
            payload = _unmasked(data[begin:start], data[begin - 4 : begin])
            if first & _OPCODE >= Opcode.CLOSE:
                opcode = Opcode(first & _OPCODE)
                yield opcode, _checked(opcode, payload)
            else:
                yield self._join(first, payload)
        self._buffer = data[start:]

    def _join(self, first: int, payload: bytes) -> tuple[Opcode, bytes] | None:
        """Return the message that this fragment completes."""
        continued = first & _OPCODE == Opcode.CONTINUATION
        if continued is (self._opcode is None) or (continued and first & _RSV1):
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR)
        opcode = first & ~_FIN if self._opcode is None else self._opcode
        if self._fragments is not None:
            if len(self._fragments) + len(payload) > self._max_bytes:
                raise ProtocolViolation(CloseCode.TOO_LARGE)
            self._fragments += payload
        elif not first & _FIN:
            self._fragments = bytearray(payload)
        if not first & _FIN:
            self._opcode = opcode
            return None
        if self._fragments is not None:
            payload = bytes(self._fragments)
        self._opcode = self._fragments = None
        if opcode & _RSV1:
            payload = _inflated(payload, self._max_bytes)
        message = Opcode(opcode & _OPCODE)
        return message, _checked(message, payload)


def _head(data: bytes, start: int, max_bytes: int, allowed_reserved: int) -> tuple[int, int, int] | None:
    """Parse the frame head at `start`.

    Returns the first byte, where the payload begins, and its size; None when the head is not complete yet.
    """
    available = len(data) - start
    if available < 2:
        return None
    first, second = data[start], data[start + 1]
    _check_first(first, allowed_reserved)
    size, begin = second & _LENGTH, start + 2
    if not second & _MASKED or (first & _OPCODE >= Opcode.CLOSE and size > _MAX_CONTROL_BYTES):
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR)
    if size >= _LENGTH_IN_2_BYTES:
        width = 2 if size == _LENGTH_IN_2_BYTES else 8
        if available < 2 + width:
            return None
        size = int.from_bytes(data[begin : begin + width], "big")
        begin += width
        if size < (_LENGTH_IN_2_BYTES if width == 2 else 1 << 16) or size >> 63:
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR)
    if size > max_bytes:
        raise ProtocolViolation(CloseCode.TOO_LARGE)
    return first, begin + 4, size


_OPCODES = frozenset(Opcode)


def _check_first(first: int, allowed_reserved: int) -> None:
    opcode, reserved = first & _OPCODE, first & _RESERVED
    control = opcode >= Opcode.CLOSE
    if opcode not in _OPCODES or reserved & ~allowed_reserved or (control and (reserved or not first & _FIN)):
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Remove the mask (RFC 6455, section 5.3). As two large numbers, both are combined at the speed of C."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def _inflated(data: bytes, max_bytes: int) -> bytes:
    """Decompress a message, but never to more than `max_bytes` bytes."""
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        payload = inflate.decompress(data + _DEFLATE_TAIL, max_bytes + 1)
    except zlib.error:
        raise ProtocolViolation(CloseCode.PROTOCOL_ERROR) from None
    if len(payload) > max_bytes:
        raise ProtocolViolation(CloseCode.TOO_LARGE)
    return payload


def _checked(opcode: Opcode, payload: bytes) -> bytes:
    """Return the payload if such a message may hold it; raises `ProtocolViolation`."""
    text = payload if opcode is Opcode.TEXT else b""
    if opcode is Opcode.CLOSE and payload:
        if int.from_bytes(payload[:2], "big") not in _VALID_CLOSE_CODES:  # a single byte is not among them either
            raise ProtocolViolation(CloseCode.PROTOCOL_ERROR)
        text = payload[2:]
    try:
        text.decode()
    except UnicodeDecodeError:
        raise ProtocolViolation(CloseCode.NOT_TEXT) from None
    return payload
