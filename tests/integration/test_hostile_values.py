"""Values that no client should send, in every route, parameter and header: each is answered, and none of them is an
error of the server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from urllib.parse import quote_from_bytes

import pytest

from tests.support.app import AppServer
from tests.support.harness import Api
from tests.support.raw_socket import RawSocket, handshake
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
"""Headers of every route, each of which gets one of the values, and some of them if an operation declares it. All
routes together send each value in each header."""


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


def in_the_url(call: Call, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield requests with a fifth of the values in each part of the path and in each parameter of the query: five
    routes that follow each other send all of them."""
    path, query = call.path.format(**call.path_values), "&".join(f"{name}={call.query[name]}" for name in call.query)
    for value in VALUES[number % 5 :: 5]:
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
    for position, name in enumerate(dict.fromkeys([*declared, *HEADERS])):
        start = (number + 7 * position) % len(VALUES)
        values = VALUES[start : start + 1]
        if name in declared:
            values = VALUES[number % 6 :: 6]
        if name == "Content-Type" and call.body:
            values = VALUES[number % 2 :: 2]
        for value in values:
            yield f"{call} {name}: {value!r}", request(call, target, **{name: value})


async def status(server: AppServer, sent: bytes) -> int:
    """Return the status of the response; 0 if the connection is closed without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(60):
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
        sent
        for number, call in enumerate(all_calls)
        for sent in (*in_the_url(call, number), *in_the_headers(call, number))
    )
    failures = []
    while batch := list(islice(requests, 20)):
        for (name, _), found in zip(
            batch, await asyncio.gather(*(status(server, sent) for _, sent in batch)), strict=True
        ):
            if not 200 <= found < 500:
                failures.append((found, name))
    assert failures == []
    assert server.error_lines() == []


PATHS = (
    b"/%b",
    b"/static/%b",
    b"/docs/%b",
    b"/api/uploads/%b",
    b"/api/uploads?cursor=%b",
    b"/api/tus/%b",
    b"http://%b/",
)


async def test_any_bytes_in_the_request_line_are_no_error_of_the_server(server: AppServer) -> None:
    for path in PATHS:
        for value in VALUES:
            line = b"GET %b HTTP/1.1\r\nHost: a\r\nTus-Resumable: 1.0.0\r\nAuthorization: %b\r\n\r\n" % (
                path % value,
                BEARER,
            )
            assert 200 <= await status(server, line) < 500, (path, value)
    assert server.error_lines() == []


def signed(head: str, claims: str) -> str:
    """Return a token with a right signature over any text."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed_part = f"{encoded(head.encode())}.{encoded(claims.encode('utf-8', 'surrogateescape'))}"
    return f"{signed_part}.{encoded(hmac.new(SECRET.encode(), signed_part.encode(), hashlib.sha256).digest())}"


HEAD = '{"alg":"HS256"}'
TOKENS = {
    "an expiry of 400 digits": signed(HEAD, f'{{"sub":"alice","exp":{"9" * 400}}}'),
    "an expiry of 5,000 digits": signed(HEAD, f'{{"sub":"alice","exp":{"9" * 5000}}}'),
    "an infinite expiry": signed(HEAD, '{"sub":"alice","exp":Infinity}'),
    "an expiry that is no number": signed(HEAD, '{"sub":"alice","exp":NaN}'),
    "an expiry in words": signed(HEAD, '{"sub":"alice","exp":"tomorrow"}'),
    "an expiry that is a list": signed(HEAD, '{"sub":"alice","exp":[9999999999]}'),
    "half of a character": signed(HEAD, '{"sub":"\\ud800","exp":9999999999}'),
    "a user that is an object": signed(HEAD, '{"sub":{},"exp":9999999999}'),
    "an infinite start": signed(HEAD, '{"sub":"alice","exp":9999999999,"nbf":Infinity}'),
    "an infinite time of issue": signed(HEAD, '{"sub":"alice","exp":9999999999,"iat":-Infinity}'),
    "claims that are a list": signed(HEAD, "[]"),
    "claims that are deep": signed(HEAD, "[" * 3000),
    "claims that are no UTF-8": signed(HEAD, "\udc80"),
    "an algorithm that is a list": signed('{"alg":[]}', '{"sub":"alice","exp":9999999999}'),
    "a head that is a list": signed("[]", '{"sub":"alice","exp":9999999999}'),
    "a key id that is a number": signed('{"alg":"HS256","kid":1}', '{"sub":"alice","exp":9999999999}'),
    "letters that are not ASCII": "é.é.é",
    "NUL": "\0.\0.\0",
}


async def test_signed_token_of_any_content_is_refused_by_http_and_by_sockets(server: AppServer) -> None:
    for name, unusable in TOKENS.items():
        call = Call("GET", "/api/uploads", {})
        sent = request(call, "/api/uploads", Authorization=f"Bearer {unusable}".encode())
        assert await status(server, sent) == (400 if "\0" in unusable else 401), name
        async with RawSocket(server.port) as socket:
            await socket.upgrade()
            assert (await socket.receive_text()).startswith("0{")
            await socket.send_text(f"40{json.dumps({'token': unusable})}")
            assert '"code":"UNAUTHENTICATED"' in await socket.receive_text(), name
    assert server.error_lines() == []


