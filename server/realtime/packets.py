"""Engine.IO 4 and Socket.IO 5 packets as text. Pure.

An Engine.IO packet is a digit and what it carries; a message (digit 4) carries a Socket.IO packet: a digit, the number
of its binary attachments, its namespace, the number of its call, and JSON, all but the digit where it has them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from server.realtime.frames import Opcode, frame

MAIN = "/"
"""The namespace that is not written."""

_BETWEEN = "\x1e"
"""What lies between the packets of a polling body."""

_PACKET = re.compile(
    r"(?P<kind>[0-6])(?:(?P<attachments>[0-9]{1,3})-)?(?:(?P<namespace>/[^,?]*)(?:\?[^,]*)?(?:,|$))?"
    r"(?P<number>[0-9]{0,19})(?P<json>.*)",
    re.DOTALL,
)


class Engine(StrEnum):
    """Engine.IO's kinds of packet."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


class Kind(StrEnum):
    """Socket.IO's."""

    CONNECT = "0"
    DISCONNECT = "1"
    EVENT = "2"
    ACK = "3"
    CONNECT_ERROR = "4"
    BINARY_EVENT = "5"
    BINARY_ACK = "6"


_WITH_BYTES = {Kind.EVENT: Kind.BINARY_EVENT, Kind.ACK: Kind.BINARY_ACK}

_PLACEHOLDER = "_placeholder"
"""What stands in the JSON for bytes is an object with this."""

_DEEPEST = 64
"""How deep lists and objects may lie in each other where bytes are looked for."""


class Invalid(ValueError):
    """No packet, or none that a client may send."""


class Packet:
    """An Engine.IO packet for a client: as the text of polling, and as the WebSocket frame that every client of a room
    gets alike."""

    __slots__ = ("frame", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.frame = frame(Opcode.TEXT, text)

    @classmethod
    def of_bytes(cls, data: bytes) -> Packet:
        """A binary message."""
        packet = cls(b"b" + base64.b64encode(data))
        packet.frame = frame(Opcode.BINARY, data)
        return packet


CLOSE, PING, NOOP = (Packet(kind.encode()) for kind in (Engine.CLOSE, Engine.PING, Engine.NOOP))
PROBED = Packet(Engine.PONG.encode() + b"probe")
GOODBYE = Packet(b"41")
"""Out of the main namespace: the client is not to come back by itself."""


def opened(sid: str, *, upgrades: list[str], ping_seconds: float, timeout_seconds: float, largest: int) -> Packet:
    """The first packet of a session."""
    told = {
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": round(ping_seconds * 1000),
        "pingTimeout": round(timeout_seconds * 1000),
        "maxPayload": largest,
    }
    return Packet(b"0" + orjson.dumps(told))


def speak(kind: Kind, data: Any = None, *, namespace: str = MAIN, number: str = "") -> list[Packet]:
    """A Socket.IO packet, and behind it the bytes that its data holds."""
    attachments: list[Packet] = []

    def place(value: Any) -> Any:
        if not isinstance(value, bytes):
            raise TypeError
        attachments.append(Packet.of_bytes(value))
        return {_PLACEHOLDER: True, "num": len(attachments) - 1}

    body = b"" if data is None else orjson.dumps(data, default=place)
    begins = f"{_WITH_BYTES[kind]}{len(attachments)}-" if attachments else kind
    where = "" if namespace == MAIN else f"{namespace},"
    return [Packet(f"{Engine.MESSAGE}{begins}{where}{number}".encode() + body), *attachments]


def event(name: str, argument: Any) -> Packet:
    """In the main namespace, with one argument that holds no bytes."""
    return Packet(b"42" + orjson.dumps((name, argument)))


def body_of(packets: list[Packet]) -> bytes:
    """What a poll is answered."""
    return _BETWEEN.encode().join(packet.text for packet in packets)


def packets_of(body: bytes) -> Iterator[str | bytes]:
    """What a polling client has sent: texts, and the bytes of binary messages. Raises `Invalid`."""
    try:
        texts = body.decode().split(_BETWEEN)
    except UnicodeDecodeError as error:
        raise Invalid from error
    for text in texts:
        yield _bytes_of(text[1:]) if text.startswith("b") else text


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Invalid from error


@dataclass(frozen=True)
class Said:
    """A Socket.IO packet from a client. `number` is empty where no answer is wanted; the `attachments` follow."""

    kind: Kind
    namespace: str
    number: str
    data: Any
    attachments: int = 0

    def holding(self, attachments: Sequence[bytes]) -> Said:
        """The same with all that followed it in its place. Raises `Invalid`."""

        def filled(data: Any, deeper: int) -> Any:
            if not isinstance(data, list | dict):
                return data
            if not deeper:
                raise Invalid
            if isinstance(data, list):
                return [filled(one, deeper - 1) for one in data]
            if _PLACEHOLDER in data:
                return attachments[data["num"]]
            return {key: filled(data[key], deeper - 1) for key in data}

        try:
            return replace(self, data=filled(self.data, _DEEPEST), attachments=0)
        except (LookupError, TypeError) as error:
            raise Invalid from error


def read(text: str) -> Said:
    """Raises `Invalid`. An event's data is a list that begins with its name; a connection's is an object or None."""
    match = _PACKET.fullmatch(text)
    if match is None:
        raise Invalid
    kind, json = Kind(match["kind"]), match["json"]
    try:
        data = orjson.loads(json) if json else None
    except orjson.JSONDecodeError as error:
        raise Invalid from error
    if not _may_hold(kind, data) or (match["attachments"] is None) is (kind in _WITH_BYTES.values()):
        raise Invalid
    return Said(kind, match["namespace"] or MAIN, match["number"], data, int(match["attachments"] or 0))


def _may_hold(kind: Kind, data: Any) -> bool:
    match kind:
        case Kind.CONNECT:
            return data is None or isinstance(data, dict)
        case Kind.DISCONNECT:
            return data is None
        case Kind.EVENT | Kind.BINARY_EVENT:
            return isinstance(data, list) and bool(data) and isinstance(data[0], str | int)
        case Kind.ACK | Kind.BINARY_ACK:
            return isinstance(data, list)
        case Kind.CONNECT_ERROR:
            return False
