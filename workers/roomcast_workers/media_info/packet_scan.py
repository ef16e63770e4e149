"""The packets of a file, one by one: how long it really is, and how its pictures are spaced. Pure.

A header may lie, or be missing; what ffprobe lists with `SCAN_ENTRIES` is what can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SCAN_ENTRIES = "packet=stream_index,pts_time,dts_time,duration_time,size,flags"
"""What to ask of ffprobe, with `-of csv=p=0`: a line per packet, its fields in this order."""

_FIELDS = 6
_LONGEST_LINE = 256
_MOST_STREAMS = 1024


@dataclass
class StreamScan:
    """The packets of one stream. Times in seconds, from the first picture or sample that is shown to the end of the
    last; `size` in bytes. `hidden` packets are decoded but never shown (an edit list leaves them out); `untimed` ones
    have no presentation time of their own. `key_gap`: the longest way from one keyframe to the next, or to the end."""

    packets: int = 0
    hidden: int = 0
    untimed: int = 0
    size: int = 0
    begin: float = math.inf
    end: float = -math.inf
    begins_with_key: bool = False
    key_gap: float = 0.0
    _last_key: float = math.inf

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.begin)

    def add(self, pts: float | None, dts: float | None, duration: float, size: int, flags: str) -> None:
        if not self.packets:
            self.begins_with_key = "K" in flags
        self.packets += 1
        self.size += size
        self.untimed += pts is None
        if "D" in flags:
            self.hidden += 1
            return
        time = pts if pts is not None else dts
        if time is None:
            return
        self.begin = min(self.begin, time)
        self.end = max(self.end, time + duration)
        if "K" in flags:
            self._last_key = time
        if time > self._last_key:
            self.key_gap = max(self.key_gap, time - self._last_key)


class PacketScan:
    """Incremental reader of that list. Takes any bytes in any pieces and never raises."""

    def __init__(self) -> None:
        self.streams: dict[int, StreamScan] = {}
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: _LONGEST_LINE + 1]  # one byte more than is taken, so that it stays too long
        for line in lines:
            if len(line) <= _LONGEST_LINE:
                self._take(line)

    def stream(self, index: int | None) -> StreamScan:
        """The stream of that number; an empty one when none of its packets could be read."""
        return self.streams.get(-1 if index is None else index, StreamScan())

    def seconds(self, *indices: int) -> float | None:
        """From the first begin to the last end of these streams; None when nothing of them could be read."""
        scans = [scan for index in indices if (scan := self.stream(index)).end > scan.begin]
        return max(scan.end for scan in scans) - min(scan.begin for scan in scans) if scans else None

    def _take(self, line: bytes) -> None:
        fields = line.decode("ascii", "replace").strip().split(",")
        if len(fields) < _FIELDS or not (fields[0].isascii() and fields[0].isdecimal()):
            return
        index, (pts, dts, duration) = int(fields[0]), map(_seconds, fields[1:4])
        if index >= _MOST_STREAMS:
            return
        size = int(fields[4]) if fields[4].isascii() and fields[4].isdecimal() else 0
        self.streams.setdefault(index, StreamScan()).add(pts, dts, max(0.0, duration or 0.0), size, fields[5])


def _seconds(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
