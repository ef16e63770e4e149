"""Running one program that reads untrusted media: a confined process group with an end, whatever happens."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from server.upload import errors
from workers.sandbox import ENVIRONMENT_KEPT, NO_WALLS, Limits, Sandbox, confined, ending, was_started

log = logging.getLogger(__name__)

STDERR_KEPT = 8 * 1024
TERM_GRACE = 5.0
KILL_GRACE = 5.0
_TERM_REPEAT = 0.05
_GROUP_POLL = 0.01
_STDOUT = 1


@dataclass(frozen=True)
class Finished:
    """How a program ended: its return code (negative: the signal) and the end of what it said on stderr."""

    returncode: int
    stderr: str


async def run_tool(
    argv: Sequence[str],
    *,
    on_output: Callable[[bytes], bool],
    wall_seconds: float,
    limits: Limits,
    stall_seconds: float | None = None,
    sandbox: Sandbox = NO_WALLS,
    reads: Sequence[Path] = (),
    cwd: Path | None = None,
) -> Finished:
    """Run one program, confined, in a session of its own, until it ends.

    Behind the walls of `sandbox` it reads `reads` and writes in `cwd`, and has no other files and no network.

    `on_output` is called with each piece of stdout and says whether it is a sign of life. Raises `TimedOut` after
    `wall_seconds`, `Stalled` after `stall_seconds` without a sign of life, whatever `on_output` raises, and
    `RoomcastError` (INTERNAL) when the program cannot be started; a return code other than 0 is the caller's to judge.

    However this ends, by result, error or any number of cancellations, the process group is dead and reaped first.
    """
    loop = asyncio.get_running_loop()
    child = _Child(loop, on_output)
    command = confined(argv, limits, sandbox, reads=reads, folder=cwd)
    starting = loop.create_task(_start(child, command, cwd))
    try:
        await asyncio.shield(starting)
        await _watch(child, wall_seconds, stall_seconds)
    finally:
        await _put_down(starting, child)
    finished = Finished(ending(child.returncode, sandbox), child.stderr.decode("utf-8", "replace"))
    if not was_started(finished.returncode, finished.stderr):
        log.error("program could not be started: %r", finished.stderr)
        raise errors.RoomcastError("the media tools could not be started")
    return finished


async def _start(child: _Child, argv: Sequence[str], cwd: Path | None) -> None:
    environment = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
    environment["LANG"] = "C.UTF-8"
    if cwd is not None:
        environment["TMPDIR"] = str(cwd)
    try:
        await asyncio.get_running_loop().subprocess_exec(
            lambda: child,
            *argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    except OSError as problem:  # out of processes, descriptors or memory; or no such directory
        log.exception("program could not be started")
        raise errors.RoomcastError("the media tools could not be started") from problem


class _Child(asyncio.SubprocessProtocol):
    """What is known of one running program. `over` is done when it has exited or its output was not acceptable."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_output: Callable[[bytes], bool]) -> None:
        self._loop = loop
        self._on_output = on_output
        self._open_pipes = {1, 2}
        self.transport: asyncio.SubprocessTransport | None = None
        self.pid: int | None = None
        self.over: asyncio.Future[None] = loop.create_future()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.drained: asyncio.Future[None] = loop.create_future()
        self.problem: Exception | None = None
        self.stderr = bytearray()
        self.last_life = loop.time()

    @property
    def returncode(self) -> int:
        code = self.transport.get_returncode() if self.transport is not None else None
        if code is None:
            raise RuntimeError("still running")
        return code

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's has the methods, not the class
        self.pid = self.transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.stderr += data
            del self.stderr[:-STDERR_KEPT]
            return
        if self.problem is not None:
            return
        try:
            if self._on_output(data):
                self.last_life = self._loop.time()
        except Exception as problem:  # noqa: BLE001 - raised by `_watch`: in here the loop would only log it
            self.problem = problem
            _settle(self.over)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open_pipes.discard(fd)
        if not self._open_pipes:
            _settle(self.drained)

    def process_exited(self) -> None:
        _settle(self.exited)
        _settle(self.over)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _watch(child: _Child, wall_seconds: float, stall_seconds: float | None) -> None:
    """Return when the program has exited and its output is read; raise when it takes too long."""
    now = asyncio.get_running_loop().time
    child.last_life = now()
    wall = now() + wall_seconds
    while not child.over.done():
        stall = child.last_life + stall_seconds if stall_seconds is not None else math.inf
        if now() >= wall:
            raise errors.TimedOut("the step took longer than it may")
        if now() >= stall:
            raise errors.Stalled("the step stopped making progress")
        await asyncio.wait({child.over}, timeout=min(wall, stall) - now())
    if child.problem is None:
        # Whoever is left in the group could hold the pipes open for ever: kill first, then read to the end.
        _signal_group(child, signal.SIGKILL)
        await asyncio.wait({child.drained}, timeout=KILL_GRACE)
    if child.problem is not None:
        raise child.problem


