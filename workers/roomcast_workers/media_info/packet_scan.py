"""Scan a file's packets for its real duration and its keyframe intervals. Pure.

A header may be wrong or missing; what ffprobe lists with `SCAN_ENTRIES` is what can be read.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from roomcast_workers.media_info.timeline import MediaPacket, Run, RunDivider
from roomcast_workers.sandbox.output_lines import OutputLines

SCAN_ENTRIES = "packet=stream_index,pts_time,dts_time,duration_time,size,pos,flags"
"""ffprobe's `-show_entries`, with `-of csv=p=0`: one line per packet, its fields in this order."""

_FIELDS = 7
_HEAD_PACKETS = 16
_MAX_LINE = 256
_MAX_DIGITS = 19
_MAX_STREAMS = 1024


@dataclass
class KeyframeIntervals:
    """The keyframes of a stream, in the order of the file, and the packets from each to the next.

    `times` are when the keyframes are shown. `first_bytes` and `end_bytes` are where the packets of an interval begin
    and end in the file, -1 if that is unknown; `head_bytes` is where its first packets end, with those that are shown
    before the keyframe. `leading` counts these.
    """

    times: array[float] = field(default_factory=lambda: array("d"))
    first_bytes: array[int] = field(default_factory=lambda: array("q"))
    end_bytes: array[int] = field(default_factory=lambda: array("q"))
    head_bytes: array[int] = field(default_factory=lambda: array("q"))
    leading: array[int] = field(default_factory=lambda: array("i"))
    _packets: int = 0

    def add(self, packet: MediaPacket, time: float) -> None:
        """Add the next packet of the stream, which is shown at `time`. What comes before the first keyframe counts as
        its interval."""
        if packet.keyframe or not self.times:
            self.times.append(time)
            self.first_bytes.append(packet.position)
            self.end_bytes.append(-1)
            self.head_bytes.append(-1)
            self.leading.append(0)
            self._packets = 0
        if packet.position < 0:
            self.first_bytes[-1] = -1
        else:
            self.first_bytes[-1] = min(self.first_bytes[-1], packet.position)
        end = packet.position + packet.size
        is_leading = time < self.times[-1]
        self.end_bytes[-1] = max(self.end_bytes[-1], end)
        if is_leading or self._packets < _HEAD_PACKETS:
            self.head_bytes[-1] = max(self.head_bytes[-1], end)
        self.leading[-1] += is_leading and not packet.hidden
        self._packets += 1

    def add_interval(self, times: Sequence[float], positions: Sequence[int], sizes: Sequence[int]) -> None:
        """Add a keyframe with all packets up to the next one: when they are shown, and where their bytes are."""
        ends = list(map(int.__add__, positions, sizes))
        leading = [end for time, end in zip(times, ends, strict=True) if time < times[0]]
        self.times.append(times[0])
        self.first_bytes.append(min(positions))
        self.end_bytes.append(max(ends))
        self.head_bytes.append(max([*ends[:_HEAD_PACKETS], *leading]))
        self.leading.append(len(leading))


