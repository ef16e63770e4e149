"""A client that stops reading is disconnected, takes little memory, and does not affect the others."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import statistics
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import pytest
from websocket import WebSocket, create_connection

from tests.conftest import Shelf
from tests.e2e.conftest import FakeFfmpeg
from tests.support.harness import Api, RunningServer, eventually
from tests.support.watchers import Message, Watcher

MIB = 1 << 20
CALLS = 20_000


@pytest.fixture(scope="module")
def settings(fake: FakeFfmpeg) -> dict[str, str]:
    return {**fake.env, "ROOMCAST_STALLED_CLIENT_SECONDS": "2"}


@pytest.fixture
def stalled(server: RunningServer) -> Iterator[WebSocket]:
    """A connected Socket.IO client with a small receive buffer that reads nothing by itself."""
    url = f"ws://127.0.0.1:{server.port}/socket.io/?EIO=4&transport=websocket"
    client = create_connection(url, timeout=60, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    assert str(client.recv()).startswith("0")
    client.send("40")
    assert str(client.recv()).startswith("40")
    yield client
    if client.sock:
        client.sock.close()


def flood(client: WebSocket, upload_id: str) -> None:
    """Send calls and read no ack, until the server closes the connection or all calls are sent."""
    with suppress(ConnectionError):
        for number in range(CALLS):
            client.send(f"42{number}{json.dumps(['join-upload', {'uploadId': upload_id, 'since': 0}])}")


def ticks(watcher: Watcher, upload_id: str) -> list[Message]:
    return [message for message in watcher.live_messages(upload_id) if message["stage"] == "compressing"]


async def test_client_that_stops_reading_is_disconnected_and_costs_the_others_nothing(
    server: RunningServer, api: Api, watcher: Watcher, shelf: Shelf, fake: FakeFfmpeg, stalled: WebSocket
) -> None:
    fake.behave("busy")
    assert stalled.sock is not None
    port = stalled.sock.getsockname()[1]
    clip = shelf.clip()
    upload_id, url = await api.reserved(clip.name, clip.stat().st_size)
    await watcher.join(upload_id)
    before = server.process.memory_info().rss
    assert (await api.put(url, clip.read_bytes())).status == 202
    await watcher.until(upload_id, lambda message: bool(message["speed"]))
    await asyncio.to_thread(flood, stalled, upload_id)

    def connected() -> bool:
        return any(peer.raddr and peer.raddr.port == port for peer in server.process.net_connections("tcp"))

    await eventually(lambda: not connected(), 60, what="the end of the stalled client")
    await watcher.wait_until(lambda: len(ticks(watcher, upload_id)) > 12)
    fake.heal()
    assert server.process.memory_info().rss - before < 64 * MIB
    assert watcher.disconnections == 0
    assert (await watcher.end(upload_id))["status"] == "completed"
    moments = [datetime.fromisoformat(tick["updatedAt"]) for tick in ticks(watcher, upload_id)]
    pauses = [(after - before).total_seconds() for before, after in itertools.pairwise(moments)]
    assert statistics.median(pauses) < 1, "the other client still gets messages, four a second"


async def test_client_that_sends_invalid_packets_affects_no_other_client(
    server: RunningServer, watcher: Watcher, stalled: WebSocket
) -> None:
    for frame in ("9", "42", "42[", "4", '42["join-upload"', "451-[", "\0", '42{"a":1}', "42[1,2]", "6" * 1000):
        try:
            stalled.send(frame)
        except (ConnectionError, OSError):
            break
    assert (await watcher.call("leave-upload", "upload_" + "0" * 32)) == {"ok": True}
    assert server.alive
