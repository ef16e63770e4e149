"""Floods, incomplete bodies and invalid requests of one client without a token do not affect the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
import pytest

from tests.support.floods import FLOODS, Flood
from tests.support.harness import Api, HalfSent, RunningServer
from tests.support.protocol.client import TRACE, Client
from tests.support.raw_socket import RawSocket, handshake
from tests.support.tokens import SECRET, token
from tests.support.watchers import Watcher

MIB = 1 << 20
GROWTH = 20 * MIB
CAP = 20
"""The value of `ROOMCAST_MAX_UNAUTHENTICATED_PER_ADDRESS` in the test of that limit."""

MODES = {"token": {"JWT_SECRET": SECRET}, "open": {}}


@pytest.fixture(scope="module", params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, mode: str) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp(mode) / "data", **MODES[mode]) as running:
        yield running
        assert running.error_lines() == []


@pytest.fixture
async def client(server: RunningServer) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trace_configs=[TRACE]) as http:
        yield Client(http, server.url)


def _memory(server: RunningServer) -> int:
    return int(server.process.memory_info().rss)


@pytest.mark.parametrize("what", FLOODS)
async def test_flooding_client_is_disconnected_while_requests_are_answered(
    server: RunningServer, api: Api, mode: str, what: str
) -> None:
    assert await api.healthy()
    before = _memory(server)
    with Flood(server.port, what, seconds=20, connected=mode == "open") as flood:
        while not flood.finished:
            assert await api.healthy()
    assert flood.disconnected
    assert await api.healthy()
    assert _memory(server) - before < GROWTH


async def test_client_is_closed_after_three_refused_namespaces(server: RunningServer) -> None:
    async with RawSocket(server.port) as client:
        await client.upgrade()
        assert (await client.receive_text()).startswith("0{")
        for number in range(50):
            with suppress(ConnectionError):
                await client.send_text(f"40/{number},")
        received = [packet async for packet in _until_closed(client)]
    assert len(received) <= 3
    assert all(packet.startswith("44/") for packet in received)


async def test_namespace_with_a_long_name_is_refused_without_an_echo(server: RunningServer) -> None:
    async with RawSocket(server.port) as client:
        await client.upgrade()
        assert (await client.receive_text()).startswith("0{")
        await client.send_text("40/" + "n" * 101 + ",")
        received = [packet async for packet in _until_closed(client)]
    assert not any("nnn" in packet for packet in received)


async def _until_closed(client: RawSocket) -> AsyncIterator[str]:
    """Yield text messages until the connection is closed."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            opcode, payload = await client.receive()
            if opcode == 1:
                yield payload.decode()


async def test_incomplete_polling_body_is_refused_after_its_timeout(server: RunningServer, client: Client) -> None:
    sid = await client.open_polling()
    path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    async with HalfSent(server, "POST", path, b"x" * 1000, first=3) as request:
        assert await request.status() in (400, 408)


async def test_polling_session_that_never_polls_is_ended_when_its_queue_is_full(
    server: RunningServer, client: Client, mode: str
) -> None:
    before = _memory(server)
    sid = await client.open_polling()
    if mode == "open":
        await client.post(sid, "40")
    packet = '420["leave-upload","x"]' if mode == "open" else "40/x,"
    for _ in range(500):
        status, _ = await client.poll(sid, "\x1e".join([packet] * 50))
        if status != 200:
            break
    assert status == 400
    assert _memory(server) - before < GROWTH


HEADERS = [
    b"Authorization: Bearer a\xff",
    b"Authorization: Bearer a\xed\xa0\x80",
    b"Authorization: \xff",
    b"Cookie: roomcast_token=a\xff",
    b"Cookie: token=\xed\xa0\x80; \xff=\xff",
    b"Cookie: " + b"=" * 100,
    b"Origin: \xff",
    b"Origin: http://[x",
    b"Sec-WebSocket-Protocol: \xff",
    b"X-Forwarded-For: \xff",
]

QUERIES = [
    "transport=polling&sid=%00",
    "transport=polling&sid=%ff%fe",
    "transport=polling&sid=" + "s" * 5000,
    "transport=POLLING",
    "transport=polling%20",
    "transport=",
    "transport=websocket%00",
    "transport=carrier-pigeon&sid=x",
    "transport=polling&EIO=99999999999999999999",
    "EIO=4",
]


async def _status(port: int, request: bytes) -> int:
    """Return the status of the response to a raw request, or 0 when the connection is closed without one."""
    async with RawSocket(port) as client:
        try:
            return int((await client.request(request)).split()[1])
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0


@pytest.mark.parametrize("header", HEADERS)
async def test_header_that_is_not_text_causes_no_server_error(server: RunningServer, header: bytes) -> None:
    upgrade = handshake().replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n")
    open_polling = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + b"\r\n\r\n"
    assert await _status(server.port, open_polling) in (200, 400, 401, 403)
    assert await _status(server.port, upgrade) in (101, 400, 401, 403)
    async with RawSocket(server.port) as client:
        if (await client.request(upgrade)).startswith("HTTP/1.1 101 "):
            assert (await client.receive_text()).startswith("0{")
            await client.send_text("40")
            assert (await client.receive_text())[:2] in ("40", "44")


@pytest.mark.parametrize("query", QUERIES)
async def test_invalid_query_is_refused(server: RunningServer, query: str) -> None:
    open_polling = f"GET /socket.io/?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    upgrade = handshake().replace(b"EIO=4&transport=websocket", query.encode())
    assert 400 <= await _status(server.port, open_polling) < 500
    assert await _status(server.port, upgrade) in (0, *range(400, 500))


@pytest.mark.parametrize("body", ["bé".encode(), b"b\xff", b"b!", b"4\xff", b"\x1e\x1e", b"b", b"9", "é".encode()])
async def test_polling_body_that_is_not_a_payload_is_refused(client: Client, body: bytes) -> None:
    sid = await client.open_polling()
    status, _ = await client.poll(sid, body)
    assert status == 400
    assert (await client.poll(sid))[0] == 400


async def test_invalid_http_request_is_refused_and_not_logged(server: RunningServer) -> None:
    async with RawSocket(server.port) as client:
        head = await client.request(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer the-token\x01\r\n\r\n")
        size = next(int(line.split()[1]) for line in head.lower().splitlines() if line.startswith("content-length:"))
        body = await client.read(size)
    assert head.split()[1] == "400"
    assert "aiohttp" not in head
    assert b"the-token" not in body
    assert len(body) < 200
    assert "the-token" not in server.log.read_text()


async def test_unauthenticated_connections_are_limited_per_address(tmp_path: Path) -> None:
    env = {"JWT_SECRET": SECRET, "ROOMCAST_MAX_UNAUTHENTICATED_PER_ADDRESS": str(CAP)}
    with RunningServer(tmp_path / "data", **env) as server:
        async with AsyncExitStack() as stack:
            watcher = await stack.enter_async_context(Watcher(server.url, auth={"token": token("alice")}))
            for _ in range(CAP):
                client = await stack.enter_async_context(RawSocket(server.port))
                await client.upgrade()
            assert await _status(server.port, handshake()) in (429, 503)
            open_polling = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            assert await _status(server.port, open_polling) in (429, 503)
            assert (await watcher.leave("upload_" + "0" * 32))["ok"]
            assert (await client.receive_text()).startswith("0{")
        assert server.error_lines() == []
