"""Bitrates and sizes: what is much for a picture, what is little, how a film fits into so many bytes, and the sizes of
an HLS ladder. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from roomcast.errors import TooLarge

_PEAK_1080P30 = 12_000_000
_PIXELS_1080P30 = 1920 * 1080 * 30
_GROWTH = 0.75
"""Bitrate grows slower than pixels do: neighbours in a larger picture are more alike."""
_LEAST_PEAK = 200_000
_FRUGAL_SHARE = 0.2
_USUAL_FPS = 30.0
_HIGHEST_FPS = 60.0

_HEADER_BYTES = 2048
_BYTES_PER_FRAME = 20
"""What an MP4's index takes for a frame of the film, and for one of the sound."""
_SOUND_FRAMES_PER_SECOND = 47
_AIM = 0.975
_BITS_PER_PIXEL = 0.05
_LEAST_BITS_PER_PIXEL = 0.01
_LEAST_SIDE = 128
_LEAST_BITRATE = 8_000
_AUDIO_SHARE = 0.2
_LEAST_AUDIO = 24_000
_LEAST_STEREO = 48_000

_FULL_HD_PIXELS = 1920 * 1080
_FULL_HD_RATE = 6_000_000
_SMOOTH_FPS = 40


def peak_bitrate(width: int, height: int, fps: float | None) -> int:
    """The bits a second that a web player should never need for such a film in H.264: 12 million at 1080p30."""
    pixels = width * height * min(fps or _USUAL_FPS, _HIGHEST_FPS)
    return max(_LEAST_PEAK, int(float(_PEAK_1080P30 * (pixels / _PIXELS_1080P30) ** _GROWTH)))


def frugal_bitrate(width: int, height: int, fps: float | None) -> int:
    """The bits a second below which compressing such a film again would gain next to nothing."""
    return round(peak_bitrate(width, height, fps) * _FRUGAL_SHARE)


@dataclass(frozen=True)
class Budget:
    """How a film is to fit into so many bytes. Bitrates in bits a second; `audio_bitrate` 0 is silence; `scale` is what
    to multiply its sides by."""

    video_bitrate: int
    audio_bitrate: int
    channels: int
    scale: float


def budget(
    target_bytes: int, seconds: float, size: tuple[int, int], fps: float | None, channels: int, audio_bitrate: int,
    bits: float = 1.0,
) -> Budget:  # fmt: skip
    """Share `target_bytes` out among sound and pictures. `channels` 0: there is no sound. `bits`: what the codec needs,
    where H.264 needs 1. The pictures are made smaller when they would come out as mush.

    Raises `TooLarge` when no picture at all would be left.
    """
    rate = fps or _USUAL_FPS
    overhead = _HEADER_BYTES + seconds * _BYTES_PER_FRAME * (rate + (_SOUND_FRAMES_PER_SECOND if channels else 0))
    total = (target_bytes * _AIM - overhead) * 8 / seconds
    audio = min(audio_bitrate, max(_LEAST_AUDIO, round(total * _AUDIO_SHARE))) if channels else 0
    video = int(total - audio)
    pixels = size[0] * size[1] * rate
    scale = min(1.0, (max(video, 1) / (pixels * _BITS_PER_PIXEL * bits)) ** 0.5)
    smallest = min(1.0, _LEAST_SIDE / max(size))
    if video < _LEAST_BITRATE or video < pixels * smallest**2 * _LEAST_BITS_PER_PIXEL * bits:
        raise TooLarge(
            "The film is too long to fit into so few bytes.",
            details={"targetBytes": target_bytes, "seconds": round(seconds, 3)},
        )
    return Budget(video, audio, min(channels, 1 if audio < _LEAST_STEREO else 2), max(scale, smallest))


def fits(size: int, target_bytes: int) -> bool:
    """Whether a result lands where it was to land: not over, and at most five per cent below."""
    return target_bytes * 0.95 <= size <= target_bytes


def corrected(bitrate: int, size: int, target_bytes: int, fixed_bytes: float) -> int:
    """The bitrate to try next, when `bitrate` came to `size` bytes of which `fixed_bytes` are not the pictures'."""
    pictures = max(size - fixed_bytes, 1.0)
    wanted = max(target_bytes * _AIM - fixed_bytes, 1.0)
    return max(1000, min(bitrate * 4, round(bitrate * wanted / pictures)))


def fit_even(width: int, height: int, long_side: int) -> tuple[int, int]:
    """The largest even (width, height) of this shape that is no larger than it is and fits `long_side`."""
    shrink = min(1.0, long_side / max(width, height))
    return _even(width * shrink), _even(height * shrink)


@dataclass(frozen=True)
class Rung:
    """One size of the film in the ladder; `max_rate` in bits a second."""

    name: str
    width: int
    height: int
    max_rate: int


def rungs(sides: Sequence[int], width: int, height: int, fps: float | None = None) -> list[Rung]:
    """The ladder of a film of so many pixels, largest size first. `sides` are short sides in pixels, as in “720p”; none
    is larger than the film, so those above it come to the film's own size, once."""
    short = min(width, height)
    found: dict[int, Rung] = {}
    for side in sorted({min(side, short) for side in sides}, reverse=True):
        wide, high = (max(2, int(length * side / short + 1e-9) // 2 * 2) for length in (width, height))
        name = min(wide, high)
        found.setdefault(name, Rung(str(name), wide, high, _max_rate(wide * high, fps)))
    return list(found.values())


def _max_rate(pixels: int, fps: float | None) -> int:
    """6 Mbit/s for Full HD, half as much again above 40 frames a second; detail grows slower than area."""
    smooth = 1.5 if fps and fps > _SMOOTH_FPS else 1.0
    return round(_FULL_HD_RATE * smooth * math.pow(pixels / _FULL_HD_PIXELS, 0.75))


def _even(side: float) -> int:
    return max(2, int(side + 1e-9) // 2 * 2)
