"""Every command line of ffmpeg and ffprobe. No other module writes their arguments.

ffmpeg-python builds ffmpeg's commands: inputs, filter graph, outputs and global flags. Each function here returns all
arguments that follow the program's name, and `runner` runs them.

ffprobe's arguments are written out, and so are those with which ffmpeg only lists its features, because ffmpeg-python
cannot build them: its `ffmpeg.probe` starts ffprobe itself, outside the sandbox and without limits of time or memory,
and blocks the event loop until it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ffmpeg

from roomcast_workers.ffmpeg.bitstream_filters import last_duration, last_frame_time, shift_packets
from roomcast_workers.ffmpeg.channels import stereo_mix
from roomcast_workers.ffmpeg.codecs import EncodeSettings, TwoPass, audio_options, video_options
from roomcast_workers.ffmpeg.filters import (
    Filter,
    ToneMapper,
    colour_codes,
    jpeg_filters,
    output_colours,
    video_filters,
)
from roomcast_workers.ffmpeg.input_options import (
    MAX_ALLOCATION,
    InputFile,
    Options,
    file_url,
    input_options,
    read_seconds,
)
from roomcast_workers.media_info.frame_sizes import FRAME_ENTRIES
from roomcast_workers.media_info.packet_scan import SCAN_ENTRIES
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream, require_video
from roomcast_workers.media_info.section_packets import SECTION_ENTRIES
from roomcast_workers.media_info.timeline import Retiming

Metric = Literal["vmaf", "ssim"]

HLS_SEGMENT_SECONDS = 4
_HLS_CRF = 23
_FIRST_PASS = 1
_ANY_GAP = 1_000_000_000
_STEREO = 2
_MAX_DARK_LUMA = 24
"""A frame whose mean luma, 0 to 255, is at most this is too dark for a poster; black has 0 in full range."""
_POSTER_SEARCH_SECONDS = 5.0
_MAX_REORDER_SECONDS = 1.0

# Drop the source's title, location, author, comments, chapters and attachments, and make no time code track.
_NO_METADATA: Options = {"map_metadata": -1, "map_metadata:s": -1, "map_chapters": -1, "fflags": "+bitexact"}
_CHUNK_MICROSECONDS = 1_000_000
"""Video and audio alternate in chunks of a second: with a chunk for each frame the index of a video was 240 bytes
larger a second."""
_MUXERS: dict[str, Options] = {
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
_EVERY_FRAME: Options = {"fps_mode": "vfr", "enc_time_base": "1:90000"}
# `update`: the target is one file, and a % in its path is not a counter.
_ONE_JPEG: Options = {"frames:v": 1, "update": 1, "map_metadata": -1, "f": "image2"}
_SPRITE_QUALITY: Options = {"q:v": 4}
_DISCARD: Options = {"f": "null"}


# --- Video and audio --------------------------------------------------------------------------------------------------


def compress(source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings) -> list[str]:
    """Compress a video into `target`; in the first of two passes, only gather statistics.

    The result is upright, with square pixels, even sides, 8-bit 4:2:0 in TV range, progressive frames with their
    original times, its index at the front and no metadata. Raises `UnreadableMedia` when `info` has no video.
    """
    video = require_video(info)
    media = _input(source, info)
    streams = [_filter(media[str(video.index)], _video_filters(video, settings))]
    options = _video_options(settings, video)
    if video.last_frame is not None:
        options |= {"force_key_frames": last_frame_time(video.last_frame), "bsf:v": last_duration(video.last_frame)}
    if isinstance(settings.rate, TwoPass) and settings.rate.number == _FIRST_PASS:
        return _command(streams, "-", options | _DISCARD)
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= _audio_options(info.audio, settings)
    return _command(streams, target, options | _NO_METADATA | _MUXERS[settings.codec.muxer])


def remux(
    source: InputFile, target: Path, info: MediaInfo, *, audio_encoding: Options | None = None, muxer: str = "mp4"
) -> list[str]:
    """Copy video and audio, or audio alone, into a new file without encoding them again.

    Drops metadata, and the user data of an H.264 stream. With `audio_encoding` the audio is encoded with these options.
    """
    media = _input(source, info)
    streams, options = [], Options()
    if info.video is not None:
        streams.append(media[str(info.video.index)])
        options |= {"c:v": "copy"}
        if info.video.codec == "h264":
            # NAL unit type 6 is SEI, which may carry user data.
            options["bsf:v"] = ",".join(["filter_units=remove_types=6", *_missing_colour_tags(info.video)])
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= (audio_encoding | _audio_filter(info.audio)) if audio_encoding else {"c:a": "copy"}
    return _command(streams, target, options | _NO_METADATA | _MUXERS[muxer])


def compress_audio(source: InputFile, target: Path, audio: AudioStream, bitrate: int) -> list[str]:
    """Compress audio to AAC: at most stereo, with its index at the front and no metadata."""
    options = audio_options("aac", "aac", bitrate, audio.channels, audio.sample_rate) | _audio_filter(audio)
    stream = _input(source)[str(audio.index)]
    return _command([stream], target, options | _NO_METADATA | _MUXERS["ipod"])


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
    return _command(streams, target, options | {"f": muxer})


def count_decodable_frames(source: InputFile, info: MediaInfo, start: float, seconds: float) -> list[str]:
    """Decode a section of a video and write nothing; the last progress block's `frame` is its number of frames."""
    frames = _input(source, info, start=start, seconds=seconds)[str(require_video(info).index)]
    return _command([frames], "-", _DISCARD)


