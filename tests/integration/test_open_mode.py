"""Open mode, which has no credentials: which requests are answered, by HTTP and by Socket.IO."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from tests.conftest import Shelf
from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api

EVIL = "http://evil.example"
REBOUND = {"Host": "evil.example:8000"}
CROSS_SITE_FORM = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
ANOTHER_PORT = {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "same-site"}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
POLLING, WEBSOCKET = "/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=websocket"
READS = (
    "/", "/progress-demo", "/admin", "/docs", "/openapi.json", "/static/roomcast.js", "/api/config", "/api/uploads",
    "/metrics", "/healthz", "/readyz", "/api/admin/overview", "/api/transflow/events", POLLING, "/nothing",
)  # fmt: skip


async def status(server: AppServer, method: str, path: str, headers: Mapping[str, str], data: Any = None) -> int:
    """Return the status of the response; its error must have the code that belongs to a 403."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, server.url + path, headers=headers, data=data, allow_redirects=False) as response,
    ):
        if response.status == 403 and path == "/admin":
            assert "only available from this machine" in await response.text()
        elif response.status == 403:
            body = await response.json()
            if "X-Error-Code" in response.headers:
                assert response.headers["X-Error-Code"] == "FORBIDDEN"
            else:
                assert body["error"]["code"] == "FORBIDDEN"
                assert body["error"]["message"].startswith("Authentication is off, so ")
        return response.status


