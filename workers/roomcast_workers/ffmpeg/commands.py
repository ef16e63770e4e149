"""Every command that ffmpeg and ffprobe are given. No other module writes their arguments.

ffmpeg-python builds ffmpeg's commands: its inputs, filter graph, outputs and global flags. Each function here returns
the whole list of arguments that follows the program's name, and `runner` runs it.

ffprobe's arguments are written out, and so are the few with which ffmpeg only lists what it can do. ffmpeg-python
builds no such list: its `ffmpeg.probe` starts ffprobe itself and waits for it, outside the sandbox, without a limit of
time or memory, and blocks the event loop meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import ffmpeg

from roomcast_workers.ffmpeg.codecs import AtBitrate, EncodeSettings, audio_options, video_options
from roomcast_workers.ffmpeg.filters import (
    Filter,
    ToneMapper,
    colour_codes,
    jpeg_filters,
    output_colours,
    video_filters,
)
from roomcast_workers.ffmpeg.input_options import (
    LARGEST_ALLOCATION,
    InputFile,
    Options,
    file_url,
    input_options,
    read_seconds,
)
from roomcast_workers.media_info.packet_scan import SCAN_ENTRIES
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream, require_video

Metric = Literal["vmaf", "ssim"]

HLS_SEGMENT_SECONDS = 4
_HLS_CRF = 23
_FIRST_PASS = 1
_STEREO = 2
_DARK_LUMA = 24
"""A frame whose mean luma, 0 to 255, is not above this shows nothing: black itself has 0."""
_POSTER_SEARCH_SECONDS = 5.0

# No title, place, name, comment, chapter or attachment of the source's, and no time code track made of its own.
_NO_METADATA: Options = {"map_metadata": -1, "map_metadata:s": -1, "map_chapters": -1, "fflags": "+bitexact"}
_MUXERS: dict[str, Options] = {
    "mp4": {"movflags": "+faststart", "write_tmcd": 0, "f": "mp4"},
    "ipod": {"movflags": "+faststart", "f": "ipod"},
    "webm": {"cues_to_front": 1, "f": "webm"},
}
# A variable frame rate is kept: no frame is dropped or doubled to fit a grid.
_EVERY_FRAME: Options = {"fps_mode": "vfr", "enc_time_base": "1:90000"}
# `update`: the target is one file, and a % in its path is not a counter.
_ONE_JPEG: Options = {"frames:v": 1, "update": 1, "map_metadata": -1, "f": "image2"}
_DISCARD: Options = {"f": "null"}


# --- A film, and sound ------------------------------------------------------------------------------------------------


def compress(source: InputFile, target: Path, info: MediaInfo, recipe: EncodeSettings) -> list[str]:
    """Compress a film into `target`, or, in the first of two passes, gather statistics and write nothing.

    The result has square pixels, is upright, has even sides, 8-bit 4:2:0 in TV range, progressive frames, every frame
    at its own time, its index in front and no metadata. Raises `UnreadableMedia` when `info` has no video.
    """
    video = require_video(info)
    media = _input(source)
    streams = [_filter(media[str(video.index)], _film_filters(video, recipe))]
    options = _film_options(recipe, video)
    if isinstance(recipe.rate, AtBitrate) and recipe.rate.number == _FIRST_PASS:
        return _command(streams, "-", options | _DISCARD)
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= _sound_options(info.audio, recipe)
    return _command(streams, target, options | _NO_METADATA | _MUXERS[recipe.codec.muxer])


def remux(
    source: InputFile, target: Path, info: MediaInfo, *, sound_options: Options | None = None, muxer: str = "mp4"
) -> list[str]:
    """Put a film, or sound alone, into a new file without encoding it again.

    Metadata is left out, and so is what an H.264 stream may carry besides its pictures. With `sound_options` the sound
    is encoded with them.
    """
    media = _input(source)
    streams, options = [], Options()
    if info.video is not None:
        streams.append(media[str(info.video.index)])
        options |= {"c:v": "copy"}
        if info.video.codec == "h264":
            # 6 is SEI: user data.
            options["bsf:v"] = ",".join(["filter_units=remove_types=6", *_missing_colour_tags(info.video)])
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= sound_options or {"c:a": "copy"}
    return _command(streams, target, options | _NO_METADATA | _MUXERS[muxer])


def compress_audio(source: InputFile, target: Path, audio: AudioStream, bitrate: int) -> list[str]:
    """Make an AAC file of the sound: stereo at most, its index in front, no metadata."""
    options = audio_options("aac", "aac", bitrate, audio.channels, audio.sample_rate)
    stream = _input(source)[str(audio.index)]
    return _command([stream], target, options | _NO_METADATA | _MUXERS["ipod"])


def count_pictures(source: InputFile, info: MediaInfo, start: float, seconds: float) -> list[str]:
    """Decode a stretch of a film and write nothing; the last reading's `frame` is how many pictures it has."""
    pictures = _input(source, start=start, seconds=seconds)[str(require_video(info).index)]
    return _command([pictures], "-", _DISCARD)


