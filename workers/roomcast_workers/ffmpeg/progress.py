"""Parse ffmpeg's `-progress` output, and detect stalls. Pure.

The keys are those of `print_report` in ffmpeg's `fftools/ffmpeg.c`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from roomcast_workers.sandbox.output_lines import OutputLines


@dataclass(frozen=True)
class ProgressBlock:
    """One block of `-progress`: `seconds` of media written (never negative), `frame` and `size` (bytes) so far,
    encoding rate `fps`, and `speed` as a multiple of real time; None where ffmpeg wrote N/A or nothing readable.
    `dropped` counts the frames that it did not encode, because a frame of a later time came first."""

    seconds: float | None
    frame: int | None
    fps: float | None
    speed: float | None
    size: int | None
    ended: bool
    dropped: int = 0


class FrameCounter:
    """Counts the frames of a run of ffmpeg, with whose progress blocks it is called, and passes these on. `frames` is
    the number so far, and `dropped` that of those which were not encoded."""

    def __init__(self, on_progress: Callable[[ProgressBlock], None] = lambda _: None) -> None:
        self.frames = 0
        self.dropped = 0
        self._on_progress = on_progress

    def __call__(self, block: ProgressBlock) -> None:
        self.frames = max(self.frames, block.frame or 0)
        self.dropped = max(self.dropped, block.dropped)
        self._on_progress(block)


class ProgressParser:
    """Incremental parser of ffmpeg's `-progress` output.

    Accepts any bytes in any chunks, never raises, and stores at most one unfinished line and one unfinished block.
    """

    _MAX_LINE = 256
    _KEYS = frozenset(
        {b"frame", b"fps", b"total_size", b"out_time_us", b"out_time_ms", b"out_time", b"speed", b"drop_frames"}
    )

    def __init__(self) -> None:
        self._lines = OutputLines(self._MAX_LINE)
        self._block: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> list[ProgressBlock]:
        """Return the blocks that `data` completes, in order."""
        lines = self._lines.feed(data)
        blocks = (self._parse_line(line) for line in lines if len(line) <= self._MAX_LINE)
        return [block for block in blocks if block is not None]

    def _parse_line(self, line: bytes) -> ProgressBlock | None:
        key, _, value = line.partition(b"=")
        key, value = key.strip(), value.strip()
        if key in self._KEYS:
            self._block[key] = value
        if key != b"progress" or value not in {b"continue", b"end"}:
            return None
        block, self._block = self._block, {}
        return ProgressBlock(
            seconds=_out_time(block),
            frame=_count(block.get(b"frame")),
            fps=_rate(block.get(b"fps")),
            speed=_rate(block.get(b"speed", b"").removesuffix(b"x")),
            size=_count(block.get(b"total_size")),
            ended=value == b"end",
            dropped=_count(block.get(b"drop_frames")) or 0,
        )


def _out_time(block: dict[bytes, bytes]) -> float | None:
    for key in (b"out_time_us", b"out_time_ms"):  # both are in microseconds, despite the second one's name
        value = block.get(key, b"")
        if re.fullmatch(rb"-?\d{1,19}", value):
            return max(0.0, int(value) / 1e6)
    clock = re.fullmatch(rb"(-?)(\d{1,9}):(\d\d):(\d\d(?:\.\d{1,9})?)", block.get(b"out_time", b""))
    if clock is None:
        return None
    sign, hours, minutes, seconds = clock.groups()
    return 0.0 if sign else int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _count(value: bytes | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(rb"\d{1,19}", value) else None


def _rate(value: bytes | None) -> float | None:
    if value is None or not re.fullmatch(rb"\d{1,19}(\.\d{1,19})?(e[+-]?\d{1,3})?", value):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


class StallDetector:
    """Detects progress: a block counts only if its time, frame or size is above that of every earlier block."""

    def __init__(self) -> None:
        self._highest: list[float] = [0.0, 0.0, 0.0]

    def advanced(self, block: ProgressBlock) -> bool:
        """Return whether this block shows progress, and remember it."""
        now = [value or 0 for value in (block.seconds, block.frame, block.size)]
        grown = any(new > old for new, old in zip(now, self._highest, strict=True))
        self._highest = [max(pair) for pair in zip(now, self._highest, strict=True)]
        return grown
