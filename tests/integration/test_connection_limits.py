"""Connections are limited below the process's file descriptors, in all and by address; health checks are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from roomcast.http import request_handler
from roomcast.rooms import service
from roomcast.runtime import tasks

from tests.integration.conftest import ServeApp
from tests.support.app import AppServer
from tests.support.harness import Api, HalfSent, eventually
from tests.support.tokens import SECRET, token

DESCRIPTORS = 64
MOST = DESCRIPTORS * 3 // 4
JSON = {"Content-Type": "application/json"}
BODY = b'{"files": [{"filename": "a.png"}]}'


@pytest.fixture(autouse=True)
def few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_descriptors", lambda: DESCRIPTORS)
    monkeypatch.setattr(tasks, "READINESS_SECONDS", 60.0)  # a disk that stands still is for other tests


async def idle(server: AppServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.port)


@asynccontextmanager
async def busy(server: AppServer, count: int) -> AsyncIterator[None]:
    """Requests whose bodies do not come."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(HalfSent(server, "POST", "/api/uploads", BODY, first=5, headers=JSON))
        yield


async def status(server: AppServer, path: str, *, source: str = "127.0.0.1", bearer: str = "") -> int:
    """Request a path on a connection of its own, from a local address."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.get(server.url + path, headers=headers) as reply,
    ):
        return reply.status


async def test_connections_that_send_nothing_give_way_to_new_ones(server: AppServer, api: Api) -> None:
    connections = [await idle(server) for _ in range(3 * MOST)]
    for path in ("/healthz", "/api/config", "/api/uploads"):
        assert await status(server, path) == 200

    def closed() -> int:
        return sum(reader.at_eof() or reader.exception() is not None for reader, _ in connections)

    await eventually(lambda: closed() >= 2 * MOST, what="the end of the earlier connections")
    for _, writer in connections:
        writer.close()


async def test_requests_beyond_the_limit_are_refused_and_health_checks_are_answered(server: AppServer) -> None:
    async with busy(server, MOST // 2):
        assert await status(server, "/healthz") == 200
        await eventually(lambda: _answers(server, 429), what="a refusal")
        for path in ("/healthz", "/readyz"):
            assert await status(server, path) == 200
        assert await status(server, "/healthz", source="127.0.0.2") == 200
        assert await status(server, "/api/config", source="127.0.0.2") == 200


async def _answers(server: AppServer, expected: int) -> bool:
    return await status(server, "/api/config") == expected


async def test_connections_that_have_authenticated_are_not_limited_by_address(serve: ServeApp) -> None:
    server = await serve(JWT_SECRET=SECRET)
    async with AsyncExitStack() as stack:
        for _ in range(MOST // 2 + 2):
            headers = {**JSON, "Authorization": f"Bearer {token('alice')}"}
            await stack.enter_async_context(HalfSent(server, "POST", "/api/uploads", BODY, first=5, headers=headers))
        await eventually(lambda: _answers(server, 200), what="the authentication of all of them")
        assert await status(server, "/api/uploads", bearer=token("bob")) == 200
        assert await status(server, "/api/config") == 200


async def test_client_that_does_not_read_its_responses_is_disconnected(
    serve: ServeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_handler, "STALLED_SECONDS", 0.2)
    server = await serve()
    _reader, writer = await idle(server)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    request = f"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    writer.write(request * 200)  # the responses are more than all buffers take

    async def send_one_more() -> None:  # a client that does not read notices the end when it writes
        writer.write(request)
        await writer.drain()

    with pytest.raises(ConnectionError):
        await eventually(send_one_more, 60, what="the end of the connection")
    writer.transport.abort()
