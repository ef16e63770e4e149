"""Every command line of ffmpeg and ffprobe, except those of `segment_commands`. No other module writes their arguments.

ffmpeg-python builds ffmpeg's commands: inputs, filter graph, outputs and global flags. Each function here returns all
arguments that follow the program's name, and `runner` runs them.

ffprobe's arguments are written out, and so are those with which ffmpeg only lists its features, because ffmpeg-python
cannot build them: its `ffmpeg.probe` starts ffprobe itself, outside the sandbox and without limits of time or memory,
and blocks the event loop until it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import ffmpeg

from roomcast_workers.ffmpeg.bitstream_filters import (
    copied_pictures,
    last_duration,
    last_frame_time,
    shift_packets,
)
from roomcast_workers.ffmpeg.codecs import EncodeSettings, TwoPass, audio_options, video_options
from roomcast_workers.ffmpeg.command_line import (
    EVERY_FRAME,
    LOSSLESS,
    MUXERS,
    NO_METADATA,
    apply_filters,
    audio_filter,
    build_command,
    frame_listing,
    read_input,
    sound_options,
)
from roomcast_workers.ffmpeg.filters import (
    Filter,
    ToneMapper,
    jpeg_filters,
    video_filters,
)
from roomcast_workers.ffmpeg.input_options import (
    MAX_ALLOCATION,
    InputFile,
    Options,
    file_url,
    input_options,
)
from roomcast_workers.media_info.frame_sizes import FRAME_ENTRIES
from roomcast_workers.media_info.packet_scan import SCAN_ENTRIES
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream, require_video
from roomcast_workers.media_info.section_packets import SECTION_ENTRIES
from roomcast_workers.media_info.timeline import Retiming

Metric = Literal["vmaf", "ssim"]

_FIRST_PASS = 1
_MAX_DARK_LUMA = 24
"""A frame whose mean luma, 0 to 255, is at most this is too dark for a poster; black has 0 in full range."""
_POSTER_SEARCH_SECONDS = 5.0
_MAX_REORDER_SECONDS = 1.0
_VMAF_INTERVAL = 3
"""Every third frame is compared. Of every second one, the B-frames of one result and better frames of the next would
count, whose means differ by 1.5 points and more."""

# `update`: the target is one file, and a % in its path is not a counter.
_ONE_JPEG: Options = {"frames:v": 1, "update": 1, "map_metadata": -1, "f": "image2"}
_SPRITE_QUALITY: Options = {"q:v": 4}
_DISCARD: Options = {"f": "null"}


# --- Video and audio --------------------------------------------------------------------------------------------------


def compress(source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings) -> list[str]:
    """Compress a video into `target`; in the first of two passes, only gather statistics.

    The result is upright, with square pixels, even sides, 8-bit 4:2:0 in TV range, progressive frames with their
    original times, its index at the front and no metadata. The log has what cannot be decoded (`DamageDetector`).
    Raises `UnreadableMedia` when `info` has no video.
    """
    video = require_video(info)
    media = read_input(source, info)
    streams = [apply_filters(media[str(video.index)], _video_filters(video, settings))]
    options = _video_options(settings, video)
    if video.last_frame is not None:
        options |= {"force_key_frames": last_frame_time(video.last_frame), "bsf:v": last_duration(video.last_frame)}
    if isinstance(settings.rate, TwoPass) and settings.rate.number == _FIRST_PASS:
        return build_command(streams, "-", options | _DISCARD)
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= sound_options(info.audio, settings)
    return build_command(streams, target, options | NO_METADATA | MUXERS[settings.codec.muxer])


def remux(
    source: InputFile, target: Path, info: MediaInfo, *, audio_encoding: Options | None = None, muxer: str = "mp4"
) -> list[str]:
    """Copy video and audio, or audio alone, into a new file without encoding them again.

    Drops metadata, and the user data of an H.264 stream. With `audio_encoding` the audio is encoded with these options.
    """
    media = read_input(source, info)
    streams, options = [], Options()
    if info.video is not None:
        streams.append(media[str(info.video.index)])
        options |= {"c:v": "copy"}
        if filters := copied_pictures(info.video):
            options["bsf:v"] = ",".join(filters)
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= (audio_encoding | audio_filter(info.audio)) if audio_encoding else {"c:a": "copy"}
    return build_command(streams, target, options | NO_METADATA | MUXERS[muxer])


def compress_audio(source: InputFile, target: Path, audio: AudioStream, bitrate: int) -> list[str]:
    """Compress audio to AAC: at most stereo, with its index at the front and no metadata."""
    options = audio_options("aac", "aac", bitrate, audio.channels, audio.sample_rate) | audio_filter(audio)
    stream = read_input(source)[str(audio.index)]
    return build_command([stream], target, options | NO_METADATA | MUXERS["ipod"])


def retime(source: InputFile, target: Path, info: MediaInfo, retiming: Retiming, muxer: str) -> list[str]:
    """Copy video and audio, or one of them, into a file with continuous times."""
    options: Options = {
        "c": "copy",
        "copyts": None,
        "copyinkf": None,
        "copypriorss": 1,
        "avoid_negative_ts": "disabled",
    }
    media = ffmpeg.input(file_url(source.path), **input_options(source))
    streams = []
    for kind, stream in (("v", info.video), ("a", info.audio)):
        if stream is not None:
            streams.append(media[str(stream.index)])
            options[f"bsf:{kind}"] = shift_packets(retiming.shifts[stream.index], stores_dts=muxer == "mpegts")
    return build_command(streams, target, options | {"f": muxer})


def count_decodable_frames(source: InputFile, info: MediaInfo, start: float, seconds: float) -> list[str]:
    """Decode a section of a video and write nothing; the last progress block's `frame` is its number of frames."""
    frames = read_input(source, info, start=start, seconds=seconds)[str(require_video(info).index)]
    return build_command([frames], "-", _DISCARD)


