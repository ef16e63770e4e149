"""Codecs: ffmpeg's encoder options and the container for each. Pure.

H.264 plays everywhere. AV1 goes into MP4 with AAC, which every browser with AV1 plays. VP9 goes into WebM with Opus,
which every browser with VP9 plays; many do not play VP9 in MP4.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roomcast.uploads.templates import CodecName

from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.ffmpeg.input_options import Options

KEYFRAME_SECONDS = 5
_ONE_INTERVAL_SECONDS = 6
"""Up to this length a video has one keyframe interval: in a clip of 5.3 seconds, the keyframe after five was a tenth of
all bytes."""
_MAX_KEYFRAME_INTERVAL = 600
_MIN_AV1_SIDE = 64
_AAC_RATES = (7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_STEREO = 2

_MAX_1080P30 = 24_000_000
_PIXELS_1080P30 = 1920 * 1080 * 30
_GROWTH = 0.75
"""Bitrate grows more slowly than pixels: neighbouring pixels in a larger picture are more alike."""
_MIN_BITRATE = 400_000
_MOMENTS = 2
"""How many times the maximum bitrate a moment may have. x264 starves a video that needs more: within 6 Mbit/s, a clip
of a waterfall at 21 Mbit/s came out with 73 VMAF points."""
_BUFFER_SECONDS = 2
ASSUMED_FPS = 30.0
_MAX_FPS = 60.0


@dataclass(frozen=True)
class VideoCodec:
    """A video codec: ffprobe's name for it, ffmpeg's encoder, and the file it goes in. `presets` maps x264's preset
    names to the encoder's own. `relative_bitrate` is the bitrate it needs where H.264 needs 1."""

    name: CodecName
    encoder: str
    audio: str
    audio_encoder: str
    muxer: str
    demuxer: str
    suffix: str
    mime: str
    relative_bitrate: float
    preset_option: str
    presets: dict[str, str | int]


_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")


def _presets(*values: str | int) -> dict[str, str | int]:
    return dict(zip(_PRESETS, values, strict=True))


CODECS: dict[CodecName, VideoCodec] = {
    "h264": VideoCodec(
        "h264", "libx264", "aac", "aac", "mp4", "mov", ".mp4", "video/mp4", 1.0, "preset", _presets(*_PRESETS)
    ),
    "av1": VideoCodec(
        "av1", "libsvtav1", "aac", "aac", "mp4", "mov", ".mp4", "video/mp4", 0.6, "preset",
        _presets(12, 11, 10, 9, 8, 7, 5, 4),
    ),
    "vp9": VideoCodec(
        "vp9", "libvpx-vp9", "opus", "libopus", "webm", "matroska", ".webm", "video/webm", 0.7, "cpu-used",
        _presets(8, 7, 6, 5, 4, 3, 2, 1),
    ),
}  # fmt: skip

EFFORT = _presets(5, 7, 10, 16, 20, 27, 45, 90)
"""CPU cost of a preset relative to `veryfast` = 10; approximate, and the same for every codec."""


@dataclass(frozen=True)
class ConstantQuality:
    """Encode at a constant quality: `limited` to what can be played from the web, or with any bitrate that
    takes."""

    crf: int
    limited: bool = True


@dataclass(frozen=True)
class TwoPass:
    """Encode at an average bitrate (bits per second) in two passes, of which this is `number`. They share the
    statistics file `log`, to whose name ffmpeg appends."""

    bitrate: int
    number: int
    log: Path


RateControl = ConstantQuality | TwoPass


@dataclass(frozen=True)
class EncodeSettings:
    """How to encode a video. Sides are in pixels, `audio_bitrate` in bits per second; `tone_mapper` is what the
    installed ffmpeg offers for HDR; `seconds` is the video's length, if it is known."""

    codec: VideoCodec
    preset: str
    rate: RateControl
    width: int
    height: int
    audio_bitrate: int = 128_000
    channels: int = 2
    tone_mapper: ToneMapper = "none"
    seconds: float | None = None


def codec_for(wanted: CodecName, width: int, height: int) -> VideoCodec:
    """Return the requested codec, or H.264 for videos so small that SVT-AV1 rejects them or never ends."""
    return CODECS["h264" if wanted == "av1" and min(width, height) < _MIN_AV1_SIDE else wanted]


def max_bitrate(width: int, height: int, fps: float | None) -> int:
    """Return the maximum bitrate for web playback of such a video in H.264, in bits per second; 1080p30 has 24
    million."""
    pixels = width * height * min(fps or ASSUMED_FPS, _MAX_FPS)
    return max(_MIN_BITRATE, int(float(_MAX_1080P30 * (pixels / _PIXELS_1080P30) ** _GROWTH)))


def max_playback_bytes(settings: EncodeSettings, fps: float | None, seconds: float) -> int:
    """Return the most bytes that a video of `seconds` may have for web playback: those of its maximum bitrate, and what
    a player has buffered before it starts."""
    bitrate = max_bitrate(settings.width, settings.height, fps) * settings.codec.relative_bitrate
    return round((bitrate * (seconds + _BUFFER_SECONDS) + settings.audio_bitrate * seconds) / 8)


def video_options(
    codec: VideoCodec, preset: str, rate: RateControl, width: int, height: int, fps: float | None,
    seconds: float | None = None,
) -> Options:  # fmt: skip
    """Return the video options of one output of `seconds`: a keyframe first, and then at least every five seconds, or
    none more if it is hardly longer."""
    is_one_interval = seconds is not None and seconds <= _ONE_INTERVAL_SECONDS
    interval = (fps or 25) * (_ONE_INTERVAL_SECONDS if is_one_interval else KEYFRAME_SECONDS)
    keyframe_interval = min(_MAX_KEYFRAME_INTERVAL, max(1, round(interval)))
    options: Options = {"c:v": codec.encoder, codec.preset_option: codec.presets[preset], "g": keyframe_interval}
    if codec.name == "vp9":
        options |= {"deadline": "good", "row-mt": 1}
    if isinstance(rate, TwoPass):
        options |= {"b:v": rate.bitrate, "pass": rate.number, "passlogfile": str(rate.log)}
        if codec.name == "av1":
            options["svtav1-params"] = "rc=1"
    else:
        options |= {"crf": rate.crf, **_bitrate_limit(codec, rate, max_bitrate(width, height, fps))}
    return options


def _bitrate_limit(codec: VideoCodec, rate: ConstantQuality, bitrate: int) -> Options:
    limit = round(_MOMENTS * bitrate * codec.relative_bitrate)
    if codec.name == "vp9":
        return {"b:v": limit if rate.limited else 0}  # libvpx: constant quality within this bitrate
    if codec.name == "av1" or not rate.limited:
        # SVT-AV1 starves within a maximum bitrate: of the waterfall it made 42 VMAF points where 98 took 5.5 MB.
        return {}
    return {"maxrate": limit, "bufsize": _BUFFER_SECONDS * limit}


def audio_options(codec_name: str, encoder: str, bitrate: int, channels: int, sample_rate: int) -> Options:
    """Return the audio options of one output: at most stereo, at a sample rate that the encoder supports."""
    rate = 48_000
    if codec_name == "aac":
        rate = next((supported for supported in _AAC_RATES if supported >= sample_rate), _AAC_RATES[-1])
    return {"c:a": encoder, "b:a": bitrate, "ac": min(channels, _STEREO), "ar": rate}
