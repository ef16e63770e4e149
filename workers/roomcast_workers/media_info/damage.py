"""Find the times of a video that cannot be decoded: compare what a decoder returned with what the file contains. Pure.

What a decoder returned is read from ffmpeg's log, with the texts of its `fftools`: `ffmpeg_dec.c`, and before version 7
`ffmpeg.c`. Times are in seconds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import attrgetter

from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.sandbox.output_lines import OutputLines

TIME_TOLERANCE = 0.0005
"""Half of the smallest unit of time that Matroska has, by which two readings of the same time differ."""

_KNOWN_FRACTION = 0.9
"""Of the decoded frames, the fraction whose times are in the file: behind damage a decoder guesses those of some."""

FromTo = tuple[float, float]
"""From when to when."""

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


def undecodable_times(stored: Sequence[StoredFrame], decoded: Sequence[DecodedFrame], end: float) -> tuple[FromTo, ...]:
    """Return the times at which frames are missing or damaged, as pairs of from and to, in order.

    `stored` is in the order of the times, and the last frame is shown until `end`. From a keyframe to the next, frames
    are decoded from others: those between two that are missing or damaged count, too, and all if the keyframe is.
    """
    times = [frame.time for frame in stored]
    intact = sorted(frame.time for frame in decoded if not frame.damaged)
    keyframes = [number for number, frame in enumerate(stored) if frame.keyframe and number]
    found = list[FromTo]()
    for first, after in pairwise([0, *keyframes, len(stored)]):
        lost = [number for number in range(first, after) if nearest(intact, times[number]) is None]
        if not lost:
            continue
        last = after - 1 if lost[0] == first and stored[first].keyframe else lost[-1]
        found.append((times[lost[0]], times[last + 1] if last + 1 < len(times) else end))
    return _joined(found)


def left_out_times(stored: Sequence[StoredFrame], decoded: Sequence[DecodedFrame], end: float) -> tuple[FromTo, ...]:
    """Return the times of the frames that are not encoded, in the same way. An encoder takes no frame that the decoder
    returns after one of a later time; it takes those around it, which can be decoded."""
    reached = accumulate((frame.time for frame in decoded), max)
    in_order = [frame for frame, latest in zip(decoded, reached, strict=True) if frame.time >= latest - TIME_TOLERANCE]
    times, encoded = [frame.time for frame in stored], [frame.time for frame in in_order]
    spans = zip(times, [*times[1:], end], strict=True)
    return _joined([span for span in spans if nearest(encoded, span[0]) is None])


def _joined(spans: Sequence[FromTo]) -> tuple[FromTo, ...]:
    """Return these spans in order, those that touch or overlap as one."""
    joined = list[FromTo]()
    for begin, until in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(until, joined[-1][1])
        else:
            joined.append((begin, until))
    return tuple(joined)


def stored_frames(scan: StreamScan, beginning: float) -> list[StoredFrame]:
    """Return the frames of a video in the order of their times, which are counted from the time `beginning` of the
    file. Empty if the file does not say when each is shown."""
    if scan.untimed or len(scan.runs) > 1:
        return []
    keyframes = set(scan.intervals.times)
    return [StoredFrame(time - beginning, time in keyframes) for time in sorted(set(scan.times))]


def undecodable_in_film(
    stored: Sequence[StoredFrame], decoded: Sequence[DecodedFrame], end: float, *, drops_frames: bool = False
) -> tuple[FromTo, ...]:
    """Return the times of a film at which frames are missing or damaged, as `undecodable_times` does.

    Where the times of the decoder are not those of the file, as in damaged files of some formats, only frames that are
    damaged are found. With `drops_frames`, those that were left out are missing, too (`left_out_times`).
    """
    times = [frame.time for frame in stored]
    known = sum(nearest(times, frame.time) is not None for frame in decoded)
    if known < _KNOWN_FRACTION * len(decoded):
        stored = sorted({StoredFrame(frame.time, frame.keyframe) for frame in decoded}, key=attrgetter("time"))
    left_out = left_out_times(stored, decoded, end) if drops_frames else ()
    return _joined([*undecodable_times(stored, decoded, end), *left_out])
