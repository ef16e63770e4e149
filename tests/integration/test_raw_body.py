"""Large bodies that are read past the parser: every byte arrives once and in order, and there is always a response."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roomcast.http.intake.raw_body import close_detached, raw_body
from roomcast.media.contract import Data

from tests.support.harness import eventually

MIB = 1 << 20
SIZE = 5 * MIB + 4321
CONTENT = random.Random(0).randbytes(SIZE)
REFUSED_AFTER = 2 * MIB
"""The number of bytes after which `/refused` responds."""

NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS: dict[str, NewLoop] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class ReceivedBody:
    """What a handler has received."""

    sizes: list[int] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    broken: BaseException | None = None

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def is_start_of_content(self) -> bool:
        return bool(self.digest.digest() == hashlib.sha256(CONTENT[: self.size]).digest())


class Site:
    """A server with one handler, which hashes a chunk only when it has the next one: as late as the contract allows."""

    def __init__(self) -> None:
        self.received: list[ReceivedBody] = []
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def put(self, request: web.Request) -> web.Response:
        received = ReceivedBody()
        self.received.append(received)
        late: Data = b""
        try:
            async with raw_body(request) as chunks:
                async for chunk in chunks:
                    received.sizes.append(len(chunk))
                    await asyncio.to_thread(received.digest.update, late)  # as what is written, while others come
                    late = chunk
                    await self.may_read.wait()
                    if request.path == "/refused" and received.size > REFUSED_AFTER:
                        return web.Response(status=422, text="No.")
        except ConnectionError as error:
            received.broken = error
            raise
        finally:
            received.digest.update(late)
        return web.Response(text=str(received.size))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        app = web.Application()
        app.on_response_prepare.append(close_detached)
        for path in ("/", "/refused"):
            app.router.add_put(path, self.put)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@dataclass
class Connection:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self) -> tuple[str, dict[str, str], str]:
        """Return the status, the fields and the body of the next response."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        text = await self.reader.readexactly(int(fields["content-length"]))
        return first.split(" ")[1], fields, text.decode()


def head(size: int, path: str = "/", *fields: str) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: here", f"Content-Length: {size}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


Scene = Callable[[Site, Connection], Awaitable[None]]


def play(loop: NewLoop, scene: Scene) -> None:
    async def run() -> None:
        site = Site()
        async with asyncio.timeout(60), site.open() as port:
            connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
            try:
                await scene(site, connection)
            finally:
                connection.writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> NewLoop:
    made: NewLoop = request.param
    return made


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, SIZE), max_size=12).map(sorted))
def test_every_byte_arrives_once_and_in_order(loop: NewLoop, cuts: Sequence[int]) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        pieces = [CONTENT[start:stop] for start, stop in zip([0, *cuts], [*cuts, SIZE], strict=True)]
        await connection.send(head(SIZE) + pieces[0])
        for piece in pieces[1:]:
            await connection.send(piece)
        status, fields, text = await connection.response()
        assert (status, text, fields["connection"]) == ("200", str(SIZE), "close")
        assert site.received[0].is_start_of_content()
        assert await connection.reader.read() == b""

    play(loop, scene)


def test_slow_bytes_are_passed_on_before_the_buffer_is_full(loop: NewLoop) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        await connection.send(head(SIZE))
        for sent in (1, 2, 4000):
            await connection.send(CONTENT[site.received[0].size if site.received else 0 : sent])
            await eventually(lambda sent=sent: site.received and site.received[0].size == sent)  # type: ignore[misc]
        await connection.send(CONTENT[4000:])
        assert (await connection.response())[2] == str(SIZE)
        assert site.received[0].is_start_of_content()

    play(loop, scene)


def test_bytes_that_arrive_while_a_small_chunk_is_handled_are_not_lost(loop: NewLoop) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        site.may_read.clear()
        await connection.send(head(SIZE))
        await eventually(lambda: site.received)  # or the parser sees the first bytes
        await connection.send(CONTENT[:10])
        await eventually(lambda: site.received[0].size == 10)
        for start in (10, 1000):
            await connection.send(CONTENT[start : start * 100])
            for _ in range(20):  # it is read in the same loop
                await asyncio.sleep(0)
        site.may_read.set()
        await connection.send(CONTENT[100_000:])
        assert (await connection.response())[2] == str(SIZE)
        assert site.received[0].is_start_of_content()

    play(loop, scene)


@pytest.mark.parametrize("sent", [1000, MIB, 3 * MIB + 17])
def test_bytes_before_a_disconnect_are_passed_on(loop: NewLoop, sent: int) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        await connection.send(head(SIZE) + CONTENT[:sent])
        connection.writer.close()
        await eventually(lambda: site.received and site.received[0].broken)
        assert site.received[0].size == sent
        assert site.received[0].is_start_of_content()

    play(loop, scene)


def test_client_that_is_refused_midway_reads_the_response_after_sending_all(loop: NewLoop) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        await connection.send(head(SIZE, "/refused") + CONTENT)
        status, fields, text = await connection.response()
        assert (status, text, fields["connection"]) == ("422", "No.", "close")
        assert site.received[0].size < SIZE
        assert await connection.reader.read() == b""

    play(loop, scene)


def test_request_behind_a_large_body_is_ignored(loop: NewLoop) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        await connection.send(head(SIZE) + CONTENT + head(3) + b"abc")
        assert (await connection.response())[2] == str(SIZE)
        assert site.received[0].is_start_of_content()
        assert len(site.received) == 1  # the connection was said to end

    play(loop, scene)


def test_small_bodies_keep_the_connection_open(loop: NewLoop) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        for size in (0, 1, 3 * MIB):
            await connection.send(head(size) + CONTENT[:size])
            status, fields, text = await connection.response()
            assert (status, text, fields.get("connection")) == ("200", str(size), None)
        assert all(received.is_start_of_content() for received in site.received)

    play(loop, scene)


def test_chunked_body_is_read_by_the_parser(loop: NewLoop) -> None:
    async def scene(site: Site, connection: Connection) -> None:
        chunked = b"PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        await connection.send(chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, CONTENT))
        assert (await connection.response())[2] == str(SIZE)
        await connection.send(head(3) + b"abc")
        assert (await connection.response())[2] == "3"
        assert site.received[0].is_start_of_content()

    play(loop, scene)
