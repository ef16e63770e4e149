"""The checks that need a few short requests: headers, names, ranges, CORS, sockets and methods."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from yarl import URL

from roomcast.cli.doctor.connection import Connection, Reply
from roomcast.cli.doctor.findings import Finding, Misconfiguration

HEADERS_PATH = "/api/doctor/headers"
_STATIC_PATH = "/static/roomcast.js"
_POLLING_PATH = "/socket.io/?EIO=4&transport=polling"
_POLLING_REQUESTS = 8
_CLOCK_SECONDS = 5.0
_ANY_ORIGIN = "https://doctor.example"

_CREDENTIALS = {"Cookie": "roomcast_doctor=1"}
_RANGE = {"Range": "bytes=0-9"}
_OTHER_HEADERS = {
    "If-None-Match": '"doctor"',
    "Last-Event-ID": "0",
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "10",
    "Upload-Offset": "0",
    "Upload-Metadata": "filename Zg==",
}
_EXPOSED = ("ETag", "Location", "Upload-Offset")
_METHODS = ("HEAD", "PUT", "PATCH", "DELETE")


async def check_headers(connection: Connection) -> list[Finding]:
    """Check that the headers of requests arrive, and that responses are not those of earlier requests."""
    authorization = {} if connection.token else {"Authorization": "Bearer doctor"}
    sent = {**authorization, **_CREDENTIALS, **_RANGE, **_OTHER_HEADERS}
    reply = await connection.request("GET", f"{HEADERS_PATH}?{secrets.token_hex(8)}", headers=sent)
    pair = [await connection.request("GET", HEADERS_PATH) for _ in range(2)]
    arrived = set(reply.json().get("headers", ()))
    findings = []
    for problem, names in (
        (Misconfiguration.CREDENTIALS_REMOVED, ("Authorization", *_CREDENTIALS)),
        (Misconfiguration.RANGE_REMOVED, tuple(_RANGE)),
        (Misconfiguration.HEADERS_REMOVED, tuple(_OTHER_HEADERS)),
    ):
        missing = [name for name in names if name.lower() not in arrived]
        if reply.status == 200 and missing:
            findings.append(Finding(problem, f"These headers of a request did not arrive: {', '.join(missing)}."))
    nonces = [one.json().get("nonce") for one in pair]
    if nonces[0] is not None and nonces[0] == nonces[1]:
        findings.append(Finding(Misconfiguration.RESPONSES_CACHED, "Two requests got one and the same response."))
    return findings


async def check_range(connection: Connection) -> list[Finding]:
    """Check that a part of a file can be read."""
    reply = await connection.request("GET", _STATIC_PATH, headers=_RANGE)
    if reply.error or reply.status not in (200, 206) or (reply.status == 206 and len(reply.body) == 10):
        return []
    return [Finding(Misconfiguration.RANGE_REMOVED, f"A request for 10 bytes of {_STATIC_PATH} {reply.describe()}.")]


async def check_methods(connection: Connection) -> list[Finding]:
    """Check that every method reaches the server, which refuses those that a path does not have in JSON."""
    replies = await asyncio.gather(*(connection.request(method, HEADERS_PATH) for method in _METHODS))
    blocked = [
        f"A {method} request {reply.describe()}."
        for method, reply in zip(_METHODS, replies, strict=True)
        if not _reached_server(method, reply)
    ]
    return [Finding(Misconfiguration.METHOD_BLOCKED, " ".join(blocked))] if blocked else []


def _reached_server(method: str, reply: Reply) -> bool:
    if method == "HEAD":
        return reply.status == 200
    return reply.status in (405, 404) and reply.content_type == "application/json"


async def check_cors(connection: Connection, origin: str) -> list[Finding]:
    """Check that a page of `origin` may call, and read the headers that clients need."""
    headers = {"Origin": _ANY_ORIGIN if origin == "*" else origin}
    reply = await connection.request("GET", HEADERS_PATH, headers=headers)
    preflight = await connection.request(
        "OPTIONS",
        HEADERS_PATH,
        headers={
            **headers,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "upload-offset",
        },
    )
    return [
        Finding(Misconfiguration.CORS_INCOMPLETE, text) for text in _cors_evidence(reply, preflight, headers["Origin"])
    ]


def _cors_evidence(reply: Reply, preflight: Reply, origin: str) -> Iterator[str]:
    for name, one in (("A request", reply), ("A preflight request", preflight)):
        allowed = one.headers.getall("Access-Control-Allow-Origin", [])
        if allowed not in ([origin], ["*"]):
            values = ", ".join(allowed) or "missing"
            yield f"{name} of a page of {origin} {one.describe()}, and Access-Control-Allow-Origin is {values}."
    exposed = _names(reply, "Access-Control-Expose-Headers")
    hidden = [name for name in _EXPOSED if name.lower() not in exposed]
    if hidden:
        yield f"Access-Control-Expose-Headers does not name {', '.join(hidden)}."
    if "patch" not in _names(preflight, "Access-Control-Allow-Methods"):
        yield "A preflight request does not allow PATCH."


def _names(reply: Reply, header: str) -> set[str]:
    return {name.strip().lower() for value in reply.headers.getall(header, []) for name in value.split(",")}


class PollingResult(NamedTuple):
    """What the check of polling found, and why it was not made."""

    findings: list[Finding]
    skipped: list[str]


async def check_polling(connection: Connection) -> PollingResult:
    """Check that the requests of a session that polls reach one process."""
    opened = await connection.request("GET", _POLLING_PATH)
    try:
        sid = str(json.loads(opened.body[1:])["sid"])
    except (ValueError, KeyError, TypeError):
        return PollingResult([], [f"Polling was not checked: a session {opened.describe()}."])
    lost = 0
    for _ in range(_POLLING_REQUESTS):
        reply = await connection.request("POST", f"{_POLLING_PATH}&sid={sid}", body=b"3")
        lost += reply.status == 400
    await connection.request("POST", f"{_POLLING_PATH}&sid={sid}", body=b"1")
    if not lost:
        return PollingResult([], [])
    text = f"{lost} of {_POLLING_REQUESTS} requests of a session reached a process that does not know it."
    return PollingResult([Finding(Misconfiguration.POLLING_NOT_STICKY, text)], [])


def check_report(url: URL, report: Mapping[str, Any], began: float, ended: float) -> list[Finding]:
    """Check the clock, and what the server believes of its address and of its client. `began` and `ended` are the local
    times of the request, in seconds since the Unix epoch."""
    findings = []
    offset = max(began - report["time"], report["time"] - ended)
    if offset > _CLOCK_SECONDS:
        text = f"The server's clock and the clock of this machine differ by {offset:.0f} s."
        findings.append(Finding(Misconfiguration.CLOCK_OFF, text))
    findings += _check_prefix(url, report)
    if report["forwarded"] and not report["trusted"]:
        text = f"The requests come from {report['peer']}, which ROOMCAST_TRUSTED_PROXIES does not name."
        return [*findings, Finding(Misconfiguration.PROXY_NOT_TRUSTED, text)]
    public = URL(report["publicUrl"] or "")
    if public.absolute and public.origin() == url.origin():
        public_scheme: str | None = public.scheme
    else:
        public_scheme = None
        findings += _check_host(url, report["host"])
    scheme = report["scheme"] or public_scheme
    if (url.scheme == "https") != (scheme == "https"):
        text = f"The server was called by {url.scheme}, and received the scheme {scheme or 'http'}."
        findings.append(Finding(Misconfiguration.SCHEME_WRONG, text))
    behind_proxy = url.scheme == "https" or (is_loopback(report["peer"]) and not is_loopback(url.host or ""))
    if behind_proxy and not report["forwarded"]:
        text = f"The proxy does not send the address of its client: the server received {report['peer']}."
        findings.append(Finding(Misconfiguration.CLIENT_UNKNOWN, text))
    return findings


def _check_host(url: URL, host: str | None) -> list[Finding]:
    default = {"http": 80, "https": 443}[url.scheme]
    found = urlsplit(f"//{host or ''}")
    try:
        port = found.port or default
    except ValueError:
        port = default
    if (found.hostname, port) == ((url.host or "").lower(), url.port):
        return []
    text = f"The server was called as {url.authority}, and received the name {host or 'nothing'}."
    return [Finding(Misconfiguration.HOST_WRONG, text)]


def _check_prefix(url: URL, report: Mapping[str, Any]) -> list[Finding]:
    link = urlsplit(urljoin(f"{url}/", report["contentUrl"]))
    if f"{link.scheme}://{link.netloc}" != str(url.origin()):
        return []  # a public address that is another one, with a path of its own
    expected = f"{url.raw_path.rstrip('/')}/api/uploads/"
    if link.path.startswith(expected):
        return []
    text = f"Links of the server begin with {link.path.partition('/api/')[0]}/api/, and not with {expected}."
    if report["prefix"]:
        text += f" The proxy says that it has removed {report['prefix']}."
    return [Finding(Misconfiguration.PREFIX_WRONG, text)]


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_entrance(url: URL, reply: Reply) -> list[Finding]:
    """Return why no further check can be made, from the response to the first request. Raise `LookupError` if it is not
    one of a Roomcast server."""
    if 300 <= reply.status < 400:
        location = reply.headers.get("Location", "another address")
        return [Finding(Misconfiguration.REDIRECTED, f"A request was redirected to {location}.")]
    if isinstance(reply.json().get("headers"), list):
        return []
    error = reply.json().get("error")
    if url.path.strip("/") and isinstance(error, dict) and error.get("code") == "NOT_FOUND":
        text = f"The server does not know {url.raw_path}{HEADERS_PATH}: the proxy passes the path {url.raw_path} on."
        return [Finding(Misconfiguration.PREFIX_WRONG, text)]
    raise LookupError(
        f"The address {url} is not a Roomcast server's, or that of an earlier version: a request {reply.describe()}."
    )
