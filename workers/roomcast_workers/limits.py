"""How much media is taken in: its limits, and the refusal of what is over them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from roomcast.errors import TooLarge


@dataclass(frozen=True)
class MediaLimits:
    """The most that a source may have: pixels in one frame, seconds of film or sound, frames of a moving picture, and
    streams in one file."""

    max_pixels: int = 100_000_000
    max_duration_seconds: float = 6 * 3600
    max_frames: int = 2000
    max_streams: int = 128

    def __post_init__(self) -> None:
        if min(self.max_pixels, self.max_duration_seconds, self.max_frames, self.max_streams) <= 0:
            raise ValueError("a limit of nothing takes nothing in")


def check_duration(seconds: float | None, limits: MediaLimits) -> None:
    """Raise `TooLarge` when a film is known to be longer than is taken."""
    if seconds is not None and seconds > limits.max_duration_seconds:
        raise too_long(limits)


def too_long(limits: MediaLimits) -> TooLarge:
    """The refusal of a film that goes on for too long."""
    most = limits.max_duration_seconds
    return _over(f"The film is longer than {most:,.0f} seconds, which is the most that is taken.", maxSeconds=most)


def too_many_pixels(limits: MediaLimits) -> TooLarge:
    """The refusal of a frame that is too large."""
    most = limits.max_pixels
    return _over(f"A frame has more than {most:,} pixels, which is the most that is taken.", maxPixels=most)


def too_many_streams(limits: MediaLimits) -> TooLarge:
    """The refusal of a file that holds too many things."""
    most = limits.max_streams
    return _over(f"The file holds more than {most:,} streams, which is the most that is taken.", maxStreams=most)


def _over(message: str, **limit: float) -> TooLarge:
    details: Mapping[str, Any] = limit
    return TooLarge(message, details=details)
