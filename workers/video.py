"""What to ask of ffmpeg for a film or for sound, and whether what came out is right. Pure; the only user of
ffmpeg-python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from server.upload import errors
from workers.chain import Filter, ToneMapper, colour_codes, film_chain, film_colours
from workers.codecs import AtBitrate, Codec, Options, Rate, audio_options, video_options
from workers.probe import AudioStream, MediaInfo, VideoStream, require_video
from workers.quality import Metric
from workers.reading import file_url, input_options
from workers.whole import same_length

_FIRST_PASS = 1

# No title, place, name, comment, chapter or attachment of the source's, and no time code track made of its own.
_PRIVATE: Options = {"map_metadata": -1, "map_metadata:s": -1, "map_chapters": -1, "fflags": "+bitexact"}
_MUXERS: dict[str, Options] = {
    "mp4": {"movflags": "+faststart", "write_tmcd": 0, "f": "mp4"},
    "ipod": {"movflags": "+faststart", "f": "ipod"},
    "webm": {"cues_to_front": 1, "f": "webm"},
}
# A variable frame rate is kept: no frame is dropped or doubled to fit a grid.
_EVERY_FRAME: Options = {"fps_mode": "vfr", "enc_time_base": "1:90000"}


@dataclass(frozen=True)
class Recipe:
    """How to compress a film: what makes it as large and as good as it is. Sides in pixels, `audio_bitrate` in bits a
    second; `tone_mapper` is what the ffmpeg in use has for HDR."""

    codec: Codec
    preset: str
    rate: Rate
    width: int
    height: int
    audio_bitrate: int = 128_000
    channels: int = 2
    tone_mapper: ToneMapper = "none"


def compress_args(source: Path, target: Path, info: MediaInfo, recipe: Recipe, demuxer: str) -> list[str]:
    """Arguments for `run_ffmpeg` that compress `source` into `target`, or that gather statistics for the second of two
    passes and write nothing.

    Square pixels, upright, even sides, 8-bit 4:2:0 in TV range, progressive, every frame at its own time, the index in
    front, no metadata. `demuxer` forces how the source is read. Raises `UnreadableMedia` when `info` has no video.
    """
    film = require_video(info)
    media = _input(source, demuxer)
    streams = [_shown(media[str(film.index)], film, recipe)]
    options = _video(recipe, film)
    if isinstance(recipe.rate, AtBitrate) and recipe.rate.number == _FIRST_PASS:
        return _args(*streams, target="-", options=options | {"f": "null"})
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= _audio(info.audio, recipe)
    return _args(*streams, target=target, options=options | _PRIVATE | _MUXERS[recipe.codec.muxer])


def copy_args(
    source: Path, target: Path, info: MediaInfo, demuxer: str, audio: Options | None, muxer: str = "mp4"
) -> list[str]:
    """Arguments for `run_ffmpeg` that put the film, or the sound alone, into a new file as it is: without metadata, and
    without what an H.264 stream may carry besides its pictures. `audio`: how to encode the sound; None copies it."""
    media = _input(source, demuxer)
    streams, options = [], Options()
    if info.video is not None:
        streams.append(media[str(info.video.index)])
        options |= {"c:v": "copy"}
        if info.video.codec == "h264":
            options["bsf:v"] = ",".join(["filter_units=remove_types=6", *_tagged(info.video)])  # 6 is SEI: user data
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= audio or {"c:a": "copy"}
    return _args(*streams, target=target, options=options | _PRIVATE | _MUXERS[muxer])


def _tagged(film: VideoStream) -> list[str]:
    """What says in an H.264 stream which colours it is in, where it does not say so itself."""
    codes = colour_codes(film_colours(film))
    return [] if film.matrix else ["h264_metadata=" + ":".join(f"{name}={code}" for name, code in codes.items())]


def sound_args(source: Path, target: Path, sound: AudioStream, demuxer: str, bitrate: int) -> list[str]:
    """Arguments for `run_ffmpeg` that make an AAC file of the sound: stereo at most, the index in front."""
    options = audio_options("aac", "aac", bitrate, sound.channels, sound.sample_rate)
    media = _input(source, demuxer)
    return _args(media[str(sound.index)], target=target, options=options | _PRIVATE | _MUXERS["ipod"])


def samples_args(
    source: Path, target: Path, info: MediaInfo, recipe: Recipe, demuxer: str, starts: Sequence[float], length: float,
    *, lossless: bool = False,
) -> list[str]:  # fmt: skip
    """Arguments for `run_ffmpeg` that compress stretches of `length` seconds, pictures alone, as `recipe` would the
    whole film; or that save them without loss, to compare with."""
    film = require_video(info)
    pieces = [
        _shown(_input(source, demuxer, ss=f"{start:.3f}", t=f"{length:.3f}")[str(film.index)], film, recipe)
        for start in starts
    ]
    joined = ffmpeg.concat(*pieces, v=1, a=0) if len(pieces) > 1 else pieces[0]
    if lossless:
        options: Options = {"c:v": "libx264", "qp": 0, "preset": "ultrafast", "f": "matroska"}
        return _args(joined, target=target, options=_EVERY_FRAME | options)
    return _args(joined, target=target, options=_video(recipe, film) | _MUXERS[recipe.codec.muxer])


def trial_args(reference: Path, target: Path, film: VideoStream, recipe: Recipe) -> list[str]:
    """Arguments for `run_ffmpeg` that compress what `samples_args` saved without loss."""
    pictures = _filtered(_input(reference, "matroska")["0"], [("format", {"pix_fmts": "yuv420p"})])
    return _args(pictures, target=target, options=_video(recipe, film) | _MUXERS[recipe.codec.muxer])


def compare_args(reference: Path, trial: Path, demuxer: str, metric: Metric, log: str) -> list[str]:
    """Arguments for `run_ffmpeg` that write into `log`, a file name without a path, how alike the two films are frame
    by frame; see `workers.quality`."""
    in_step: list[Filter] = [("settb", {"expr": "1/1000"}), ("setpts", {"expr": "N"})]
    pair = [_filtered(_input(path, kind)["0"], in_step) for path, kind in ((trial, demuxer), (reference, "matroska"))]
    if metric == "vmaf":
        compared = ffmpeg.filter(pair, "libvmaf", log_path=log, log_fmt="json", n_subsample=2)
    else:
        compared = ffmpeg.filter(pair, "ssim", stats_file=log)
    return _args(compared, target="-", options={"f": "null"})


def decode_args(source: Path, info: MediaInfo, demuxer: str, at_seconds: float, seconds: float) -> list[str]:
    """Arguments for `run_ffmpeg` under which its last reading's `frame` is how many pictures can be decoded there."""
    pictures = _input(source, demuxer, ss=f"{at_seconds:.3f}", t=f"{seconds:.3f}")[str(require_video(info).index)]
    return _args(pictures, target="-", options={"f": "null"})


