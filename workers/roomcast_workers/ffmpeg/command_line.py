"""Build the command lines of ffmpeg with ffmpeg-python: inputs, filters, outputs and global flags.

`commands` and `segment_commands` say what the commands do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import ffmpeg

from roomcast_workers.ffmpeg.channels import stereo_mix
from roomcast_workers.ffmpeg.codecs import EncodeSettings, audio_options
from roomcast_workers.ffmpeg.filters import Filter
from roomcast_workers.ffmpeg.input_options import (
    MAX_ALLOCATION,
    InputFile,
    Options,
    file_url,
    input_options,
    read_seconds,
)
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream

_ANY_GAP = 1_000_000_000

# Drop the source's title, location, author, comments, chapters and attachments, and make no time code track.
NO_METADATA: Options = {"map_metadata": -1, "map_metadata:s": -1, "map_chapters": -1, "fflags": "+bitexact"}
_CHUNK_MICROSECONDS = 1_000_000
"""Video and audio alternate in chunks of a second: with a chunk for each frame the index of a video was 240 bytes
larger a second."""
MUXERS: Mapping[str, Options] = {
    "mp4": {
        "movflags": "+faststart",
        "write_tmcd": 0,
        "write_btrt": 0,
        "chunk_duration": _CHUNK_MICROSECONDS,
        "f": "mp4",
    },
    "ipod": {"movflags": "+faststart", "f": "ipod"},
    "webm": {"cues_to_front": 1, "f": "webm"},
}
# Preserve a variable frame rate: no frame is dropped or repeated for a constant one.
EVERY_FRAME: Options = {"fps_mode": "vfr", "enc_time_base": "1:90000"}
LOSSLESS: Options = {"c:v": "libx264", "qp": 0, "preset": "ultrafast", "f": "matroska"}


def with_global_flags(output: ffmpeg.Stream, *, log_level: Literal["error", "info"] = "error") -> list[str]:
    """Return the arguments of a run that makes `output`, with the global flags that every run has.

    ffmpeg-python puts them last; ffmpeg accepts global flags in any position.
    """
    flagged = output.global_args(
        *("-hide_banner", "-nostdin", "-nostats", "-loglevel", log_level),
        *("-progress", "pipe:1", "-stats_period", "0.25"),
        *("-max_alloc", str(MAX_ALLOCATION)),
        # ffmpeg would close gaps of more than ten seconds in MPEG-TS, even where another stream continues.
        *("-dts_delta_threshold", str(_ANY_GAP)),
    )
    return [str(argument) for argument in flagged.overwrite_output().get_args()]


def build_command(streams: Sequence[ffmpeg.Stream], target: Path | str, options: Options) -> list[str]:
    """Return the arguments of a run that makes one output of these streams; `target` is a file, or a muxer's name for
    it."""
    return with_global_flags(
        ffmpeg.output(*streams, file_url(target) if isinstance(target, Path) else target, **options)
    )


def with_any_error_rate(output: ffmpeg.Stream) -> ffmpeg.Stream:
    """Return the output of a run that succeeds however many frames cannot be decoded."""
    return output.global_args("-max_error_rate", "1")


def frame_listing(frames: ffmpeg.Stream) -> list[str]:
    """Return the arguments of a run that decodes frames, logs each for `DecodedFrames`, and writes nothing; the last
    progress block's `frame` is their number."""
    output = ffmpeg.output(frames, "-", f="null", fps_mode="passthrough").global_args("-debug_ts")
    return with_global_flags(with_any_error_rate(output), log_level="info")


def read_input(
    file: InputFile,
    streams: MediaInfo | VideoStream | None = None,
    *,
    start: float | None = None,
    seconds: float | None = None,
    **options: str | None,
) -> ffmpeg.Stream:
    """Read `file` under the rules for untrusted input: all of it, or `seconds` from `start`.

    `streams` are those that will be used: the result begins with the first of them.
    """
    video = streams.video if isinstance(streams, MediaInfo) else streams
    if video is not None and video.decoder is not None:
        options[f"c:{video.index}"] = video.decoder
    if start is not None:
        options["ss"] = f"{start:.3f}"
    elif isinstance(streams, MediaInfo) and streams.unused_start > 0:
        options["itsoffset"] = f"{-streams.unused_start:.6f}"
    options["t"] = f"{read_seconds(file.limits, seconds):.3f}"
    return ffmpeg.input(file_url(file.path), **input_options(file), **options)


def apply_filters(frames: ffmpeg.Stream, filters: Sequence[Filter]) -> ffmpeg.Stream:
    """Return the stream that comes out of a chain of filters."""
    for name, options in filters:
        frames = frames.filter(name, **options)
    return frames


def audio_filter(audio: AudioStream) -> Options:
    """Return the option that mixes channels which ffmpeg cannot place; none for others."""
    mix = stereo_mix(audio.channels, audio.layout)
    return {} if mix is None else {"filter:a": mix}


def sound_options(audio: AudioStream, settings: EncodeSettings) -> Options:
    """Return the options with which the sound of a film is encoded."""
    codec = settings.codec
    channels = min(audio.channels, settings.channels)
    options = audio_options(codec.audio, codec.audio_encoder, settings.audio_bitrate, channels, audio.sample_rate)
    return options | audio_filter(audio)
