"""Hostile clients. Each harms a server until it is stopped, whatever the server answers.

`HOSTILE_CLIENTS` has them by name: coroutine functions of the server's URL, an event that stops them, and optionally a
token. They need no token in open mode; with authentication most of them are refused at once, which is a flood as well.
A client that is stopped has closed its connections when it returns.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from websocket import ABNF

from tests.support.floods import FLOODS
from tests.support.raw_socket import handshake

_ERRORS = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError)
"""Whatever an overloaded server, or one that refuses, makes of a connection."""

_BOUNDARY = "multipart/form-data; boundary=X"
_TINY_PART = b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
_FILE_PART = b'--X\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


SOURCE = "127.0.0.66"
"""The address that hostile clients have on Linux's loopback interface, so that quotas by address are theirs alone."""

_NUMBERS = itertools.count()


class HostileClient(Protocol):
    """Harms the server at `base_url` until `stop` is set."""

    async def __call__(self, base_url: str, stop: asyncio.Event, token: str | None = None) -> None: ...


HOSTILE_CLIENTS: dict[str, HostileClient] = {}
"""All clients by their names."""


@dataclass
class Connection:
    """One connection to the server."""

    target: Target
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
        """Send a request and read its response; return the status."""
        await self.send(self.target.head(method, path, {"Content-Length": str(len(body)), **headers}))
        with suppress(ConnectionError):  # it may be answered before all of the body has been sent
            await self.send(body)
        return await self.receive()

    async def receive(self) -> int:
        """Read a response; return its status."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            self.body = await self.reader.readexactly(int(fields.get("content-length", "0")))
            return int(head.split()[1])


@dataclass(frozen=True)
class Target:
    """The server that is attacked."""

    base_url: str
    token: str | None

    def head(self, method: str, path: str, headers: dict[str, str] | None = None) -> bytes:
        """Return the head of a request."""
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        fields = {"Host": urlsplit(self.base_url).netloc, **authorization, **(headers or {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Connect, and close the connection at the end without regard to what is on its way."""
        url = urlsplit(self.base_url)
        source = (SOURCE, 0) if url.hostname == "127.0.0.1" and sys.platform == "linux" else None
        reader, writer = await asyncio.open_connection(url.hostname, url.port, local_addr=source)
        try:
            yield Connection(self, reader, writer)
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def post(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Send a request on a connection of its own."""
        async with self.connection() as connection:
            return await connection.request("POST", path, headers, body)


Attack = Callable[[Target], Awaitable[None]]


def hostile(*, at_once: int = 1, pause: float = 0.0) -> Callable[[Attack], HostileClient]:
    """Make a client of an attack, which is repeated for ever, `at_once` times at once, with pauses of some seconds."""

    def decorate(attack: Attack) -> HostileClient:
        async def repeat(target: Target) -> None:
            while True:
                with suppress(*_ERRORS):
                    await attack(target)
                await asyncio.sleep(pause)

        async def client(base_url: str, stop: asyncio.Event, token: str | None = None) -> None:
            target = Target(base_url, token)
            tasks = [asyncio.create_task(repeat(target)) for _ in range(at_once)]
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        client.__doc__ = attack.__doc__
        HOSTILE_CLIENTS[getattr(attack, "__name__", "")] = client
        return client

    return decorate


async def run_hostile_clients(
    base_url: str, stop: asyncio.Event, names: tuple[str, ...] = (), *, token: str | None = None
) -> None:
    """Run the named clients, or all, until `stop` is set."""
    clients: list[Coroutine[Any, Any, None]] = [
        HOSTILE_CLIENTS[name](base_url, stop, token) for name in names or HOSTILE_CLIENTS
    ]
    await asyncio.gather(*clients)


# --- Bodies -----------------------------------------------------------------------------------------------------------


@hostile()
async def tiny_part_forms(target: Target) -> None:
    """Send forms of a megabyte of empty parts."""
    await target.post("/api/uploads", {"Content-Type": _BOUNDARY}, _TINY_PART * (1_000_000 // len(_TINY_PART)))


@hostile()
async def gzip_forms(target: Target) -> None:
    """Send ten megabytes of empty parts, compressed."""
    headers = {"Content-Type": _BOUNDARY, "Content-Encoding": "gzip"}
    await target.post("/api/uploads", headers, _GZIP_FORM)


_GZIP_FORM = gzip.compress(b"--X\r\n\r\n\r\n" * 1_111_111)


@hostile()
async def json_bombs(target: Target) -> None:
    """Send reservations whose list is full of mistakes, with and without a declared length."""
    body = b'{"files":[' + b"0," * 40_000 + b"0]}"
    await target.post("/api/uploads", {"Content-Type": "application/json"}, body)
    async with target.connection() as connection:
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        await connection.send(target.head("POST", "/api/uploads", headers))
        for _ in range(20):
            await connection.send(b"10000\r\n" + b"[" * 65_536 + b"\r\n")
        await connection.receive()


@hostile()
async def control_characters(target: Target) -> None:
    """Send parts whose heads have escape sequences, each with another text."""
    head = b"--X\r\nContent-Disposition: bad %d \x1b[31m zzz\r\n\r\n\r\n"
    body = b"".join(head % next(_NUMBERS) for _ in range(2_000))
    await target.post("/api/uploads", {"Content-Type": _BOUNDARY}, body)


@hostile()
async def costly_heads(target: Target) -> None:
    """Send parts whose heads take long to parse: quotes that do not close, accents to sort, and folded lines."""
    names = ['x"y;a="' * 2_000, "\u0315\u0300" * 3_500, "a\r\n b" * 2_500]
    heads = [f'--X\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n\r\n' for name in names]
    for head in heads:
        await target.post("/api/uploads", {"Content-Type": _BOUNDARY}, head.encode() * 60)


@hostile(at_once=40)
async def slow_heads(target: Target) -> None:
    """Send heads of requests a byte a second."""
    async with target.connection() as connection:
        for byte in target.head("GET", "/healthz", {"X-Slow": "x" * 10_000}):
            await connection.send(bytes([byte]))
            await asyncio.sleep(1)


@hostile(at_once=10)
async def slow_bodies(target: Target) -> None:
    """Send bodies of all kinds a byte a second."""
    bodies = {
        "application/json": b'{"files": [',
        _BOUNDARY: _FILE_PART,
        "multipart/form-data; boundary=Y": b"preamble",
    }
    for content_type, start in bodies.items():
        async with target.connection() as connection:
            headers = {"Content-Type": content_type, "Content-Length": "1000000"}
            await connection.send(target.head("POST", "/api/uploads", headers) + start)
            with suppress(TimeoutError):
                async with asyncio.timeout(20):
                    while not connection.reader.at_eof():
                        await connection.send(b" ")
                        await asyncio.sleep(1)


# --- Responses --------------------------------------------------------------------------------------------------------


@hostile(at_once=10)
async def stalled_readers(target: Target) -> None:
    """Ask for a large document a thousand times on one connection, and read nothing."""
    async with target.connection() as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                await connection.send(target.head("GET", "/openapi.json") * 1_000)
                await asyncio.Event().wait()


@hostile(at_once=2)
async def range_abuse(target: Target) -> None:
    """Ask for hundreds of overlapping, reversed and invalid ranges of a file."""
    async with target.connection() as connection:
        for ranges in ("0-," * 500 + "0-", "9-1", "-0", ",".join(f"{n}-" for n in range(500)), "x" * 4_000):
            await connection.request("GET", "/static/upload-progress.js", {"Range": f"bytes={ranges}"})


@hostile(at_once=16)
async def readyz_hammer(target: Target) -> None:
    """Ask for the readiness on sixteen connections, without a pause."""
    async with target.connection() as connection:
        while True:
            await connection.request("GET", "/readyz", {})


# --- Sockets ----------------------------------------------------------------------------------------------------------


@hostile()
async def websocket_flood(target: Target) -> None:
    """Send tiny frames of every kind over WebSockets, as fast as the server accepts them, and read nothing."""
    for frame in FLOODS.values():
        async with target.connection() as connection:
            await connection.send(handshake())
            await connection.reader.readuntil(b"\r\n\r\n")
            with suppress(TimeoutError, *_ERRORS):
                async with asyncio.timeout(3):
                    while True:
                        await connection.send(frame * 2_000)


@hostile()
async def refused_namespaces(target: Target) -> None:
    """Connect to long namespaces that do not exist, and read nothing."""
    async with target.connection() as connection:
        await connection.send(handshake())
        await connection.reader.readuntil(b"\r\n\r\n")
        frame = ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 1, b"40/" + b"n" * 60_000 + b",").format()
        for _ in range(1_000):
            await connection.send(frame)


@hostile()
async def polling_bomb(target: Target) -> None:
    """Open a polling session and post namespaces and calls to it without ever polling."""
    path = "/socket.io/?EIO=4&transport=polling"
    async with target.connection() as connection:
        await connection.request("GET", path, {})
        sid = json.loads(connection.body[1:])["sid"]
        for packets in (["40"], *([f"40/{number}," for number in range(4_000)] for _ in range(50))):
            await connection.request("POST", f"{path}&sid={sid}", {}, "\x1e".join(packets).encode())


# --- Numbers ----------------------------------------------------------------------------------------------------------


@hostile()
async def reservation_flood(target: Target) -> None:
    """Reserve as many uploads as the server allows, and send no byte."""
    body = json.dumps({"files": [{"filename": "a.png", "size": 1}] * 20}).encode()
    await target.post("/api/uploads", {"Content-Type": "application/json"}, body)


@hostile()
async def refused_files(target: Target) -> None:
    """Send one-byte files that are no media, one after another."""
    await target.post("/api/uploads", {"Content-Type": _BOUNDARY}, _FILE_PART + b"x\r\n--X--\r\n")


@hostile(at_once=200, pause=0.05)
async def connection_flood(target: Target) -> None:
    """Hold two hundred connections that send nothing, and open each again when it is closed."""
    async with target.connection() as connection:
        await connection.reader.read(1)
