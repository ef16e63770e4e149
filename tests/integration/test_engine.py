"""The Socket.IO server on a port: handshakes, transports, refusals, and the end of sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from roomcast.transport.packets import PING, EncodedPacket
from websocket import ABNF

from tests.support.harness import eventually
from tests.support.raw_socket import RawSocket, handshake
from tests.support.socket_server import RunningSocketServer, serving

BODY = "x" * 3000


@pytest.fixture
async def served() -> AsyncIterator[RunningSocketServer]:
    async with serving(cors_allowed_origins=["https://friend.example"]) as served:
        yield served


@pytest.fixture
async def raw(served: RunningSocketServer) -> AsyncIterator[RawSocket]:
    async with RawSocket(served.port) as raw:
        yield raw


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


async def exchange_messages(raw: RawSocket) -> None:
    """From the greeting on."""
    greeting = await raw.receive_text()
    assert greeting[0] == "0"
    assert json.loads(greeting[1:]) | {"sid": ""} == {
        "sid": "",
        "upgrades": [],
        "pingInterval": 15_000,
        "pingTimeout": 20_000,
        "maxPayload": 10_000,
    }
    await raw.send_text('40{"token":"good"}')
    assert (await raw.receive_text()).startswith('40{"sid":"')
    await raw.send_text('421["call",{"é":[1]}]')
    assert await raw.receive_text() == '431["call",{"é":[1]}]'


async def test_plain_websocket_handshake_is_accepted_without_aiohttp(
    served: RunningSocketServer, raw: RawSocket
) -> None:
    await raw.upgrade()
    await exchange_messages(raw)
    assert served.http.requests_count == 0


@pytest.mark.parametrize("at", [1, 30, -1])
async def test_websocket_handshake_in_two_segments_is_accepted(
    served: RunningSocketServer, raw: RawSocket, at: int
) -> None:
    await raw.upgrade(handshake()[:at], handshake()[at:])
    await exchange_messages(raw)


async def test_websocket_handshake_on_a_reused_http_connection_is_accepted_and_detached_from_aiohttp(
    served: RunningSocketServer, raw: RawSocket, caplog: pytest.LogCaptureFixture
) -> None:
    """As a proxy makes them. aiohttp's part in the connection ends without a word."""
    missing = await raw.request(b"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert missing.startswith("HTTP/1.1 404 ")
    await raw.read(int(missing.lower().partition("content-length: ")[2].partition("\r\n")[0]))
    await raw.upgrade()
    await eventually(lambda: not served.http.connections, what="the end of aiohttp's part")
    await exchange_messages(raw)
    assert caplog.records == []


async def test_session_upgrades_from_polling_to_websocket_and_is_not_polled_any_more(
    served: RunningSocketServer, raw: RawSocket, http: aiohttp.ClientSession
) -> None:
    async with http.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        opened = json.loads((await answer.text())[1:])
    assert opened["upgrades"] == ["websocket"]
    session = {"transport": "polling", "sid": opened["sid"]}
    async with http.post(served.url, params=session, data=b"40") as answer:
        assert await answer.text() == "ok"
    async with http.get(served.url, params=session) as answer:
        assert (await answer.text()).startswith('40{"sid":')
    poll = asyncio.create_task(http.get(served.url, params=session))
    await raw.upgrade(handshake(f"&sid={opened['sid']}"))
    await raw.send_text("2probe")
    assert await raw.receive_text() == "3probe"
    assert await (await poll).text() == "6"
    served.engine.sockets[opened["sid"]].send_direct(EncodedPacket(b"4held"))
    await raw.send_text("5")
    assert await raw.receive_text() == "4held"
    await raw.send_text('427["call",2]')
    assert await raw.receive_text() == '437["call",2]'
    async with http.get(served.url, params=session) as answer:
        assert answer.status == 400, "the session polls no more"
    async with RawSocket(served.port) as second:
        assert (await second.request(handshake(f"&sid={opened['sid']}"))).startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"EIO": "3", "transport": "polling"}, {}, 400),
        ({"EIO": "4", "transport": "smoke"}, {}, 400),
        ({"EIO": "4", "transport": "websocket"}, {}, 400),
        ({"EIO": "4", "transport": "polling", "sid": "nobody"}, {}, 400),
        ({"EIO": "4", "transport": "polling"}, {"Origin": "https://elsewhere.example"}, 403),
    ],
)
async def test_invalid_polling_request_is_refused_with_its_status(
    served: RunningSocketServer,
    http: aiohttp.ClientSession,
    query: dict[str, str],
    headers: dict[str, str],
    status: int,
) -> None:
    async with http.get(served.url, params=query, headers=headers) as answer:
        assert answer.status == status
        assert set(await answer.json()) == {"error", "code", "message"}


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"EIO=4", b"EIO=3", 400),
        (b"transport=websocket", b"transport=polling", 400),
        (b"Version: 13", b"Version: 8", 400),
        (b"\r\n\r\n", b"\r\nOrigin: https://elsewhere.example\r\n\r\n", 403),
    ],
)
async def test_invalid_websocket_handshake_is_refused_with_its_status(
    raw: RawSocket, old: bytes, new: bytes, status: int
) -> None:
    assert (await raw.request(handshake().replace(old, new))).startswith(f"HTTP/1.1 {status} ")


async def test_polling_from_an_allowed_origin_gets_cors_headers(
    served: RunningSocketServer, http: aiohttp.ClientSession
) -> None:
    friend = {"Origin": "https://friend.example", "Access-Control-Request-Headers": "content-type"}
    for method in ("OPTIONS", "GET"):
        async with http.request(
            method, served.url, params={"EIO": "4", "transport": "polling"}, headers=friend
        ) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.example"
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"