def verify(wanted: Recipe, info: MediaInfo, seconds: float, result: MediaInfo) -> None:
    """Raise `TranscodeError` unless `result` is what `compress_args` asked of a film of so many `seconds`, and
    `UnreadableMedia` when nothing of a stream could be decoded. That it is too short is said elsewhere: `is_short`."""
    film = result.video
    if film is None:
        raise errors.UnreadableMedia("none of the film's pictures can be decoded")
    if film.codec != wanted.codec.name or film.pix_fmt != "yuv420p" or not film.as_is:
        raise errors.TranscodeError("the result is not the video it should be")
    if (film.width, film.height) != (wanted.width, wanted.height):
        raise errors.TranscodeError("the result has not the size it should have")
    _verify_sound(info, result, wanted.codec.audio)
    verify_length(seconds, result)


def verify_copy(info: MediaInfo, seconds: float, result: MediaInfo) -> None:
    """The same of what `copy_args` made."""
    if (info.video is None) != (result.video is None) or (
        info.video and result.video and info.video.codec != result.video.codec
    ):
        raise errors.TranscodeError("the result is not the video it should be")
    _verify_sound(info, result, "aac")
    verify_length(seconds, result)


def verify_length(seconds: float, result: MediaInfo) -> None:
    """Raise `UnreadableMedia` when the result has no length, for nothing came of its source, and `TranscodeError` when
    it is longer than it may be."""
    if result.duration is None:
        raise errors.UnreadableMedia("nothing of the file can be decoded")
    if result.duration > seconds and not same_length(result.duration, seconds):
        raise errors.TranscodeError("the result is longer than its source")


def is_short(seconds: float, result: MediaInfo) -> bool:
    """Whether the result lacks something of a source of so many `seconds`."""
    return result.duration is None or (result.duration < seconds and not same_length(result.duration, seconds))


def _verify_sound(info: MediaInfo, result: MediaInfo, codec: str) -> None:
    if info.audio is not None and result.audio is None:
        raise errors.UnreadableMedia("none of the film's sound can be decoded")
    if (info.audio is None) != (result.audio is None) or (result.audio and result.audio.codec != codec):
        raise errors.TranscodeError("the result's sound is not the source's")


def _video(recipe: Recipe, film: VideoStream) -> Options:
    options = video_options(recipe.codec, recipe.preset, recipe.rate, recipe.width, recipe.height, film.fps)
    return options | {"pix_fmt": "yuv420p"} | _EVERY_FRAME


def _audio(sound: AudioStream, recipe: Recipe) -> Options:
    codec = recipe.codec
    channels = min(sound.channels, recipe.channels)
    return audio_options(codec.audio, codec.audio_encoder, recipe.audio_bitrate, channels, sound.sample_rate)


def _shown(pictures: ffmpeg.Stream, film: VideoStream, recipe: Recipe) -> ffmpeg.Stream:
    return _filtered(pictures, film_chain(film, recipe.width, recipe.height, recipe.tone_mapper))


def _filtered(pictures: ffmpeg.Stream, chain: Sequence[Filter]) -> ffmpeg.Stream:
    for name, options in chain:
        pictures = pictures.filter(name, **options)
    return pictures


def _input(source: Path, demuxer: str, **options: str) -> ffmpeg.Stream:
    return ffmpeg.input(file_url(source), **input_options(demuxer), **options)


def _args(*streams: ffmpeg.Stream, target: Path | str, options: Options) -> list[str]:
    output = file_url(target) if isinstance(target, Path) else target
    return [str(word) for word in ffmpeg.output(*streams, output, **options).get_args()]