# --- Samples and their quality ----------------------------------------------------------------------------------------


def compress_samples(
    source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings, starts: Sequence[float], seconds: float
) -> list[str]:
    """Compress sections of `seconds` each, video only, as `settings` would compress the complete video."""
    video = require_video(info)
    samples = _samples(source, video, settings, starts, seconds)
    return _command([samples], target, _video_options(settings, video) | _MUXERS[settings.codec.muxer])


def save_samples(
    source: InputFile, target: Path, info: MediaInfo, settings: EncodeSettings, starts: Sequence[float], seconds: float
) -> list[str]:
    """Save the same sections losslessly in a Matroska file, as the reference for comparisons."""
    samples = _samples(source, require_video(info), settings, starts, seconds)
    lossless: Options = {"c:v": "libx264", "qp": 0, "preset": "ultrafast", "f": "matroska"}
    return _command([samples], target, _EVERY_FRAME | lossless)


def compress_trial(saved: InputFile, target: Path, video: VideoStream, settings: EncodeSettings) -> list[str]:
    """Compress the file that `save_samples` made."""
    frames = _filter(_input(saved)["0"], [("format", {"pix_fmts": "yuv420p"})])
    return _command([frames], target, _video_options(settings, video) | _MUXERS[settings.codec.muxer])


def measure_quality(saved: InputFile, trial: InputFile, metric: Metric, log_name: str) -> list[str]:
    """Compare two videos frame by frame, and write the scores into the file `log_name`, a name without a path."""
    same_clock: list[Filter] = [("settb", {"expr": "1/1000"}), ("setpts", {"expr": "N"})]
    pair = [_filter(_input(file)["0"], same_clock) for file in (trial, saved)]
    if metric == "vmaf":
        compared = ffmpeg.filter(pair, "libvmaf", log_path=log_name, log_fmt="json", n_subsample=2)
    else:
        compared = ffmpeg.filter(pair, "ssim", stats_file=log_name)
    return _command([compared], "-", _DISCARD)


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
    media = _input(source, video, start=max(0.0, start), seconds=_POSTER_SEARCH_SECONDS)
    return _command([_filter(media[str(video.index)], filters)], target, _ONE_JPEG | {"q:v": 3})


def count_keyframes(source: InputFile, video: VideoStream) -> list[str]:
    """Copy a video's keyframes to nowhere; the last progress block's `frame` is their number."""
    options: Options = {"c": "copy", "bsf:v": "noise=drop=not(key)"}
    return _command([_input(source)[str(video.index)]], "-", options | _DISCARD)


def save_tiles(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, tone_mapper: ToneMapper,
    *, interval: int, keyframes_only: bool,
) -> list[str]:  # fmt: skip
    """Save a small picture from the middle of every `interval` milliseconds, as raw video in a NUT file."""
    media = _input(source, video, skip_frame="nokey") if keyframes_only else _input(source, video)
    filters = [_one_every(interval), *jpeg_filters(video, width, height, tone_mapper)]
    return _command([_filter(media[str(video.index)], filters)], target, {"c:v": "rawvideo", "f": "nut"})


