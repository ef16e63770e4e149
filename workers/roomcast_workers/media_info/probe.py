"""Parse ffprobe's JSON defensively. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roomcast import errors

_MAX_SIDE = 1 << 20
_QUARTER_TURN = 90
_HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}
_WIDE_PRIMARIES = {"bt2020", "smpte431", "smpte432"}
_INTERLACED = {"tt", "bb", "tb", "bt"}
_ALPHA_FORMATS = r"yuva|gbrap|rgba|bgra|argb|abgr|ya\d|pal8|vuya|ayuv"
_HARMLESS_SIDE_DATA = {"CPB properties"}


@dataclass(frozen=True)
class VideoStream:
    """The video stream.

    `width` and `height` are as displayed: after `rotation` (clockwise: 0, 90, 180 or 270) and with square pixels. `fps`
    is the average rate, `frames` the header's count, `duration` is in seconds; each may be unknown. `index` is the
    stream's number in the file. `matrix`, `primaries` and `transfer` are its colours by ffmpeg's names, None where the
    file has no tag. `as_is` means that frames are shown as they are stored: not turned or flipped, with square pixels.
    `pixel_aspect` is the width of a stored pixel relative to its height.
    """

    index: int
    codec: str
    width: int
    height: int
    rotation: int
    fps: float | None
    pix_fmt: str | None
    frames: int | None
    duration: float | None
    profile: str | None = None
    full_range: bool = False
    matrix: str | None = None
    primaries: str | None = None
    transfer: str | None = None
    interlaced: bool = False
    alpha: bool = False
    as_is: bool = True
    pixel_aspect: float = 1.0

    @property
    def hdr(self) -> bool:
        """Whether it is HDR10 or HLG, made for brighter screens than most."""
        return self.transfer in _HDR_TRANSFERS

    @property
    def needs_colour_management(self) -> bool:
        """Whether its colours exceed BT.709 and must be mapped into it."""
        return self.hdr or self.primaries in _WIDE_PRIMARIES


@dataclass(frozen=True)
class AudioStream:
    """The audio stream. `channels` and `sample_rate` (Hz) are positive; `index` is the stream's number in the file."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    duration: float | None
    frames: int | None = None


@dataclass(frozen=True)
class MediaInfo:
    """One file.

    `duration` is in seconds: the longer of video and audio, else what the container declares. `size` is in bytes and
    `format_name` is ffprobe's. `video` is the first real video stream; `audio` is the usable audio stream that is
    marked as default, or else the first.
    """

    duration: float | None
    size: int | None
    format_name: str
    video: VideoStream | None
    audio: AudioStream | None


def parse_ffprobe(described: Any) -> MediaInfo:
    """Parse ffprobe's output for `-show_format -show_streams`.

    Ignores cover art, and streams that lack what is needed to decode them. Raises `UnreadableMedia` when that leaves
    neither video nor audio, and nothing else, whatever the input is.
    """
    root = _mapping(described)
    container = _mapping(root.get("format"))
    streams = root.get("streams")
    mappings = [_mapping(stream) for stream in streams] if isinstance(streams, list) else []
    video = next((found for found in map(_video, mappings) if found is not None), None)
    audios = [(stream, found) for stream in mappings if (found := _audio(stream)) is not None]
    audio = next(
        (found for _, found in sorted(audios, key=lambda pair: not _has_disposition(pair[0], "default"))), None
    )
    if video is None and audio is None:
        raise errors.UnreadableMedia("The file contains neither video nor audio.")
    durations = [stream.duration for stream in (video, audio) if stream is not None and stream.duration is not None]
    all_known = len(durations) == sum(stream is not None for stream in (video, audio))
    return MediaInfo(
        duration=max(durations) if all_known else _positive(container.get("duration")),
        size=_integer(container.get("size")),
        format_name=_text(container.get("format_name")) or "",
        video=video,
        audio=audio,
    )


def require_video(info: MediaInfo) -> VideoStream:
    """Return the video stream, or raise `UnreadableMedia` when there is none."""
    if info.video is None:
        raise errors.UnreadableMedia("The file contains no video.")
    return info.video


