"""Several web processes and workers over one Redis, and a line to Redis that can go dead."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil

from tests.support.harness import EXIT_WITHIN, RunningServer, RunningWorker
from tests.support.redis_server import RunningRedis

T = TypeVar("T")


class _Member(RunningServer):
    """One process of a cluster. The data directory is everybody's, so what is its own are its descendants."""

    def leftovers(self) -> list[psutil.Process]:
        try:
            return self.process.children(recursive=True) if self.alive else []
        except psutil.NoSuchProcess:
            return []


class Web(_Member):
    """`python -m roomcast`, which only serves."""


class Worker(_Member, RunningWorker):
    """`python -m roomcast_workers`, with one upload at a time."""


class Cluster:
    """The processes that share a Redis and a data directory. The keyword arguments are everybody's environment.

    `members` hears of each process, so that a failed test's report can show the logs.
    """

    def __init__(self, folder: Path, redis_url: str, members: list[RunningServer], **env: str) -> None:
        self.data = folder / "data"
        self.webs: list[Web] = []
        self.workers: list[Worker] = []
        self._env = {"REDIS_URL": redis_url, "ROOMCAST_WORKERS": "1", "ROOMCAST_LEASE_SECONDS": "2", **env}
        self._members = members
        self._everybody = RunningServer(self.data)  # never started: it looks for what carries the directory's name

    def web(self, **env: str) -> Web:
        """One more web process, not started yet."""
        web = Web(self.data, name=f"web{len(self.webs)}", **{**self._env, **env})
        self.webs.append(web)
        self._members.append(web)
        return web

    def worker(self, **env: str) -> Worker:
        """One more worker process, not started yet."""
        worker = Worker(self.data, name=f"worker{len(self.workers)}", **{**self._env, **env})
        self.workers.append(worker)
        self._members.append(worker)
        return worker

    @property
    def members(self) -> list[RunningServer]:
        return [*self.webs, *self.workers]

    def start(self) -> Self:
        """Start whoever is not running, all at once."""
        _all_at_once(RunningServer.start, [member for member in self.members if not member.alive])
        return self

    def holder(self) -> Worker | None:
        """The worker whose ffmpeg is at work."""
        return next((worker for worker in self.workers if worker.ffmpegs()), None)

    def ffmpegs(self) -> list[psutil.Process]:
        """Every ffmpeg of every worker, dead or alive."""
        return self._everybody.ffmpegs()

    def files_of(self, upload_id: str) -> list[Path]:
        return self._everybody.files_of(upload_id)

    def scratch(self) -> list[Path]:
        return self._everybody.scratch()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            _all_at_once(RunningServer.close, self.members)
        finally:
            leftovers = self._everybody.leftovers()
            for process in leftovers:
                process.kill()
        assert not leftovers, f"left behind: {leftovers}"


def _all_at_once(act: Callable[[RunningServer], object], members: Sequence[RunningServer]) -> None:
    with ThreadPoolExecutor(max_workers=8) as threads:
        for done in [threads.submit(act, member) for member in members]:
            done.result(EXIT_WITHIN + 35)


class Line:
    """A TCP line to Redis. `cut`: it stays up and carries nothing, as when a network breaks; `mend`: what was cut
    breaks off, and new connections get through. `reset`: all connections end by a reset (RST), and each new one as soon
    as it is made, as by a balancer without a server behind it, until `mend`. Lives in a thread, for the module's
    processes use it."""

    def __init__(self, redis: RunningRedis) -> None:
        self._redis = redis
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._writers: set[asyncio.StreamWriter] = set()
        self._dead = False
        self._resetting = False
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(self._listen)
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        self._call(lambda: self._set_dead(dead=True))

    def mend(self) -> None:
        self._call(lambda: self._set_dead(dead=False))

    def reset(self) -> None:
        self._call(self._reset_all)

    def _call(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run_coroutine_threadsafe(make(), self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _close(self) -> None:
        self._server.close()
        self._break_off()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _set_dead(self, *, dead: bool) -> None:
        self._dead, self._resetting = dead, False
        if not dead:
            self._break_off()

    async def _reset_all(self) -> None:
        self._resetting = True
        for writer in self._writers:
            _reset(writer)

    def _break_off(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._resetting:
            _reset(writer)
            return
        self._writers.add(writer)
        with suppress(OSError):
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._redis.port)
            self._writers.add(there)
            await asyncio.gather(self._carry(reader, there), self._carry(there_reader, writer))
            self._writers.discard(there)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self._dead:
                    writer.write(data)
        writer.transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST and not by FIN."""
    if (connection := writer.get_extra_info("socket")) is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