def list_decoded_frames(source: InputFile, info: MediaInfo) -> list[str]:
    """Decode a video, write nothing, and log each frame for `DecodedFrames`, with its time in what `compress` makes."""
    return frame_listing(read_input(source, info)[str(require_video(info).index)])


# --- Samples and their quality ----------------------------------------------------------------------------------------


def compress_samples(
    source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings, starts: Sequence[float], seconds: float
) -> list[str]:
    """Compress sections of `seconds` each, video only, as `settings` would compress the complete video."""
    video = require_video(info)
    samples = _samples(source, video, settings, starts, seconds)
    return build_command([samples], target, _video_options(settings, video) | MUXERS[settings.codec.muxer])


def save_samples(
    source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings, starts: Sequence[float], seconds: float
) -> list[str]:
    """Save the same sections losslessly in a Matroska file, as the reference for comparisons."""
    samples = _samples(source, require_video(info), settings, starts, seconds)
    return build_command([samples], target, EVERY_FRAME | LOSSLESS)


def compress_trial(saved: InputFile, target: Path, video: VideoStream, settings: EncodeSettings) -> list[str]:
    """Compress the file that `save_samples` made."""
    frames = apply_filters(read_input(saved)["0"], [("format", {"pix_fmts": "yuv420p"})])
    return build_command([frames], target, _video_options(settings, video) | MUXERS[settings.codec.muxer])


def measure_quality(saved: InputFile, trial: InputFile, metric: Metric, log_name: str) -> list[str]:
    """Compare two videos frame by frame, and write the scores into the file `log_name`, a name without a path."""
    same_clock: list[Filter] = [("settb", {"expr": "1/1000"}), ("setpts", {"expr": "N"})]
    pair = [apply_filters(read_input(file)["0"], same_clock) for file in (trial, saved)]
    if metric == "vmaf":
        compared = ffmpeg.filter(pair, "libvmaf", log_path=log_name, log_fmt="json", n_subsample=_VMAF_INTERVAL)
    else:
        compared = ffmpeg.filter(pair, "ssim", stats_file=log_name)
    return build_command([compared], "-", _DISCARD)


# --- Poster and storyboard --------------------------------------------------------------------------------------------