# --- Samples, and how good they are -----------------------------------------------------------------------------------


def compress_samples(
    source: InputFile, target: Path, info: MediaInfo, recipe: EncodeSettings, starts: Sequence[float], seconds: float
) -> list[str]:
    """Compress stretches of `seconds` each, pictures alone, as `recipe` would compress the whole film."""
    video = require_video(info)
    samples = _samples(source, video, recipe, starts, seconds)
    return _command([samples], target, _film_options(recipe, video) | _MUXERS[recipe.codec.muxer])


def save_samples(
    source: InputFile, target: Path, info: MediaInfo, recipe: EncodeSettings, starts: Sequence[float], seconds: float
) -> list[str]:
    """Save the same stretches without loss in a Matroska file, for others to be compared with."""
    samples = _samples(source, require_video(info), recipe, starts, seconds)
    lossless: Options = {"c:v": "libx264", "qp": 0, "preset": "ultrafast", "f": "matroska"}
    return _command([samples], target, _EVERY_FRAME | lossless)


def compress_trial(saved: InputFile, target: Path, video: VideoStream, recipe: EncodeSettings) -> list[str]:
    """Compress what `save_samples` saved."""
    pictures = _filter(_input(saved)["0"], [("format", {"pix_fmts": "yuv420p"})])
    return _command([pictures], target, _film_options(recipe, video) | _MUXERS[recipe.codec.muxer])


def measure_quality(saved: InputFile, trial: InputFile, metric: Metric, log_name: str) -> list[str]:
    """Write into the file `log_name`, a name without a path, how alike two films are, frame by frame."""
    in_step: list[Filter] = [("settb", {"expr": "1/1000"}), ("setpts", {"expr": "N"})]
    pair = [_filter(_input(file)["0"], in_step) for file in (trial, saved)]
    if metric == "vmaf":
        compared = ffmpeg.filter(pair, "libvmaf", log_path=log_name, log_fmt="json", n_subsample=2)
    else:
        compared = ffmpeg.filter(pair, "ssim", stats_file=log_name)
    return _command([compared], "-", _DISCARD)


# --- Poster and storyboard --------------------------------------------------------------------------------------------


def save_poster(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, mapper: ToneMapper,
    *, start: float, skip_dark: bool,
) -> list[str]:  # fmt: skip
    """Save a frame as an upright JPEG: the one at `start`, or with `skip_dark` the first bright one in the five seconds
    from there. ffmpeg succeeds and writes nothing when there is no such frame."""
    filters = jpeg_filters(video, width, height, mapper)
    if skip_dark:
        bright: Options = {
            "mode": "select", "key": "lavfi.signalstats.YAVG", "value": _DARK_LUMA, "function": "greater"
        }  # fmt: skip
        filters = [*filters, ("signalstats", {}), ("metadata", bright)]
    media = _input(source, start=max(0.0, start), seconds=_POSTER_SEARCH_SECONDS)
    return _command([_filter(media[str(video.index)], filters)], target, _ONE_JPEG | {"q:v": 3})


def count_keyframes(source: InputFile, video: VideoStream) -> list[str]:
    """Copy a film's keyframes to nowhere; the last reading's `frame` is how many there are."""
    options: Options = {"c": "copy", "bsf:v": "noise=drop=not(key)"}
    return _command([_input(source)[str(video.index)]], "-", options | _DISCARD)


