"""Decide whether to copy a video's streams or to compress them. Pure."""

from __future__ import annotations

from typing import Literal

from roomcast.uploads.templates import Template

from roomcast_workers.ffmpeg.codecs import peak_bitrate
from roomcast_workers.media_info.probe import AudioStream
from roomcast_workers.media_info.truncation import VerifiedMedia

Decision = Literal["copy", "compare", "encode"]
"""`copy`: copy the streams into a new file. `encode`: compress the video. `compare`: copying would do; compress it, and
use the better of the two."""

_PLAYABLE_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High", "Progressive High", "Constrained High"}
_PLAIN_MATRICES = {None, "bt709", "smpte170m", "bt470bg"}
_STEREO = 2
_MAX_KEYFRAME_GAP = 12.0
_MONO_FRACTION = 0.6
_MIN_AUDIO_BITRATE = 32_000
_WORTHWHILE_FRACTION = 0.95
_LOW_BITRATE_FRACTION = 0.2


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
    video = source.info.video
    if video is None or video.codec != template.codec or template.codec == "vp9":
        return False
    packets = source.scan.stream(video.index)
    return (
        video.as_is
        and video.pix_fmt == "yuv420p"
        and (video.codec != "h264" or video.profile in _PLAYABLE_PROFILES)
        and not (video.full_range or video.hdr or video.interlaced)
        and not video.needs_colour_management
        and video.matrix in _PLAIN_MATRICES
        and video.width % 2 == video.height % 2 == 0
        and max(video.width, video.height) <= template.video_long_side
        # A copy would show, or still hide, frames that an edit list cuts off between keyframes.
        and packets.starts_with_keyframe
        and not packets.hidden
        and not packets.untimed
        and packets.max_keyframe_gap <= _MAX_KEYFRAME_GAP
    )


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


def low_bitrate(width: int, height: int, fps: float | None) -> int:
    """Return the bitrate, in bits per second, below which compressing such a video again would gain almost nothing."""
    return round(peak_bitrate(width, height, fps) * _LOW_BITRATE_FRACTION)


def is_worthwhile(result_bytes: int, copied_bytes: int) -> bool:
    """Return whether compressing saved at least five per cent over copying."""
    return result_bytes <= copied_bytes * _WORTHWHILE_FRACTION
