"""Running one program that reads untrusted media: a confined process group with an end, whatever happens."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roomcast import errors
from roomcast.runtime.programs import Program, start_program

from roomcast_workers.sandbox.sandbox import (
    ENVIRONMENT_KEPT,
    UNSANDBOXED,
    ResourceLimits,
    Sandbox,
    real_exit_code,
    sandboxed_argv,
    was_started,
)

log = logging.getLogger(__name__)

MAX_STDERR_BYTES = 8 * 1024
TERM_GRACE = 5.0
KILL_GRACE = 5.0
_TERM_REPEAT = 0.05
_GROUP_POLL = 0.01


@dataclass(frozen=True)
class ProgramExit:
    """How a program ended: its return code (negative: the signal) and the end of what it said on stderr."""

    returncode: int
    stderr: str


async def run_sandboxed(
    argv: Sequence[str],
    *,
    on_output: Callable[[bytes], bool],
    timeout_seconds: float,
    limits: ResourceLimits,
    stall_seconds: float | None = None,
    sandbox: Sandbox = UNSANDBOXED,
    readable: Sequence[Path] = (),
    cwd: Path | None = None,
) -> ProgramExit:
    """Run one program, confined, in a session of its own, until it ends.

    Behind the walls of `sandbox` it reads `reads` and writes in `cwd`, and has no other files and no network.

    `on_output` is called with each piece of stdout and says whether it is a sign of life. Raises `TimedOut` after
    `timeout_seconds`, `Stalled` after `stall_seconds` without a sign of life, whatever `on_output` raises, and
    `RoomcastError` (INTERNAL) when the program cannot be started; a return code other than 0 is the caller's to judge.

    However this ends, by result, error or any number of cancellations, the process group is dead and reaped first.
    """
    child = _Child(sandboxed_argv(argv, limits, sandbox, readable=readable, folder=cwd), cwd, on_output)
    try:
        await _watch(child, timeout_seconds, stall_seconds)
    finally:
        await _terminate_group(child)
    finished = ProgramExit(real_exit_code(child.exited.result(), sandbox), child.stderr.decode("utf-8", "replace"))
    if not was_started(finished.returncode, finished.stderr):
        log.error("program could not be started: %r", finished.stderr)
        raise errors.RoomcastError("the media tools could not be started")
    return finished


def _start(
    argv: Sequence[str], cwd: Path | None, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
) -> Program:
    environment = {name: os.environ[name] for name in ENVIRONMENT_KEPT if name in os.environ}
    environment["LANG"] = "C.UTF-8"
    if cwd is not None:
        environment["TMPDIR"] = str(cwd)
    try:
        return start_program(argv, on_stdout=on_stdout, on_stderr=on_stderr, env=environment, cwd=cwd, new_session=True)
    except OSError as problem:  # out of processes, descriptors or memory; or no such directory
        log.exception("program could not be started")
        raise errors.RoomcastError("the media tools could not be started") from problem


class _Child:
    """What is known of one running program. `over` is done when it has exited or its output was not acceptable."""

    def __init__(self, argv: Sequence[str], cwd: Path | None, on_output: Callable[[bytes], bool]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_output = on_output
        self.problem: Exception | None = None
        self.stderr = bytearray()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.program = _start(argv, cwd, self._on_stdout, self._on_stderr)
        self.program.exited.add_done_callback(lambda _: _set_done(self.done))
        self.last_life = self._loop.time()

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def exited(self) -> asyncio.Future[int]:
        return self.program.exited

    def _on_stdout(self, data: bytes) -> None:
        if self.problem is not None:
            return
        try:
            if self._on_output(data):
                self.last_life = self._loop.time()
        except Exception as problem:  # noqa: BLE001 - raised by `_watch`: in here the loop would only log it
            self.problem = problem
            _set_done(self.done)

    def _on_stderr(self, data: bytes) -> None:
        self.stderr += data
        del self.stderr[:-MAX_STDERR_BYTES]


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _watch(child: _Child, timeout_seconds: float, stall_seconds: float | None) -> None:
    """Return when the program has exited and its output is read; raise when it takes too long."""
    now = asyncio.get_running_loop().time
    child.last_life = now()
    wall = now() + timeout_seconds
    while not child.done.done():
        stall = child.last_life + stall_seconds if stall_seconds is not None else math.inf
        if now() >= wall:
            raise errors.TimedOut("the step took longer than it may")
        if now() >= stall:
            raise errors.Stalled("the step stopped making progress")
        await asyncio.wait({child.done}, timeout=min(wall, stall) - now())
    if child.problem is None:
        # Whoever is left in the group could hold the pipes open for ever: kill first, then read to the end.
        _signal_group(child, signal.SIGKILL)
        await asyncio.wait({child.program.drained}, timeout=KILL_GRACE)
    if child.problem is not None:
        raise child.problem


async def _terminate_group(child: _Child) -> None:
    """Leave nobody in the group, however often the caller is cancelled meanwhile; that is raised at the end."""
    patience = _Patience()
    await _send_term(child, patience)
    await _send_kill(child, patience)
    child.program.close()
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


async def _send_term(child: _Child, patience: _Patience) -> None:
    """TERM, until the leader has gone, the grace is over or the patience lost."""
    now = asyncio.get_running_loop().time
    until = now() + TERM_GRACE
    while not child.exited.done() and patience.lost is None and now() < until:
        # At the first TERM ffmpeg encodes what it has read, for seconds; from the fourth on it just goes. Nothing that
        # it could still write is wanted.
        if not _signal_group(child, signal.SIGTERM):
            return
        await patience.wait(asyncio.wait({child.exited}, timeout=_TERM_REPEAT))


async def _send_kill(child: _Child, patience: _Patience) -> None:
    """KILL, until nobody in the group runs and its leader is reaped. Only the kernel can keep a process beyond that."""
    now = asyncio.get_running_loop().time
    until = now() + KILL_GRACE
    while _signal_group(child, signal.SIGKILL) and not (child.exited.done() and _only_zombies(child.pid)):
        if now() >= until:
            log.error("process group %s does not die", child.pid)
            return
        await patience.wait(asyncio.sleep(_GROUP_POLL))


def _signal_group(child: _Child, number: signal.Signals) -> bool:
    """Signal the whole group; False when there is nobody left in it. The leader's pid stays the group's id, and is
    not given to another process, until the group is empty."""
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


def _only_zombies(group: int) -> bool:
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