async def handshake(server: AppServer, headers: Mapping[str, str], *, before: bytes = b"") -> bytes:
    """Send a WebSocket handshake, in the bytes that a browser sends, and return the status line of the response."""
    lines = [f"GET {WEBSOCKET} HTTP/1.1", *(f"{name}: {value}" for name, value in {**UPGRADE, **headers}.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    if before:
        writer.write(before)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(b'{"ok":true}'))
    writer.write("\r\n".join([*lines, "", ""]).encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line.strip()


async def test_requests_under_a_rebound_name_are_refused(server: AppServer, shelf: Shelf) -> None:
    async with Api(server) as api:
        upload_id = await api.accepted(shelf.image(size=(40, 30)))
        element = (await api.finished(upload_id))["element"]
    upload = f"/api/uploads/{upload_id}"
    for path in (*READS, upload, f"{upload}/events", element["url"], f"/api/transflow/status/{upload_id}"):
        assert await status(server, "GET", path, REBOUND) == 403, path
        assert await status(server, "GET", path, {**REBOUND, "Origin": "http://evil.example:8000"}) == 403, path
    for method, path in [
        ("DELETE", upload),
        ("POST", f"{upload}/retry"),
        ("POST", "/api/uploads"),
        ("POST", "/api/tus/"),
        ("OPTIONS", "/api/tus/"),
        ("POST", POLLING),
    ]:
        assert await status(server, method, path, {**REBOUND, "Sec-Fetch-Site": "same-origin"}) == 403, path
    assert await handshake(server, {**REBOUND, "Origin": "http://evil.example:8000"}) == b"HTTP/1.1 403 Forbidden"
    async with Api(server) as api:
        assert (await api.get(upload_id)).body["status"] == "completed"
        assert len((await api.list()).body["uploads"]) == 1


@pytest.mark.parametrize("page", [CROSS_SITE_FORM, ANOTHER_PORT, {"Origin": "null"}, {"Origin": EVIL}])
async def test_pages_of_other_origins_are_refused(server: AppServer, page: dict[str, str]) -> None:
    def form() -> aiohttp.FormData:
        data = aiohttp.FormData()
        data.add_field("media_file", b"\x89PNG\r\n\x1a\n", filename="from-evil-page.png", content_type="image/png")
        return data

    for path in ("/api/uploads", "/api/files/upload", "/api/transflow/upload"):
        assert await status(server, "POST", path, page, form()) == 403, path
    for path in ("/api/uploads", "/metrics", "/api/transflow/events", POLLING, "/static/roomcast.js"):
        assert await status(server, "GET", path, page) == 403, path
    assert await status(server, "OPTIONS", "/api/uploads", {**page, "Access-Control-Request-Method": "DELETE"}) == 403
    here = {"Host": f"127.0.0.1:{server.port}", **page}
    assert await handshake(server, here) == b"HTTP/1.1 403 Forbidden"
    health = f"GET /healthz HTTP/1.1\r\nHost: {here['Host']}\r\n\r\n".encode()
    assert await handshake(server, here, before=health) == b"HTTP/1.1 403 Forbidden", "in a connection of HTTP"
    async with Api(server) as api:
        assert (await api.list()).body["uploads"] == []


async def test_form_without_an_origin_from_another_site_is_refused_and_a_link_is_not(server: AppServer) -> None:
    cross_site = {"Sec-Fetch-Site": "cross-site"}
    assert await status(server, "POST", "/api/uploads", cross_site, {"type": "auto"}) == 403
    assert await status(server, "POST", "/api/uploads", {"Sec-Fetch-Site": "same-site"}, {"type": "auto"}) == 403
    assert await status(server, "GET", "/progress-demo", cross_site) == 200
    assert await handshake(server, {"Host": "localhost", **cross_site}) == b"HTTP/1.1 403 Forbidden"


async def test_pages_and_programs_of_this_machine_are_answered_by_each_of_its_names(server: AppServer) -> None:
    for name in ("localhost", "127.0.0.1", "[::1]", "app.localhost"):
        host = f"{name}:{server.port}"
        for page in ({}, {"Origin": f"http://{host}"}, {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}):
            headers = {"Host": host, **page}
            assert await status(server, "GET", "/api/uploads", headers) == 200, headers
            assert await status(server, "POST", "/api/uploads", headers, {"type": "auto"}) == 400, headers
            assert await handshake(server, headers) == b"HTTP/1.1 101 Switching Protocols", headers
            assert await status(server, "GET", POLLING, headers) == 200, headers


async def test_health_check_of_http_1_0_needs_no_host_but_no_other(server: AppServer) -> None:
    for request, line in [
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK"),
        (b"GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n", b"HTTP/1.0 403 Forbidden"),
        (b"GET /healthz HTTP/1.0\r\nHost:\r\n\r\n", b"HTTP/1.0 403 Forbidden"),
    ]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        assert (await reader.readline()).strip() == line
        writer.close()
        await writer.wait_closed()


async def test_listed_origins_and_the_public_address_are_answered(serve: ServeApp) -> None:
    server = await serve(ROOMCAST_CORS_ORIGINS=EVIL, ROOMCAST_PUBLIC_URL="https://films.example/roomcast")
    here = {"Host": f"127.0.0.1:{server.port}", **CROSS_SITE_FORM}
    public = {"Host": "films.example", "Origin": "https://films.example", "Sec-Fetch-Site": "same-origin"}
    proxied = {**public, "Host": f"127.0.0.1:{server.port}"}
    for headers in (here, public, proxied):
        assert await status(server, "POST", "/api/uploads", headers, {"type": "auto"}) == 400, headers
        assert await status(server, "GET", POLLING, headers) == 200, headers
        assert await handshake(server, headers) == b"HTTP/1.1 101 Switching Protocols", headers
    assert await status(server, "GET", "/api/uploads", REBOUND) == 403


async def test_pages_of_other_origins_are_refused_on_a_network_too(serve: ServeApp) -> None:
    server = await serve(HOST="0.0.0.0", ROOMCAST_OPEN="1")
    host = {"Host": "nas.local:8000"}
    assert await status(server, "GET", "/api/config", host) == 200
    assert await status(server, "POST", "/api/uploads", {**host, "Origin": "http://nas.local:8000"}, {"a": "b"}) == 400
    assert await status(server, "POST", "/api/uploads", {**host, **CROSS_SITE_FORM}, {"a": "b"}) == 403
    assert await handshake(server, {**host, "Origin": EVIL}) == b"HTTP/1.1 403 Forbidden"


async def test_with_credentials_names_and_origins_are_not_asked(serve: ServeApp) -> None:
    server = await serve(JWT_SECRET="a secret of more than thirty-two bytes, for HS256")
    assert await status(server, "GET", "/api/config", {**REBOUND, **CROSS_SITE_FORM}) == 200