async def _put_down(starting: asyncio.Task[None], child: _Child) -> None:
    """Leave nobody in the group, however often the caller is cancelled meanwhile; that is raised at the end."""
    patience = _Patience()
    while not starting.done():  # it takes no longer than a fork, and a half-started process cannot be put down
        await patience.wait(asyncio.wait({starting}))
    if not starting.cancelled():
        starting.exception()  # seen: the caller has had it already, or is being cancelled
    await _ask_to_end(child, patience)
    await _make_end(child, patience)
    if child.transport is not None:
        child.transport.close()
    if patience.lost is not None:
        raise patience.lost


class _Patience:
    """Waits that a cancellation cuts short but does not end."""

    def __init__(self) -> None:
        self.lost: asyncio.CancelledError | None = None

    async def wait(self, waiting: Coroutine[Any, Any, object]) -> None:
        try:
            await waiting
        except asyncio.CancelledError as cancelled:
            self.lost = cancelled


async def _ask_to_end(child: _Child, patience: _Patience) -> None:
    """TERM, until the leader has gone, the grace is over or the patience lost."""
    now = asyncio.get_running_loop().time
    until = now() + TERM_GRACE
    while not child.exited.done() and patience.lost is None and now() < until:
        # At the first TERM ffmpeg encodes what it has read, for seconds; from the fourth on it just goes. Nothing that
        # it could still write is wanted.
        if not _signal_group(child, signal.SIGTERM):
            return
        await patience.wait(asyncio.wait({child.exited}, timeout=_TERM_REPEAT))


async def _make_end(child: _Child, patience: _Patience) -> None:
    """KILL, until nobody in the group runs and its leader is reaped. Only the kernel can keep a process beyond that."""
    now = asyncio.get_running_loop().time
    until = now() + KILL_GRACE
    while _signal_group(child, signal.SIGKILL) and not (child.exited.done() and _only_corpses(child.pid)):
        if now() >= until:
            log.error("process group %s does not die", child.pid)
            return
        await patience.wait(asyncio.sleep(_GROUP_POLL))


def _signal_group(child: _Child, number: signal.Signals) -> bool:
    """Signal the whole group; False when there is nobody left in it. The leader's pid stays the group's id, and is
    not given to another process, until the group is empty."""
    if child.pid is None:
        return False
    try:
        if child.exited.done():
            # Orphans of the group are ours to reap when we are process 1, as in a container.
            os.waitpid(-child.pid, os.WNOHANG)
    except ChildProcessError:
        pass
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
        return not child.exited.done()
    return True


def _only_corpses(group: int | None) -> bool:
    """Whether all that is left of the group is dead and waits for process 1 to reap it, which may take its time (Linux;
    elsewhere a group of corpses cannot be signalled in the first place)."""
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    for stat in stats:
        try:
            state, _parent, its_group, *_ = stat.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):  # it has just gone
            continue
        if int(its_group) == group and state not in {"Z", "X"}:
            return False
    return bool(stats)
