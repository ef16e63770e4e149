"""The Socket.IO server on a port of its own: every way in, what it refuses, and that nothing of a client stays."""

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
from tests.support.socket_server import Served, serving

BODY = "x" * 3000


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(cors_allowed_origins=["https://friend.example"]) as served:
        yield served


@pytest.fixture
async def raw(served: Served) -> AsyncIterator[RawSocket]:
    async with RawSocket(served.port) as raw:
        yield raw


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as browser:
        yield browser


async def converse(raw: RawSocket) -> None:
    """From the greeting on."""
    greeting = await raw.hear()
    assert greeting[0] == "0"
    assert json.loads(greeting[1:]) | {"sid": ""} == {
        "sid": "",
        "upgrades": [],
        "pingInterval": 15_000,
        "pingTimeout": 20_000,
        "maxPayload": 10_000,
    }
    await raw.say('40{"token":"good"}')
    assert (await raw.hear()).startswith('40{"sid":"')
    await raw.say('421["call",{"é":[1]}]')
    assert await raw.hear() == '431["call",{"é":[1]}]'


async def test_a_plain_handshake_needs_no_http_server(served: Served, raw: RawSocket) -> None:
    await raw.switch()
    await converse(raw)
    assert served.http.requests_count == 0


@pytest.mark.parametrize("at", [1, 30, -1])
async def test_a_handshake_that_comes_in_pieces(served: Served, raw: RawSocket, at: int) -> None:
    await raw.switch(handshake()[:at], handshake()[at:])
    await converse(raw)


