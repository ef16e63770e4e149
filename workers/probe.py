"""What a file holds: ffprobe's JSON, read with suspicion. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.upload import errors

_LARGEST_SIDE = 1 << 20
_QUARTER_TURN = 90


@dataclass(frozen=True)
class VideoStream:
    """The film. `width` and `height` are as displayed: after `rotation` (clockwise: 0, 90, 180 or 270) and with
    square pixels. `fps` is the average rate, `frames` what the header counts, `duration` seconds; each may be unknown.
    `index` is the stream's number in the file."""

    index: int
    codec: str
    width: int
    height: int
    rotation: int
    fps: float | None
    pix_fmt: str | None
    frames: int | None
    duration: float | None


@dataclass(frozen=True)
class AudioStream:
    """The sound. `channels` and `sample_rate` (Hz) are positive; `index` is the stream's number in the file."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    duration: float | None


@dataclass(frozen=True)
class MediaInfo:
    """One file: `duration` in seconds of what would be kept (the longer of film and sound, else what the container
    declares), `size` in bytes, ffprobe's `format_name`; the first real video stream and the first usable sound."""

    duration: float | None
    size: int | None
    format_name: str
    video: VideoStream | None
    audio: AudioStream | None


def parse(said: Any) -> MediaInfo:
    """Read what ffprobe said with `-show_format -show_streams`.

    Cover art is not taken for the film, nor a stream that lacks what is needed to decode it. Raises `UnreadableMedia`
    when that leaves neither video nor sound, and nothing else, whatever `said` is.
    """
    root = _mapping(said)
    container = _mapping(root.get("format"))
    streams = root.get("streams")
    mappings = [_mapping(stream) for stream in streams] if isinstance(streams, list) else []
    video = next((found for found in map(_video, mappings) if found is not None), None)
    audio = next((found for found in map(_audio, mappings) if found is not None), None)
    if video is None and audio is None:
        raise errors.UnreadableMedia("the file holds neither video nor sound")
    kept = [stream.duration for stream in (video, audio) if stream is not None and stream.duration is not None]
    known_whole = len(kept) == sum(stream is not None for stream in (video, audio))
    return MediaInfo(
        duration=max(kept) if known_whole else _positive(container.get("duration")),
        size=_integer(container.get("size")),
        format_name=_text(container.get("format_name")) or "",
        video=video,
        audio=audio,
    )


def require_video(info: MediaInfo) -> VideoStream:
    """The film; raises `UnreadableMedia` when there is none."""
    if info.video is None:
        raise errors.UnreadableMedia("the file holds no video")
    return info.video


def _video(stream: Mapping[str, Any]) -> VideoStream | None:
    disposition = _mapping(stream.get("disposition"))
    still = any(_integer(disposition.get(name)) for name in ("attached_pic", "timed_thumbnails", "still_image"))
    index, codec = _integer(stream.get("index")), _text(stream.get("codec_name"))
    width, height = _integer(stream.get("width")), _integer(stream.get("height"))
    if stream.get("codec_type") != "video" or still or index is None or codec is None or not width or not height:
        return None
    if max(width, height) > _LARGEST_SIDE:
        return None
    width = min(_LARGEST_SIDE, max(1, round(width * _pixel_aspect(stream))))
    rotation = _rotation(stream)
    if rotation % (2 * _QUARTER_TURN):
        width, height = height, width
    return VideoStream(
        index=index,
        codec=codec,
        width=width,
        height=height,
        rotation=rotation,
        fps=_ratio(stream.get("avg_frame_rate"), "/") or _ratio(stream.get("r_frame_rate"), "/"),
        pix_fmt=_text(stream.get("pix_fmt")),
        frames=_integer(stream.get("nb_frames")) or None,
        duration=_positive(stream.get("duration")),
    )


def _audio(stream: Mapping[str, Any]) -> AudioStream | None:
    index, codec = _integer(stream.get("index")), _text(stream.get("codec_name"))
    channels, rate = _integer(stream.get("channels")), _integer(stream.get("sample_rate"))
    if stream.get("codec_type") != "audio" or index is None or codec is None or not channels or not rate:
        return None
    return AudioStream(
        index=index, codec=codec, channels=channels, sample_rate=rate, duration=_positive(stream.get("duration"))
    )


def _rotation(stream: Mapping[str, Any]) -> int:
    """Clockwise quarter turns, in degrees. The display matrix counts the other way round from the old `rotate` tag."""
    sides = stream.get("side_data_list")
    matrix = [_number(_mapping(side).get("rotation")) for side in sides] if isinstance(sides, list) else []
    turned = next((-angle for angle in matrix if angle is not None), None)
    if turned is None:
        turned = _number(_mapping(stream.get("tags")).get("rotate")) or 0.0
    return round(turned / _QUARTER_TURN) * _QUARTER_TURN % 360


def _pixel_aspect(stream: Mapping[str, Any]) -> float:
    return _ratio(stream.get("sample_aspect_ratio"), ":") or 1.0


def _ratio(value: Any, separator: str) -> float | None:
    """`30000/1001` or `4:3`; None where either part is not a positive number."""
    above, _, below = (_text(value) or "").partition(separator)
    top, bottom = _positive(above), _positive(below)
    return _positive(top / bottom) if top is not None and bottom is not None else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and value not in {"unknown", "none", "N/A"} else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _integer(value: Any) -> int | None:
    """A whole number that is not negative; None otherwise."""
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number.is_integer() else None
