"""A TCP link whose connections can be cut, broken off and reset."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class TcpLink:
    """A TCP proxy to a local port; it runs in a thread of its own.

    `cut` keeps all connections open and transports nothing, as when a network breaks. `reset` ends all connections by
    RST, and each new one as soon as it is accepted, as a balancer without a server does. `mend` ends either: what was
    cut breaks off, and new connections are transported.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._writers: set[asyncio.StreamWriter] = set()
        self._cut = False
        self._resetting = False
        self.port = 0

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(self._listen)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        self._run(self._cut_all)

    def reset(self) -> None:
        self._run(self._reset_all)

    def mend(self) -> None:
        self._run(self._mend)

    def _run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(30)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        self._break_off()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut_all(self) -> None:
        self._cut, self._resetting = True, False

    async def _reset_all(self) -> None:
        self._resetting = True
        for writer in self._writers:
            _reset(writer)

    async def _mend(self) -> None:
        self._cut = self._resetting = False
        self._break_off()

    def _break_off(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._resetting:
            _reset(writer)
            return
        self._writers.add(writer)
        with suppress(OSError):
            target_reader, target = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.add(target)
            await asyncio.gather(self._copy(reader, target), self._copy(target_reader, writer))
            self._writers.discard(target)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy bytes until one end breaks; then abort the other."""
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self._cut:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST and not by FIN."""
    if (connection := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):  # it has just been closed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
