"""Engine.IO 4 packets. Pure.

A packet is a digit, its type, and what it carries; several packets in one polling body are separated. Binary messages
are frames of their own over a WebSocket, and Base64 behind a `b` by polling.
Source: github.com/socketio/engine.io-protocol, revision 4.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum

from roomcast.transport.frames import Opcode, deflated_frame, frame

_SEPARATOR = "\x1e"
_MIN_DEFLATED_BYTES = 256
"""Shorter messages gain nothing from compression."""


class EnginePacketType(StrEnum):
    """The types of Engine.IO packets."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


class InvalidPacket(ValueError):
    """A client sent something that is no packet, or a packet that no client may send."""


class EncodedPacket:
    """A packet ready to be sent: as text for polling, and as the WebSocket frame that all clients share."""

    __slots__ = ("_deflated", "frame", "text")

    def __init__(self, text: bytes, binary: bytes | None = None) -> None:
        """`text` is the packet in a polling body, `binary` the data of a binary message."""
        self.text = text
        self.frame = frame(Opcode.TEXT, text) if binary is None else frame(Opcode.BINARY, binary)
        self._deflated = None if binary is None else self.frame

    @classmethod
    def message(cls, data: str | bytes) -> EncodedPacket:
        """Encode a message: text, or binary data."""
        if isinstance(data, str):
            return cls(b"4" + data.encode())
        return cls(b"b" + base64.b64encode(data), data)

    @property
    def deflated(self) -> bytes:
        """The frame for clients that negotiated compression; made once, however many there are."""
        if self._deflated is None:
            long = len(self.text) >= _MIN_DEFLATED_BYTES
            self._deflated = deflated_frame(Opcode.TEXT, self.text) if long else self.frame
        return self._deflated


CLOSE, PING, NOOP = (
    EncodedPacket(packet_type.encode())
    for packet_type in (EnginePacketType.CLOSE, EnginePacketType.PING, EnginePacketType.NOOP)
)
PROBE_ANSWER = EncodedPacket(EnginePacketType.PONG.encode() + b"probe")


def open_packet(*, upgrades: list[str], ping_interval: float, ping_timeout: float, max_bytes: int) -> bytes:
    """Encode the first packet of a session, with `%b` for the session's id. Times are in seconds."""
    handshake = {
        "sid": "%b",
        "upgrades": upgrades,
        "pingInterval": round(ping_interval * 1000),
        "pingTimeout": round(ping_timeout * 1000),
        "maxPayload": max_bytes,
    }
    return b"0" + json.dumps(handshake, separators=(",", ":")).encode()


def encode_payload(packets: Iterable[EncodedPacket]) -> bytes:
    """Join packets into the body of a poll's response."""
    return _SEPARATOR.encode().join(packet.text for packet in packets)


def decode_payload(body: bytes) -> Iterator[str | bytes]:
    """Split the body of a polling request: text packets, and the data of binary messages. Raises `InvalidPacket`."""
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
