"""Decide whether to copy a video's streams or to compress them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from roomcast.uploads.messages import Difference
from roomcast.uploads.templates import CodecName, Template

from roomcast_workers.ffmpeg.codecs import max_bitrate
from roomcast_workers.media_info.probe import AudioStream
from roomcast_workers.media_info.truncation import VerifiedMedia

Decision = Literal["copy", "compare", "encode"]
"""`copy`: copy the streams into a new file. `encode`: compress the video. `compare`: copying would do, and compressing
may gain enough."""

_PLAYABLE_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High", "Progressive High", "Constrained High"}
_COPIED_CODECS: Mapping[CodecName, set[str]] = {"h264": {"h264"}, "av1": {"av1", "h264"}, "vp9": {"h264"}}
_PIXEL_FORMATS = {"yuv420p", "yuvj420p"}
_PLAIN_MATRICES = {None, "bt709", "smpte170m", "bt470bg"}
_STEREO = 2
_MAX_KEYFRAME_GAP = 12.0
_MONO_FRACTION = 0.6
_MIN_AUDIO_BITRATE = 32_000
_LEAST_AUDIO_BITRATE = 12_000
_WORTHWHILE_FRACTION = 0.8
_LOW_BITRATE_FRACTION = 0.1


def decide(source: VerifiedMedia, template: Template) -> Decision:
    """Return what to do with a video under a template."""
    video = source.info.video
    # The last packets of a truncated file are broken and would be copied too.
    if video is None or source.truncation or not meets_template(source, template):
        return "encode"
    if template.target_bytes is not None:
        return "copy" if source.info.size is not None and source.info.size <= template.target_bytes else "encode"
    packets = source.scan.stream(video.index)
    bitrate = packets.size * 8 / source.seconds
    return "copy" if bitrate <= low_bitrate(video.width, video.height, video.fps) else "compare"


def meets_template(source: VerifiedMedia, template: Template) -> bool:
    """Return whether the video stream is, as it is, what the template asks for."""
    return differences(source, template) == []


def differences(source: VerifiedMedia, template: Template) -> list[Difference] | None:
    """Return in what a copy would be unlike what the template asks for, or None when players may not show it right."""
    video = source.info.video
    if video is None or video.codec not in _COPIED_CODECS[template.codec] or source.truncation:
        return None
    turned, aspect = bool(video.rotation), video.pixel_aspect != 1.0
    packets = source.scan.stream(video.index)
    playable = (
        (video.as_is or ((turned or aspect) and not (video.size_varies or video.joined)))
        and video.pix_fmt in _PIXEL_FORMATS
        and (video.codec != "h264" or video.profile in _PLAYABLE_PROFILES)
        and not (video.hdr or video.interlaced or video.needs_colour_management)
        and video.matrix in _PLAIN_MATRICES
        and max(video.width, video.height) <= template.video_long_side
        # A copy would show, or still hide, frames that an edit list cuts off between keyframes.
        and packets.starts_with_keyframe
        and not packets.hidden
        and not packets.untimed
    )
    found: dict[Difference, bool] = {
        "codec": video.codec != template.codec,
        "orientation": turned,
        "pixel_aspect": aspect,
        "full_range": video.full_range,
        "odd_size": not aspect and bool(video.width % 2 or video.height % 2),
        "keyframe_gap": packets.max_keyframe_gap > _MAX_KEYFRAME_GAP,
    }
    return [name for name, differs in found.items() if differs] if playable else None


def audio_meets_template(audio: AudioStream, source: VerifiedMedia, bitrate: int) -> bool:
    """Return whether the audio can be copied: AAC, at most stereo, and at most 10 % above `bitrate`."""
    packets = source.scan.stream(audio.index)
    return (
        audio.codec == "aac"
        and audio.channels <= _STEREO
        and not packets.untimed
        and packets.size * 8 <= 1.1 * bitrate * max(packets.seconds, 1.0)
    )


def target_audio_bitrate(audio: AudioStream, source: VerifiedMedia, requested: int) -> int:
    """Return the bitrate for the audio: at most `requested` (for stereo; less for mono) and at most the source's."""
    packets = source.scan.stream(audio.index)
    source_bitrate = round(packets.size * 8 / max(packets.seconds, 1.0))
    return min(
        requested if audio.channels > 1 else round(requested * _MONO_FRACTION), max(source_bitrate, _MIN_AUDIO_BITRATE)
    )


def source_audio_bitrate(audio: AudioStream, source: VerifiedMedia, most: int) -> int:
    """Return the bitrate of the source's audio, at most `most`, for a result that must not be larger."""
    packets = source.scan.stream(audio.index)
    return max(_LEAST_AUDIO_BITRATE, min(most, round(packets.size * 8 / max(packets.seconds, 1.0))))


def low_bitrate(width: int, height: int, fps: float | None) -> int:
    """Return the bitrate, in bits per second, below which compressing such a video again would gain almost nothing."""
    return round(max_bitrate(width, height, fps) * _LOW_BITRATE_FRACTION)


def is_worthwhile(result_bytes: int, copied_bytes: int) -> bool:
    """Return whether compressing saves at least a fifth of the bytes of copying."""
    return result_bytes <= copied_bytes * _WORTHWHILE_FRACTION
