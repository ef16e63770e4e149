"""Bitrates for a target size: how a video fits into a number of bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from roomcast.errors import TooLarge
from roomcast.uploads.templates import Template

from roomcast_workers.ffmpeg.codecs import ASSUMED_FPS

_HEADER_BYTES = 2048
_BYTES_PER_FRAME = 20
"""Size of an MP4 index entry for one video or audio frame."""
_AUDIO_FRAMES_PER_SECOND = 47
_SIZE_MARGIN = 0.975
_BITS_PER_PIXEL = 0.05
_MIN_BITS_PER_PIXEL = 0.01
_MIN_SIDE = 128
_MIN_BITRATE = 8_000
_AUDIO_FRACTION = 0.2
_MIN_AUDIO_BITRATE = 24_000
_MIN_STEREO_BITRATE = 48_000


@dataclass(frozen=True)
class SizeBudget:
    """How to fit a video into a number of bytes. Bitrates are in bits per second; an `audio_bitrate` of 0 means no
    audio; `scale` multiplies the video's sides."""

    video_bitrate: int
    audio_bitrate: int
    channels: int
    scale: float


def compute_budget(
    target_bytes: int, seconds: float, size: tuple[int, int], fps: float | None, channels: int, audio_bitrate: int,
    relative_bitrate: float = 1.0,
) -> SizeBudget:  # fmt: skip
    """Divide `target_bytes` between audio and video. `channels` is 0 without audio; `relative_bitrate` is the codec's.

    The video is scaled down when it would otherwise have too few bits per pixel. Raises `TooLarge` when not even the
    smallest size would fit.
    """
    assumed_fps = fps or ASSUMED_FPS
    overhead = _HEADER_BYTES + seconds * _BYTES_PER_FRAME * (
        assumed_fps + (_AUDIO_FRAMES_PER_SECOND if channels else 0)
    )
    total = (target_bytes * _SIZE_MARGIN - overhead) * 8 / seconds
    audio = min(audio_bitrate, max(_MIN_AUDIO_BITRATE, round(total * _AUDIO_FRACTION))) if channels else 0
    video = int(total - audio)
    pixels = size[0] * size[1] * assumed_fps
    scale = min(1.0, (max(video, 1) / (pixels * _BITS_PER_PIXEL * relative_bitrate)) ** 0.5)
    min_scale = min(1.0, _MIN_SIDE / max(size))
    if video < _MIN_BITRATE or video < pixels * min_scale**2 * _MIN_BITS_PER_PIXEL * relative_bitrate:
        raise TooLarge(
            "The video is too long for the target size.",
            details={"targetBytes": target_bytes, "seconds": round(seconds, 3)},
        )
    return SizeBudget(video, audio, min(channels, 1 if audio < _MIN_STEREO_BITRATE else 2), max(scale, min_scale))


def exceeds_target(source_bytes: int, template: Template) -> bool:
    """Return whether a video has to be compressed into the target size of its template."""
    return template.target_bytes is not None and source_bytes > template.target_bytes


def hits_target(size: int, target_bytes: int) -> bool:
    """Return whether a result is not over its target, and at most five per cent below."""
    return target_bytes * 0.95 <= size <= target_bytes


def next_bitrate(bitrate: int, size: int, target_bytes: int, fixed_bytes: float) -> int:
    """Return the video bitrate to try next, after `bitrate` gave `size` bytes of which `fixed_bytes` are not video."""
    video_bytes = max(size - fixed_bytes, 1.0)
    target_video_bytes = max(target_bytes * _SIZE_MARGIN - fixed_bytes, 1.0)
    return max(1000, min(bitrate * 4, round(bitrate * target_video_bytes / video_bytes)))
