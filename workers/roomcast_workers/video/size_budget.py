"""Bitrates and sizes: what is much for a picture, what is little, how a film fits into so many bytes, and the sizes of
an HLS ladder. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from roomcast.errors import TooLarge

from roomcast_workers.ffmpeg.codecs import ASSUMED_FPS

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
    rate = fps or ASSUMED_FPS
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


def hits_target(size: int, target_bytes: int) -> bool:
    """Whether a result lands where it was to land: not over, and at most five per cent below."""
    return target_bytes * 0.95 <= size <= target_bytes


def next_bitrate(bitrate: int, size: int, target_bytes: int, fixed_bytes: float) -> int:
    """The bitrate to try next, when `bitrate` came to `size` bytes of which `fixed_bytes` are not the pictures'."""
    pictures = max(size - fixed_bytes, 1.0)
    wanted = max(target_bytes * _AIM - fixed_bytes, 1.0)
    return max(1000, min(bitrate * 4, round(bitrate * wanted / pictures)))
