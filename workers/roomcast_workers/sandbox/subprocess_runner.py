"""Run one program that reads untrusted media: sandboxed, in its own process group, and dead when the call ends."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from roomcast import errors
from roomcast.runtime.programs import Program, start_program
from roomcast.runtime.tasks import finish_despite_cancel
from roomcast.tracing import span

from roomcast_workers.sandbox.sandbox import (
    PASSED_ENVIRONMENT,
    UNSANDBOXED,
    ResourceLimits,
    Sandbox,
    real_exit_code,
    sandboxed_argv,
    was_started,
)

log = structlog.get_logger(__name__)

MAX_STDERR_BYTES = 8 * 1024
TERM_GRACE = 5.0
KILL_GRACE = 5.0
_TERM_REPEAT = 0.05
_GROUP_POLL = 0.01
_NOT_STARTED = "The media tools could not be started."


@dataclass(frozen=True)
class ProgramExit:
    """How a program ended: its return code (negative: the signal) and the end of its stderr."""

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
    on_stderr: Callable[[bytes], None] = lambda _: None,
) -> ProgramExit:
    """Run one program to its end, in its own session and process group.

    In a sandbox it can read `readable` and write in `cwd`, and has no other files and no network.

    `on_output` receives each chunk of stdout and returns whether it shows progress. `on_stderr` receives each chunk of
    stderr, and must not raise. Raises `TimedOut` after `timeout_seconds`, `Stalled` after `stall_seconds` without
    progress, the errors of `on_output`, and `RoomcastError` (INTERNAL) when the program cannot be started. The caller
    judges the return code.

    However the call ends, by result, error or any number of cancellations, the process group is dead and reaped.
    """
    with span(Path(argv[0]).name.partition("-")[0]) as recorded:  # such as ffmpeg-linux-x86_64-v9.0.2
        child = _Child(sandboxed_argv(argv, limits, sandbox, readable=readable, folder=cwd), cwd, on_output, on_stderr)
        try:
            await _watch(child, timeout_seconds, stall_seconds)
        finally:
            await _terminate_group(child)
        ended = ProgramExit(real_exit_code(child.exited.result(), sandbox), child.stderr.decode("utf-8", "replace"))
        recorded.set(exit_code=ended.returncode)
    if not was_started(ended.returncode, ended.stderr):
        log.error("program_not_started", stderr=ended.stderr)
        raise errors.RoomcastError(_NOT_STARTED)
    return ended


def _start(
    argv: Sequence[str], cwd: Path | None, on_stdout: Callable[[bytes], None], on_stderr: Callable[[bytes], None]
) -> Program:
    environment = {name: os.environ[name] for name in PASSED_ENVIRONMENT if name in os.environ}
    environment["LANG"] = "C.UTF-8"
    if cwd is not None:
        environment["TMPDIR"] = str(cwd)
    try:
        return start_program(argv, on_stdout=on_stdout, on_stderr=on_stderr, env=environment, cwd=cwd, new_session=True)
    except OSError as error:  # no processes, descriptors or memory left, or `cwd` does not exist
        log.exception("program_not_started")
        raise errors.RoomcastError(_NOT_STARTED) from error


class _Child:
    """A running program and its output. `done` is set when it has exited or `on_output` has raised."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path | None,
        on_output: Callable[[bytes], bool],
        on_stderr: Callable[[bytes], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_output, self._report_stderr = on_output, on_stderr
        self.error: Exception | None = None
        self.stderr = bytearray()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.program = _start(argv, cwd, self._on_stdout, self._on_stderr)
        self.program.exited.add_done_callback(lambda _: _set_done(self.done))
        self.last_progress = self._loop.time()

    @property
    def pid(self) -> int:
        return self.program.pid

    @property
    def exited(self) -> asyncio.Future[int]:
        return self.program.exited

    def _on_stdout(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            if self._on_output(data):
                self.last_progress = self._loop.time()
        except Exception as error:  # noqa: BLE001 - raised by `_watch`: here the event loop would only log it
            self.error = error
            _set_done(self.done)

    def _on_stderr(self, data: bytes) -> None:
        self._report_stderr(data)
        self.stderr += data
        del self.stderr[:-MAX_STDERR_BYTES]


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _watch(child: _Child, timeout_seconds: float, stall_seconds: float | None) -> None:
    """Return when the program has exited and its output is read. Raise `TimedOut`, `Stalled` or `child.error`."""
    now = asyncio.get_running_loop().time
    child.last_progress = now()
    deadline = now() + timeout_seconds
    while not child.done.done():
        stalled_at = child.last_progress + stall_seconds if stall_seconds is not None else math.inf
        if now() >= deadline:
            raise errors.TimedOut("The step took longer than allowed.")
        if now() >= stalled_at:
            raise errors.Stalled("The step stopped making progress.")
        await asyncio.wait({child.done}, timeout=min(deadline, stalled_at) - now())
    if child.error is None:
        # A process left in the group could keep the pipes open for ever: kill the group, then read to the end.
        _signal_group(child, signal.SIGKILL)
        await asyncio.wait({child.program.output_closed}, timeout=KILL_GRACE)
    if child.error is not None:
        raise child.error


async def _terminate_group(child: _Child) -> None:
    """End the process group: SIGTERM, then SIGKILL. A cancellation cuts the time for SIGTERM short, and is raised when
    the group has ended."""
    try:
        await _send_term(child)
    finally:
        await finish_despite_cancel(lambda: _send_kill(child), idempotent=True)


async def _send_term(child: _Child) -> None:
    """Send SIGTERM until the leader has exited or the grace period is over."""
    now = asyncio.get_running_loop().time
    until = now() + TERM_GRACE
    while not child.exited.done() and now() < until:
        # At the first TERM ffmpeg encodes what it has read, for seconds; from the fourth on it exits at once. Nothing
        # that it could still write is needed.
        if not _signal_group(child, signal.SIGTERM):
            return
        await asyncio.wait({child.exited}, timeout=_TERM_REPEAT)


async def _send_kill(child: _Child) -> None:
    """Send SIGKILL until no process of the group runs and its leader is reaped, then close its pipes. Only the kernel
    can keep a process alive beyond that."""
    now = asyncio.get_running_loop().time
    until = now() + KILL_GRACE
    while _signal_group(child, signal.SIGKILL) and not (child.exited.done() and _only_zombies(child.pid)):
        if now() >= until:
            log.error("process_group_not_killed", group=child.pid)
            break
        await asyncio.sleep(_GROUP_POLL)
    child.program.close()


def _signal_group(child: _Child, number: signal.Signals) -> bool:
    """Signal the process group, and return whether it has any process left.

    The group's id is its leader's pid, which no other process gets until the group is empty.
    """
    try:
        if child.exited.done():
            # When we are process 1, as in a container, orphans of the group are ours to reap.
            os.waitpid(-child.pid, os.WNOHANG)
    except ChildProcessError:
        pass
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
        return not child.exited.done()
    return True


def _only_zombies(group: int) -> bool:
    """Return whether the group has only zombies, which process 1 will reap in its own time.

    Linux only: elsewhere a group of zombies cannot be signalled in the first place.
    """
    processes = list(Path("/proc").glob("[0-9]*"))
    for process in processes:
        try:
            if os.getpgid(int(process.name)) != group:  # most are of others, and this is cheaper than to read a file
                continue
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):  # the process has just exited
            continue
        if state not in {"Z", "X"}:
            return False
    return bool(processes)
