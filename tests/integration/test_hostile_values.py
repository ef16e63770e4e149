"""Values that no client should send, in every route, parameter and header: each is answered, and none of them is an
error of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from urllib.parse import quote_from_bytes

import pytest

from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.routes import Call, calls
from tests.support.tokens import SECRET, token

COOKIE = "session"
NOBODYS = {"upload": "upload_" + "0" * 32, "assembly": "0" * 64}
BEARER = f"Bearer {token('alice')}".encode()
NOT_UTF8, SURROGATE = b"a\xff", b"\xed\xa0\x80"

VALUES = (
    b"", NOT_UTF8, SURROGATE, "é😀".encode(), "٣".encode(), b"a\xc2\x85b", b"x" * 300, b"9" * 400, b"9" * 4500, b"-1",
    b"0x1", b"1e400", b"NaN", b"[", b"//[", b"http://[x", b"final;http://[x", b'"', b"\\", b";;;", b"=", b"*", b",,",
    b"%", b"%00", b"%ff", b"%ed%a0%80", b"%2e%2e%2f", b"..\\..", b"*=''x", b'W/"', b"bytes=9-0",
    b"bytes=-" + b"9" * 4500, b"Bearer " + NOT_UTF8, b"Bearer a." + SURROGATE, b"Basic " + NOT_UTF8,
    b"Mon, 01 Jan 9999999999999 00:00:00 GMT", b"Mon, 99 Foo 20x6", b"Fri, 31 Dec 9999 23:59:59 -9999",
    b"session=" + NOT_UTF8, b'session="\\777"', b"filename YQ==," + NOT_UTF8 + b" YQ==", b"sha1 " + NOT_UTF8,
    b"md5 " + b"A" * 300, b"multipart/form-data; boundary=%00", b"multipart/form-data; boundary=\xff",
    b"multipart/form-data; boundary*=utf-99'x'a", b"multipart/form-data; boundary*0=X; boundary*=Y",
    b"multipart/form-data; boundary*=''%00", b"application/json; charset=none",
)  # fmt: skip

HEADERS = (
    "Accept", "Accept-Encoding", "Access-Control-Request-Method", "Authorization", "Connection", "Content-Range",
    "Content-Type", "Cookie", "Expect", "Forwarded", "Host", "If-Modified-Since", "If-None-Match", "If-Range",
    "If-Unmodified-Since", "Last-Event-ID", "Origin", "Range", "Sec-Fetch-Site", "Sec-WebSocket-Key", "Upgrade",
    "Upload-Metadata", "X-Forwarded-For", "X-Forwarded-Host", "X-HTTP-Method-Override", "X-Request-ID",
)  # fmt: skip
"""Headers of every route, each of which gets some of the values. Those that an operation declares get all of them."""

UNAVAILABLE = 503


@pytest.fixture
def settings() -> dict[str, str]:
    return {"JWT_SECRET": SECRET, "ROOMCAST_MAX_IN_FLIGHT": "1000000", "ROOMCAST_COOKIE": COOKIE}


def request(call: Call, target: str, **changed: bytes) -> bytes:
    """Return a request of `call` as bytes, with other headers than its own where `changed` has them."""
    fields = {"Host": b"127.0.0.1", "Authorization": BEARER, "Connection": b"close"}
    fields |= {name: value.encode() for name, value in call.headers.items()} | changed
    if "Cookie" in changed:
        del fields["Authorization"]
    if call.body:
        fields["Content-Length"] = b"%d" % len(call.body)
    lines = [
        f"{call.method} {target} HTTP/1.1".encode(),
        *(b"%b: %b" % (name.encode(), fields[name]) for name in fields),
    ]
    return b"\r\n".join([*lines, b"", call.body or b""])


def in_the_url(call: Call) -> Iterator[tuple[str, bytes]]:
    """Yield requests with each value in each part of the path and in each parameter of the query."""
    path, query = call.path.format(**call.path_values), "&".join(f"{name}={call.query[name]}" for name in call.query)
    for value in VALUES:
        encoded = quote_from_bytes(value, safe="%")
        for name in call.path_values:
            target = call.path.format(**{**call.path_values, name: encoded})
            yield f"{call} {name}={value!r}", request(call, f"{target}?{query}")
        for one in call.operation.get("parameters", []):
            if one["in"] == "query":
                yield f"{call} {one['name']}={value!r}", request(call, f"{path}?{one['name']}={encoded}")


def in_the_headers(call: Call, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield requests with values in the headers. All routes together send each value in each header."""
    target = f"{call.path.format(**call.path_values)}?" + "&".join(f"{name}={call.query[name]}" for name in call.query)
    declared = [one["name"] for one in call.operation.get("parameters", []) if one["in"] == "header"]
    declared += ["Content-Type"] if call.body else []
    for position, name in enumerate(dict.fromkeys([*declared, *HEADERS])):
        start = (number + 7 * position) % len(VALUES)
        values = VALUES if name in declared else VALUES[start : start + 1]
        for value in values:
            yield f"{call} {name}: {value!r}", request(call, target, **{name: value})


async def status(server: AppServer, sent: bytes) -> int:
    """Return the status of the response; 0 if the connection is closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(20):
            line = await reader.readline()
        return int(line.split()[1]) if line else 0
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_any_value_in_any_place_is_no_error_of_the_server(server: AppServer) -> None:
    async with Api(server) as anybody:
        document = (await anybody.request("GET", "/openapi.json")).body
    all_calls = [call for call in calls(document, NOBODYS["upload"], NOBODYS["assembly"]) if call.method != "HEAD"]
    requests = (
        sent for number, call in enumerate(all_calls) for sent in (*in_the_url(call), *in_the_headers(call, number))
    )
    failures = []
    while batch := list(islice(requests, 20)):
        for (name, _), found in zip(
            batch, await asyncio.gather(*(status(server, sent) for _, sent in batch)), strict=True
        ):
            if not 200 <= found < 500 and not (found == UNAVAILABLE and "/readyz" in name):
                failures.append((found, name))
    assert failures == []
    assert server.error_lines() == []
