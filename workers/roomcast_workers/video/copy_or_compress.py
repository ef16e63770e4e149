"""Whether a film has to be compressed at all. Pure."""

from __future__ import annotations

from typing import Literal

from roomcast.uploads.templates import Template

from roomcast_workers.ffmpeg.codecs import peak_bitrate
from roomcast_workers.media_info.probe import AudioStream
from roomcast_workers.media_info.truncation import VerifiedMedia

Decision = Literal["copy", "compare", "encode"]
"""`copy`: the film as it is, in a new file. `encode`: it must be compressed. `compare`: it would do as it is; it is
compressed, and the better of the two is kept."""

_PLAYABLE_PROFILES = {"Constrained Baseline", "Baseline", "Main", "High", "Progressive High", "Constrained High"}
_PLAIN_MATRICES = {None, "bt709", "smpte170m", "bt470bg"}
_STEREO = 2
_LONGEST_KEY_GAP = 12.0
_MONO_SHARE = 0.6
_LEAST_BITRATE = 32_000
_WORTH_IT = 0.95
_FRUGAL_SHARE = 0.2


def decide(source: VerifiedMedia, template: Template) -> Decision:
    """What to do with a film under a template."""
    video = source.info.video
    # The last packets of what is cut short are broken, and would be copied as they are.
    if video is None or source.truncation or not meets_template(source, template):
        return "encode"
    if template.target_bytes is not None:
        return "copy" if source.info.size is not None and source.info.size <= template.target_bytes else "encode"
    packets = source.scan.stream(video.index)
    bitrate = packets.size * 8 / source.seconds
    return "copy" if bitrate <= low_bitrate(video.width, video.height, video.fps) else "compare"


def meets_template(source: VerifiedMedia, template: Template) -> bool:
    """Whether the pictures are, as they are, what the template would have made of them."""
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
        # An edit list that begins amid the pictures would go on showing, or hiding, what it cuts off.
        and packets.begins_with_key
        and not packets.hidden
        and not packets.untimed
        and packets.key_gap <= _LONGEST_KEY_GAP
    )


def audio_meets_template(audio: AudioStream, source: VerifiedMedia, bitrate: int) -> bool:
    """Whether the sound can be taken as it is: AAC, at most stereo, at hardly more than the wanted bits a second."""
    packets = source.scan.stream(audio.index)
    return (
        audio.codec == "aac"
        and audio.channels <= _STEREO
        and not packets.untimed
        and packets.size * 8 <= 1.1 * bitrate * max(packets.seconds, 1.0)
    )


def target_audio_bitrate(audio: AudioStream, source: VerifiedMedia, asked: int) -> int:
    """The bits a second to spend on the sound, of those `asked` for stereo: less on one channel, and no more than it
    has."""
    packets = source.scan.stream(audio.index)
    has = round(packets.size * 8 / max(packets.seconds, 1.0))
    return min(asked if audio.channels > 1 else round(asked * _MONO_SHARE), max(has, _LEAST_BITRATE))


def low_bitrate(width: int, height: int, fps: float | None) -> int:
    """The bits a second below which compressing such a film again would gain next to nothing."""
    return round(peak_bitrate(width, height, fps) * _FRUGAL_SHARE)


def is_worthwhile(result_bytes: int, copied_bytes: int) -> bool:
    """Whether compressing gained enough over the film as it was: five per cent."""
    return result_bytes <= copied_bytes * _WORTH_IT
