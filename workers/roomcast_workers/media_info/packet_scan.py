"""Scan a file's packets for its real duration and its keyframe intervals. Pure.

A header may be wrong or missing; what ffprobe lists with `SCAN_ENTRIES` is what can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from roomcast_workers.media_info.timeline import MediaPacket, Run, RunDivider

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
    presentation time. `last` is when the last frame is shown, until `end`. `max_keyframe_gap` is the longest time from
    a keyframe to the next, or to the end. `runs` are the packets between which times start over or jump.
    """

    packets: int = 0
    hidden: int = 0
    untimed: int = 0
    size: int = 0
    start: float = math.inf
    last: float = -math.inf
    end: float = -math.inf
    starts_with_keyframe: bool = False
    max_keyframe_gap: float = 0.0
    runs: list[Run] = field(default_factory=list)
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
        if not packet.hidden:
            self._measure(timed, time)
        return timed

    def _measure(self, packet: MediaPacket, time: float) -> None:
        self.start = min(self.start, time)
        self.last = max(self.last, time)
        self.end = max(self.end, time + packet.duration)
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


class PacketScan:
    """Incremental parser of ffprobe's list of packets, read with `demuxer`. Accepts any bytes in any chunks and never
    raises."""

    def __init__(self, demuxer: str = "") -> None:
        self.streams: dict[int, StreamScan] = {}
        self._demuxer = demuxer
        self._dividers: dict[int, RunDivider] = {}
        self._times: dict[int, float] = {}
        self._packets = 0
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
        self._add(index, MediaPacket(pts, dts, max(0.0, duration or 0.0), size, "K" in fields[5], "D" in fields[5]))

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


def _seconds(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
