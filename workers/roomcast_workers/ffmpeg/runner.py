"""Run ffmpeg and ffprobe, and map how they end to results and errors. No other module starts them.

Their stderr goes to the log and never to a client.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from roomcast import errors

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.binaries import Binaries
from roomcast_workers.ffmpeg.capabilities import Capabilities, parse_capabilities
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import ProgressBlock, ProgressParser, StallDetector
from roomcast_workers.limits import MediaLimits, too_long, too_many_pixels, too_many_streams
from roomcast_workers.media_info.frame_sizes import FrameSizes
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import VideoStream
from roomcast_workers.sandbox.sandbox import ResourceLimits
from roomcast_workers.sandbox.subprocess_runner import ProgramExit, run_sandboxed

log = structlog.get_logger(__name__)

MAX_PROBE_BYTES = 4 * 1024 * 1024
DEFAULT_LIMITS = MediaLimits()
_LIMIT_CODES = {errors.Code.TOO_LARGE, errors.Code.UNSUPPORTED_TYPE}
_NOT_MEDIA = "The file cannot be read as media."


class NoStreams(errors.UnreadableMedia):
    """The file has the right format and no streams. If it is a result of ours, nothing of its source was decodable."""


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
    on_log: Callable[[bytes], None] = lambda _: None,
) -> None:
    """Run ffmpeg with `arguments`, made by `commands`, to its end, and call `on_progress` about four times a second.
    `on_log` receives what it logs, and must not raise.

    In a sandbox it can read `readable` and write only in `cwd`. `media_limits` are those of its inputs.

    Progress means that time, frame or size has grown. While ffmpeg moves the index of a finished MP4 to the front it
    reports nothing: `stall_seconds` must be enough for copying the result once.

    Raises `Stalled`, `TimedOut`, `TooLarge`, or the error that `map_failure` returns. Success means only
    return code 0: probe the result.
    """
    parser, stall_detector = ProgressParser(), StallDetector()

    def on_output(data: bytes) -> bool:
        alive = False
        for block in parser.feed(data):
            alive |= stall_detector.advanced(block)
            if (block.seconds or 0.0) > media_limits.max_duration_seconds:
                raise too_long(media_limits)  # the header may have declared less
            on_progress(block)
        return alive

    ended = await run_sandboxed(
        [binaries.ffmpeg, *arguments],
        on_output=on_output,
        timeout_seconds=timeout_seconds,
        stall_seconds=stall_seconds,
        limits=limits,
        sandbox=binaries.sandbox,
        readable=readable,
        cwd=cwd,
        on_stderr=on_log,
    )
    if ended.returncode != 0:
        log.warning("ffmpeg_failed", returncode=ended.returncode, stderr=ended.stderr)
        raise map_failure(ended, media_limits)


async def run_ffprobe(
    binaries: Binaries, file: InputFile, *, limits: ResourceLimits, timeout_seconds: float = 30.0
) -> dict[str, Any]:
    """Return ffprobe's JSON about a file's format and streams.

    Raises `UnreadableMedia` when it cannot read the file, `UnsupportedType` when a stream needs a decoder that is not
    on the list, `TooLarge` when a frame or the number of streams is over the file's limits, `TimedOut`, and
    `TranscodeError` when it crashes.
    """
    output = bytearray()

    def on_output(data: bytes) -> bool:
        output.extend(data)
        if len(output) > MAX_PROBE_BYTES:
            raise errors.UnreadableMedia("The file's metadata is too long.")
        return True

    ended = await _run_ffprobe(binaries, file, commands.probe(file), on_output, limits, timeout_seconds)
    if ended.returncode != 0:
        log.warning("ffprobe_failed", returncode=ended.returncode, stderr=ended.stderr)
        error = map_failure(ended, file.limits)
        if ended.returncode < 0 or error.code in _LIMIT_CODES:
            raise error
        raise errors.UnreadableMedia(_NOT_MEDIA) from error
    described = _probe_object(bytes(output))
    limit_error = _map_limit_error(ended.stderr, file.limits)
    if limit_error is not None and not _usable_despite_limit(described, ended.stderr):
        raise limit_error
    return described


async def scan_packets(
    binaries: Binaries, file: InputFile, *, limits: ResourceLimits, timeout_seconds: float
) -> PacketScan:
    """Read the packets of a file as far as they are readable; stopping before the end of the file is not an error.

    Raises `TimedOut`, and `TranscodeError` when ffprobe crashes.
    """
    scan = PacketScan(file.demuxer)

    def on_output(data: bytes) -> bool:
        scan.feed(data)
        return True

    ended = await _run_ffprobe(binaries, file, commands.list_packets(file), on_output, limits, timeout_seconds)
    if ended.returncode < 0:
        raise map_failure(ended)
    return scan


async def ffprobe_listing(
    binaries: Binaries, file: InputFile, arguments: Sequence[str], *, limits: ResourceLimits, timeout_seconds: float
) -> str:
    """Return what ffprobe lists of a file with `arguments`, made by `commands`, as far as it is readable.

    Raises `TimedOut`, and `TranscodeError` when ffprobe crashes.
    """
    output = bytearray()

    def on_output(data: bytes) -> bool:
        output.extend(data)
        return True

    ended = await _run_ffprobe(binaries, file, arguments, on_output, limits, timeout_seconds)
    if ended.returncode < 0:
        raise map_failure(ended)
    return output.decode("ascii", "replace")


async def read_frame_sizes(
    binaries: Binaries, file: InputFile, video: VideoStream, *, limits: ResourceLimits, timeout_seconds: float
) -> FrameSizes:
    """Decode a video's keyframes and return their sizes, as far as they can be decoded.

    Raises `TimedOut`, and `TranscodeError` when ffprobe crashes.
    """
    sizes = FrameSizes()

    def on_output(data: bytes) -> bool:
        sizes.feed(data)
        return True

    arguments = commands.list_keyframes(file, video)
    ended = await _run_ffprobe(binaries, file, arguments, on_output, limits, timeout_seconds)
    if ended.returncode < 0:
        raise map_failure(ended)
    return sizes


_capabilities: dict[str, Capabilities] = {}


async def read_capabilities(binaries: Binaries) -> Capabilities:
    """Return what this ffmpeg can do. The answer is cached for each ffmpeg."""
    if binaries.ffmpeg not in _capabilities:
        _capabilities[binaries.ffmpeg] = parse_capabilities(
            filters=await _output(binaries, commands.list_features("filters")),
            encoders=await _output(binaries, commands.list_features("encoders")),
            decoders=await _output(binaries, commands.list_features("decoders")),
            scale_help=await _output(binaries, commands.describe_filter("scale")),
        )
    return _capabilities[binaries.ffmpeg]


async def read_version(binaries: Binaries) -> str:
    """Return the first line in which ffmpeg describes itself."""
    return (await _output(binaries, commands.show_version())).partition("\n")[0].strip()


async def _output(binaries: Binaries, arguments: Sequence[str]) -> str:
    """Run ffmpeg and return its stdout."""
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
        described = json.loads(output.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        described = None
    if not isinstance(described, dict) or not isinstance(described.get("streams"), list):
        raise errors.UnreadableMedia(_NOT_MEDIA)
    if not described["streams"]:
        raise NoStreams("The file has no streams that can be decoded.")
    return described


def _usable_despite_limit(described: dict[str, Any], stderr: str) -> bool:
    """Return whether only a header's size was over the limit, while the frames have another size."""
    streams = [stream for stream in described["streams"] if isinstance(stream, dict)]
    videos = [stream for stream in streams if stream.get("codec_type") == "video"]
    return _MANY_STREAMS_PHRASE not in stderr and all(video.get("width") for video in videos)


