"""Find the bytes of a source that ffmpeg reads for one segment of a film, so that a worker needs no others.

It reads the headers and the index, the first packets, from which it finds out what the streams contain, and then what
is stored from the place that the index gives for the segment's start on. What a range lacks is zeros to ffmpeg: it
decodes fewer frames then, which is noticed. This is known of MP4 and QuickTime files, unless they consist of fragments;
other files are read in excerpts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from roomcast.media.byte_ranges import ByteRange, joined, subtracted

from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.sources.boxes import top_level_boxes

_MAX_COMMON = 1000
"""Each range may be a request."""

_HEAD_BYTES = 1 << 20
_MAX_HEAD_BYTES = 10 << 20
"""ffmpeg looks at no more packets at the beginning, by `ffmpeg.input_options`."""

_AHEAD_BYTES = 128 << 10
_AHEAD_FRACTION = 1 / 16
"""ffmpeg reads on while it decodes the segment's last frames."""

_MORE_SECONDS = 1.0
_EMPTY_BOXES = frozenset({b"free", b"skip", b"wide"})


@dataclass(frozen=True)
class PacketSpan:
    """Where the packets of a segment are in the source, with the first ones after it: the positions of the first byte,
    and of the one after the last. `seconds` is the presentation time, in the source, of the keyframe with which the
    segment starts."""

    start: int
    stop: int
    seconds: float


@dataclass(frozen=True)
class SourceRanges:
    """The bytes that ffmpeg reads of a source: `common` for every segment, and one of `segments` for each."""

    common: tuple[ByteRange, ...]
    segments: tuple[ByteRange, ...]

    def of(self, segment: int) -> tuple[ByteRange, ...]:
        """Return the bytes that are needed for a segment."""
        return (*self.common, self.segments[segment])

    def to_json(self) -> dict[str, Any]:
        return {"common": [list(one) for one in self.common], "segments": [list(one) for one in self.segments]}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(*(tuple((start, stop) for start, stop in value[name]) for name in ("common", "segments")))


def sections_of(scan: StreamScan, sections: Sequence[tuple[float, float]]) -> list[ByteRange]:
    """Return the bytes from which frames of a video are decoded: those that are shown in sections from one second of
    the file's clock to another, and some before and after each. Pure."""
    intervals = scan.intervals
    found = list[ByteRange]()
    for start, stop in sections:
        first = max(0, bisect_right(intervals.times, start - _MORE_SECONDS) - 1)
        after = min(len(intervals.times), bisect_right(intervals.times, stop + _MORE_SECONDS) + 1)
        if first < after:
            found.append((max(0, min(intervals.first_bytes[first:after])), max(intervals.end_bytes[first:after])))
    return found


def find_ranges(path: Path, demuxer: str, spans: Sequence[PacketSpan]) -> SourceRanges | None:
    """Return what ffmpeg reads of a file that is cut into these segments, or None if that may be all of it.

    It reads little of the file, but waits for the disk.
    """
    size = path.stat().st_size
    if demuxer != "mov" or any(not 0 <= span.start < span.stop <= size for span in spans):
        return None
    with path.open("rb") as file:
        found = _find_in_mp4(file, size, spans)
    return found if found is not None and len(found.common) <= _MAX_COMMON else None


def _find_in_mp4(file: BinaryIO, size: int, spans: Sequence[PacketSpan]) -> SourceRanges | None:
    media = list[ByteRange]()
    for box in top_level_boxes(file):
        if box.type == b"moof":
            return None
        if box.type == b"mdat" or box.type in _EMPTY_BOXES:
            media.append((box.content, min(box.stop, size)))
    common = subtracted([(0, size)], media)
    head = _head(min(start for start, _ in [*media, (size, size)]), size, spans)
    return SourceRanges(tuple(joined([*common, head])), tuple((span.start, _with_margin(span, size)) for span in spans))


def _head(first: int, size: int, spans: Sequence[PacketSpan]) -> ByteRange:
    """Return the bytes of the first packets, from the first one on."""
    stop = max(first + _HEAD_BYTES, _with_margin(spans[0], size))
    return first, min(stop, first + _MAX_HEAD_BYTES, size)


def _with_margin(span: PacketSpan, size: int) -> int:
    return min(size, span.stop + max(_AHEAD_BYTES, int((span.stop - span.start) * _AHEAD_FRACTION)))
