"""Run ffmpeg and ffprobe, and interpret how they end. No other module starts them.

What they write to stderr goes to the log and never to a client.
"""

from __future__ import annotations

import json
import logging
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from roomcast import errors

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import ProgressBlock, ProgressParser, StallDetector
from roomcast_workers.limits import MediaLimits, too_long, too_many_pixels, too_many_streams
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.sandbox.sandbox import ResourceLimits
from roomcast_workers.sandbox.subprocess_runner import ProgramExit, run_sandboxed

log = logging.getLogger(__name__)

MAX_PROBE_BYTES = 4 * 1024 * 1024
DEFAULT_LIMITS = MediaLimits()
_REFUSED = {errors.Code.TOO_LARGE, errors.Code.UNSUPPORTED_TYPE}


class NoStreams(errors.UnreadableMedia):
    """A file of the right format without a single stream. Of our own making: its source could not be decoded at all."""


async def run_ffmpeg(
    binaries: Binaries,
    arguments: Sequence[str],
    *,
    on_progress: Callable[[ProgressBlock], None],
    stall_seconds: float,
    timeout_seconds: float,
    limits: ResourceLimits,
    media_limits: MediaLimits = DEFAULT_LIMITS,
    readable: Sequence[Path] = (),
    cwd: Path | None = None,
) -> None:
    """Run ffmpeg with `arguments`, made by `commands`, to its end; `on_progress` is called about four times a second.

    In a sandbox it reads `reads` and writes in `cwd` alone. `media_limits` are those its inputs were given.

    A reading in which neither time, frame nor size has grown is no sign of life. While ffmpeg moves the index of a
    finished MP4 to its front it says nothing: `stall_seconds` must leave time for copying the result once.

    Raises `Stalled`, `TimedOut`, `TooLarge`, or what `failure` makes of its end. Success means return code 0, no more:
    probe the result.
    """
    parser, pulse = ProgressParser(), StallDetector()

    def on_output(data: bytes) -> bool:
        alive = False
        for reading in parser.feed(data):
            alive |= pulse.advanced(reading)
            if (reading.seconds or 0.0) > media_limits.max_duration_seconds:
                raise too_long(media_limits)  # whatever its header said
            on_progress(reading)
        return alive

    finished = await run_sandboxed(
        [binaries.ffmpeg, *arguments],
        on_output=on_output,
        timeout_seconds=timeout_seconds,
        stall_seconds=stall_seconds,
        limits=limits,
        sandbox=binaries.sandbox,
        readable=readable,
        cwd=cwd,
    )
    if finished.returncode != 0:
        log.warning("ffmpeg ended with %d: %r", finished.returncode, finished.stderr)
        raise map_failure(finished, media_limits)


async def run_ffprobe(
    binaries: Binaries, file: InputFile, *, limits: ResourceLimits, timeout_seconds: float = 30.0
) -> dict[str, Any]:
    """Return what ffprobe says about a file's format and streams, as its JSON.

    Raises `UnreadableMedia` when it can make nothing of the file, `UnsupportedType` when a stream needs a decoder that
    is not offered, `TooLarge` when a frame or the number of streams is over the file's limits, `TimedOut`, and
    `TranscodeError` when it crashes.
    """
    output = bytearray()

    def on_output(data: bytes) -> bool:
        output.extend(data)
        if len(output) > MAX_PROBE_BYTES:
            raise errors.UnreadableMedia("the file describes itself at too great length")
        return True

    finished = await _run_ffprobe(binaries, file, commands.probe(file), on_output, limits, timeout_seconds)
    if finished.returncode != 0:
        log.warning("ffprobe ended with %d: %r", finished.returncode, finished.stderr)
        problem = map_failure(finished, file.limits)
        if finished.returncode < 0 or problem.code in _REFUSED:
            raise problem
        raise errors.UnreadableMedia("the file cannot be read as media") from problem
    said = _probe_object(bytes(output))
    refusal = _map_limit_error(finished.stderr, file.limits)
    if refusal is not None and not _usable_all_the_same(said, finished.stderr):
        raise refusal
    return said


