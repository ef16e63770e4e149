"""Request bodies have limits of size, parts, time and encoding, and a violation of one is a clear and short error."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import pytest
from roomcast.http.intake import json_body, pipeline

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent, eventually
from tests.support.raw_socket import RawSocket
from tests.support.tus import Tus

FORM = {"Content-Type": "multipart/form-data; boundary=X"}
JSON = {"Content-Type": "application/json"}
PART = b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
PNG = b"\x89PNG\r\n\x1a\n"
CHUNK = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
FILE = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


@pytest.fixture
def body_stall() -> str:
    """For how many seconds a body may stall. A test of one that does names fewer."""
    return "60"


@pytest.fixture
def settings(body_stall: str) -> dict[str, str]:
    return {"ROOMCAST_BODY_STALL_SECONDS": body_stall}


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"--X\r\n\r\n\r\n" * 110_000, (400, "MALFORMED")),
        (PART * 20_000, (429, "TOO_MANY")),
        (PART[:-2] + b"x" * 9_000_000, (413, "TOO_LARGE")),
        (b"\n" * 9_000_000, (413, "TOO_LARGE")),
    ],
    ids=["parts without a name", "empty parts", "a long field", "no part"],
)
async def test_form_that_costs_more_than_it_brings_is_refused(api: Api, body: bytes, refusal: tuple[int, str]) -> None:
    reply = await api.request("POST", "/api/uploads", data=body, headers=FORM)
    assert reply.refusal == refusal
    assert len(reply.content) < 1000


@pytest.mark.parametrize(
    "files",
    [b"0," * 30_000 + b"0", b"{}," * 30_000 + b"{}", b"[" * 90_000, b'{"size":-1,"md5":1,"uploadId":1},' * 2_000],
    ids=["numbers", "empty objects", "depth", "wrong fields"],
)
async def test_answer_to_json_full_of_mistakes_is_small(api: Api, files: bytes) -> None:
    reply = await api.request("POST", "/api/uploads", data=b'{"files":[' + files + b"]}", headers=JSON)
    assert reply.refusal == (400, "MALFORMED")
    assert 1 <= len(reply.body["error"]["details"]["fields"]) <= 10
    assert len(reply.content) < 2000


@pytest.mark.parametrize("chunked", [False, True])
async def test_json_larger_than_a_reservation_is_refused(api: Api, chunked: bool) -> None:
    body = b'{"files":[' + b"0," * 500_000 + b"0]}"
    reply = await api.request("POST", "/api/uploads", data=body, headers=JSON, chunked=chunked or None)
    assert reply.refusal == (413, "TOO_LARGE")


async def test_json_that_does_not_arrive_in_time_is_refused(server: AppServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_body, "_BODY_SECONDS", 0.1)
    body = b'{"files": [{"filename": "a.png"}]}'
    async with HalfSent(server, "POST", "/api/uploads", body, first=5, headers=JSON) as request:
        assert await request.status() == 408


@pytest.mark.parametrize("body_stall", ["1"])
@pytest.mark.parametrize("head", [b"preamble", PART[:20], PART[:-2] + b"text", FILE[:-4], FILE + b"\x89PNG"])
async def test_form_that_stalls_anywhere_is_refused(server: AppServer, head: bytes) -> None:
    async with HalfSent(server, "POST", "/api/uploads", head + PART, first=len(head), headers=FORM) as request:
        assert await request.status() == 408


@pytest.mark.parametrize("first", [20, 60, len(FILE) + 10_000])
async def test_form_whose_connection_is_lost_is_not_logged_as_an_error(
    server: AppServer, api: Api, shelf: Shelf, first: int
) -> None:
    body = FILE + bytes(20_000)
    async with HalfSent(server, "POST", "/api/uploads", body, first=first, headers=FORM) as request:
        await eventually(lambda: True)
        await request.cut()
    assert (await api.accepted(shelf.image(size=(16, 16)))) != ""
    assert server.error_lines() == []


COMPRESSED = [
    ("POST", "/api/uploads", JSON),
    ("POST", "/api/uploads", FORM),
    ("POST", "/api/files/upload", FORM),
    ("PUT", "/api/uploads/upload_0/content", {}),
    ("POST", "/api/tus", {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}),
    ("PATCH", "/api/tus/upload_0", {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}),
    ("POST", "/socket.io/?EIO=4&transport=polling&sid=x", {}),
    ("POST", "/nothing/here", {}),
]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "identity, gzip", "unknown"])
async def test_compressed_body_is_refused_on_every_route(server: AppServer, encoding: str) -> None:
    bomb = gzip.compress(bytes(1 << 20))
    async with aiohttp.ClientSession(server.url) as http:
        for method, path, headers in COMPRESSED:
            sent = {**headers, "Content-Encoding": encoding}
            async with http.request(method, path, data=bomb, headers=sent) as reply:
                assert reply.status == 415, path
                text = await reply.text()
                assert reply.headers.get("X-Error-Code") == "UNSUPPORTED_TYPE" or "UNSUPPORTED_TYPE" in text


async def test_body_in_a_compressed_transfer_encoding_is_refused(server: AppServer) -> None:
    headers = {**JSON, "Transfer-Encoding": "gzip, chunked"}
    async with HalfSent(server, "POST", "/api/uploads", b"0\r\n\r\n", first=5, headers=headers) as request:
        assert await request.status() in (400, 415)


async def test_identity_encoding_is_accepted(api: Api, tus: Tus, picture: bytes) -> None:
    body: dict[str, Any] = {"files": [{"filename": "a.png"}]}
    reply = await api.request("POST", "/api/uploads", json=body, headers={"Content-Encoding": "identity"})
    assert reply.status == 201
    url = reply.body["uploads"][0]["contentUrl"]
    sent = await api.request("PUT", url, data=picture, headers={"Content-Encoding": "Identity"})
    assert sent.status == 202


@pytest.mark.parametrize("way", ["PUT", "tus", "form"])
async def test_body_that_drips_is_given_up_and_a_resumable_one_waits(
    serve: ServeApp, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(pipeline, "_LEAST_RATE_SECONDS", 0.2)
    server = await serve(ROOMCAST_BODY_MIN_BYTES_PER_SECOND=str(1 << 40))
    async with Api(server) as api:
        upload_id, url = await api.reserved("a.png", 1_000_000)
        method, path, headers = {
            "PUT": ("PUT", url, {}),
            "tus": ("PATCH", f"/api/tus/{upload_id}", CHUNK),
            "form": ("POST", "/api/uploads", FORM),
        }[way]
        body = (FILE if way == "form" else b"") + PNG
        body += bytes(1_000_000 - len(body))
        async with HalfSent(server, method, path, body, first=200, headers=headers) as request:
            dripping = asyncio.create_task(request.drip(b"\0"))
            assert await request.status() == 408
            dripping.cancel()
        if way == "form":
            (upload_id,) = [one["uploadId"] for one in (await api.list(status="error")).body["uploads"]]
        stage = {"tus": "receiving"}.get(way, "failed")
        end = await api.until(upload_id, lambda message: message["stage"] == stage)
        assert (end["error"]["code"] == "STALLED") if way != "tus" else end["bytesReceived"] > 0


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"the-token" * 1000 + b"\r\n\r\n",
        b"GET /" + b"the-token" * 1000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: the-token\r\n" * 300 + b"\r\n",
        b"POST /the-token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /the-token HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        b"the-token\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nAuthorization: Bearer the-token\r\n\r\n",
    ],
    ids=["long field", "long line", "many fields", "two lengths", "no length", "no HTTP", "another version"],
)
async def test_request_that_is_not_http_gets_a_short_response_and_no_log_line(
    server: AppServer, log: list[dict[str, Any]], request_head: bytes
) -> None:
    async with RawSocket(server.port) as client:
        head = await client.request(request_head)
    status, _, fields = head.partition("\r\n")
    assert 400 <= int(status.split()[1]) < 506
    assert "aiohttp" not in head
    assert "python" not in head.lower()
    assert "the-token" not in head
    assert len(fields) < 600
    assert [entry for entry in log if entry["level"] != "debug" and "the-token" in str(entry)] == []
    assert server.error_lines() == []
