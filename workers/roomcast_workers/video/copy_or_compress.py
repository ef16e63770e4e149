"""Whether a film has to be compressed at all. Pure."""

from __future__ import annotations

from typing import Literal

from roomcast.uploads.templates import Template

from roomcast_workers.ffmpeg.codecs import peak_bitrate
from roomcast_workers.media_info.probe import AudioStream
from roomcast_workers.media_info.truncation import VerifiedMedia

Choice = Literal["copy", "compare", "encode"]
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


def choose(source: VerifiedMedia, template: Template) -> Choice:
    """What to do with a film under a template."""
    film = source.info.video
    # The last packets of what is cut short are broken, and would be copied as they are.
    if film is None or source.missing or not complies(source, template):
        return "encode"
    if template.target_bytes is not None:
        return "copy" if source.info.size is not None and source.info.size <= template.target_bytes else "encode"
    pictures = source.scan.stream(film.index)
    bitrate = pictures.size * 8 / source.seconds
    return "copy" if bitrate <= frugal_bitrate(film.width, film.height, film.fps) else "compare"


def complies(source: VerifiedMedia, template: Template) -> bool:
    """Whether the pictures are, as they are, what the template would have made of them."""
    film = source.info.video
    if film is None or film.codec != template.codec or template.codec == "vp9":
        return False
    pictures = source.scan.stream(film.index)
    return (
        film.as_is
        and film.pix_fmt == "yuv420p"
        and (film.codec != "h264" or film.profile in _PLAYABLE_PROFILES)
        and not (film.full_range or film.hdr or film.interlaced)
        and not film.needs_colour_management
        and film.matrix in _PLAIN_MATRICES
        and film.width % 2 == film.height % 2 == 0
        and max(film.width, film.height) <= template.video_long_side
        # An edit list that begins amid the pictures would go on showing, or hiding, what it cuts off.
        and pictures.begins_with_key
        and not pictures.hidden
        and not pictures.untimed
        and pictures.key_gap <= _LONGEST_KEY_GAP
    )


def sound_complies(sound: AudioStream, source: VerifiedMedia, bitrate: int) -> bool:
    """Whether the sound can be taken as it is: AAC, at most stereo, at hardly more than the wanted bits a second."""
    heard = source.scan.stream(sound.index)
    return (
        sound.codec == "aac"
        and sound.channels <= _STEREO
        and not heard.untimed
        and heard.size * 8 <= 1.1 * bitrate * max(heard.seconds, 1.0)
    )


def sound_bitrate(sound: AudioStream, source: VerifiedMedia, asked: int) -> int:
    """The bits a second to spend on the sound, of those `asked` for stereo: less on one channel, and no more than it
    has."""
    heard = source.scan.stream(sound.index)
    has = round(heard.size * 8 / max(heard.seconds, 1.0))
    return min(asked if sound.channels > 1 else round(asked * _MONO_SHARE), max(has, _LEAST_BITRATE))


def frugal_bitrate(width: int, height: int, fps: float | None) -> int:
    """The bits a second below which compressing such a film again would gain next to nothing."""
    return round(peak_bitrate(width, height, fps) * _FRUGAL_SHARE)


def worth_it(result_bytes: int, copied_bytes: int) -> bool:
    """Whether compressing gained enough over the film as it was: five per cent."""
    return result_bytes <= copied_bytes * _WORTH_IT
