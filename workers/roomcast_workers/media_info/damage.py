"""Find the times of a video that cannot be decoded: compare what a decoder returned with what the file contains. Pure.

What a decoder returned is read from ffmpeg's log, with the texts of its `fftools`: `ffmpeg_dec.c`, and before version 7
`ffmpeg.c`. Times are in seconds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.sandbox.output_lines import OutputLines

TIME_TOLERANCE = 0.0005
"""Half of the smallest unit of time that Matroska has, by which two readings of the same time differ."""

_KNOWN_FRACTION = 0.9
"""Of the decoded frames, the fraction whose times are in the file: behind damage a decoder guesses those of some."""

_MAX_LINE = 1023
"""In bytes. Longer ones are cut."""

_DAMAGE = rb"^\[(?:%s) @ |\[vist#|^Error while decoding stream"
"""Messages of the decoder of pictures itself, and those of ffmpeg about it: since version 6 and before."""

_FRAME = re.compile(rb"decoder -> .*?pts:(-?\d{1,19}) .*keyframe:(\d) .*time_base:(\d{1,9})/(\d{1,9})")


@dataclass(frozen=True)
class StoredFrame:
    """A frame as the file contains it: when it is shown, and whether it is a keyframe."""

    time: float
    keyframe: bool


@dataclass(frozen=True)
class DecodedFrame:
    """A frame as a decoder returned it: when it is shown, whether it is a keyframe, and whether it is damaged."""

    time: float
    keyframe: bool
    damaged: bool


class DamageDetector:
    """Incremental parser of a log of errors. `found` is whether a decoder of pictures has reported any; it is called
    `codec` or `decoder`. Accepts any bytes in any chunks and never raises."""

    def __init__(self, codec: str, decoder: str | None = None) -> None:
        self.found = False
        self._lines = OutputLines(_MAX_LINE)
        names = "|".join(map(re.escape, (codec, decoder or codec, "libdav1d")))
        self._pattern = re.compile(_DAMAGE % names.encode())

    def feed(self, data: bytes) -> None:
        self.found = self.found or any(map(self._pattern.search, self._lines.feed(data)))


class DecodedFrames:
    """Incremental parser of the log of `list_decoded_frames`. `frames` are those that were decoded so far, in the order
    of the decoder. Accepts any bytes in any chunks and never raises."""

    def __init__(self) -> None:
        self.frames: list[DecodedFrame] = []
        self._lines = OutputLines(_MAX_LINE)
        self._damaged = False

    def feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            if b"corrupt decoded frame" in line:  # the next frame, which the same thread logs
                self._damaged = True
            elif found := _FRAME.search(line):
                pts, keyframe, numerator, denominator = map(int, found.groups())
                time = pts * numerator / max(1, denominator)
                self.frames.append(DecodedFrame(time, keyframe == 1, self._damaged))
                self._damaged = False


def nearest(times: Sequence[float], time: float) -> int | None:
    """Return the number of the one of `times`, which are in order, that is this time; None if there is none."""
    at = bisect_left(times, time - TIME_TOLERANCE)
    return at if at < len(times) and times[at] <= time + TIME_TOLERANCE else None


def undecodable_times(
    stored: Sequence[StoredFrame], decoded: Sequence[DecodedFrame], end: float
) -> tuple[tuple[float, float], ...]:
    """Return the times at which frames are missing or damaged, as pairs of from and to, in order.

    `stored` is in the order of the times, and the last frame is shown until `end`. From a keyframe to the next, frames
    are decoded from others: those between two that are missing or damaged count, too, and all if the keyframe is.
    """
    times = [frame.time for frame in stored]
    intact = {number for frame in decoded if not frame.damaged and (number := nearest(times, frame.time)) is not None}
    keyframes = [number for number, frame in enumerate(stored) if frame.keyframe and number]
    found = list[tuple[float, float]]()
    for first, after in pairwise([0, *keyframes, len(stored)]):
        lost = [number for number in range(first, after) if number not in intact]
        if not lost:
            continue
        last = after - 1 if lost[0] == first and stored[first].keyframe else lost[-1]
        begin, until = times[lost[0]], times[last + 1] if last + 1 < len(times) else end
        if found and found[-1][1] == begin:
            found[-1] = found[-1][0], until
        else:
            found.append((begin, until))
    return tuple(found)


def stored_frames(scan: StreamScan, beginning: float) -> list[StoredFrame]:
    """Return the frames of a video in the order of their times, which are counted from the time `beginning` of the
    file. Empty if the file does not say when each is shown."""
    if scan.untimed or len(scan.runs) > 1:
        return []
    keyframes = set(scan.intervals.times)
    return [StoredFrame(time - beginning, time in keyframes) for time in sorted(set(scan.times))]


def undecodable_in_film(
    stored: Sequence[StoredFrame], decoded: Sequence[DecodedFrame], end: float
) -> tuple[tuple[float, float], ...]:
    """Return the times of a film at which frames are missing or damaged, as `undecodable_times` does.

    Where the times of the decoder are not those of the file, as in damaged files of some formats, only frames that are
    damaged are found.
    """
    times = [frame.time for frame in stored]
    known = sum(nearest(times, frame.time) is not None for frame in decoded)
    if known < _KNOWN_FRACTION * len(decoded):
        stored = sorted({StoredFrame(frame.time, frame.keyframe) for frame in decoded}, key=attrgetter("time"))
    return undecodable_times(stored, decoded, end)