async def test_a_websocket_is_taken_over_from_a_kept_connection(
    served: Served, raw: RawSocket, caplog: pytest.LogCaptureFixture
) -> None:
    """As a proxy makes them. aiohttp's part in the connection ends without a word."""
    missing = await raw.ask(b"GET /missing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert missing.startswith("HTTP/1.1 404 ")
    await raw.read(int(missing.lower().partition("content-length: ")[2].partition("\r\n")[0]))
    await raw.switch()
    await eventually(lambda: not served.http.connections, what="the end of aiohttp's part")
    await converse(raw)
    assert caplog.records == []


async def test_from_polling_to_a_websocket(served: Served, raw: RawSocket, browser: aiohttp.ClientSession) -> None:
    async with browser.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        opened = json.loads((await answer.text())[1:])
    assert opened["upgrades"] == ["websocket"]
    session = {"transport": "polling", "sid": opened["sid"]}
    async with browser.post(served.url, params=session, data=b"40") as answer:
        assert await answer.text() == "ok"
    async with browser.get(served.url, params=session) as answer:
        assert (await answer.text()).startswith('40{"sid":')
    poll = asyncio.create_task(browser.get(served.url, params=session))
    await raw.switch(handshake(f"&sid={opened['sid']}"))
    await raw.say("2probe")
    assert await raw.hear() == "3probe"
    assert await (await poll).text() == "6"
    served.engine.sockets[opened["sid"]].send_direct(EncodedPacket(b"4held"))
    await raw.say("5")
    assert await raw.hear() == "4held"
    await raw.say('427["call",2]')
    assert await raw.hear() == '437["call",2]'
    async with browser.get(served.url, params=session) as answer:
        assert answer.status == 400, "the session polls no more"
    async with RawSocket(served.port) as second:
        assert (await second.ask(handshake(f"&sid={opened['sid']}"))).startswith("HTTP/1.1 400 ")


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
async def test_who_is_not_let_in(
    served: Served, browser: aiohttp.ClientSession, query: dict[str, str], headers: dict[str, str], status: int
) -> None:
    async with browser.get(served.url, params=query, headers=headers) as answer:
        assert answer.status == status
        assert set(await answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("was", "now", "status"),
    [
        (b"EIO=4", b"EIO=3", 400),
        (b"transport=websocket", b"transport=polling", 400),
        (b"Version: 13", b"Version: 8", 400),
        (b"\r\n\r\n", b"\r\nOrigin: https://elsewhere.example\r\n\r\n", 403),
    ],
)
async def test_a_websocket_that_is_not_let_in(raw: RawSocket, was: bytes, now: bytes, status: int) -> None:
    assert (await raw.ask(handshake().replace(was, now))).startswith(f"HTTP/1.1 {status} ")


async def test_a_page_of_a_friend_may_poll(served: Served, browser: aiohttp.ClientSession) -> None:
    friend = {"Origin": "https://friend.example", "Access-Control-Request-Headers": "content-type"}
    for method in ("OPTIONS", "GET"):
        async with browser.request(
            method, served.url, params={"EIO": "4", "transport": "polling"}, headers=friend
        ) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://friend.example"
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"


async def test_what_is_polled_is_compressed_when_it_is_long(served: Served, browser: aiohttp.ClientSession) -> None:
    async with browser.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        assert "Content-Encoding" not in answer.headers
        session = {"transport": "polling", "sid": json.loads((await answer.text())[1:])["sid"]}
    async with browser.post(served.url, params=session, data=f'40\x1e420["call","{BODY}"]'.encode()):
        pass
    heard = ""
    while BODY not in heard:
        async with browser.get(served.url, params=session) as answer:
            heard = await answer.text()
            encoding = answer.headers.get("Content-Encoding")
    assert encoding in ("gzip", "deflate")


@pytest.mark.parametrize(("body", "status"), [(b"4", 400), (b"rubbish", 400), (b"\xff", 400), (b"x" * 10_001, 413)])
async def test_a_post_that_is_refused(served: Served, browser: aiohttp.ClientSession, body: bytes, status: int) -> None:
    async with browser.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        session = {"transport": "polling", "sid": json.loads((await answer.text())[1:])["sid"]}
    async with browser.post(served.url, params=session, data=body) as answer:
        assert answer.status == status


async def test_a_poll_whose_client_has_gone_ends_its_session(
    served: Served, raw: RawSocket, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(served.url, params={"EIO": "4", "transport": "polling"}) as answer:
        session = served.engine.sockets[json.loads((await answer.text())[1:])["sid"]]
    requests = served.http.requests_count
    request = f"GET /socket.io/?EIO=4&transport=polling&sid={session.sid} HTTP/1.1\r\nHost: x\r\n\r\n"
    asking = asyncio.create_task(raw.ask(request.encode()))
    await eventually(lambda: served.http.requests_count == requests + 1)
    asking.cancel()
    await raw.__aexit__()
    await eventually(lambda: any(connection.transport is None for connection in served.http.connections))
    session.send_direct(PING)
    await eventually(lambda: session.closed)


async def test_another_namespace_is_refused_and_the_main_one_is_not(raw: RawSocket) -> None:
    await raw.connect()
    await raw.say('40/other,{"token":1}')
    assert await raw.hear() == '44/other,"Unable to connect"'
    await raw.say('420["call"]')
    assert await raw.hear() == '430["call"]'


async def test_a_refusal_says_why_and_the_client_may_try_again(raw: RawSocket) -> None:
    await raw.switch()
    await raw.hear()
    await raw.say('40{"token":"bad"}')
    refusal = await raw.hear()
    assert refusal.startswith("44")
    assert json.loads(refusal[2:]) == {
        "message": "The token is not valid.",
        "data": {"code": "UNAUTHENTICATED"},
    }
    await raw.say("40")
    assert (await raw.hear()).startswith("40")


async def test_a_client_leaves_and_comes_back_over_the_same_session(served: Served, raw: RawSocket) -> None:
    await raw.connect()
    await raw.say("41")
    await eventually(lambda: served.guests == [])
    await raw.say("40")
    assert (await raw.hear()).startswith("40")
    assert len(served.guests) == 1


async def test_bytes_come_and_go(raw: RawSocket) -> None:
    holes = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
    await raw.connect()
    await raw.say(f'452-0["call",{holes}]')
    await raw.send(ABNF.OPCODE_BINARY, b"\0\xff")
    await raw.send(ABNF.OPCODE_BINARY, b"")
    assert await raw.hear() == f'462-0["call",{holes}]'
    assert [await raw.receive() for _ in range(2)] == [(ABNF.OPCODE_BINARY, b"\0\xff"), (ABNF.OPCODE_BINARY, b"")]


async def test_bytes_are_kept_up_to_a_limit(raw: RawSocket) -> None:
    await raw.connect()
    await raw.say('459-0["call"]')
    for _ in range(7):
        await raw.send(ABNF.OPCODE_BINARY, b"\0" * 9999)
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xea")


@pytest.mark.parametrize(
    "said",
    [["9"], ["42{}"], ['51/other,["call"]'], ["451-[]"], ['451-["call"]', '42["call"]'], ["2"], ["5"], [""]],
)
async def test_who_breaks_the_protocol_is_told_so_and_goes(served: Served, raw: RawSocket, said: list[str]) -> None:
    await raw.connect()
    for packet in said:
        await raw.say(packet)
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xea")
    assert await raw.ended()
    await eventually(lambda: served.guests == [])


async def test_bytes_that_were_not_announced_end_a_session(raw: RawSocket) -> None:
    await raw.connect()
    await raw.send(ABNF.OPCODE_BINARY, b"\0")
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xea")


async def test_control_frames_are_answered(raw: RawSocket) -> None:
    await raw.connect()
    await raw.send(ABNF.OPCODE_PING, b"there?")
    assert await raw.receive() == (ABNF.OPCODE_PONG, b"there?")
    await raw.send(ABNF.OPCODE_CLOSE, b"\x03\xe9bye")
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xe9")
    assert await raw.ended()


@pytest.mark.parametrize("said", [["40"], ['42/other,["call"]'], ['42["unknown",1]'], ["431[1]"], ["41/other"]])
async def test_what_python_socketio_ignores_or_refuses_leaves_the_client_connected(
    raw: RawSocket, said: list[str]
) -> None:
    await raw.connect()
    for packet in [*said, '427["call"]']:
        await raw.say(packet)
    while (heard := await raw.hear()).startswith("44"):
        pass
    assert heard == '437["call"]'
