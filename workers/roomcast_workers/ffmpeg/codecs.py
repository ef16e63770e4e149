"""What each codec asks of ffmpeg, and the container it goes in. Pure.

H.264 plays everywhere. AV1 goes into MP4, with AAC, as every browser that knows AV1 takes it. VP9 goes into WebM, with
Opus: every browser that knows VP9 takes that, while VP9 in MP4 is hit and miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roomcast.uploads.templates import CodecName

from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.ffmpeg.input_options import Options

_KEYFRAME_SECONDS = 5
_MOST_FRAMES_BETWEEN = 600
_SMALLEST_AV1_SIDE = 64
_AAC_RATES = (7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_STEREO = 2

_PEAK_1080P30 = 12_000_000
_PIXELS_1080P30 = 1920 * 1080 * 30
_GROWTH = 0.75
"""Bitrate grows slower than pixels do: neighbours in a larger picture are more alike."""
_LEAST_PEAK = 200_000
ASSUMED_FPS = 30.0
_HIGHEST_FPS = 60.0


@dataclass(frozen=True)
class Codec:
    """A codec of films: what ffprobe calls it, how ffmpeg encodes it, and the file it goes in. `presets`: x264's names
    in the encoder's own terms. `bits`: what it needs for a picture, where H.264 needs 1."""

    name: str
    encoder: str
    audio: str
    audio_encoder: str
    muxer: str
    demuxer: str
    suffix: str
    mime: str
    bits: float
    preset_option: str
    presets: dict[str, str | int]


_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")


def _presets(*values: str | int) -> dict[str, str | int]:
    return dict(zip(_PRESETS, values, strict=True))


CODECS: dict[CodecName, Codec] = {
    "h264": Codec(
        "h264", "libx264", "aac", "aac", "mp4", "mov", ".mp4", "video/mp4", 1.0, "preset", _presets(*_PRESETS)
    ),
    "av1": Codec(
        "av1", "libsvtav1", "aac", "aac", "mp4", "mov", ".mp4", "video/mp4", 0.6, "preset",
        _presets(12, 11, 10, 9, 8, 7, 5, 4),
    ),
    "vp9": Codec(
        "vp9", "libvpx-vp9", "opus", "libopus", "webm", "matroska", ".webm", "video/webm", 0.7, "cpu-used",
        _presets(8, 7, 6, 5, 4, 3, 2, 1),
    ),
}  # fmt: skip

EFFORT = _presets(5, 7, 10, 16, 20, 27, 45, 90)
"""What a preset costs, in tenths of `veryfast`; roughly, and the same for every codec."""


@dataclass(frozen=True)
class AtQuality:
    """As many bits as the quality takes."""

    crf: int


@dataclass(frozen=True)
class AtBitrate:
    """So many bits a second on average, over two passes that meet in the file `log` (ffmpeg appends to its name)."""

    bitrate: int
    number: int
    log: Path


RateControl = AtQuality | AtBitrate


@dataclass(frozen=True)
class EncodeSettings:
    """How to compress a film: what makes it as large and as good as it is. Sides in pixels, `audio_bitrate` in bits a
    second; `tone_mapper` is what the ffmpeg in use has for HDR."""

    codec: Codec
    preset: str
    rate: RateControl
    width: int
    height: int
    audio_bitrate: int = 128_000
    channels: int = 2
    tone_mapper: ToneMapper = "none"


def codec_for(wanted: CodecName, width: int, height: int) -> Codec:
    """The codec that was asked for; for pictures so small that SVT-AV1 refuses them, or never ends, H.264."""
    return CODECS["h264" if wanted == "av1" and min(width, height) < _SMALLEST_AV1_SIDE else wanted]


def peak_bitrate(width: int, height: int, fps: float | None) -> int:
    """The bits a second that a web player should never need for such a film in H.264: 12 million at 1080p30."""
    pixels = width * height * min(fps or ASSUMED_FPS, _HIGHEST_FPS)
    return max(_LEAST_PEAK, int(float(_PEAK_1080P30 * (pixels / _PIXELS_1080P30) ** _GROWTH)))


def video_options(codec: Codec, preset: str, rate: RateControl, width: int, height: int, fps: float | None) -> Options:
    """Options for the pictures of one output. A keyframe first, and then at least every five seconds."""
    between = min(_MOST_FRAMES_BETWEEN, max(1, round((fps or 25) * _KEYFRAME_SECONDS)))
    options: Options = {"c:v": codec.encoder, codec.preset_option: codec.presets[preset], "g": between}
    if codec.name == "vp9":
        options |= {"deadline": "good", "row-mt": 1}
    peak = round(peak_bitrate(width, height, fps) * codec.bits)
    if isinstance(rate, AtBitrate):
        options |= {"b:v": rate.bitrate, "pass": rate.number, "passlogfile": str(rate.log)}
        if codec.name == "av1":
            options["svtav1-params"] = "rc=1"
    elif codec.name == "vp9":
        options |= {"crf": rate.crf, "b:v": peak}  # libvpx: the quality, as far as the bitrate goes
    else:
        options |= {"crf": rate.crf, "maxrate": peak, "bufsize": 2 * peak}
    return options


def audio_options(codec_name: str, encoder: str, bitrate: int, channels: int, sample_rate: int) -> Options:
    """Options for the sound of one output: stereo at most, at a rate its encoder takes."""
    rate = 48_000
    if codec_name == "aac":
        rate = next((known for known in _AAC_RATES if known >= sample_rate), _AAC_RATES[-1])
    return {"c:a": encoder, "b:a": bitrate, "ac": min(channels, _STEREO), "ar": rate}