async def test_token_that_never_expires_is_accepted_by_sockets(server: AppServer) -> None:
    async with RawSocket(server.port) as socket:
        await socket.upgrade()
        await socket.receive_text()
        await socket.send_text(f"40{json.dumps({'token': token('alice', seconds=1e300)})}")
        assert (await socket.receive_text()).startswith('40{"sid":')
    assert server.error_lines() == []


PACKETS = (
    b"42[\"join-upload\",\"\\ud800\"]", b'420["join-upload","\\ud800"]', b'420["join-upload",{"uploadId":"\\ud800"}]',
    b'420["join-upload",{"uploadId":"a","since":1e400}]', b'420["join-upload",{"uploadId":"a","epoch":"\\ud800"}]',
    b'420["join-assembly","\\udfff"]', b'420["\\ud800",1]', b"42" + b"9" * 400 + b'["join-upload","a"]', b"42[",
    b"42", b"4", b"", b"9", b"b", b"b\xc3\xa9", b"b!", b"bYQ", b"\xff", b"4\xff", b"4\xed\xa0\x80", b"42/\xff,[]",
    b'42/\\ud800,["a"]', b"45-", b"451-[", b"45" + b"9" * 400 + b'-["a",{"_placeholder":true,"num":0}]',
    b"43" + b"9" * 5000 + b"[]", b"40" + b"[" * 9000, b"41/", b"44{}", b"47",
    b'420["join-upload",' + b"9" * 5000 + b"]", b"2", b"2probe", b"3", b"5", b"6", b"0", b"\x1e\x1e", "٤2[]".encode(),
)  # fmt: skip


async def polled(server: AppServer, sid: str, body: bytes) -> int:
    target = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    return await status(server, request(Call("POST", "/socket.io/", {}, body=body), target))


async def test_any_packet_is_no_error_of_the_server(server: AppServer, alice: Api) -> None:
    for packet in PACKETS:
        opened = await alice.request("GET", "/socket.io/?EIO=4&transport=polling")
        sid = json.loads(opened.content[1:])["sid"]
        assert await polled(server, sid, b"40") == 200
        assert await polled(server, sid, packet) in (200, 400), packet
        async with RawSocket(server.port) as socket:
            await socket.upgrade(handshake().replace(b"Host:", b"Authorization: " + BEARER + b"\r\nHost:"))
            assert (await socket.receive_text()).startswith("0{")
            await socket.send_text("40")
            assert (await socket.receive_text()).startswith('40{"sid":')
            await socket.send(1, packet)
            await socket.send(8, b"\x03\xe8")
            assert await socket.wait_closed()
    assert server.error_lines() == []


@pytest.mark.parametrize(
    "field", ["Authorization: Bearer a\xff", "Cookie: session=a\xff", "Cookie: \xff", "X-Forwarded-Host: \xff"]
)
async def test_handshake_with_bytes_that_are_no_text_is_answered(server: AppServer, field: str) -> None:
    async with RawSocket(server.port) as socket:
        await socket.upgrade(handshake().replace(b"Host:", field.encode("latin-1") + b"\r\nHost:"))
        assert (await socket.receive_text()).startswith("0{")
        await socket.send_text("40")
        assert '"code":"UNAUTHENTICATED"' in await socket.receive_text()
    assert server.error_lines() == []


JSON_TEXTS = ("\\ud800", "\\udfff\\ud800", "\\u0000", "%ed%a0%80", "x" * 9000)


async def test_any_text_in_a_json_body_or_a_form_is_no_error_of_the_server(server: AppServer, alice: Api) -> None:
    for text in JSON_TEXTS:
        for body in (
            f'{{"files": [{{"filename": "{text}"}}]}}',
            f'{{"type": "{text}", "files": [{{"filename": "a"}}]}}',
            f'{{"files": [{{"filename": "a", "md5": "{text}"}}]}}',
            f'{{"uploadId": "{text}", "files": [{{"filename": "a"}}]}}',
            f'{{"{text}": 1, "files": [{{"filename": "a", "size": 1e400}}]}}',
        ):
            sent = request(
                Call("POST", "/api/uploads", {}, headers={"Content-Type": "application/json"}, body=body.encode()),
                "/api/uploads",
            )
            assert await status(server, sent) in (201, 400), body
    heads = (
        b'form-data; name="file"; filename="%b"',
        b'form-data; name="%b"',
        b"form-data; name=file; filename*=%b",
        b"%b",
    )
    for number, value in enumerate(VALUES):
        for head in heads[number % 2 :: 2]:
            content = b"--b\r\nContent-Disposition: " + head % value + b"\r\n\r\n" + value + b"\r\n--b--\r\n"
            form = Call(
                "POST",
                "/api/files/upload",
                {},
                headers={"Content-Type": "multipart/form-data; boundary=b"},
                body=content,
            )
            assert await status(server, request(form, "/api/files/upload")) in (200, 400, 413, 415, 422), (head, value)
    assert server.error_lines() == []
