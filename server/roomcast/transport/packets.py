"""Encode and decode Engine.IO 4 packets. Pure.

A packet is a digit, its type, and its data; the packets of one polling body are separated by `\x1e`. A binary message
is a frame of its own over a WebSocket, and `b` with Base64 data in a polling body.
Source: github.com/socketio/engine.io-protocol, revision 4.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum

from roomcast.transport.frames import Opcode, encode_deflated_frame, encode_frame

_SEPARATOR = "\x1e"
_MIN_DEFLATED_BYTES = 256
"""Shorter messages do not get smaller by compression."""


class EnginePacketType(StrEnum):
    """The type of an Engine.IO packet."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


class InvalidPacket(ValueError):
    """Raised for client data that is not a packet, or that a client may not send at this point."""


class EncodedPacket:
    """A packet in its wire formats: text for polling, and the WebSocket frame that all clients share."""

    __slots__ = ("_deflated", "frame", "text")

    def __init__(self, text: bytes, binary: bytes | None = None) -> None:
        """`text` is the packet in a polling body, `binary` the data of a binary message."""
        self.text = text
        self.frame = encode_frame(Opcode.TEXT, text) if binary is None else encode_frame(Opcode.BINARY, binary)
        self._deflated = None if binary is None else self.frame

    @classmethod
    def message(cls, data: str | bytes) -> EncodedPacket:
        """Encode a message of text or of binary data."""
        if isinstance(data, str):
            return cls(b"4" + data.encode())
        return cls(b"b" + base64.b64encode(data), data)

    @property
    def deflated(self) -> bytes:
        """The frame for clients that negotiated compression. It is made once, at the first access."""
        if self._deflated is None:
            compressible = len(self.text) >= _MIN_DEFLATED_BYTES
            self._deflated = encode_deflated_frame(Opcode.TEXT, self.text) if compressible else self.frame
        return self._deflated


CLOSE, PING, NOOP = (
    EncodedPacket(packet_type.encode())
    for packet_type in (EnginePacketType.CLOSE, EnginePacketType.PING, EnginePacketType.NOOP)
)
PONG_PROBE = EncodedPacket(EnginePacketType.PONG.encode() + b"probe")


def open_packet(*, upgrades: list[str], ping_interval: float, ping_timeout: float, max_bytes: int) -> bytes:
    """Encode the first packet of a session, with `%b` for the session's id. Times are in seconds."""
    data = {
        "sid": "%b",
        "upgrades": upgrades,
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
        "maxPayload": max_bytes,
    }
    return b"0" + json.dumps(data, separators=(",", ":")).encode()


def encode_payload(packets: Iterable[EncodedPacket]) -> bytes:
    """Encode the response body of a poll."""
    return _SEPARATOR.encode().join(packet.text for packet in packets)


def decode_payload(body: bytes) -> Iterator[str | bytes]:
    """Yield the packets of a polling request's body: text packets as `str`, the data of binary messages as `bytes`.

    Raises `InvalidPacket`.
    """
    try:
        packets = body.decode().split(_SEPARATOR)
    except UnicodeDecodeError as error:
        raise InvalidPacket("The body is not UTF-8.") from error
    for packet in packets:
        yield _decode_binary(packet[1:]) if packet.startswith("b") else packet


def _decode_binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise InvalidPacket("The binary message is not valid Base64.") from error