def save_sprite(tiles: InputFile, target: Path, *, columns: int, rows: int, count: int) -> list[str]:
    """Arrange `count` tiles in one JPEG; a missing tile is a copy of the last one."""
    layout = _tiled(columns, rows, count)
    return _command([_filter(_input(tiles)["0"], layout)], target, _ONE_JPEG | _SPRITE_QUALITY)


def save_short_sprite(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, tone_mapper: ToneMapper,
    *, interval: int, columns: int, rows: int, count: int,
) -> list[str]:  # fmt: skip
    """Do at once what `save_tiles` and `save_sprite` do, for a short video: there is no progress before the end."""
    tiles = [_one_every(interval), *jpeg_filters(video, width, height, tone_mapper), *_tiled(columns, rows, count)]
    frames = _filter(_input(source, video)[str(video.index)], tiles)
    return _command([frames], target, _ONE_JPEG | _SPRITE_QUALITY)


def _one_every(interval: int) -> Filter:
    # `pass`: the last keyframe lasts one frame, which would otherwise be too short for an interval of its own.
    return ("fps", {"fps": f"1000/{interval}", "start_time": 0, "eof_action": "pass"})


def _tiled(columns: int, rows: int, count: int) -> list[Filter]:
    return [
        ("tpad", {"stop": -1, "stop_mode": "clone"}),
        ("tile", {"layout": f"{columns}x{rows}", "nb_frames": count}),
    ]


# --- HLS --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rendition:
    """One size of the video in the HLS ladder; `max_rate` is in bits per second."""

    name: str
    width: int
    height: int
    max_rate: int


def encode_hls(
    source: InputFile, info: MediaInfo, renditions: Sequence[Rendition], *, preset: str, audio_bitrate: str
) -> list[str]:
    """Encode the renditions of a video and cut all of them into segments at the same frames, each with its own
    playlist.

    It must run in the directory for the files: their names are relative, because a `%` in a path would be a counter.
    """
    video, audio = require_video(info), info.audio
    single_file = len(renditions) == 1 and audio is None  # then ffmpeg does not expand %v in this name
    media = _input(source)
    copies = media[str(video.index)].filter_multi_output("split")
    streams = [
        _filter(copies.stream(number), video_filters(video, rendition.width, rendition.height, "none"))
        for number, rendition in enumerate(renditions)
    ]
    keyframes = ["isnan(prev_forced_t)", f"gte(t,prev_forced_t+{HLS_SEGMENT_SECONDS})"]
    if video.last_frame is not None:
        keyframes.append(f"gte(t,{last_frame_time(video.last_frame)})")  # for that one alone
    options: Options = {
        "c:v": "libx264",
        "preset": preset,
        "crf": _HLS_CRF,
        "pix_fmt": "yuv420p",
        # Keyframes only where a segment begins, so that every rendition is cut at the same frames.
        "force_key_frames": "expr:" + "+".join(keyframes),
        "sc_threshold": 0,
        "g": 1_000_000_000,
        "map_metadata": -1,
        "map_chapters": -1,
        "f": "hls",
        "hls_time": HLS_SEGMENT_SECONDS,
        "hls_playlist_type": "vod",
        "hls_list_size": 0,
        "hls_segment_type": "fmp4",
        "hls_flags": "independent_segments",
        "hls_fmp4_init_filename": f"hls-{renditions[0].name if single_file else '%v'}-init.mp4",
        "hls_segment_filename": "hls-%v-%05d.m4s",
        "var_stream_map": _hls_renditions(renditions, with_audio=audio is not None),
    }
    if video.last_frame is not None:
        options["bsf:v"] = last_duration(video.last_frame)
    for number, rendition in enumerate(renditions):
        options |= {f"maxrate:v:{number}": rendition.max_rate, f"bufsize:v:{number}": 2 * rendition.max_rate}
    if audio is not None:
        streams.append(media[str(audio.index)])
        options |= _hls_audio_options(audio, audio_bitrate)
    return _command(streams, "hls-%v.m3u8", options | _EVERY_FRAME)


def _hls_audio_options(audio: AudioStream, bitrate: str) -> Options:
    if audio.codec == "aac" and audio.channels <= _STEREO:
        return {"c:a": "copy"}
    return {"c:a": "aac", "b:a": bitrate, "ac": min(audio.channels, _STEREO)}