# ffmpeg's return code is the low byte of its error number; older versions return 1 for every error.
_RC_INTERRUPTED = 255
_RC_RATE_EXCEEDED = 69  # more than two thirds of the frames could not be decoded
_RC_INVALID_DATA = 183
_RC_OUT_OF_SPACE = {228, 134}  # ENOSPC, EDQUOT
_RC_TOO_LARGE = 229  # EFBIG
_RC_OUT_OF_MEMORY = 244  # ENOMEM, which on Linux comes from our limit: without free memory Linux kills the process
_RC_TRANSIENT = {_RC_INTERRUPTED, 245, 232, 233}  # and EAGAIN, EMFILE, ENFILE: not the file's fault
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP}
_SPACE_PHRASES = ("No space left on device", "uota exceeded")
_MANY_STREAMS_PHRASE = "exceeds max_streams"
_PICTURE_SIZE = re.compile(r"Picture size (\d{1,10})x(\d{1,10}) ")  # written about a frame over `max_pixels`
_REFUSED_DECODER = re.compile(r"\(([\w-]{1,40})\) not on whitelist")  # formats and protocols are not in brackets
_UNREADABLE_PHRASES = (
    "Invalid data found when processing input",
    "moov atom not found",
    "could not find codec parameters",
    "Could not find codec parameters",
    "Decoder not found",
    "no decoder found",
)


