"""What to ask of ffmpeg for a video, and whether what came out is right. Pure; the only user of ffmpeg-python."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from server.upload import errors
from workers.probe import MediaInfo, require_video
from workers.reading import file_url, input_options

_DURATION_SLACK_SECONDS = 1.0
_DURATION_SLACK_SHARE = 0.02
_STEREO = 2
_HIGHEST_SAMPLE_RATE = 48_000
_POSTER_LATEST = 3.0


@dataclass(frozen=True)
class VideoSettings:
    """How to compress: longest side in pixels (never scaled up), x264's quality (`crf`, lower is better) and
    `preset`, and the bitrate of the sound as ffmpeg writes it."""

    long_side: int = 1920
    crf: int = 22
    preset: str = "veryfast"
    audio_bitrate: str = "128k"


def compress_args(source: Path, target: Path, info: MediaInfo, settings: VideoSettings, demuxer: str) -> list[str]:
    """Arguments for `run_ffmpeg` that make an H.264/AAC MP4 of `source` at `target`.

    Square pixels, upright, even sides, 8-bit 4:2:0 in TV range, every frame at its own time, the index in front, no
    metadata. `demuxer` forces how the source is read. Raises `UnreadableMedia` when `info` has no video.
    """
    film = require_video(info)
    width, height = fit_even(film.width, film.height, settings.long_side)
    media = _input(source, demuxer)
    streams = [
        # Both ranges named: without `out_range` a full-range source keeps its levels and only loses the tag.
        media[str(film.index)]
        .filter("scale", w=width, h=height, out_range="tv")
        .filter("setsar", 1)
        .filter("format", "yuv420p")
    ]
    options: dict[str, str | int] = {
        "c:v": "libx264",
        "crf": settings.crf,
        "preset": settings.preset,
        "pix_fmt": "yuv420p",
        # A variable frame rate is kept: no frame is dropped or doubled to fit a grid.
        "fps_mode": "vfr",
        "enc_time_base": "1:90000",
        "movflags": "+faststart",
        "map_metadata": -1,
        "map_metadata:s": -1,
        "map_chapters": -1,
        "f": "mp4",
    }
    if info.audio is not None:
        streams.append(media[str(info.audio.index)])
        options |= {
            "c:a": "aac",
            "b:a": settings.audio_bitrate,
            "ac": min(info.audio.channels, _STEREO),
            "ar": min(info.audio.sample_rate, _HIGHEST_SAMPLE_RATE),
        }
    return _args(*streams, target=target, options=options)


def poster_args(source: Path, target_jpg: Path, at_seconds: float, demuxer: str, long_side: int = 1280) -> list[str]:
    """Arguments for `run_ffmpeg` that save the frame at `at_seconds` as a JPEG, upright, with square pixels, longest
    side at most `long_side`. Past the film's end ffmpeg succeeds and writes nothing: see `poster_moment`."""
    shrink = f"min(1,{long_side}/max(iw*sar,ih))"
    frame = (
        _input(source, demuxer, ss=f"{max(0.0, at_seconds):.3f}")["V:0"]
        .filter("scale", w=f"max(1,round(iw*sar*{shrink}))", h=f"max(1,round(ih*{shrink}))", out_range="pc")
        .filter("setsar", 1)
        .filter("format", "yuvj420p")
    )
    # `update`: the target is one file, and a % in its path is not a counter.
    options: dict[str, str | int] = {"frames:v": 1, "q:v": 3, "update": 1, "map_metadata": -1, "f": "image2"}
    return _args(frame, target=target_jpg, options=options)


def poster_moment(info: MediaInfo) -> float:
    """Seconds into the film at which to take its poster: past a fade-in, well before the end."""
    film = require_video(info)
    duration = film.duration or info.duration or 0.0
    return min(_POSTER_LATEST, duration / 4)


def fit_even(width: int, height: int, long_side: int) -> tuple[int, int]:
    """The largest even (width, height) of this shape that is no larger than it is and fits `long_side`."""
    shrink = min(1.0, long_side / max(width, height))
    return _even(width * shrink), _even(height * shrink)


def verify(source: MediaInfo, result: MediaInfo) -> None:
    """Raise unless `result` is what `compress_args` asked of `source`.

    `UnreadableMedia`: the source declares clearly more than could be read, so it is cut short. `TranscodeError`: the
    result is not a film like the source.
    """
    if result.video is None or result.video.codec != "h264":
        raise errors.TranscodeError("the result is not the video it should be")
    if (source.audio is None) != (result.audio is None):
        raise errors.TranscodeError("the result's sound is not the source's")
    if source.duration is None:
        return
    if result.duration is None:
        raise errors.TranscodeError("the result has no duration")
    slack = max(_DURATION_SLACK_SECONDS, source.duration * _DURATION_SLACK_SHARE)
    if result.duration < source.duration - slack:
        raise errors.UnreadableMedia(
            f"the file is cut short: {result.duration:.1f}s of {source.duration:.1f}s could be read",
            details={"seconds": round(result.duration, 3), "declaredSeconds": round(source.duration, 3)},
        )
    if result.duration > source.duration + slack:
        raise errors.TranscodeError("the result is longer than its source")


def _even(side: float) -> int:
    return max(2, int(side + 1e-9) // 2 * 2)


def _input(source: Path, demuxer: str, **options: str) -> ffmpeg.Stream:
    return ffmpeg.input(file_url(source), **input_options(demuxer), **options)


def _args(*streams: ffmpeg.Stream, target: Path, options: dict[str, str | int]) -> list[str]:
    return [str(word) for word in ffmpeg.output(*streams, file_url(target), **options).get_args()]