def _video(stream: Mapping[str, Any]) -> VideoStream | None:
    still = _has_disposition(stream, "attached_pic", "timed_thumbnails", "still_image")
    index, codec = _integer(stream.get("index")), _text(stream.get("codec_name"))
    width, height = _integer(stream.get("width")), _integer(stream.get("height"))
    if stream.get("codec_type") != "video" or still or index is None or codec is None or not width or not height:
        return None
    if max(width, height) > _MAX_SIDE:
        return None
    aspect = _pixel_aspect(stream)
    width = min(_MAX_SIDE, max(1, round(width * aspect)))
    rotation = _rotation(stream)
    pix_fmt = _text(stream.get("pix_fmt"))
    if rotation % (2 * _QUARTER_TURN):
        width, height = height, width
    return VideoStream(
        index=index,
        codec=codec,
        width=width,
        height=height,
        rotation=rotation,
        fps=_ratio(stream.get("avg_frame_rate"), "/") or _ratio(stream.get("r_frame_rate"), "/"),
        pix_fmt=pix_fmt,
        frames=_integer(stream.get("nb_frames")) or None,
        duration=_positive(stream.get("duration")),
        profile=_text(stream.get("profile")),
        full_range=_text(stream.get("color_range")) == "pc" or (pix_fmt or "").startswith("yuvj"),
        matrix=_text(stream.get("color_space")),
        primaries=_text(stream.get("color_primaries")),
        transfer=_text(stream.get("color_transfer")),
        interlaced=_text(stream.get("field_order")) in _INTERLACED,
        alpha=re.match(_ALPHA_FORMATS, pix_fmt or "") is not None,
        pixel_aspect=aspect,
        as_is=aspect == 1.0 and not rotation and not _has_display_side_data(stream),
    )


def _audio(stream: Mapping[str, Any]) -> AudioStream | None:
    index, codec = _integer(stream.get("index")), _text(stream.get("codec_name"))
    channels, rate = _integer(stream.get("channels")), _integer(stream.get("sample_rate"))
    if stream.get("codec_type") != "audio" or index is None or codec is None or not channels or not rate:
        return None
    return AudioStream(
        index=index,
        codec=codec,
        channels=channels,
        sample_rate=rate,
        duration=_positive(stream.get("duration")),
        frames=_integer(stream.get("nb_frames")) or None,
    )


def _has_disposition(stream: Mapping[str, Any], *dispositions: str) -> bool:
    described = _mapping(stream.get("disposition"))
    return any(_integer(described.get(name)) for name in dispositions)


def _has_display_side_data(stream: Mapping[str, Any]) -> bool:
    """Return whether players must flip, crop or project the frames, beyond size and rotation."""
    sides = stream.get("side_data_list")
    types = {_text(_mapping(side).get("side_data_type")) for side in sides} if isinstance(sides, list) else set()
    return not types <= _HARMLESS_SIDE_DATA


def _rotation(stream: Mapping[str, Any]) -> int:
    """Return the clockwise rotation in degrees, a multiple of 90. The display matrix counts in the opposite direction
    from the old `rotate` tag."""
    sides = stream.get("side_data_list")
    matrix = [_number(_mapping(side).get("rotation")) for side in sides] if isinstance(sides, list) else []
    angle = next((-angle for angle in matrix if angle is not None), None)
    if angle is None:
        angle = _number(_mapping(stream.get("tags")).get("rotate")) or 0.0
    return round(angle / _QUARTER_TURN) * _QUARTER_TURN % 360


def _pixel_aspect(stream: Mapping[str, Any]) -> float:
    return _ratio(stream.get("sample_aspect_ratio"), ":") or 1.0


def _ratio(value: Any, separator: str) -> float | None:
    """Return the value of `30000/1001` or `4:3`, or None where either number is not positive."""
    top_text, _, bottom_text = (_text(value) or "").partition(separator)
    numerator, denominator = _positive(top_text), _positive(bottom_text)
    return _positive(numerator / denominator) if numerator is not None and denominator is not None else None


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
    """Return a non-negative integer, or None."""
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number.is_integer() else None