def save_tiles(
    source: InputFile, target: Path, video: VideoStream, width: int, height: int, mapper: ToneMapper,
    *, interval: int, keyframes_only: bool,
) -> list[str]:  # fmt: skip
    """Save a small picture for every `interval` milliseconds, from its middle, as a raw film in a NUT file."""
    # `pass`: a keyframe counts as long as one frame, and the last would be too short for an interval of its own.
    every: Filter = ("fps", {"fps": f"1000/{interval}", "start_time": 0, "eof_action": "pass"})
    media = _input(source, skip_frame="nokey") if keyframes_only else _input(source)
    tiles = _filter(media[str(video.index)], [every, *jpeg_filters(video, width, height, mapper)])
    return _command([tiles], target, {"c:v": "rawvideo", "f": "nut"})


def save_sprite(tiles: InputFile, target: Path, *, columns: int, rows: int, count: int) -> list[str]:
    """Lay out `count` tiles as one JPEG; the last tile is repeated where one is missing."""
    layout: list[Filter] = [
        ("tpad", {"stop": -1, "stop_mode": "clone"}),
        ("tile", {"layout": f"{columns}x{rows}", "nb_frames": count}),
    ]
    return _command([_filter(_input(tiles)["0"], layout)], target, _ONE_JPEG | {"q:v": 4})


# --- HLS --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rendition:
    """One size of the film in the ladder; `max_rate` in bits a second."""

    name: str
    width: int
    height: int
    max_rate: int


def encode_hls(
    source: InputFile, info: MediaInfo, renditions: Sequence[Rendition], *, preset: str, audio_bitrate: str
) -> list[str]:
    """Cut a film into segments, in every size of `renditions` at the same frames, with one playlist for each.

    It must run in the directory that takes the files: their names are relative, as a `%` in a path would be a counter.
    """
    video, audio = require_video(info), info.audio
    alone = len(renditions) == 1 and audio is None  # then ffmpeg takes this one name as it is
    media = _input(source)
    copies = media[str(video.index)].filter_multi_output("split")
    streams = [
        _filter(copies.stream(number), video_filters(video, rendition.width, rendition.height, "none"))
        for number, rendition in enumerate(renditions)
    ]
    options: Options = {
        "c:v": "libx264",
        "preset": preset,
        "crf": _HLS_CRF,
        "pix_fmt": "yuv420p",
        # The only keyframes are those that begin a segment: the same frames in every rendition, whatever it shows.
        "force_key_frames": f"expr:isnan(prev_forced_t)+gte(t,prev_forced_t+{HLS_SEGMENT_SECONDS})",
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
        "hls_fmp4_init_filename": f"hls-{renditions[0].name if alone else '%v'}-init.mp4",
        "hls_segment_filename": "hls-%v-%05d.m4s",
        "var_stream_map": _hls_renditions(renditions, with_sound=audio is not None),
    }
    for number, rendition in enumerate(renditions):
        options |= {f"maxrate:v:{number}": rendition.max_rate, f"bufsize:v:{number}": 2 * rendition.max_rate}
    if audio is not None:
        streams.append(media[str(audio.index)])
        options |= _hls_sound_options(audio, audio_bitrate)
    return _command(streams, "hls-%v.m3u8", options | _EVERY_FRAME)


def _hls_sound_options(audio: AudioStream, bitrate: str) -> Options:
    if audio.codec == "aac" and audio.channels <= _STEREO:
        return {"c:a": "copy"}
    return {"c:a": "aac", "b:a": bitrate, "ac": min(audio.channels, _STEREO)}


def _hls_renditions(renditions: Sequence[Rendition], *, with_sound: bool) -> str:
    group = ",agroup:audio" if with_sound else ""
    entries = [f"v:{number}{group},name:{rendition.name}" for number, rendition in enumerate(renditions)]
    return " ".join([*entries, *(["a:0,agroup:audio,name:audio"] if with_sound else [])])


# --- What a file holds, and what the programs can do ------------------------------------------------------------------


def probe(file: InputFile) -> list[str]:
    """Have ffprobe describe a file's format and streams as JSON."""
    return _ffprobe(file, "-of", "json", "-show_format", "-show_streams")


