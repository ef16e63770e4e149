"""What a request for `/socket.io/` must say before it is listened to. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from multidict import CIMultiDict

from server.access import bearer
from server.realtime.frames import accept
from server.upload.errors import Forbidden, Malformed

PATH = "/socket.io/"

_REQUEST = re.compile(rb"GET %b\?([!\"$-~]*) HTTP/1\.1" % re.escape(PATH.encode()))
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*")
_LARGEST_BYTES = 16 * 1024
_BODY = ("Content-Length", "Transfer-Encoding")


@dataclass(frozen=True)
class Handshake:
    """A request: its query and its headers, which are found by their names in any case."""

    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def wants_websocket(self) -> bool:
        return self.headers.get("Upgrade", "").lower() == "websocket"

    def check_origin(self, allowed: Collection[str]) -> None:
        """Raises `Forbidden` for a page of another site, unless it is one of these: browsers send their cookies, and
        let any page open a WebSocket."""
        origin = self.headers.get("Origin")
        if origin is None or origin in allowed or origin.partition("://")[2] in self._own_hosts():
            return
        raise Forbidden("Another site's page may not do this.")

    def _own_hosts(self) -> list[str]:
        forwarded = self.headers.get("X-Forwarded-Host", "").partition(",")[0].strip()
        return [host for host in (self.headers.get("Host"), forwarded) if host]

    def check_version(self) -> None:
        """Raises `Malformed` for another than Engine.IO 4."""
        if self.query.get("EIO") != "4":
            raise Malformed("The client speaks another version of the protocol.")

    def credential(self, cookie: str) -> str | None:
        """The token that came in the bearer header or in that cookie."""
        if token := bearer(self.headers):
            return token
        pairs = (part.strip().partition("=") for part in self.headers.get("Cookie", "").split(";"))
        return next((value.strip('"') for name, _, value in pairs if name == cookie), None) or None

    def switch_protocols(self) -> bytes:
        """The answer that makes a WebSocket of the connection. Raises `Malformed`."""
        key = self.headers.get("Sec-WebSocket-Key", "")
        upgrades = "upgrade" in (one.strip().lower() for one in self.headers.get("Connection", "").split(","))
        if not upgrades or self.headers.get("Sec-WebSocket-Version") != "13" or not _is_key(key):
            raise Malformed("This is no WebSocket handshake.")
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        # permessage-deflate, which browsers offer, is not taken up: it would more than double the memory of a client.
        return f"{head}Sec-WebSocket-Accept: {accept(key)}\r\n\r\n".encode()


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def plain(data: bytes) -> Handshake | None:
    """The handshake that all of `data` is, if it is as plain as a browser's; whatever else is HTTP's to judge."""
    head, end, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    request = _REQUEST.fullmatch(line)
    if request is None or not end or rest or len(data) > _LARGEST_BYTES:
        return None
    headers = CIMultiDict[str]()
    for one in lines:
        field = _FIELD.fullmatch(one)
        if field is None or (name := field[1].decode()) in headers:
            return None
        headers[name] = field[2].decode()
    if any(name in headers for name in _BODY):
        return None
    handshake = Handshake(dict(parse_qsl(request[1].decode())), headers)
    return handshake if handshake.wants_websocket else None
