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
from roomcast.transport.timeouts import Timeouts
from roomcast.transport.websocket import WebSocket
from websocket import ABNF

from tests.support.harness import eventually
from tests.support.raw_socket import RawSocket, handshake
from tests.support.socket_server import RunningSocketServer, serving

VISITORS, AT_ONCE = 200, 50
BODY = "x" * 3000


@pytest.fixture
async def served() -> AsyncIterator[RunningSocketServer]:
    async with serving() as served:
        yield served


@pytest.fixture
async def raw(served: RunningSocketServer) -> AsyncIterator[RawSocket]:
    async with RawSocket(served.port) as raw:
        yield raw


async def test_idle_connection_is_closed_after_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_switch_module, "_IDLE_SECONDS", 0.05)
    async with serving() as served, RawSocket(served.port) as mute:
        assert await mute.wait_closed()


async def test_unaccepted_connection_is_closed_after_its_timeout() -> None:
    async with serving(accept_timeout=0.05) as served, RawSocket(served.port) as undecided:
        await undecided.upgrade()
        assert await undecided.wait_closed()
        assert served.http.requests_count == 0


async def test_client_that_has_left_its_only_namespace_is_closed_after_the_accept_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(accept_timeout=60) as served, RawSocket(served.port) as left:
        await left.connect()
        monkeypatch.setattr(served.engine, "_accept_timeouts", Timeouts[Session](0.05, Session.close))
        await left.send_text("41")
        assert await left.wait_closed()


async def test_third_refusal_by_a_namespace_ends_the_session(raw: RawSocket) -> None:
    await raw.connect()
    for number in range(3):
        await raw.send_text(f"40/other{number}")
        assert (await raw.receive_text()).startswith("44/other")
    assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xe8")


async def test_acceptance_resets_the_count_of_refusals(raw: RawSocket) -> None:
    await raw.upgrade()
    await raw.receive_text()
    for _ in range(2):
        await raw.send_text('40{"token":"bad"}')
        assert (await raw.receive_text()).startswith("44")
    await raw.send_text("40")
    assert (await raw.receive_text()).startswith("40")
    for _ in range(2):
        await raw.send_text("40/other")
        assert (await raw.receive_text()).startswith("44/other")
    await raw.send_text('420["call"]')
    assert await raw.receive_text() == '430["call"]'


async def test_unaccepted_sessions_over_the_limit_of_an_address_are_refused() -> None:
    async with serving(max_unaccepted_per_address=3) as served, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawSocket(served.port)) for _ in range(3)]
        for client in clients:
            await client.upgrade()
        async with RawSocket(served.port) as fourth:
            assert (await fourth.request(handshake())).startswith("HTTP/1.1 429 ")
        query = {"EIO": "4", "transport": "polling"}
        async with aiohttp.ClientSession() as browser, browser.get(served.url, params=query) as answer:
            assert answer.status == 429
        await clients[0].receive_text()
        await clients[0].send_text("40")
        assert (await clients[0].receive_text()).startswith("40")
        async with RawSocket(served.port) as fifth:
            await fifth.upgrade()
            async with RawSocket(served.port) as sixth:
                assert (await sixth.request(handshake())).startswith("HTTP/1.1 429 ")
        await eventually(lambda: len(served.engine.sockets) == 3)
        async with RawSocket(served.port) as seventh:
            await seventh.upgrade()


FLOODS = {
    "pongs": (ABNF.OPCODE_TEXT, b"3"),
    "noops": (ABNF.OPCODE_TEXT, b"6"),
    "pings": (ABNF.OPCODE_PING, b""),
    "events": (ABNF.OPCODE_TEXT, b'42["unknown"]'),
    "acks": (ABNF.OPCODE_TEXT, b"431[]"),
}
LAST_CALL = ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 1, b'427["call"]').format()


@pytest.mark.parametrize(("opcode", "payload"), FLOODS.values(), ids=FLOODS)
async def test_websocket_client_over_its_rate_limit_is_closed(opcode: int, payload: bytes) -> None:
    async with serving(max_packets_per_second=20) as served, RawSocket(served.port) as raw:
        await raw.connect()
        await raw.write(ABNF(1, 0, 0, 0, opcode, 1, payload).format() * 2000)
        while (frame := await raw.receive())[0] != ABNF.OPCODE_CLOSE:
            pass
        assert frame[1] == b"\x03\xf0"


async def test_polling_client_over_its_rate_limit_is_refused() -> None:
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


async def test_empty_fragments_count_towards_the_rate_limit() -> None:
    async with serving(max_packets_per_second=20) as limited, RawSocket(limited.port) as raw:
        await raw.connect()
        first, more = (ABNF(0, 0, 0, 0, opcode, 1, b"").format() for opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_CONT))
        await raw.write(first + more * 2000)
        assert await raw.receive() == (ABNF.OPCODE_CLOSE, b"\x03\xf0")


async def test_event_loop_runs_other_callbacks_while_a_client_floods(served: RunningSocketServer) -> None:
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
        assert await raw.receive_text() == '437["call"]'
    assert turns > 4000 / 64 / 5, "64 packets are a piece of work, of which at most five are started in a turn."


async def test_incomplete_polling_body_is_answered_with_408(
    served: RunningSocketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_BODY_SECONDS", 0.05)
    query = {"EIO": "4", "transport": "polling"}
    async with aiohttp.ClientSession() as browser, browser.get(served.url, params=query) as answer:
        sid = json.loads((await answer.text())[1:])["sid"]
    async with RawSocket(served.port) as raw:
        head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        assert (await raw.request(head.encode() + b"4")).startswith("HTTP/1.1 408 ")


async def test_compression_is_negotiated_when_server_and_client_allow_it() -> None:
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


async def test_session_data_is_available_in_the_disconnect_handler(served: RunningSocketServer, raw: RawSocket) -> None:
    saved: list[Any] = []

    async def disconnect(sid: str, reason: str) -> None:
        served.sids.remove(sid)
        saved.append((await served.server.get_session(sid), reason))

    served.server.on("disconnect", disconnect)
    await raw.connect()
    (sid,) = served.sids
    await served.server.save_session(sid, {"user": "ada"})
    await raw.send_text("1")
    await eventually(lambda: saved == [({"user": "ada"}, "client disconnect")])


async def test_disconnected_clients_leave_no_objects_behind(served: RunningSocketServer) -> None:
    """Counted are objects, for resident memory says little about so few."""

    def alive() -> Counter[str]:
        kinds = (Session, WebSocket, ClientConnection, Member, asyncio.Task)
        return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds))

    async def visit() -> None:
        async with RawSocket(served.port) as raw:
            await raw.connect()
            await raw.send_text('420["call"]')
            assert await raw.receive_text() == '430["call"]'

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
    remaining: tuple[Iterable[Any], ...] = (
        engine._ping_timers,
        engine._pong_timeouts,
        engine._upgrade_timeouts,
        engine._accept_timeouts or [],
        engine._unaccepted,
        engine._tasks,
    )
    assert [list(items) for items in remaining] == [[]] * 6
    assert (served.server.environ, served.server.manager.rooms, served.server.manager._members) == ({}, {}, {})
