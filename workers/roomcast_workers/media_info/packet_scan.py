"""Scan a file's packets for its real duration and its keyframe intervals. Pure.

A header may be wrong or missing; what ffprobe lists with `SCAN_ENTRIES` is what can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SCAN_ENTRIES = "packet=stream_index,pts_time,dts_time,duration_time,size,flags"
"""ffprobe's `-show_entries`, with `-of csv=p=0`: one line per packet, its fields in this order."""

_FIELDS = 6
_MAX_LINE = 256
_MAX_STREAMS = 1024


@dataclass
class StreamScan:
    """The packets of one stream.

    Times are in seconds, from the first frame or sample that is shown to the end of the last; `size` is in bytes.
    `hidden` packets are decoded but not shown, because an edit list leaves them out; `untimed` ones have no
    presentation time. `max_keyframe_gap` is the longest time from a keyframe to the next, or to the end.
    """

    packets: int = 0
    hidden: int = 0
    untimed: int = 0
    size: int = 0
    start: float = math.inf
    end: float = -math.inf
    starts_with_keyframe: bool = False
    max_keyframe_gap: float = 0.0
    _last_key: float = math.inf

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.start)

    def add(self, pts: float | None, dts: float | None, duration: float, size: int, flags: str) -> None:
        if not self.packets:
            self.starts_with_keyframe = "K" in flags
        self.packets += 1
        self.size += size
        self.untimed += pts is None
        if "D" in flags:
            self.hidden += 1
            return
        time = pts if pts is not None else dts
        if time is None:
            return
        self.start = min(self.start, time)
        self.end = max(self.end, time + duration)
        if "K" in flags:
            self._last_key = time
        if time > self._last_key:
            self.max_keyframe_gap = max(self.max_keyframe_gap, time - self._last_key)


class PacketScan:
    """Incremental parser of ffprobe's list of packets. Accepts any bytes in any chunks and never raises."""

    def __init__(self) -> None:
        self.streams: dict[int, StreamScan] = {}
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: _MAX_LINE + 1]  # one byte over the limit, so that the line stays too long
        for line in lines:
            if len(line) <= _MAX_LINE:
                self._parse_line(line)

    def stream(self, index: int | None) -> StreamScan:
        """Return the scan of the stream with this index; an empty one if none of its packets could be read."""
        return self.streams.get(-1 if index is None else index, StreamScan())

    def seconds(self, *indices: int) -> float | None:
        """Return the time from the first start to the last end of these streams, or None if nothing could be read."""
        scans = [scan for index in indices if (scan := self.stream(index)).end > scan.start]
        return max(scan.end for scan in scans) - min(scan.start for scan in scans) if scans else None

    def _parse_line(self, line: bytes) -> None:
        fields = line.decode("ascii", "replace").strip().split(",")
        if len(fields) < _FIELDS or not (fields[0].isascii() and fields[0].isdecimal()):
            return
        index, (pts, dts, duration) = int(fields[0]), map(_seconds, fields[1:4])
        if index >= _MAX_STREAMS:
            return
        size = int(fields[4]) if fields[4].isascii() and fields[4].isdecimal() else 0
        self.streams.setdefault(index, StreamScan()).add(pts, dts, max(0.0, duration or 0.0), size, fields[5])


def _seconds(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
