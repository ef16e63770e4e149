"""Several web processes behind one port, for `WEB_CONCURRENCY`.

The parent opens the port and starts children that accept from it; it serves nothing itself. It passes SIGTERM on and
starts anew what died. Each child holds the reading end of a pipe that only the parent writes to, and stops when that
closes: so the children go with their parent even by `kill -9`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping

import structlog

from roomcast.runtime.process import STOP_SECONDS, print_ready, stop_signal
from roomcast.runtime.programs import Program, start_program

log = structlog.get_logger(__name__)

LISTEN_FD = "ROOMCAST_LISTEN_FD"
PARENT_PIPE_FD = "ROOMCAST_PARENT_PIPE_FD"
"""Environment variables that tell a child the numbers of its two inherited descriptors."""

_TOO_SOON_SECONDS = 5.0


def inherited_fd(name: str, environment: Mapping[str, str] = os.environ) -> int | None:
    """The descriptor that a parent left to this process under `name`, if it did."""
    value = environment.get(name)
    return int(value) if value else None


async def supervise(count: int, host: str, port: int) -> int:
    """Run `count` children until SIGTERM; the exit code. What dies as soon as it was started ends everything."""
    stop = stop_signal()
    with socket.create_server((host, port), family=_family(host), backlog=1024) as listener:
        reading, writing = os.pipe()
        children = [_Child(listener.fileno(), reading) for _ in range(count)]
        try:
            await asyncio.gather(*(child.start() for child in children))
            print_ready(children[0].ready_line)
            keeping = [asyncio.create_task(child.watch()) for child in children]
            stopping = asyncio.create_task(stop.wait())
            ended, _ = await asyncio.wait({stopping, *keeping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (stopping, *keeping):
                task.cancel()
            await asyncio.gather(*(child.stop() for child in children))
            return 0 if stopping in ended else 1
        finally:
            os.close(writing)
            os.close(reading)


class _Child:
    """One web process, and its successors."""

    def __init__(self, listener: int, lifeline: int) -> None:
        self._descriptors = {LISTEN_FD: listener, PARENT_PIPE_FD: lifeline}
        self._program: Program | None = None
        self._started_at = 0.0
        self.ready_line = ""

    async def start(self) -> None:
        """Start, and wait until it says that it is ready or dies."""
        self._started_at = time.monotonic()
        said = bytearray()
        spoken = asyncio.Event()

        def hear(data: bytes) -> None:
            if not spoken.is_set():
                said.extend(data)
                if b"\n" in data:
                    spoken.set()

        self._program = program = start_program(
            [sys.executable, "-m", "roomcast"],
            on_stdout=hear,
            env={**os.environ, **{name: str(number) for name, number in self._descriptors.items()}},
            pass_fds=list(self._descriptors.values()),
        )
        program.output_closed.add_done_callback(lambda _: spoken.set())
        await spoken.wait()
        self.ready_line = said.decode().partition("\n")[0].rstrip()

    async def watch(self) -> None:
        """Until it dies so soon that starting it again would be no use."""
        while self._program:
            code = await self._program.wait()
            log.error("web process died", code=code)
            if time.monotonic() - self._started_at < _TOO_SOON_SECONDS:
                return
            await self.start()

    async def stop(self) -> None:
        """SIGTERM, and if that does not help, SIGKILL."""
        if self._program is None or self._program.exited.done():
            return
        os.kill(self._program.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS + 1):
                await self._program.wait()
        except TimeoutError:
            os.kill(self._program.pid, signal.SIGKILL)
            await self._program.wait()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