def _hls_renditions(renditions: Sequence[Rendition], *, with_audio: bool) -> str:
    group = ",agroup:audio" if with_audio else ""
    entries = [f"v:{number}{group},name:{rendition.name}" for number, rendition in enumerate(renditions)]
    return " ".join([*entries, *(["a:0,agroup:audio,name:audio"] if with_audio else [])])


# --- Images -----------------------------------------------------------------------------------------------------------


def decode_deep_image(source: InputFile, target: Path, *, zscale: bool) -> list[str]:
    """Decode the first frame, without turning it, into 16 bits of each red, green and blue."""
    to_rgb: Filter = ("zscale", {"matrix": "gbr", "range": "full"})
    if not zscale:
        to_rgb = ("scale", {"flags": "accurate_rnd+full_chroma_int+full_chroma_inp"})
    frames = _filter(_input(source, noautorotate=None)["v:0"], [to_rgb, ("format", {"pix_fmts": "gbrp16le"})])
    return _command([frames], target, {"frames:v": 1, "c:v": "rawvideo", "pix_fmt": "rgb48le", "f": "rawvideo"})


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


def list_codecs() -> list[str]:
    """Have ffmpeg list its codecs, with the decoders of each."""
    return ["-hide_banner", "-codecs"]


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


def with_global_flags(output: ffmpeg.Stream) -> list[str]:
    """Return the arguments of a run that makes `output`, with the global flags that every run has.

    ffmpeg-python puts them last; ffmpeg accepts global flags in any position.
    """
    flagged = output.global_args(
        *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"),
        *("-progress", "pipe:1", "-stats_period", "0.25"),
        *("-max_alloc", str(MAX_ALLOCATION)),
        # ffmpeg would close gaps of more than ten seconds in MPEG-TS, even where another stream continues.
        *("-dts_delta_threshold", str(_ANY_GAP)),
    )
    return [str(argument) for argument in flagged.overwrite_output().get_args()]


def _command(streams: Sequence[ffmpeg.Stream], target: Path | str, options: Options) -> list[str]:
    return with_global_flags(
        ffmpeg.output(*streams, file_url(target) if isinstance(target, Path) else target, **options)
    )


def _input(
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


def _filter(frames: ffmpeg.Stream, filters: Sequence[Filter]) -> ffmpeg.Stream:
    for name, options in filters:
        frames = frames.filter(name, **options)
    return frames


def _samples(
    source: InputFile, video: VideoStream, settings: EncodeSettings, starts: Sequence[float], seconds: float
) -> ffmpeg.Stream:
    filters = _video_filters(video, settings)
    if video.size_varies:
        # At every new size ffmpeg builds all filters again, and `concat` would wait for inputs that have ended.
        sections = "+".join(f"between(t,{start:.3f},{start + seconds:.3f})" for start in starts)
        return _filter(_input(source, video)[str(video.index)], [("select", {"expr": sections}), *filters])
    samples = [
        _filter(_input(source, video, start=start, seconds=seconds)[str(video.index)], filters) for start in starts
    ]
    return ffmpeg.concat(*samples, v=1, a=0) if len(samples) > 1 else samples[0]


def _video_filters(video: VideoStream, settings: EncodeSettings) -> list[Filter]:
    return video_filters(video, settings.width, settings.height, settings.tone_mapper)


def _video_options(settings: EncodeSettings, video: VideoStream) -> Options:
    size = settings.width, settings.height
    options = video_options(settings.codec, settings.preset, settings.rate, *size, video.fps, settings.seconds)
    return options | {"pix_fmt": "yuv420p"} | _EVERY_FRAME


def _audio_options(audio: AudioStream, settings: EncodeSettings) -> Options:
    codec = settings.codec
    channels = min(audio.channels, settings.channels)
    options = audio_options(codec.audio, codec.audio_encoder, settings.audio_bitrate, channels, audio.sample_rate)
    return options | _audio_filter(audio)


def _audio_filter(audio: AudioStream) -> Options:
    mix = stereo_mix(audio.channels, audio.layout)
    return {} if mix is None else {"filter:a": mix}


def _missing_colour_tags(video: VideoStream) -> list[str]:
    """Return the bitstream filter that adds colour tags to an H.264 stream that has none."""
    codes = colour_codes(output_colours(video))
    return [] if video.matrix else ["h264_metadata=" + ":".join(f"{name}={code}" for name, code in codes.items())]
