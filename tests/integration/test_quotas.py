"""What one client may create: unfinished uploads, refused ones, and reservations that it does not use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from roomcast.services import quota

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent
from tests.support.tokens import SECRET, token

FORM = {"Content-Type": "multipart/form-data; boundary=X"}
REFUSED = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n--X--\r\n'


@asynccontextmanager
async def caller(server: AppServer, address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with this local address."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(server.url, connector=connector) as http:
        yield http


async def reserve(http: aiohttp.ClientSession, count: int = 1, **more: Any) -> int:
    body = {"files": [{"filename": "a.png", **more}] * count}
    async with http.post("/api/uploads", json=body) as reply:
        return reply.status


async def test_addresses_have_their_own_quota_in_open_mode(serve: ServeApp) -> None:
    server = await serve(ROOMCAST_MAX_IN_FLIGHT="5")
    async with caller(server, "127.0.0.2") as greedy, caller(server, "127.0.0.3") as other:
        assert [await reserve(greedy, count) for count in (4, 2, 1, 1)] == [201, 429, 201, 429]
        assert await reserve(other, 5) == 201
        creation = {"Tus-Resumable": "1.0.0", "Upload-Length": "9"}
        async with greedy.post("/api/tus", headers=creation) as reply:
            assert reply.status == 429
        async with greedy.post("/api/uploads", data=REFUSED, headers=FORM) as reply:
            assert reply.status == 429


async def test_clients_of_a_trusted_proxy_have_their_own_quota_and_sockets_in_open_mode(serve: ServeApp) -> None:
    server = await serve(
        ROOMCAST_MAX_IN_FLIGHT="1", ROOMCAST_MAX_UNAUTHENTICATED_PER_ADDRESS="1", ROOMCAST_TRUSTED_PROXIES="127.0.0.2"
    )
    body = {"files": [{"filename": "a.png"}]}
    first, second = ({"X-Forwarded-For": address} for address in ("198.51.100.1", "198.51.100.2"))

    async def statuses(http: aiohttp.ClientSession, headers: dict[str, str]) -> list[int]:
        replies = []
        for _ in range(2):
            async with http.post("/api/uploads", json=body, headers=headers) as reply:
                replies.append(reply.status)
        for _ in range(2):
            async with http.get("/socket.io/?EIO=4&transport=polling", headers=headers) as reply:
                replies.append(reply.status)
        return replies

    async with caller(server, "127.0.0.2") as proxy, caller(server, "127.0.0.3") as stranger:
        for headers in (first, second):
            assert await statuses(proxy, headers) == [201, 429, 200, 429]
        assert await statuses(stranger, first) == [201, 429, 200, 429]
        assert await statuses(stranger, {"X-Forwarded-For": "198.51.100.3"}) == [429, 429, 429, 429]


async def test_upload_that_ended_or_was_not_created_does_not_count(serve: ServeApp, picture: bytes) -> None:
    server = await serve(ROOMCAST_MAX_IN_FLIGHT="1")
    chosen = "0b0e7d3a-3a53-4c5f-9c2e-0a1b2c3d4e5f"
    async with caller(server, "127.0.0.2") as http, Api(server) as api:
        for _ in range(2):
            assert await reserve(http, uploadId=chosen) in (201, 409)
            await api.cancel(chosen)
            assert await reserve(http, uploadId=chosen) == 409
        upload_id, url = await api.reserved("a.png", len(picture))
        assert (await api.put(url, picture)).status == 202
        await api.finished(upload_id)
        await api.reserved("b.png", 1)


async def test_client_whose_uploads_are_refused_again_and_again_must_wait(
    serve: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(ROOMCAST_MAX_IN_FLIGHT="2", JWT_SECRET=SECRET)
    async with Api(server, token("alice")) as alice, Api(server, token("bob")) as bob:
        replies = [
            await alice.request("POST", "/api/uploads", data=REFUSED, headers=FORM)
            for _ in range(2 * quota.REFUSED_PER_UNFINISHED + 1)
        ]
        assert {reply.refusal for reply in replies[:-1]} == {(415, "UNSUPPORTED_TYPE")}
        assert replies[-1].refusal == (429, "TOO_MANY")
        assert (await bob.reserve(("a.png", 1))).status == 201
        monkeypatch.setattr(quota, "REFUSED_SECONDS", 0.0)
        assert (await alice.reserve(("a.png", 1))).status == 201


async def test_unused_reservation_expires_where_clients_are_known_by_their_address_alone(
    serve: ServeApp, monkeypatch: pytest.MonkeyPatch, picture: bytes
) -> None:
    monkeypatch.setattr(quota, "_TIDY_SECONDS", 0.1)
    server = await serve(HOST="0.0.0.0", ROOMCAST_OPEN="1", ROOMCAST_MAX_IN_FLIGHT="2")
    async with Api(server) as api:
        unused, _ = await api.reserved("unused.png", 1)
        used, url = await api.reserved("used.png", len(picture))
        path = url.removeprefix(server.url)
        async with HalfSent(server, "PUT", path, picture, first=20) as request:
            await api.until(used, lambda message: message["bytesReceived"] > 0)
            monkeypatch.setattr(quota, "UNUSED_SECONDS", 0.1)
            ended = await api.until(unused, lambda message: message["status"] == "error")
            assert ended["error"]["code"] == "STALLED"
            await request.send()
            assert await request.status() == 202
        assert (await api.reserve(("a.png", 1))).status == 201
