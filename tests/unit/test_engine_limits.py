"""What one Socket.IO client may cost the others, and that nothing of a client stays behind."""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from roomcast.rooms.room import ClientConnection, Member
from roomcast.transport import engine as engine_module
from roomcast.transport import protocol_switch as protocol_switch_module
from roomcast.transport.session import Session
from roomcast.transport.websocket import WebSocket
from websocket import ABNF

from tests.support.harness import eventually
from tests.support.raw_socket import RawSocket, handshake
from tests.support.socket_server import Served, serving

VISITORS, AT_ONCE = 500, 50
BODY = "x" * 3000


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


@pytest.fixture
async def raw(served: Served) -> AsyncIterator[RawSocket]:
    async with RawSocket(served.port) as raw:
        yield raw


async def test_a_connection_that_sends_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_switch_module, "_IDLE_SECONDS", 0.05)
    async with serving(accept_timeout=0.05) as served:
        async with RawSocket(served.port) as mute:
            assert await mute.ended()
        async with RawSocket(served.port) as undecided:
            await undecided.switch()
            assert await undecided.ended()
        async with RawSocket(served.port) as left:
            await left.connect()
            await left.say("41")
            assert await left.ended()
        assert served.http.requests_count == 0


async def test_a_namespace_that_refuses_again_and_again_ends_the_session(raw: RawSocket) -> None:
    await raw.connect()
    for number in range(3):
        await raw.say(f"40/other{number}")
        assert (await raw.hear()).startswith("44/other")
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xe8")


async def test_a_session_that_was_refused_twice_and_then_let_in_stays(raw: RawSocket) -> None:
    await raw.switch()
    await raw.hear()
    for _ in range(2):
        await raw.say('40{"token":"bad"}')
        assert (await raw.hear()).startswith("44")
    await raw.say("40")
    assert (await raw.hear()).startswith("40")
    for _ in range(2):
        await raw.say("40/other")
        assert (await raw.hear()).startswith("44/other")
    await raw.say('420["call"]')
    assert await raw.hear() == '430["call"]'


async def test_more_clients_of_an_address_than_may_be_unaccepted_are_refused_and_the_others_go_on() -> None:
    async with serving(max_unaccepted_per_address=3) as served, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawSocket(served.port)) for _ in range(3)]
        for client in clients:
            await client.switch()
        async with RawSocket(served.port) as fourth:
            assert (await fourth.ask(handshake())).startswith("HTTP/1.1 429 ")
        query = {"EIO": "4", "transport": "polling"}
        async with aiohttp.ClientSession() as browser, browser.get(served.url, params=query) as answer:
            assert answer.status == 429
        await clients[0].hear()
        await clients[0].say("40")
        assert (await clients[0].hear()).startswith("40")
        async with RawSocket(served.port) as fifth:
            await fifth.switch()
            async with RawSocket(served.port) as sixth:
                assert (await sixth.ask(handshake())).startswith("HTTP/1.1 429 ")
        await eventually(lambda: len(served.engine.sockets) == 3)
        async with RawSocket(served.port) as seventh:
            await seventh.switch()


FLOODS = {
    "pongs": (ABNF.OPCODE_TEXT, b"3"),
    "noops": (ABNF.OPCODE_TEXT, b"6"),
    "pings": (ABNF.OPCODE_PING, b""),
    "events": (ABNF.OPCODE_TEXT, b'42["unknown"]'),
    "acks": (ABNF.OPCODE_TEXT, b"431[]"),
}
LAST_CALL = ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 1, b'427["call"]').format()


@pytest.mark.parametrize(("opcode", "payload"), FLOODS.values(), ids=FLOODS)
async def test_a_client_that_sends_more_packets_than_it_may_is_closed(opcode: int, payload: bytes) -> None:
    async with serving(max_packets_per_second=20) as served, RawSocket(served.port) as raw:
        await raw.connect()
        await raw.write(ABNF(1, 0, 0, 0, opcode, 1, payload).format() * 2000)
        while (frame := await raw.receive())[0] != ABNF.OPCODE_CLOSE:
            pass
        assert frame[1] == b"\x03\xf0"


