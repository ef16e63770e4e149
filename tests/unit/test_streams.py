"""Streams that nobody reads: bounded in memory, and cut."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from roomcast.fanout.relay import Relay
from roomcast.fanout.send_queue import MAX_EVENTS, SendStats
from roomcast.http.responses import VIEWER
from roomcast.http.streams.streams import Streams, StreamType, Subscriber
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.services.uploads import UploadService
from roomcast.uploads.messages import Message
from roomcast.uploads.model import Tick, Upload, message
from roomcast.uploads.viewer import Viewer

from tests.integration.contract.ledgers import Clock, claimed
from tests.support.harness import eventually
from tests.support.streams import StreamWatcher

NOT_ASKED: Any = None
LARGE = "x" * 4096
KIB = 1024


def told(seq: int) -> Message:
    return message(Upload("upload_1", "ada", "auto", "film.mp4", "e1", 1.0, 2.0, seq=seq))


def test_a_feed_keeps_events_in_order_and_the_latest_tick() -> None:
    traffic = SendStats()
    feed = Subscriber(traffic)
    for seq in (1, 2):
        feed.on_tick(told(seq))
        feed.on_event(told(seq), new_status=False)
    feed.on_tick(told(3))
    feed.on_tick(told(4))
    assert [feed.pop() for _ in range(3)] == [(told(1), True), (told(2), True), (told(4), False)]
    assert traffic == SendStats(events=2, ticks=1, coalesced=3)


async def test_a_feed_for_which_too_many_events_wait_is_closed() -> None:
    feed = Subscriber(SendStats())
    for seq in range(MAX_EVENTS):
        feed.on_event(told(seq), new_status=False)
    assert not feed.closed
    feed.on_event(told(MAX_EVENTS), new_status=False)
    assert feed.closed


async def test_a_feed_waits_for_news() -> None:
    feed = Subscriber(SendStats())
    assert not await feed.wait(0.01)
    waiting = asyncio.create_task(feed.wait(20))
    await asyncio.sleep(0)
    feed.on_tick(told(1))
    assert await waiting
    feed.pop()
    waiting = asyncio.create_task(feed.wait(20))
    await asyncio.sleep(0)
    feed.close()
    assert not await waiting


class Served:
    """One upload that somebody works on, its stream, and the connections that the stream was asked for on."""

    def __init__(self, ledger: SqliteLedger, streams: Streams, upload_id: str, lease: str) -> None:
        self.ledger = ledger
        self.streams = streams
        self.upload_id = upload_id
        self.lease = lease
        self.transports: list[asyncio.Transport] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * KIB)
        self.transports.append(request.transport)
        request[VIEWER] = Viewer("ada")
        return await self.streams.serve(request, self.upload_id, StreamType("tick", lambda _: lambda now: [now, LARGE]))

    async def tick(self, count: int) -> None:
        for number in range(count):
            await self.ledger.tick(self.upload_id, Tick(number / count), token=self.lease)
            await asyncio.sleep(0)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    clock = Clock()
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3", clock=clock)
    relay = Relay(ledger, lambda message: message)
    relay.start()
    claim = await claimed(ledger, clock)
    control = UploadService(ledger, NOT_ASKED, NOT_ASKED, relay, NOT_ASKED)
    streams = Streams(control, ping_seconds=20, stalled_client_seconds=0.3)
    yield Served(ledger, streams, claim.upload.id, claim.lease.token)
    await relay.stop()
    await ledger.close()


@pytest.fixture
async def server(served: Served) -> AsyncIterator[BaseTestServer]:
    app = web.Application()
    app.router.add_get("/a-stream", served.handle)
    async with TestServer(app) as running:
        yield running


async def test_a_client_that_reads_nothing_costs_little_and_is_cut(served: Served, server: BaseTestServer) -> None:
    async with StreamWatcher(str(server.make_url("/a-stream"))) as listening:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
            await asyncio.get_running_loop().run_in_executor(None, deaf.connect, ("127.0.0.1", server.port))
            deaf.sendall(b"GET /a-stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await eventually(lambda: served.streams.count() == 2)
            most = 0
            for _ in itertools.takewhile(lambda _: served.streams.count() == 2, range(500)):
                await served.tick(20)
                most = max(most, *(one.get_write_buffer_size() for one in served.transports))
                await asyncio.sleep(0)
            await eventually(lambda: served.streams.count() == 1, what="the deaf client's end")
            assert most < 256 * KIB
        assert served.streams.stats.coalesced > 0
        heard = len(listening.received)
        await served.tick(1)
        await listening.wait_until(lambda: len(listening.received) > heard)
        assert not listening.ended, "the others go on"
        served.streams.close()
        await listening.closed()


async def test_a_stream_that_is_asked_for_at_the_end_ends(served: Served, server: BaseTestServer) -> None:
    served.streams.close()
    async with aiohttp.ClientSession() as session, session.get(server.make_url("/a-stream")) as response:
        assert (await response.read()).count(b"event: tick") == 1
    assert served.streams.count() == 0