async def test_poll_response_is_compressed_only_when_it_is_long(
    served: RunningSocketServer, http: aiohttp.ClientSession
) -> None:
    async with http.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        assert "Content-Encoding" not in answer.headers
        session = {"transport": "polling", "sid": json.loads((await answer.text())[1:])["sid"]}
    async with http.post(served.url, params=session, data=f'40\x1e420["call","{BODY}"]'.encode()):
        pass
    received = ""
    while BODY not in received:
        async with http.get(served.url, params=session) as answer:
            received = await answer.text()
            encoding = answer.headers.get("Content-Encoding")
    assert encoding in ("gzip", "deflate")


@pytest.mark.parametrize(("body", "status"), [(b"4", 400), (b"rubbish", 400), (b"\xff", 400), (b"x" * 10_001, 413)])
async def test_invalid_polling_body_is_refused_with_its_status(
    served: RunningSocketServer, http: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    async with http.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        session = {"transport": "polling", "sid": json.loads((await answer.text())[1:])["sid"]}
    async with http.post(served.url, params=session, data=body) as answer:
        assert answer.status == status


async def test_poll_of_a_disconnected_client_ends_its_session(
    served: RunningSocketServer, raw: RawSocket, http: aiohttp.ClientSession
) -> None:
    async with http.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        session = served.engine.sockets[json.loads((await answer.text())[1:])["sid"]]
    requests = served.http.requests_count
    request = f"GET /socket.io/?EIO=4&transport=polling&sid={session.sid} HTTP/1.1\r\nHost: x\r\n\r\n"
    asking = asyncio.create_task(raw.request(request.encode()))
    await eventually(lambda: served.http.requests_count == requests + 1)
    asking.cancel()
    await raw.__aexit__()
    await eventually(lambda: any(connection.transport is None for connection in served.http.connections))
    session.send_direct(PING)
    await eventually(lambda: session.closed)


async def test_unknown_namespace_is_refused_while_the_main_one_stays_connected(raw: RawSocket) -> None:
    await raw.connect()
    await raw.send_text('40/other,{"token":1}')
    assert await raw.receive_text() == '44/other,"Unable to connect"'
    await raw.send_text('420["call"]')
    assert await raw.receive_text() == '430["call"]'


async def test_refused_client_gets_the_reason_and_may_connect_again(raw: RawSocket) -> None:
    await raw.upgrade()
    await raw.receive_text()
    await raw.send_text('40{"token":"bad"}')
    refusal = await raw.receive_text()
    assert refusal.startswith("44")
    assert json.loads(refusal[2:]) == {
        "message": "The token is not valid.",
        "data": {"code": "UNAUTHENTICATED"},
    }
    await raw.send_text("40")
    assert (await raw.receive_text()).startswith("40")


async def test_client_reconnects_to_a_namespace_over_the_same_session(
    served: RunningSocketServer, raw: RawSocket
) -> None:
    await raw.connect()
    await raw.send_text("41")
    await eventually(lambda: served.sids == [])
    await raw.send_text("40")
    assert (await raw.receive_text()).startswith("40")
    assert len(served.sids) == 1


async def test_binary_attachments_are_received_and_sent_back(raw: RawSocket) -> None:
    holes = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    await raw.connect()
    await raw.send_text(f'452-0["call",{holes}]')
    await raw.send(ABNF.OPCODE_BINARY, b"\0\xff")
    await raw.send(ABNF.OPCODE_BINARY, b"")
    assert await raw.receive_text() == f'462-0["call",{holes}]'
    assert [await raw.receive() for _ in range(2)] == [(ABNF.OPCODE_BINARY, b"\0\xff"), (ABNF.OPCODE_BINARY, b"")]


async def test_attachments_over_the_limit_end_the_session(raw: RawSocket) -> None:
    await raw.connect()
    await raw.send_text('459-0["call"]')
    for _ in range(7):
        await raw.send(ABNF.OPCODE_BINARY, b"\0" * 9999)
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xea")


@pytest.mark.parametrize(
    "packets",
    [["9"], ["42{}"], ['51/other,["call"]'], ["451-[]"], ['451-["call"]', '42["call"]'], ["2"], ["5"], [""]],
)
async def test_invalid_packet_closes_the_websocket_with_protocol_error(
    served: RunningSocketServer, raw: RawSocket, packets: list[str]
) -> None:
    await raw.connect()
    for packet in packets:
        await raw.send_text(packet)
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xea")
    assert await raw.wait_closed()
    await eventually(lambda: served.sids == [])


async def test_unexpected_binary_message_ends_the_session(raw: RawSocket) -> None:
    await raw.connect()
    await raw.send(ABNF.OPCODE_BINARY, b"\0")
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xea")


async def test_ping_and_close_frames_are_answered(raw: RawSocket) -> None:
    await raw.connect()
    await raw.send(ABNF.OPCODE_PING, b"there?")
    assert await raw.receive() == (ABNF.OPCODE_PONG, b"there?")
    await raw.send(ABNF.OPCODE_CLOSE, b"\x03\xe9bye")
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xe9")
    assert await raw.wait_closed()


@pytest.mark.parametrize("packets", [["40"], ['42/other,["call"]'], ['42["unknown",1]'], ["431[1]"], ["41/other"]])
async def test_packet_that_python_socketio_ignores_leaves_the_client_connected(
    raw: RawSocket, packets: list[str]
) -> None:
    await raw.connect()
    for packet in [*packets, '427["call"]']:
        await raw.send_text(packet)
    while (received := await raw.receive_text()).startswith("44"):
        pass
    assert received == '437["call"]'
