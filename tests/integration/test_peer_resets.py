"""Peers of HTTP that reset connections, on uvloop as in production: an outcome or an error of ours, never another."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from roomcast.assemblies.webhooks.sender import Sender
from roomcast.errors import RoomcastError
from roomcast.media.s3.client import Bucket, open_bucket
from roomcast.services.sqs import SqsQueue
from roomcast.uploads.templates import Webhook
from structlog.testing import capture_logs

ANSWERS = (
    b"",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
)
AT_ONCE = 12


@asynccontextmanager
async def resetting_server() -> AsyncIterator[str]:
    """The URL of a server that ends each connection by RST: at once, in the middle of a request or of an answer."""
    chance = random.Random(7)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if size := chance.choice((0, 1, 5000, 70000)):
                await reader.read(size)
                writer.write(chance.choice(ANSWERS))
                await writer.drain()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def delivered(url: str) -> list[object]:
    sender, webhook = Sender(private=True), Webhook(url=url, secret=b"s" * 32)
    sends = (sender.send(webhook, "delivery", b"x" * 300_000) for _ in range(8 * AT_ONCE))
    attempts = await asyncio.gather(*sends, return_exceptions=True)
    await sender.close()
    return [one for one in attempts if isinstance(one, Exception)]


async def stored(url: str) -> list[object]:
    async with open_bucket("films", endpoint_url=url, url_seconds=60, md5_etags=True) as bucket:
        calls = (call(bucket, number) for number in range(3 * AT_ONCE))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [one for one in outcomes if isinstance(one, Exception) and not isinstance(one, RoomcastError)]


async def call(bucket: Bucket, number: int) -> None:
    match number % 3:
        case 0:
            await bucket.call("put_object", Key="film", Body=b"y" * 400_000)
        case 1:
            await bucket.call("head_object", Key="film")
        case 2:
            await bucket.list_objects("film")


async def published(url: str) -> list[object]:
    async with SqsQueue.open(name=None, url=f"{url}/steps.fifo", batch_size=10) as queue:
        sends = (queue.send("group", [(str(number), b"x" * 1000)]) for number in range(AT_ONCE))
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
    return [one for one in outcomes if isinstance(one, Exception) and not isinstance(one, RoomcastError)]


@pytest.mark.parametrize("use", [delivered, stored, published])
def test_reset_of_a_connection_is_an_error_of_ours(
    use: Callable[[str], Awaitable[list[object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    async def work() -> None:
        async with resetting_server() as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            assert await use(url) == []

    with capture_logs(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work())
