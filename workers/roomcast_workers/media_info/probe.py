"""Parse ffprobe's JSON defensively. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from roomcast import errors

from roomcast_workers.media_info.stream_choice import Candidate, choose_audio, choose_video

_MAX_SIDE = 1 << 20
_QUARTER_TURN = 90
_HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}
_WIDE_PRIMARIES = {"bt2020", "smpte431", "smpte432"}
_INTERLACED = {"tt", "bb", "tb", "bt"}
_ALPHA_FORMATS = r"yuva|gbrap|rgba|bgra|argb|abgr|ya\d|pal8|vuya|ayuv"
_HARMLESS_SIDE_DATA = {"CPB properties"}
_STILL_CODECS = {"mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpeg2000"}
_IN_BAND_TAGS = {"avc3", "avc4", "hev1", "dvav", "dvhe", "vvi1"}
"""What MP4 calls streams that have their parameters, such as the size, among the packets (ISO/IEC 14496-15)."""

_AUXILIARY = ("comment", "hearing_impaired", "visual_impaired", "descriptions", "karaoke", "dub", "non_diegetic")


@dataclass(frozen=True)
class VideoStream:
    """The video stream.

    `width` and `height` are as displayed: after `rotation` (clockwise: 0, 90, 180 or 270) and with square pixels. `fps`
    is the average rate, `frames` the header's count, `start` and `duration` are in seconds; each may be unknown.
    `index` is the stream's number in the file. `matrix`, `primaries` and `transfer` are its colours by ffmpeg's names,
    None where the file has no tag. `as_is` means that frames are shown as they are stored: not turned or flipped, with
    square pixels, all of one size. `pixel_aspect` is the width of a stored pixel relative to its height. With
    `size_varies` they have several sizes or rotations, of which this is the largest; with `parameters_in_band` the
    container allows that. `joined` means that it is several recordings, whose parameters may differ. `last_frame` is
    when the last frame is shown, in seconds from the beginning of the file, and for how long, if it stays for much
    longer than the others. `decoder` is the one that it needs, if it is not ffmpeg's own choice.
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
    start: float | None = None
    size_varies: bool = False
    joined: bool = False
    last_frame: tuple[float, float] | None = None
    decoder: str | None = None
    parameters_in_band: bool = False

    @property
    def end(self) -> float | None:
        """When it ends, in seconds, or None where the file does not say that."""
        return _end(self.start, self.duration)

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
    """The audio stream. `channels` and `sample_rate` (Hz) are positive; `index` is the stream's number in the file.

    `start` and `duration` are in seconds. `layout` is ffmpeg's name of its channel layout, None if that is unknown.
    """

    index: int
    codec: str
    channels: int
    sample_rate: int
    duration: float | None
    frames: int | None = None
    start: float | None = None
    layout: str | None = None

    @property
    def end(self) -> float | None:
        """When it ends, in seconds, or None where the file does not say that."""
        return _end(self.start, self.duration)


@dataclass(frozen=True)
class MediaInfo:
    """One file.

    `duration` is in seconds: from the beginning of the earlier stream to the end of the later one, else what the
    container declares. `size` is in bytes and `format_name` is ffprobe's. `start` is the time of the file's first
    packet, of any stream. `video` and `audio` are chosen from `videos` and `audios`.
    """

    duration: float | None
    size: int | None
    format_name: str
    video: VideoStream | None
    audio: AudioStream | None
    start: float | None = None
    videos: tuple[Candidate[VideoStream], ...] = field(default=(), compare=False, repr=False)
    audios: tuple[Candidate[AudioStream], ...] = field(default=(), compare=False, repr=False)

    @property
    def video_end(self) -> float | None:
        """When the last picture ends, in seconds from the beginning of the file, or None where that is unknown."""
        if self.video is None or self.video.end is None:
            return None
        return self.video.end - (self.start or 0.0)

    @property
    def unused_start(self) -> float:
        """How many seconds the file begins before its chosen streams; 0 where that is unknown."""
        starts = [stream.start for stream in (self.video, self.audio) if stream is not None]
        known = [start for start in starts if start is not None]
        return min(known) - self.start if self.start is not None and known and len(known) == len(starts) else 0.0


