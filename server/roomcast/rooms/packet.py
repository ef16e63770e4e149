"""Encode Socket.IO packets with orjson, and validate those of clients, for python-socketio.

python-socketio's own class accepts packets that a server should refuse: events named `connect`, `disconnect` or `*`
reach handlers with forged arguments, an ack numbered 0 removes the counter of a client's callbacks, attachments are not
limited, and invalid packets raise errors of many types.
Source: github.com/socketio/socket.io-protocol, revision 5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import orjson
from socketio import packet

from roomcast.transport.packets import EncodedPacket, InvalidPacket

_PACKET = re.compile(
    r"(?P<type>[0-6])(?:(?P<attachments>[0-9]{1,2})-)?(?:(?P<namespace>/[^,?]*)(?:\?[^,]*)?(?:,|$))?"
    r"(?P<id>[0-9]{0,18})(?P<json>.*)",
    re.DOTALL,
)
_MAX_NAMESPACE_LENGTH = 100
_MAX_DEPTH = 64
"""How deep lists and objects with attachments may be nested."""

_RESERVED_EVENTS = frozenset({"connect", "connect_error", "disconnect", "disconnecting", "*"})
_BINARY = {packet.EVENT: packet.BINARY_EVENT, packet.ACK: packet.BINARY_ACK}
_TEXT = {binary: text for text, binary in _BINARY.items()}


class OrjsonModule:
    """orjson, with the interface that python-socketio requires of its option `json`."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """Serialize to compact JSON."""
        return _dumps(value).decode()

    @staticmethod
    def loads(text: str | bytes) -> Any:
        """Parse JSON."""
        return orjson.loads(text)


def _dumps(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    return orjson.dumps(value, default=default, option=orjson.OPT_NON_STR_KEYS)


def _dumps_fallback(value: Any, default: Callable[[Any], Any]) -> str:
    """Serialize what orjson refuses: integers of more than 64 bits, and lone surrogates."""
    return json.dumps(value, default=default, separators=(",", ":"))


class Packet(packet.Packet):  # type: ignore[misc]  # python-socketio has no types
    """A Socket.IO packet, in python-socketio's interface."""

    json: Any = OrjsonModule
    max_attachment_bytes = 1_000_000
    """Limit for all attachments of one packet together."""

    def __init__(
        self,
        packet_type: int = packet.EVENT,
        data: Any = None,
        namespace: str | None = None,
        id: int | None = None,  # noqa: A002  (python-socketio's name)
        binary: bool | None = None,
        encoded_packet: str | bytes | None = None,
    ) -> None:
        self.packet_type = packet_type
        self.data = data
        self.namespace = namespace
        self.id = id
        self.attachment_count = 0
        self.attachments: list[bytes] = []
        if encoded_packet is not None:
            self.attachment_count = self.decode(encoded_packet)

    def encode(self) -> str | list[str | bytes]:
        """Encode the packet. With attachments, return a list of the packet and of them."""
        body, attachments = ("", []) if self.data is None else self._encode_data()
        number = "" if self.id is None else str(self.id)
        namespace = f"{self.namespace}," if self.namespace not in (None, "/") else ""
        if not attachments:
            return f"{self.packet_type}{namespace}{number}{body}"
        packet_type = _BINARY.get(self.packet_type, self.packet_type)
        return [f"{packet_type}{len(attachments)}-{namespace}{number}{body}", *attachments]

    def _encode_data(self) -> tuple[str, list[bytes]]:
        """Serialize the data; return it with placeholders for bytes, and the bytes."""
        attachments: list[bytes] = []
        if self.json is not OrjsonModule:  # the option `json`
            data, attachments = self.deconstruct_binary(self.data)
            return self.json.dumps(data, separators=(",", ":")), attachments

        def replace(value: Any) -> Any:
            if not isinstance(value, bytes | bytearray):
                raise TypeError(f"A value of type {type(value).__name__} cannot be sent as JSON.")
            attachments.append(bytes(value))
            return {"_placeholder": True, "num": len(attachments) - 1}

        try:
            return _dumps(self.data, replace).decode(), attachments
        except orjson.JSONEncodeError:
            attachments.clear()
            return _dumps_fallback(self.data, replace), attachments

    def decode(self, encoded_packet: str | bytes) -> int:
        """Parse a client's packet; return how many attachments follow. Raises `InvalidPacket`."""
        match = _PACKET.fullmatch(encoded_packet) if isinstance(encoded_packet, str) else None
        if match is None:
            raise InvalidPacket("This is not a Socket.IO packet.")
        self.packet_type = int(match["type"])
        self.namespace = match["namespace"]
        self.id = int(match["id"]) if match["id"] else None
        attachments = int(match["attachments"] or 0)
        if len(self.namespace or "") > _MAX_NAMESPACE_LENGTH:
            raise InvalidPacket("The namespace is too long.")
        if (match["attachments"] is None) is (self.packet_type in _TEXT):
            raise InvalidPacket("A packet has attachments exactly if its type says so.")
        try:
            self.data = self.json.loads(match["json"]) if match["json"] else None
        except ValueError as error:
            raise InvalidPacket("The data is not valid JSON.") from error
        if not attachments:
            self.packet_type = _TEXT.get(self.packet_type, self.packet_type)
        if not self._is_valid():
            raise InvalidPacket("A packet of this type cannot hold this data.")
        return attachments

    def add_attachment(self, attachment: str | bytes) -> bool:
        """Add an attachment; return whether it was the last. Raises `InvalidPacket`."""
        if not isinstance(attachment, bytes):
            raise InvalidPacket("An attachment was expected.")
        self.attachments.append(attachment)
        if sum(map(len, self.attachments)) > self.max_attachment_bytes:
            raise InvalidPacket("The attachments are too large.")
        if len(self.attachments) < self.attachment_count:
            return False
        self.data = _with_attachments(self.data, self.attachments, _MAX_DEPTH)
        return True

    def _is_valid(self) -> bool:
        data = self.data
        match self.packet_type:
            case packet.CONNECT:
                return data is None or isinstance(data, dict)
            case packet.DISCONNECT:
                return data is None
            case packet.EVENT | packet.BINARY_EVENT:
                named = isinstance(data, list) and bool(data) and isinstance(data[0], str)
                return named and data[0] not in _RESERVED_EVENTS
            case packet.ACK | packet.BINARY_ACK:
                return isinstance(data, list) and bool(self.id)
            case _:
                return False


def _with_attachments(data: Any, attachments: list[bytes], depth: int) -> Any:
    """Return the data with attachments in place of their placeholders. Raises `InvalidPacket`."""
    if not isinstance(data, list | dict):
        return data
    if not depth:
        raise InvalidPacket("The data is nested too deeply.")
    if isinstance(data, list):
        return [_with_attachments(value, attachments, depth - 1) for value in data]
    if data.get("_placeholder") is not True:
        return {key: _with_attachments(value, attachments, depth - 1) for key, value in data.items()}
    number = data.get("num")
    if not isinstance(number, int) or not 0 <= number < len(attachments):
        raise InvalidPacket("A placeholder names no attachment.")
    return attachments[number]


def encode_event(name: str, *arguments: Any, namespace: str = "/") -> EncodedPacket:
    """Encode an event without attachments. Raises `TypeError` for bytes, and for what orjson cannot serialize."""
    prefix = b"42" if namespace == "/" else f"42{namespace},".encode()
    return EncodedPacket(prefix + orjson.dumps((name, *arguments)))
