"""Several web processes on one port, for `WEB_CONCURRENCY`.

The parent opens the port and starts children which accept connections from it; it serves nothing itself. It forwards
SIGTERM and restarts children that die. Each child has the read end of a pipe whose write end only the parent has, and
stops when that is closed: so the children end with the parent, even after SIGKILL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from roomcast.runtime.process import STOP_SECONDS, listen_errors, stop_signal
from roomcast.runtime.programs import Program, start_program

log = structlog.get_logger(__name__)

LISTEN_FD = "ROOMCAST_LISTEN_FD"
PARENT_PIPE_FD = "ROOMCAST_PARENT_PIPE_FD"
"""Environment variables with the numbers of the two descriptors that a child inherits."""

_MIN_LIFETIME_SECONDS = 5.0


def inherited_fd(name: str, environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the descriptor that the parent passed to this process in the variable `name`, or None."""
    value = environment.get(name)
    return int(value) if value else None


async def supervise(
    count: int,
    host: str,
    port: int,
    command: Sequence[str],
    *,
    on_ready: Callable[[str], None],
    drain_seconds: float = 0.0,
) -> int:
    """Run `count` children, each by this command line, until SIGTERM. Return the exit code.

    `on_ready` gets the ready line of one of them when all are ready. After SIGTERM each serves for `drain_seconds`
    more.

    If a child dies before it is ready, or within five seconds, starting it again would not help: all others are stopped
    too, and the exit code is the child's, or 1 if it was killed.
    """
    stop = stop_signal()
    with listen_errors(host, port):
        listener = socket.create_server((host, port), family=_family(host), backlog=1024)
    with listener:
        read_end, write_end = os.pipe()
        children = [_Child(command, listener.fileno(), read_end) for _ in range(count)]
        try:
            stopping = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(_start_all(children))
            await asyncio.wait((stopping, starting), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                if all(child.ready_line for child in children):
                    on_ready(children[0].ready_line)
            starting.cancel()
            watches = [asyncio.create_task(child.watch()) for child in children if child.started]
            ended, _ = await asyncio.wait({stopping, *watches}, return_when=asyncio.FIRST_COMPLETED)
            for task in (stopping, *watches):
                task.cancel()
            listener.close()  # the children have their own descriptors, so the port closes when they close it
            await asyncio.gather(*(child.stop(drain_seconds + STOP_SECONDS + 1) for child in children))
            return 0 if stopping in ended else max(watch.result() for watch in watches if watch in ended)
        finally:
            os.close(write_end)
            os.close(read_end)


async def _start_all(children: Sequence[_Child]) -> None:
    """Start the first child alone, because what prevents its start would prevent that of the others, too."""
    first, *others = children
    await first.start()
    if first.ready_line:
        await asyncio.gather(*(child.start() for child in others))


class _Child:
    """One web process, which is restarted when it dies."""

    def __init__(self, command: Sequence[str], listener: int, parent_pipe: int) -> None:
        self._command = list(command)
        self._descriptors = {LISTEN_FD: listener, PARENT_PIPE_FD: parent_pipe}
        self._program: Program | None = None
        self._started_at = 0.0
        self.ready_line = ""

    @property
    def started(self) -> bool:
        """Whether the process was started, in which case it may have died."""
        return self._program is not None

    async def start(self) -> None:
        """Start the process. Return when it has printed its ready line, or has died."""
        self._started_at = time.monotonic()
        output = bytearray()
        ready = asyncio.Event()

        def on_stdout(data: bytes) -> None:
            if not ready.is_set():
                output.extend(data)
                if b"\n" in data:
                    ready.set()

        self._program = program = start_program(
            self._command,
            on_stdout=on_stdout,
            env={**os.environ, **{name: str(number) for name, number in self._descriptors.items()}},
            pass_fds=list(self._descriptors.values()),
        )
        program.output_closed.add_done_callback(lambda _: ready.set())
        await ready.wait()
        self.ready_line = output.decode().partition("\n")[0].rstrip()

    async def watch(self) -> int:
        """Restart the process whenever it dies. Return its exit code, or 1, when it dies too soon after a start."""
        while True:
            assert self._program is not None  # noqa: S101  (it was started)
            code = await self._program.wait()
            if not self.ready_line:
                return max(1, code)  # it has logged why it could not start
            log.error("web_process_died", code=code)
            if time.monotonic() - self._started_at < _MIN_LIFETIME_SECONDS:
                return max(1, code)
            await self.start()

    async def stop(self, seconds: float) -> None:
        """Send SIGTERM, and SIGKILL if the process has not ended in so many seconds."""
        if self._program is None or self._program.exited.done():
            return
        os.kill(self._program.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self._program.wait()
        except TimeoutError:
            os.kill(self._program.pid, signal.SIGKILL)
            await self._program.wait()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