def save_poster(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, tone_mapper: ToneMapper,
    *, start: float, skip_dark: bool,
) -> list[str]:  # fmt: skip
    """Save a frame as an upright JPEG: the one at `start`, or with `skip_dark` the first bright one in the five seconds
    from there. ffmpeg succeeds and writes nothing when there is no such frame."""
    filters = jpeg_filters(video, width, height, tone_mapper)
    if skip_dark:
        bright: dict[str, str | int] = {
            "mode": "select", "key": "lavfi.signalstats.YAVG", "value": _MAX_DARK_LUMA, "function": "greater"
        }  # fmt: skip
        filters = [*filters, ("signalstats", {}), ("metadata", bright)]
    media = read_input(source, video, start=max(0.0, start), seconds=_POSTER_SEARCH_SECONDS)
    return build_command([apply_filters(media[str(video.index)], filters)], target, _ONE_JPEG | {"q:v": 3})


def count_keyframes(source: InputFile, video: VideoStream) -> list[str]:
    """Copy a video's keyframes to nowhere; the last progress block's `frame` is their number."""
    options: Options = {"c": "copy", "bsf:v": "noise=drop=not(key)"}
    return build_command([read_input(source)[str(video.index)]], "-", options | _DISCARD)


def save_tiles(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, tone_mapper: ToneMapper,
    *, interval: int, keyframes_only: bool,
) -> list[str]:  # fmt: skip
    """Save a small picture from the middle of every `interval` milliseconds, as raw video in a NUT file."""
    frames = _some_frames(source, video, keyframes_only=keyframes_only)
    filters = [_one_every(interval), *jpeg_filters(video, width, height, tone_mapper)]
    return build_command([apply_filters(frames, filters)], target, {"c:v": "rawvideo", "f": "nut"})


def save_sprite(tiles: InputFile, target: Path, *, columns: int, rows: int, count: int) -> list[str]:
    """Arrange `count` tiles in one JPEG; a missing tile is a copy of the last one."""
    layout = _tiled(columns, rows, count)
    return build_command([apply_filters(read_input(tiles)["0"], layout)], target, _ONE_JPEG | _SPRITE_QUALITY)


def save_short_sprite(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, tone_mapper: ToneMapper,
    *, interval: int, keyframes_only: bool, columns: int, rows: int, count: int,
) -> list[str]:  # fmt: skip
    """Do at once what `save_tiles` and `save_sprite` do, for a short video: there is no progress before the end."""
    tiles = [_one_every(interval), *jpeg_filters(video, width, height, tone_mapper), *_tiled(columns, rows, count)]
    frames = _some_frames(source, video, keyframes_only=keyframes_only)
    return build_command([apply_filters(frames, tiles)], target, _ONE_JPEG | _SPRITE_QUALITY)


def _some_frames(source: InputFile, video: VideoStream, *, keyframes_only: bool) -> ffmpeg.Stream:
    """Decode a video's keyframes, or all frames to which others refer, which takes half the time of all.

    One thread decodes the keyframes: each packet that is skipped would pass through another thread too, which took
    half as much CPU time again in ten minutes of 720p, and no less time.
    """
    if keyframes_only:
        return read_input(source, video, skip_frame="nokey", threads="1")[str(video.index)]
    return read_input(source, video, skip_frame="noref")[str(video.index)]


def _one_every(interval: int) -> Filter:
    # `pass`: the last keyframe lasts one frame, which would otherwise be too short for an interval of its own.
    return ("fps", {"fps": f"1000/{interval}", "start_time": 0, "eof_action": "pass"})


def _tiled(columns: int, rows: int, count: int) -> list[Filter]:
    return [
        ("tpad", {"stop": -1, "stop_mode": "clone"}),
        ("tile", {"layout": f"{columns}x{rows}", "nb_frames": count}),
    ]


# --- Images -----------------------------------------------------------------------------------------------------------


