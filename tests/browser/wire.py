"""A TCP line to a server that can break."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from tests.support.harness import RunningServer


class Wire:
    """A line between a browser and `server`, in the test's own event loop."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        await asyncio.gather(*self._carrying)

    def cut(self) -> None:
        """Every connection breaks off; new ones get through."""
        for end in self._ends:
            end.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._server.port)
        both = {writer, there}
        self._ends |= both
        await asyncio.gather(_carry(reader, there), _carry(there_reader, writer))
        self._ends -= both


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either end breaks off; then both do."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