async def scan_packets(
    binaries: Binaries, file: InputFile, *, limits: ResourceLimits, timeout_seconds: float
) -> PacketScan:
    """Read every packet of a file, as far as it can be read: where that ends before the file does is no error.

    Raises `TimedOut`, and `TranscodeError` when ffprobe crashes.
    """
    scan = PacketScan()

    def on_output(data: bytes) -> bool:
        scan.feed(data)
        return True

    finished = await _run_ffprobe(binaries, file, commands.list_packets(file), on_output, limits, timeout_seconds)
    if finished.returncode < 0:
        raise map_failure(finished)
    return scan


_features: dict[str, frozenset[str]] = {}


async def features(binaries: Binaries) -> frozenset[str]:
    """Return the names of this ffmpeg's filters and decoders, and `scale:intent` if its `scale` filter has that option.

    Each ffmpeg is asked once.
    """
    if binaries.ffmpeg not in _features:
        listing = await _output(binaries, commands.list_filters()) + await _output(binaries, commands.list_decoders())
        found = set(re.findall(r"^ [.A-Z|]{2,6} ([\w-]+) ", listing, re.MULTILINE))
        if re.search(r"^ +-?intent +<", await _output(binaries, commands.describe_filter("scale")), re.MULTILINE):
            found.add("scale:intent")
        _features[binaries.ffmpeg] = frozenset(found)
    return _features[binaries.ffmpeg]


async def _output(binaries: Binaries, arguments: Sequence[str]) -> str:
    output = bytearray()

    def on_output(data: bytes) -> bool:
        output.extend(data)
        return True

    limits = ResourceLimits(address_space=None, cpu_seconds=30, file_size=0)
    argv = [binaries.ffmpeg, *arguments]
    await run_sandboxed(argv, on_output=on_output, timeout_seconds=30.0, limits=limits, sandbox=binaries.sandbox)
    return output.decode("utf-8", "replace")


async def _run_ffprobe(
    binaries: Binaries,
    file: InputFile,
    arguments: Sequence[str],
    on_output: Callable[[bytes], bool],
    limits: ResourceLimits,
    timeout_seconds: float,
) -> ProgramExit:
    return await run_sandboxed(
        [binaries.ffprobe, *arguments],
        on_output=on_output,
        timeout_seconds=timeout_seconds,
        limits=limits,
        sandbox=binaries.sandbox,
        readable=[file.path],
    )


def _probe_object(output: bytes) -> dict[str, Any]:
    try:
        said = json.loads(output.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not isinstance(said.get("streams"), list):
        raise errors.UnreadableMedia("the file cannot be read as media")
    if not said["streams"]:
        raise NoStreams("the file holds nothing that can be decoded")
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


def map_failure(finished: ProgramExit, limits: MediaLimits = DEFAULT_LIMITS) -> errors.RoomcastError:
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
    return _map_limit_error(said, limits) or _map_media_error(code, said)


def _map_limit_error(said: str, limits: MediaLimits) -> errors.RoomcastError | None:
    """When ffmpeg held to what it was told, or None."""
    if _MANY_STREAMS_PHRASE in said:
        return too_many_streams(limits)
    if any(int(width) * int(height) > limits.max_pixels for width, height in _PICTURE_SIZE.findall(said)):
        return too_many_pixels(limits)
    if _NOT_OFFERED_PHRASE in said:
        return errors.UnsupportedType("the file is encoded in a way that is not taken")
    return None


def _map_media_error(code: int, said: str) -> errors.RoomcastError:
    """The file's fault, or else ours."""
    if code == _RC_OUT_OF_MEMORY:
        return errors.TooLarge("the file needs more memory than it may have")
    if code in {_RC_INVALID_DATA, _RC_RATE_EXCEEDED}:
        return errors.UnreadableMedia("the file cannot be decoded")
    if code not in _RC_PASSING and any(phrase in said for phrase in _UNREADABLE_PHRASES):
        return errors.UnreadableMedia("the file cannot be decoded")
    return errors.TranscodeError("the encoder failed")