def list_packets(file: InputFile) -> list[str]:
    """Have ffprobe list every packet of a file, one a line, as `roomcast_workers.media_info.packet_scan` reads them."""
    return _ffprobe(file, "-of", "csv=p=0", "-show_entries", SCAN_ENTRIES)


def list_filters() -> list[str]:
    """Have ffmpeg list its filters."""
    return ["-hide_banner", "-filters"]


def list_decoders() -> list[str]:
    """Have ffmpeg list its decoders."""
    return ["-hide_banner", "-decoders"]


def describe_filter(name: str) -> list[str]:
    """Have ffmpeg list the options of a filter."""
    return ["-hide_banner", "-h", f"filter={name}"]


def show_version() -> list[str]:
    """Have ffmpeg or ffprobe say its version: the least that shows that it runs."""
    return ["-version"]


def _ffprobe(file: InputFile, *wanted: str) -> list[str]:
    options = [word for name, value in input_options(file).items() for word in (f"-{name}", str(value))]
    return ["-v", "error", *wanted, "-max_alloc", str(LARGEST_ALLOCATION), *options, "-i", file_url(file.path)]


# --- Building ---------------------------------------------------------------------------------------------------------


def with_global_flags(output: ffmpeg.Stream) -> list[str]:
    """Return the arguments of a run that makes `output`, with the global flags that every run of ours has.

    ffmpeg-python puts them last; to ffmpeg a global flag means the same wherever it stands.
    """
    flagged = output.global_args(
        *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"),
        *("-progress", "pipe:1", "-stats_period", "0.25"),
        *("-max_alloc", str(LARGEST_ALLOCATION)),
    )
    return [str(word) for word in flagged.overwrite_output().get_args()]


def _command(streams: Sequence[ffmpeg.Stream], target: Path | str, options: Options) -> list[str]:
    return with_global_flags(
        ffmpeg.output(*streams, file_url(target) if isinstance(target, Path) else target, **options)
    )


def _input(
    file: InputFile, *, start: float | None = None, seconds: float | None = None, **options: str
) -> ffmpeg.Stream:
    """Read `file` under the rules for untrusted input, from `start` and for so many `seconds`, or as a whole."""
    if start is not None:
        options["ss"] = f"{start:.3f}"
    options["t"] = f"{read_seconds(file.limits, seconds):.3f}"
    return ffmpeg.input(file_url(file.path), **input_options(file), **options)


def _filter(pictures: ffmpeg.Stream, filters: Sequence[Filter]) -> ffmpeg.Stream:
    for name, options in filters:
        pictures = pictures.filter(name, **options)
    return pictures


def _samples(
    source: InputFile, video: VideoStream, recipe: EncodeSettings, starts: Sequence[float], seconds: float
) -> ffmpeg.Stream:
    filters = _film_filters(video, recipe)
    pieces = [_filter(_input(source, start=start, seconds=seconds)[str(video.index)], filters) for start in starts]
    return ffmpeg.concat(*pieces, v=1, a=0) if len(pieces) > 1 else pieces[0]


def _film_filters(video: VideoStream, recipe: EncodeSettings) -> list[Filter]:
    return video_filters(video, recipe.width, recipe.height, recipe.tone_mapper)


def _film_options(recipe: EncodeSettings, video: VideoStream) -> Options:
    options = video_options(recipe.codec, recipe.preset, recipe.rate, recipe.width, recipe.height, video.fps)
    return options | {"pix_fmt": "yuv420p"} | _EVERY_FRAME


def _sound_options(audio: AudioStream, recipe: EncodeSettings) -> Options:
    codec = recipe.codec
    channels = min(audio.channels, recipe.channels)
    return audio_options(codec.audio, codec.audio_encoder, recipe.audio_bitrate, channels, audio.sample_rate)


def _missing_colour_tags(video: VideoStream) -> list[str]:
    """Return the bitstream filter that tags an H.264 stream with its colours, where it has no tags itself."""
    codes = colour_codes(output_colours(video))
    return [] if video.matrix else ["h264_metadata=" + ":".join(f"{name}={code}" for name, code in codes.items())]
