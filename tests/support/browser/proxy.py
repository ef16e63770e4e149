"""A TCP proxy whose connections can be broken."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from tests.support.harness import RunningServer


class BreakableProxy:
    """A proxy between a browser and `server`, in the test's event loop. While `down`, it accepts no connections."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self.down = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._copying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.break_connections()
        await asyncio.gather(*self._copying)

    def break_connections(self) -> None:
        """Break all connections; new ones are accepted."""
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self._writers.add(writer)  # it can be broken before it reaches the server
        task = asyncio.create_task(self._connect(reader, writer))
        self._copying.add(task)
        task.add_done_callback(self._copying.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        both = {writer, server_writer}
        self._writers |= both
        await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        self._writers -= both


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until one end breaks; then abort the other."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
