"""Build the scan of a stream from a table of its packets, as `PacketScan` builds it line by line. Pure."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.media_info.timeline import Run

EARLY_SECONDS = 32.0
"""Of the sound: from its beginning on."""


@dataclass(frozen=True)
class PacketColumns:
    """The packets of a stream in the order of decoding: when each is shown and for how long, in seconds; their sizes
    and positions in bytes; and the numbers of the keyframes."""

    times: Sequence[float]
    durations: Sequence[float]
    sizes: Sequence[int]
    positions: Sequence[int]
    keyframes: Sequence[int]


def scan_columns(packets: PacketColumns, *, hidden: int = 0) -> StreamScan:
    """Return the scan of a stream with continuous times that begins with a keyframe, and whose first `hidden` packets
    are not shown. It has no table of frames, but `early_bytes`."""
    times = packets.times
    last = max(times)
    final = times.index(last)  # the end is that of the last one, or of one that is decoded after it
    ends = map(operator.add, times[final:], packets.durations[final:])
    scan = StreamScan(
        packets=len(times),
        hidden=hidden,
        size=sum(packets.sizes),
        start=min(times[hidden:]),
        last=last,
        end=max(ends),
        starts_with_keyframe=True,
    )
    early = sum(1 for _ in itertools.takewhile(lambda time: time < scan.start + EARLY_SECONDS, times))
    stops = map(operator.add, packets.positions[:early], packets.sizes[:early])
    scan.early_bytes = min(packets.positions[:early]), max(stops)
    scan.runs.append(Run(0, 0, min(times), scan.end, last_sequence=len(times) - 1))
    return scan


def scan_video_columns(packets: PacketColumns) -> StreamScan:
    """Return the scan of a video like `scan_columns`, with the times of its frames and its keyframes. All are shown."""
    scan, times = scan_columns(packets), packets.times
    scan.times.extend(times)
    for first, until in itertools.pairwise([*packets.keyframes, len(times)]):
        shown = times[first:until]
        scan.max_keyframe_gap = max(scan.max_keyframe_gap, max(shown) - shown[0])
        scan.intervals.add_interval(shown, packets.positions[first:until], packets.sizes[first:until])
    return scan


def are_continuous(
    times: Sequence[float], keyframes: Iterable[int], *, ahead: float, back: float, key_back: float
) -> bool:
    """Return whether times neither start over nor jump: none is more than `ahead` seconds after the latest before it or
    more than `back` before that, and no keyframe's more than `key_back`."""
    latest = list(itertools.accumulate(times, max))
    steps = map(operator.sub, times[1:], latest)
    if not all(-back <= step <= ahead for step in steps):
        return False
    return all(times[number] >= latest[number - 1] - key_back for number in keyframes if number)