@dataclass
class StreamScan:
    """The packets of one stream.

    Times are in seconds, from the first frame or sample that is shown to the end of the last; `size` is in bytes.
    `hidden` packets are decoded but not shown, because an edit list leaves them out; `untimed` ones have no
    presentation time. `last` is when the last frame is shown, until `end`. `max_keyframe_gap` is the longest time from
    a keyframe to the next, or to the end. Keyframes of a video that `is_refreshed_gradually` need earlier frames, which
    their first bytes show. `early_bytes` is where the first packets are, of `packet_columns.EARLY_SECONDS`, in sound
    whose positions are known. `runs` are the packets between which times start over or jump. `times` has when each
    frame is shown, in the order of the file, `hidden_times` when the hidden ones would be, and `intervals` where the
    keyframes are.
    """

    packets: int = 0
    hidden: int = 0
    untimed: int = 0
    size: int = 0
    start: float = math.inf
    last: float = -math.inf
    end: float = -math.inf
    starts_with_keyframe: bool = False
    is_refreshed_gradually: bool = False
    early_bytes: tuple[int, int] | None = None
    max_keyframe_gap: float = 0.0
    runs: list[Run] = field(default_factory=list)
    times: array[float] = field(default_factory=lambda: array("d"))
    hidden_times: array[float] = field(default_factory=lambda: array("d"))
    intervals: KeyframeIntervals = field(default_factory=KeyframeIntervals)
    _last_key: float = math.inf
    _time: float = -math.inf
    _lead: float = math.inf
    _step: float = math.inf

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.start)

    def add(self, packet: MediaPacket) -> MediaPacket | None:
        """Count a packet, and return it with its time and its duration, estimated where the file does not give them.

        Return None if the time is unknown.
        """
        if not self.packets:
            self.starts_with_keyframe = packet.keyframe
        self.packets += 1
        self.size += packet.size
        self.untimed += packet.pts is None
        self.hidden += packet.hidden
        time = self._time_of(packet)
        if time is None:
            return None
        if (step := abs(time - self._time)) > 0:
            self._step = min(self._step, step)
        self._time = time
        duration = packet.duration or (self._step if math.isfinite(self._step) else 0.0)
        timed = replace(packet, pts=time, duration=duration)
        self.intervals.add(packet, time)
        if packet.hidden:
            self.hidden_times.append(time)
        else:
            self._measure(timed, time)
        return timed

    def _measure(self, packet: MediaPacket, time: float) -> None:
        self.times.append(time)
        self.start = min(self.start, time)
        end = time + packet.duration
        # A duration in MP4 is the time to what is decoded next: that of a reordered frame says nothing of the end.
        self.end = end if time > self.last else max(self.end, end)
        self.last = max(self.last, time)
        if packet.keyframe:
            self._last_key = time
        if time > self._last_key:
            self.max_keyframe_gap = max(self.max_keyframe_gap, time - self._last_key)

    def _time_of(self, packet: MediaPacket) -> float | None:
        """Return when a packet is shown. MPEG-PS has times for some packets only; those between follow in step."""
        if packet.pts is not None and packet.dts is not None:
            self._lead = min(self._lead, packet.pts - packet.dts)
        if packet.pts is None and packet.dts is not None and math.isfinite(self._lead):
            return packet.dts + self._lead
        return packet.pts if packet.pts is not None else packet.dts


@dataclass(frozen=True)
class Pieces:
    """The clusters of a Matroska file, or the fragments of an MP4 file: where each begins, and the end of the last.

    `head` and some successive pieces make a file that can be read by itself.
    """

    head: bytes
    starts: Sequence[int]
    end: int


class PacketScan:
    """Incremental parser of ffprobe's list of packets, read with `demuxer`. Accepts any bytes in any chunks and never
    raises. `pieces` has those of a file that consists of them, if they are known."""

    def __init__(self, demuxer: str = "") -> None:
        self.streams: dict[int, StreamScan] = {}
        self.pieces: Pieces | None = None
        self._demuxer = demuxer
        self._dividers: dict[int, RunDivider] = {}
        self._times: dict[int, float] = {}
        self._packets = 0
        self._lines = OutputLines(_MAX_LINE)

    def feed(self, data: bytes) -> None:
        for line in self._lines.feed(data):
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
        size, position = _count(fields[4]) or 0, _count(fields[5])
        flags = fields[6]
        packet = MediaPacket(pts, dts, max(0.0, duration or 0.0), size, "K" in flags, "D" in flags)
        self._add(index, packet if position is None else replace(packet, position=position))

    def _add(self, index: int, packet: MediaPacket) -> None:
        if index not in self.streams:
            self._dividers[index] = RunDivider(self._demuxer)
            self.streams[index] = StreamScan(runs=self._dividers[index].runs)
        stream = self.streams[index]
        # Hidden ones, too: where fragments of MP4 were joined, the edit list of the first hides frames of the others.
        if (timed := stream.add(packet)) is not None:
            self._dividers[index].add(timed, stream.packets - 1, self._packets, self._times)
            self._times[index] = timed.pts if timed.pts is not None else 0.0
        self._packets += 1


def _count(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdecimal() and len(value) < _MAX_DIGITS else None


def _seconds(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