async def test_a_client_that_polls_and_sends_more_packets_than_it_may_is_refused() -> None:
    query = {"EIO": "4", "transport": "polling"}
    async with serving(max_packets_per_second=20) as served, aiohttp.ClientSession() as browser:
        async with browser.get(served.url, params=query) as answer:
            query["sid"] = json.loads((await answer.text())[1:])["sid"]
        async with browser.post(served.url, params=query, data="\x1e".join("6" * 200)) as answer:
            assert answer.status == 200
        async with browser.post(served.url, params=query, data="\x1e".join("6" * 500)) as answer:
            assert answer.status == 429
        async with browser.get(served.url, params=query) as answer:
            assert answer.status == 400, "the session is over"


async def test_a_flood_of_empty_fragments_is_counted() -> None:
    async with serving(max_packets_per_second=20) as limited, RawSocket(limited.port) as raw:
        await raw.connect()
        first, more = (ABNF(0, 0, 0, 0, opcode, 1, b"").format() for opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_CONT))
        await raw.write(first + more * 2000)
        assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xf0")


async def test_others_have_their_turn_while_a_client_floods(served: Served) -> None:
    """Of a read that brings thousands of packets, some are handled in each turn of the event loop."""
    turns = 0

    def count() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(count)

    async with RawSocket(served.port) as raw:
        await raw.connect()
        await raw.write(ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 1, b"3").format() * 4000 + LAST_CALL)
        count()
        assert await raw.hear() == '437["call"]'
    assert turns > 4000 / 64


async def test_a_polling_body_that_does_not_arrive_is_answered(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_BODY_SECONDS", 0.05)
    query = {"EIO": "4", "transport": "polling"}
    async with aiohttp.ClientSession() as browser, browser.get(served.url, params=query) as answer:
        sid = json.loads((await answer.text())[1:])["sid"]
    async with RawSocket(served.port) as raw:
        head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        assert (await raw.ask(head.encode() + b"4")).startswith("HTTP/1.1 408 ")


async def test_compression_is_negotiated_where_the_server_allows_it() -> None:
    async with serving(websocket_deflate=True) as served, aiohttp.ClientSession() as browser:
        url, query = served.url, {"EIO": "4", "transport": "websocket"}
        async with browser.ws_connect(url, params=query, compress=15) as socket:
            assert "permessage-deflate" in str(socket._response.headers)
            await socket.receive()
            await socket.send_str("40")
            assert (await socket.receive_str()).startswith("40")
            await socket.send_str(f'421["call","{BODY}"]')
            assert await socket.receive_str() == f'431["call","{BODY}"]'
        async with browser.ws_connect(url, params=query, compress=0) as socket:
            assert (await socket.receive_str()).startswith("0")


async def test_a_closed_session_is_gone_only_after_its_disconnect_handler(served: Served, raw: RawSocket) -> None:
    saved: list[Any] = []

    async def disconnect(sid: str, reason: str) -> None:
        served.guests.remove(sid)
        saved.append((await served.server.get_session(sid), reason))

    served.server.on("disconnect", disconnect)
    await raw.connect()
    (sid,) = served.guests
    await served.server.save_session(sid, {"user": "ada"})
    await raw.say("1")
    await eventually(lambda: saved == [({"user": "ada"}, "client disconnect")])


async def test_nothing_is_left_of_clients_that_have_gone(served: Served) -> None:
    """Counted are objects, for resident memory says little about so few."""

    def alive() -> Counter[str]:
        kinds = (Session, WebSocket, ClientConnection, Member, asyncio.Task)
        return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds))

    async def visit() -> None:
        async with RawSocket(served.port) as raw:
            await raw.connect()
            await raw.say('420["call"]')
            assert await raw.hear() == '430["call"]'

    await visit()
    await eventually(lambda: not served.engine.sockets)
    gc.collect()
    before = alive()
    gc.disable()  # nothing of theirs should need it
    for _ in range(VISITORS // AT_ONCE):
        await asyncio.gather(*(visit() for _ in range(AT_ONCE)))
    await eventually(lambda: not served.engine.sockets)
    try:
        await eventually(lambda: not alive() - before, what="the end of everything of theirs")
    finally:
        gc.enable()
    engine = served.engine
    kept: tuple[Iterable[Any], ...] = (
        engine._ping_timers,
        engine._pong_timeouts,
        engine._upgrade_timeouts,
        engine._accept_timeouts or [],
        engine._unaccepted,
        engine._tasks,
    )
    assert [list(items) for items in kept] == [[]] * 6
    assert (served.server.environ, served.server.manager.rooms, served.server.manager._members) == ({}, {}, {})
