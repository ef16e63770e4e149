"""Streams whose clients read nothing are bounded in memory and aborted."""

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
from roomcast.http.responses import VIEWER
from roomcast.http.streams.streams import Streams, StreamType
from roomcast.ledger.sqlite.ledger import SqliteLedger
from roomcast.services.uploads import UploadService
from roomcast.uploads.model import Tick
from roomcast.uploads.viewer import Viewer

from tests.support.harness import eventually
from tests.support.ledgers import Clock, claimed
from tests.support.streams import StreamWatcher

UNUSED: Any = None
LARGE = "x" * 4096
KIB = 1024


class Served:
    """One upload with a lease, its stream, and the connections that requested it."""

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
    async with relay.running():
        claim = await claimed(ledger, clock)
        uploads = UploadService(ledger, UNUSED, UNUSED, relay, UNUSED, UNUSED)
        streams = Streams(uploads, ping_seconds=20, stalled_client_seconds=0.3)
        yield Served(ledger, streams, claim.upload.id, claim.lease.token)
    await ledger.close()


@pytest.fixture
async def server(served: Served) -> AsyncIterator[BaseTestServer]:
    app = web.Application()
    app.router.add_get("/a-stream", served.handle)
    async with TestServer(app) as running:
        yield running


async def test_client_that_reads_nothing_has_little_buffered_and_is_aborted(
    served: Served, server: BaseTestServer
) -> None:
    async with StreamWatcher(str(server.make_url("/a-stream"))) as listening:
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
            await asyncio.get_running_loop().run_in_executor(None, stalled.connect, ("127.0.0.1", server.port))
            stalled.sendall(b"GET /a-stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            await eventually(lambda: served.streams.count() == 2)
            most = 0
            for _ in itertools.takewhile(lambda _: served.streams.count() == 2, range(500)):
                await served.tick(20)
                most = max(most, *(one.get_write_buffer_size() for one in served.transports))
                await asyncio.sleep(0)
            await eventually(lambda: served.streams.count() == 1, what="the end of the stalled client")
            assert most < 256 * KIB
        assert served.streams.stats.coalesced > 0
        count = len(listening.received)
        await served.tick(1)
        await listening.wait_until(lambda: len(listening.received) > count)
        assert not listening.ended, "the others go on"
        served.streams.close()
        await listening.closed()


async def test_stream_that_opens_during_shutdown_ends(served: Served, server: BaseTestServer) -> None:
    served.streams.close()
    async with aiohttp.ClientSession() as session, session.get(server.make_url("/a-stream")) as response:
        assert (await response.read()).count(b"event: tick") == 1
    assert served.streams.count() == 0
