"""Large bodies past the parser: every byte once and in order, however they come, and an answer whatever happens."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roomcast.http.intake.pipeline import BROKEN
from roomcast.http.intake.raw_body import body, end_connection
from roomcast.media.contract import Data

from tests.support.harness import eventually

MIB = 1 << 20
SIZE = 5 * MIB + 4321
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(SIZE // 4 + 1))[:SIZE]
ENOUGH = 2 * MIB
"""After so many bytes the one that refuses refuses."""

NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS: dict[str, NewLoop] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class FormResult:
    """What a handler got."""

    pieces: list[int] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    broken: BaseException | None = None

    @property
    def size(self) -> int:
        return sum(self.pieces)

    def is_the_start_of_the_content(self) -> bool:
        return bool(self.digest.digest() == hashlib.sha256(CONTENT[: self.size]).digest())


class Site:
    """A server with one handler. It looks at a chunk when it has the next one, as late as it may."""

    def __init__(self) -> None:
        self.taken: list[FormResult] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def put(self, request: web.Request) -> web.Response:
        taken = FormResult()
        self.taken.append(taken)
        late: Data = b""
        try:
            async with body(request) as chunks:
                async for chunk in chunks:
                    taken.pieces.append(len(chunk))
                    await asyncio.to_thread(taken.digest.update, late)  # as what is written, while others come
                    late = chunk
                    await self.go_on.wait()
                    if request.path == "/refused" and taken.size > ENOUGH:
                        return web.Response(status=422, text="No.")
        except BROKEN as error:
            taken.broken = error
            raise
        finally:
            taken.digest.update(late)
        return web.Response(text=str(taken.size))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        app = web.Application()
        app.on_response_prepare.append(end_connection)
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
class Line:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[str, dict[str, str], str]:
        """The status, the fields and the body of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        text = await self.reader.readexactly(int(fields["content-length"]))
        return first.split(" ")[1], fields, text.decode()


def head(size: int, path: str = "/", *fields: str) -> bytes:
    lines = [f"PUT {path} HTTP/1.1", "Host: here", f"Content-Length: {size}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


Scene = Callable[[Site, Line], Awaitable[None]]


def play(loop: NewLoop, scene: Scene) -> None:
    async def run() -> None:
        site = Site()
        async with asyncio.timeout(20), site.open() as port:
            line = Line(*await asyncio.open_connection("127.0.0.1", port))
            try:
                await scene(site, line)
            finally:
                line.writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


@pytest.fixture(params=list(LOOPS.values()), ids=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> NewLoop:
    made: NewLoop = request.param
    return made


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, SIZE), max_size=12).map(sorted))
def test_every_byte_once_and_in_order(loop: NewLoop, cuts: Sequence[int]) -> None:
    async def scene(site: Site, line: Line) -> None:
        pieces = [CONTENT[start:stop] for start, stop in zip([0, *cuts], [*cuts, SIZE], strict=True)]
        await line.send(head(SIZE) + pieces[0])
        for piece in pieces[1:]:
            await line.send(piece)
        status, fields, text = await line.answer()
        assert (status, text, fields["connection"]) == ("200", str(SIZE), "close")
        assert site.taken[0].is_the_start_of_the_content()
        assert await line.reader.read() == b""

    play(loop, scene)


def test_what_comes_slowly_is_handed_on_before_there_is_more(loop: NewLoop) -> None:
    async def scene(site: Site, line: Line) -> None:
        await line.send(head(SIZE))
        for sent in (1, 2, 4000):
            await line.send(CONTENT[site.taken[0].size if site.taken else 0 : sent])
            await eventually(lambda sent=sent: site.taken and site.taken[0].size == sent)  # type: ignore[misc]
        await line.send(CONTENT[4000:])
        assert (await line.answer())[2] == str(SIZE)
        assert site.taken[0].is_the_start_of_the_content()

    play(loop, scene)


def test_what_comes_while_little_is_being_taken_is_kept(loop: NewLoop) -> None:
    async def scene(site: Site, line: Line) -> None:
        site.go_on.clear()
        await line.send(head(SIZE))
        await eventually(lambda: site.taken)  # or the parser sees the first bytes
        await line.send(CONTENT[:10])
        await eventually(lambda: site.taken[0].size == 10)
        for start in (10, 1000):
            await line.send(CONTENT[start : start * 100])
            for _ in range(20):  # it is read in the same loop
                await asyncio.sleep(0)
        site.go_on.set()
        await line.send(CONTENT[100_000:])
        assert (await line.answer())[2] == str(SIZE)
        assert site.taken[0].is_the_start_of_the_content()

    play(loop, scene)


@pytest.mark.parametrize("sent", [1000, MIB, 3 * MIB + 17])
def test_all_that_came_is_there_when_the_connection_breaks(loop: NewLoop, sent: int) -> None:
    async def scene(site: Site, line: Line) -> None:
        await line.send(head(SIZE) + CONTENT[:sent])
        line.writer.close()
        await eventually(lambda: site.taken and site.taken[0].broken)
        assert site.taken[0].size == sent
        assert site.taken[0].is_the_start_of_the_content()

    play(loop, scene)


def test_whoever_is_refused_midway_hears_it_after_sending_all(loop: NewLoop) -> None:
    async def scene(site: Site, line: Line) -> None:
        await line.send(head(SIZE, "/refused") + CONTENT)
        status, fields, text = await line.answer()
        assert (status, text, fields["connection"]) == ("422", "No.", "close")
        assert site.taken[0].size < SIZE
        assert await line.reader.read() == b""

    play(loop, scene)


def test_a_request_behind_the_body_takes_nothing_from_the_answer(loop: NewLoop) -> None:
    async def scene(site: Site, line: Line) -> None:
        await line.send(head(SIZE) + CONTENT + head(3) + b"abc")
        assert (await line.answer())[2] == str(SIZE)
        assert site.taken[0].is_the_start_of_the_content()
        assert len(site.taken) == 1  # the connection was said to end

    play(loop, scene)


def test_small_bodies_keep_their_connection(loop: NewLoop) -> None:
    async def scene(site: Site, line: Line) -> None:
        for size in (0, 1, 3 * MIB):
            await line.send(head(size) + CONTENT[:size])
            status, fields, text = await line.answer()
            assert (status, text, fields.get("connection")) == ("200", str(size), None)
        assert all(taken.is_the_start_of_the_content() for taken in site.taken)

    play(loop, scene)


def test_a_body_that_must_be_read_by_the_parser_is(loop: NewLoop) -> None:
    async def scene(site: Site, line: Line) -> None:
        chunked = b"PUT / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        await line.send(chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, CONTENT))
        assert (await line.answer())[2] == str(SIZE)
        await line.send(head(3) + b"abc")
        assert (await line.answer())[2] == "3"
        assert site.taken[0].is_the_start_of_the_content()

    play(loop, scene)