def parse_ffprobe(described: Any) -> MediaInfo:
    """Parse ffprobe's output for `-show_format -show_streams -show_programs`.

    Ignores cover art, and streams that lack what is needed to decode them. Raises `UnreadableMedia` when that leaves
    neither video nor audio, `UnsupportedType` when all video or all audio is in codecs that ffprobe does not know, and
    nothing else, for every input.
    """
    root = _mapping(described)
    container = _mapping(root.get("format"))
    programs = [_stream_indices(program) for program in _mappings(root.get("programs"))]
    streams = _mappings(root.get("streams"))
    found = MediaInfo(
        duration=_positive(container.get("duration")),
        size=_integer(container.get("size")),
        format_name=_text(container.get("format_name")) or "",
        video=None,
        audio=None,
        start=_number(container.get("start_time")),
        videos=tuple(_video_candidate(stream, video, programs) for stream in streams if (video := _video(stream))),
        audios=tuple(_audio_candidate(stream, audio, programs) for stream in streams if (audio := _audio(stream))),
    )
    for kind, candidates in (("video", found.videos), ("audio", found.audios)):
        unknown = next((stream for stream in streams if _has_unknown_codec(stream, kind)), None)
        if unknown is not None and not candidates:
            tag = _text(unknown.get("codec_tag_string")) or "unknown"
            raise errors.UnsupportedType(
                f"The file uses the codec {tag}, which this server cannot decode.", details={"codec": tag}
            )
    return choose_streams(found, lambda _: True)


def choose_streams(info: MediaInfo, usable: Callable[[int], bool]) -> MediaInfo:
    """Return the file with the video and the audio that a player would play; those that are `usable` come first.

    Raises `UnreadableMedia` when there is neither.
    """
    video = choose_video(info.videos, usable)
    audio = choose_audio(info.audios, usable, video.programs if video is not None else frozenset())
    if video is None and audio is None:
        raise errors.UnreadableMedia("The file contains neither video nor audio.")
    chosen = [found.stream for found in (video, audio) if found is not None]
    return replace(
        info,
        duration=_span(chosen) or info.duration,
        video=video.stream if video is not None else None,
        audio=audio.stream if audio is not None else None,
    )


def _span(streams: Sequence[VideoStream | AudioStream]) -> float | None:
    """Return the time from the first start to the last end of these streams, or None if an end is unknown."""
    ends = [stream.end for stream in streams if stream.end is not None]
    if len(ends) < len(streams):
        return None
    return _positive(max(ends) - min(stream.start or 0.0 for stream in streams))


def _end(start: float | None, duration: float | None) -> float | None:
    return None if duration is None else (start or 0.0) + duration


def require_video(info: MediaInfo) -> VideoStream:
    """Return the video stream, or raise `UnreadableMedia` when there is none."""
    if info.video is None:
        raise errors.UnreadableMedia("The file contains no video.")
    return info.video


def _video_candidate(
    stream: Mapping[str, Any], video: VideoStream, programs: Sequence[frozenset[int]]
) -> Candidate[VideoStream]:
    return Candidate(
        video.index,
        video,
        default=_has_disposition(stream, "default"),
        auxiliary=video.codec in _STILL_CODECS or _has_disposition(stream, *_AUXILIARY),
        pixels=video.width * video.height,
        programs=_programs_of(video.index, programs),
    )


def _audio_candidate(
    stream: Mapping[str, Any], audio: AudioStream, programs: Sequence[frozenset[int]]
) -> Candidate[AudioStream]:
    return Candidate(
        audio.index,
        audio,
        default=_has_disposition(stream, "default"),
        auxiliary=_has_disposition(stream, *_AUXILIARY),
        programs=_programs_of(audio.index, programs),
    )


def _programs_of(index: int, programs: Sequence[frozenset[int]]) -> frozenset[int]:
    return frozenset(number for number, indices in enumerate(programs) if index in indices)


def _stream_indices(program: Mapping[str, Any]) -> frozenset[int]:
    indices = (_integer(stream.get("index")) for stream in _mappings(program.get("streams")))
    return frozenset(index for index in indices if index is not None)


def _has_unknown_codec(stream: Mapping[str, Any], kind: str) -> bool:
    is_still = _has_disposition(stream, "attached_pic", "timed_thumbnails", "still_image")
    return stream.get("codec_type") == kind and _text(stream.get("codec_name")) is None and not is_still


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
    # WebM stores alpha beside the picture, and only these decoders read it.
    has_alpha = _integer(_mapping(stream.get("tags")).get("alpha_mode")) == 1
    alpha_decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec) if has_alpha else None
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
        alpha=alpha_decoder is not None or re.match(_ALPHA_FORMATS, pix_fmt or "") is not None,
        pixel_aspect=aspect,
        as_is=aspect == 1.0 and not rotation and not _has_display_side_data(stream),
        start=_number(stream.get("start_time")),
        decoder=alpha_decoder,
        parameters_in_band=_text(stream.get("codec_tag_string")) in _IN_BAND_TAGS,
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
        start=_number(stream.get("start_time")),
        layout=_text(stream.get("channel_layout")),
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


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [_mapping(item) for item in value] if isinstance(value, list) else []


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
