"""The request that opens a session: its WSGI environ, and the WebSocket handshake. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from roomcast.transport.errors import EngineError, engine_error
from roomcast.transport.frames import accept_key

_REQUEST_LINE = re.compile(rb"([A-Z]+) ([!-~]+) (HTTP/1\.[01])")
_PLAIN_LINE = re.compile(rb"GET ([!\"$->@-~]+)\?([!\"$-~]*) HTTP/1\.1")
_PLAIN_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~](?:[ -~]*[!-~])?)[ \t]*")
_FIELD_NAME = re.compile(rb"(?m)^([!#$%&'*+.^`|~0-9A-Za-z-]+):")
"""Without names that have an underscore: their keys would be those of names with a hyphen."""

_MAX_HEAD_BYTES = 16 * 1024
_BODY_HEADERS = ("content-length", "transfer-encoding")

_DEFLATE_OFFER = re.compile(r"permessage-deflate(?![^;,\s])(?P<parameters>[^,]*)", re.IGNORECASE)
_DEFLATE_RESPONSE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
_DEFLATE_PARAMETERS = {
    "",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "client_max_window_bits",
    "client_max_window_bits=15",
}


class Environ(Mapping[str, Any]):
    """The WSGI environ of a request. Each key is parsed from the bytes of the request's head when it is read.

    A dictionary with the same content would take more memory than the rest of a connection. Header values are decoded
    as Latin-1 (PEP 3333), which accepts every byte.
    """

    __slots__ = ("_head", "_remote", "_scheme")

    def __init__(self, head: bytes, *, remote: str, scheme: str = "http") -> None:
        """`head` is the request line and the headers with their line ends, `remote` the peer's network address."""
        self._head = head
        self._remote = remote
        self._scheme = scheme

    @classmethod
    def from_request(cls, request: web.Request) -> Environ:
        """Make the environ of an aiohttp request."""
        major, minor = request.version
        lines = [f"{request.method} {request.raw_path} HTTP/{major}.{minor}".encode("latin-1", "replace")]
        lines += [name + b": " + value for name, value in request.raw_headers]
        return cls(b"\r\n".join((*lines, b"", b"")), remote=request.remote or "", scheme=request.scheme)

    def __getitem__(self, key: str) -> Any:
        if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            values = self._headers(key.removeprefix("HTTP_").replace("_", "-"))
            if not values:
                raise KeyError(key)
            return ",".join(values)
        return self._request_keys()[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._request_keys()
        names = _FIELD_NAME.findall(self._head.partition(b"\n")[2])
        for name in dict.fromkeys(name.decode().upper().replace("-", "_") for name in names):
            yield name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def remote(self) -> str:
        """The peer's network address."""
        return self._remote

    def _headers(self, name: str) -> list[str]:
        pattern = rb"(?im)^%b:[ \t]*(.*?)[ \t\r]*$" % re.escape(name.encode())
        return [value.decode("latin-1") for value in re.findall(pattern, self._head)]

    def _request_keys(self) -> dict[str, Any]:
        match = _REQUEST_LINE.match(self._head)
        method, target, version = (group.decode() for group in match.groups()) if match else ("", "", "")
        path, _, query = target.partition("?")
        return {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "SERVER_PROTOCOL": version,
            "REMOTE_ADDR": self._remote,
            "wsgi.url_scheme": self._scheme,
        }


class Handshake(NamedTuple):
    """A request that opens a session or upgrades it: its environ, query, and headers by their lower-case names."""

    environ: Environ
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @classmethod
    def from_request(cls, request: web.Request) -> Handshake:
        """Make the handshake of an aiohttp request."""
        return cls(Environ.from_request(request), request.query, request.headers)


def parse_plain_handshake(data: bytes, path: str, remote: str) -> Handshake | None:
    """Return the handshake if `data` is exactly one WebSocket handshake for `path`, in the form that browsers send.

    Returns None for everything else (a body, a repeated header, an unusual byte, more data), which needs a complete
    HTTP parser.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    request = _PLAIN_LINE.fullmatch(line)
    if request is None or not end or rest or len(data) > _MAX_HEAD_BYTES or request[1] != path.encode():
        return None
    headers: dict[str, str] = {}
    for header in lines:
        field = _PLAIN_FIELD.fullmatch(header)
        if field is None or (name := field[1].decode().lower()) in headers:
            return None
        headers[name] = field[2].decode()
    if headers.get("upgrade", "").lower() != "websocket" or any(name in headers for name in _BODY_HEADERS):
        return None
    query = dict(reversed(parse_qsl(request[2].decode())))
    return Handshake(Environ(data, remote=remote), query, headers)


def accept_handshake(headers: Mapping[str, str], *, deflate: bool) -> tuple[bytes, bool]:
    """Return the 101 response, and whether messages may be compressed.

    Compression is negotiated, without context takeover, if `deflate` allows it and the client offers it with a window
    of 32 KiB. Raises `HTTPBadRequest` when the headers are not a valid WebSocket handshake.
    """
    key = headers.get("sec-websocket-key", "")
    upgrades = "upgrade" in (token.strip().lower() for token in headers.get("connection", "").split(","))
    if not upgrades or headers.get("sec-websocket-version") != "13" or not _is_valid_key(key):
        raise engine_error(EngineError.BAD_REQUEST, "The request is not a valid WebSocket handshake.")
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    deflate = deflate and _offers_deflate(headers.get("sec-websocket-extensions", ""))
    if deflate:
        head += f"Sec-WebSocket-Extensions: {_DEFLATE_RESPONSE}\r\n"
    return f"{head}Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode(), deflate


def _offers_deflate(extensions: str) -> bool:
    """Return whether one of the offers allows a window of 32 KiB (RFC 7692, section 7.1)."""
    for offer in _DEFLATE_OFFER.finditer(extensions):
        parameters = {parameter.strip().lower().replace('"', "") for parameter in offer["parameters"].split(";")}
        if parameters <= _DEFLATE_PARAMETERS:
            return True
    return False


def _is_valid_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