def map_failure(ended: ProgramExit, limits: MediaLimits = DEFAULT_LIMITS) -> errors.RoomcastError:
    """Return the error for a return code other than 0. `limits` are those that were set.

    An error is retryable if its cause may pass: a lack of disk space or of other resources, or a signal from outside.
    With the same file ffmpeg would crash, fail or exceed its processor time again.
    """
    code, stderr = ended.returncode, ended.stderr
    if code == -signal.SIGXFSZ or code == _RC_TOO_LARGE:
        return errors.TooLarge("The result would be larger than allowed.")
    if code == -signal.SIGXCPU:
        return errors.OutOfProcessorTime("The step used more processor time than allowed.")
    if -code in _CRASHES:
        return errors.EncodingFailed("The encoder crashed.")
    if code < 0:
        return errors.TranscodeError("The encoder was killed.")
    if code in _RC_OUT_OF_SPACE or any(phrase in stderr for phrase in _SPACE_PHRASES):
        return errors.DiskFull("The disk is full, so the result cannot be written.")
    return _map_limit_error(stderr, limits) or _map_media_error(code, stderr)


def _map_limit_error(stderr: str, limits: MediaLimits) -> errors.RoomcastError | None:
    """Return the error for a limit that ffmpeg enforced, or None."""
    if _MANY_STREAMS_PHRASE in stderr:
        return too_many_streams(limits)
    if any(int(width) * int(height) > limits.max_video_pixels for width, height in _PICTURE_SIZE.findall(stderr)):
        return too_many_pixels(limits)
    if refused := _REFUSED_DECODER.search(stderr):
        codec = refused[1]
        return errors.UnsupportedType(
            f"The file uses the codec {codec}, which is not supported.", details={"codec": codec}
        )
    return None


def _map_media_error(code: int, stderr: str) -> errors.RoomcastError:
    """Return `TooLarge` or `UnreadableMedia` when the file is at fault, `TranscodeError` for a lack of resources, and
    else `EncodingFailed`."""
    if code == _RC_OUT_OF_MEMORY:
        return errors.TooLarge("The file needs more memory than allowed.")
    if code in {_RC_INVALID_DATA, _RC_RATE_EXCEEDED}:
        return errors.UnreadableMedia("The file cannot be decoded.")
    if code not in _RC_TRANSIENT and any(phrase in stderr for phrase in _UNREADABLE_PHRASES):
        return errors.UnreadableMedia("The file cannot be decoded.")
    failure = errors.TranscodeError if code in _RC_TRANSIENT else errors.EncodingFailed
    return failure("The encoder failed.")
