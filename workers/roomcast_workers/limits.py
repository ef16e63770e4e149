"""Limits on a source's size, and the errors for exceeding them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roomcast.errors import TooLarge

_MAX_VIDEO_PIXELS = 100_000_000


@dataclass(frozen=True)
class MediaLimits:
    """The most that a source may have: pixels in an image, seconds of video or audio, frames of an animated image, and
    streams in one file."""

    max_pixels: int = 300_000_000
    max_duration_seconds: float = 6 * 3600
    max_frames: int = 2000
    max_streams: int = 128

    def __post_init__(self) -> None:
        if min(self.max_pixels, self.max_duration_seconds, self.max_frames, self.max_streams) <= 0:
            raise ValueError("Every media limit must be above 0.")

    @property
    def max_video_pixels(self) -> int:
        """The most pixels in a frame of a video: a decoder has up to 17 frames in memory, of an image it has one."""
        return min(self.max_pixels, _MAX_VIDEO_PIXELS)


def check_duration(seconds: float | None, limits: MediaLimits) -> None:
    """Raise `TooLarge` when a duration is known and over the limit."""
    if seconds is not None and seconds > limits.max_duration_seconds:
        raise too_long(limits)


def too_long(limits: MediaLimits) -> TooLarge:
    """Return the error for a duration over the limit."""
    limit = limits.max_duration_seconds
    return _too_large(f"The video is longer than the limit of {limit:,.0f} seconds.", maxSeconds=limit)


def too_many_pixels(limits: MediaLimits) -> TooLarge:
    """Return the error for a frame over the limit."""
    limit = limits.max_video_pixels
    return _too_large(f"A frame has more pixels than the limit of {limit:,}.", maxPixels=limit)


def too_many_streams(limits: MediaLimits) -> TooLarge:
    """Return the error for a file with more streams than the limit."""
    limit = limits.max_streams
    return _too_large(f"The file has more streams than the limit of {limit:,}.", maxStreams=limit)


def _too_large(message: str, **limit: float) -> TooLarge:
    details: Mapping[str, Any] = limit
    return TooLarge(message, details=details)