def decode_deep_image(source: InputFile, target: Path, *, zscale: bool) -> list[str]:
    """Decode the first frame, without turning it, into 16 bits of each red, green and blue."""
    to_rgb: Filter = ("zscale", {"matrix": "gbr", "range": "full"})
    if not zscale:
        to_rgb = ("scale", {"flags": "accurate_rnd+full_chroma_int+full_chroma_inp"})
    frames = apply_filters(read_input(source, noautorotate=None)["v:0"], [to_rgb, ("format", {"pix_fmts": "gbrp16le"})])
    return build_command([frames], target, {"frames:v": 1, "c:v": "rawvideo", "pix_fmt": "rgb48le", "f": "rawvideo"})


# --- Contents of files, and features of the programs ------------------------------------------------------------------


def probe(file: InputFile) -> list[str]:
    """Have ffprobe describe a file's format and streams as JSON."""
    return _ffprobe(file, "-of", "json", "-show_format", "-show_streams", "-show_programs")


def list_packets(file: InputFile) -> list[str]:
    """Have ffprobe list every packet of a file, one per line, for `media_info.packet_scan`."""
    return _ffprobe(file, "-of", "csv=p=0", "-show_entries", SCAN_ENTRIES)


def list_section_packets(file: InputFile, index: int, starts: Sequence[float], seconds: float) -> list[str]:
    """Have ffprobe list the packets of a stream in sections of `seconds` each, one per line, with some before and after
    each section, for `media_info.section_packets`."""
    sections = ",".join(f"{start:.3f}%{start + seconds + _MAX_REORDER_SECONDS:.3f}" for start in starts)
    listed = ("-select_streams", str(index), "-show_entries", SECTION_ENTRIES)
    return _ffprobe(file, "-of", "csv=p=0", *listed, "-read_intervals", sections)


def list_keyframes(file: InputFile, video: VideoStream) -> list[str]:
    """Have ffprobe decode a video's keyframes and list their sizes, one per line, for `media_info.frame_sizes`."""
    stream = ("-select_streams", str(video.index))
    decoding = ("-threads", "1", "-skip_frame", "nokey", "-skip_loop_filter", "all")
    return _ffprobe(file, "-of", "compact", "-show_entries", FRAME_ENTRIES, *stream, *decoding)


def list_features(features: Literal["filters", "encoders", "decoders"]) -> list[str]:
    """Have ffmpeg list what it has of these."""
    return ["-hide_banner", f"-{features}"]


def describe_filter(name: str) -> list[str]:
    """Have ffmpeg list the options of a filter."""
    return ["-hide_banner", "-h", f"filter={name}"]


def show_version() -> list[str]:
    """Have ffmpeg or ffprobe print its version, the smallest command that shows that it runs."""
    return ["-version"]


def _ffprobe(file: InputFile, *entries: str) -> list[str]:
    options = [argument for name, value in input_options(file).items() for argument in (f"-{name}", str(value))]
    return ["-v", "error", *entries, "-max_alloc", str(MAX_ALLOCATION), *options, "-i", file_url(file.path)]


# --- Building commands ------------------------------------------------------------------------------------------------


def _samples(
    source: InputFile, video: VideoStream, settings: EncodeSettings, starts: Sequence[float], seconds: float
) -> ffmpeg.Stream:
    filters = _video_filters(video, settings)
    if video.size_varies:
        # At every new size ffmpeg builds all filters again, and `concat` would wait for inputs that have ended.
        sections = "+".join(f"between(t,{start:.3f},{start + seconds:.3f})" for start in starts)
        return apply_filters(read_input(source, video)[str(video.index)], [("select", {"expr": sections}), *filters])
    samples = [
        apply_filters(read_input(source, video, start=start, seconds=seconds)[str(video.index)], filters)
        for start in starts
    ]
    return ffmpeg.concat(*samples, v=1, a=0) if len(samples) > 1 else samples[0]


def _video_filters(video: VideoStream, settings: EncodeSettings) -> list[Filter]:
    return video_filters(video, settings.width, settings.height, settings.tone_mapper)


def _video_options(settings: EncodeSettings, video: VideoStream) -> Options:
    size = settings.width, settings.height
    options = video_options(settings.codec, settings.preset, settings.rate, *size, video.fps, settings.seconds)
    return options | {"pix_fmt": "yuv420p"} | EVERY_FRAME
