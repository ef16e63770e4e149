"""Encode and decode WebSocket frames (RFC 6455) on the server's side. Pure.

A server's frames are not masked, so they are the same bytes for every client: a message for a room is encoded once.
Compression (RFC 7692) is negotiated without context takeover for the same reason: a message is compressed once for all
clients, and no connection needs a compressor of its own.
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
_LENGTH_16_BITS, _LENGTH_64_BITS = 126, 127
_MAX_CONTROL_BYTES = 125
_pack_head, _pack_head_16, _pack_head_64 = (struct.Struct(layout).pack for layout in (">BB", ">BBH", ">BBQ"))

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, section 1.3: is hashed with the client's key."""

_DEFLATE_TAIL = b"\x00\x00\xff\xff"
"""RFC 7692, section 7.2.1: the end of every compressed message, which is not transmitted."""


class Opcode(IntEnum):
    """The type of a frame (RFC 6455, section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """The reason for closing a connection (RFC 6455, section 7.4.1)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009

    @property
    def encoded(self) -> bytes:
        """The code as the payload of a close frame."""
        return self.to_bytes(2, "big")


_VALID_CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


class ProtocolError(Exception):
    """Raised when the peer violates the protocol. The connection must be closed with `code`."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


def accept_key(key: str) -> str:
    """Compute the `Sec-WebSocket-Accept` header for a `Sec-WebSocket-Key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def encode_frame(opcode: Opcode, payload: bytes) -> bytes:
    """Encode a message as one frame."""
    return _encode_frame(_FIN + opcode, payload)


def encode_deflated_frame(opcode: Opcode, payload: bytes) -> bytes:
    """Encode a message as one compressed frame."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return _encode_frame(_FIN + _RSV1 + opcode, data.removesuffix(_DEFLATE_TAIL))


def _encode_frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _LENGTH_16_BITS:
        return _pack_head(first, size) + payload
    if size < 1 << 16:
        return _pack_head_16(first, _LENGTH_16_BITS, size) + payload
    return _pack_head_64(first, _LENGTH_64_BITS, size) + payload


class FrameReader:
    """Decodes the frames that one client sends, and buffers at most one message of `max_bytes` bytes.

    With `deflate`, messages may be compressed; `max_bytes` limits their inflated size, too.
    """

    __slots__ = ("_allow_deflate", "_buffer", "_fragments", "_max_bytes", "_opcode")

    def __init__(self, max_bytes: int, *, deflate: bool = False) -> None:
        self._max_bytes = max_bytes
        self._allow_deflate = deflate
        self._buffer = b""
        self._opcode: int | None = None
        """The first byte of the fragmented message that is being collected, without the FIN bit."""
        self._fragments: bytearray | None = None  # None while idle: an empty bytearray takes 57 bytes

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes] | None]:
        """Yield the message that each frame in `data` completes, or None for a fragment that more must follow.

        Fragments are joined; control frames may come between them. The payload of a text message, and the reason of a
        close, are valid UTF-8. Raises `ProtocolError` after the messages that came before the violation. The iterator
        must be exhausted before `feed` is called again.
        """
        data = self._buffer + data if self._buffer else data
        self._buffer = b""
        start = 0
        while head := _parse_head(data, start, self._max_bytes, _RSV1 if self._allow_deflate else 0):
            first, begin, size = head
            if len(data) < begin + size:
                break
            start = begin + size
            payload = _unmask(data[begin:start], data[begin - 4 : begin])
            if first & _OPCODE >= Opcode.CLOSE:
                opcode = Opcode(first & _OPCODE)
                yield opcode, _validated(opcode, payload)
            else:
                yield self._defragment(first, payload)
        self._buffer = data[start:]

    def _defragment(self, first: int, payload: bytes) -> tuple[Opcode, bytes] | None:
        """Return the message that a frame completes, or None when more fragments must follow."""
        continuation = first & _OPCODE == Opcode.CONTINUATION
        if continuation is (self._opcode is None) or (continuation and first & _RSV1):
            raise ProtocolError(CloseCode.PROTOCOL_ERROR)
        opcode = first & ~_FIN if self._opcode is None else self._opcode
        if self._fragments is not None:
            if len(self._fragments) + len(payload) > self._max_bytes:
                raise ProtocolError(CloseCode.MESSAGE_TOO_BIG)
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
            payload = _inflate(payload, self._max_bytes)
        message = Opcode(opcode & _OPCODE)
        return message, _validated(message, payload)


def _parse_head(data: bytes, start: int, max_bytes: int, allowed_reserved: int) -> tuple[int, int, int] | None:
    """Parse the frame head at `start`.

    Returns the first byte, the index of the payload, and the payload's size; None while the head is incomplete.
    """
    available = len(data) - start
    if available < 2:
        return None
    first, second = data[start], data[start + 1]
    _check_first_byte(first, allowed_reserved)
    size, begin = second & _LENGTH, start + 2
    if not second & _MASKED or (first & _OPCODE >= Opcode.CLOSE and size > _MAX_CONTROL_BYTES):
        raise ProtocolError(CloseCode.PROTOCOL_ERROR)
    if size >= _LENGTH_16_BITS:
        width = 2 if size == _LENGTH_16_BITS else 8
        if available < 2 + width:
            return None
        size = int.from_bytes(data[begin : begin + width], "big")
        begin += width
        if size < (_LENGTH_16_BITS if width == 2 else 1 << 16) or size >> 63:
            raise ProtocolError(CloseCode.PROTOCOL_ERROR)
    if size > max_bytes:
        raise ProtocolError(CloseCode.MESSAGE_TOO_BIG)
    return first, begin + 4, size


_OPCODES = frozenset(Opcode)


def _check_first_byte(first: int, allowed_reserved: int) -> None:
    opcode, reserved = first & _OPCODE, first & _RESERVED
    control = opcode >= Opcode.CLOSE
    if opcode not in _OPCODES or reserved & ~allowed_reserved or (control and (reserved or not first & _FIN)):
        raise ProtocolError(CloseCode.PROTOCOL_ERROR)


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """Remove the mask (RFC 6455, section 5.3): one XOR of two large integers, which runs in C."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def _inflate(data: bytes, max_bytes: int) -> bytes:
    """Decompress a message. Raises `ProtocolError` for more than `max_bytes` bytes, before they are produced."""
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        payload = inflate.decompress(data + _DEFLATE_TAIL, max_bytes + 1)
    except zlib.error:
        raise ProtocolError(CloseCode.PROTOCOL_ERROR) from None
    if len(payload) > max_bytes:
        raise ProtocolError(CloseCode.MESSAGE_TOO_BIG)
    return payload


def _validated(opcode: Opcode, payload: bytes) -> bytes:
    """Return the payload if it is valid for the opcode. Raises `ProtocolError`."""
    text = payload if opcode is Opcode.TEXT else b""
    if opcode is Opcode.CLOSE and payload:
        if int.from_bytes(payload[:2], "big") not in _VALID_CLOSE_CODES:  # a payload of one byte is invalid, too
            raise ProtocolError(CloseCode.PROTOCOL_ERROR)
        text = payload[2:]
    try:
        text.decode()
    except UnicodeDecodeError:
        raise ProtocolError(CloseCode.INVALID_DATA) from None
    return payload
