"""The model of time: one continuous timeline for streams whose times start over or jump. Pure.

In joined recordings the times of each have a beginning of their own, and receivers and streaming servers write times
that jump ahead by hours. `PacketScan` divides each stream into runs, in which times are continuous; `plan_retiming`
places the runs one after the other. A gap during which another stream continues is no jump and remains.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_CLOCK_JUMPS = {"mpegts": 10.0, "mpeg": 10.0}
_OTHER_JUMP = 600.0
_DERIVED_DTS = {"matroska"}
_MAX_STEP_BACK = 0.1
_MAX_REORDER = 5.0
_SAME_CLOCK = 1.0
_SAME_START = 10.0
_MAX_OVERLAP = 0.1
_MAX_RUNS = 200


def jump_limit(demuxer: str) -> float:
    """Return the seconds by which times may step ahead without a packet in between, before that is a jump.

    MPEG-TS and MPEG-PS have clocks that may jump (ISO/IEC 13818-1, 2.4.3.5), and ten seconds are also ffmpeg's own
    limit for them. In other formats a gap is a picture that was shown for so long, as in recordings of screens.
    """
    return _CLOCK_JUMPS.get(demuxer, _OTHER_JUMP)


@dataclass(frozen=True)
class MediaPacket:
    """A packet of a stream: its presentation and decoding times and its duration in seconds, and its size in bytes.

    A duration of 0 is unknown. A `hidden` packet is decoded but not shown. `position` is where its bytes begin in the
    file, -1 if that is unknown.
    """

    pts: float | None
    dts: float | None
    duration: float
    size: int
    keyframe: bool
    hidden: bool
    position: int = -1


@dataclass
class Run:
    """Successive packets of a stream with continuous times.

    `first` is the number of its first packet in the stream, `sequence` and `last_sequence` are the numbers of its first
    and last packet in the file. Times are in seconds, as in the file. `elsewhere` has the time that each other stream
    had reached when the run began.
    """

    first: int
    sequence: int
    start: float = math.inf
    end: float = -math.inf
    last_sequence: int = 0
    elsewhere: Mapping[int, float] = field(default_factory=dict)


class RunDivider:
    """Divides the packets of one stream into runs."""

    def __init__(self, demuxer: str) -> None:
        self.runs: list[Run] = []
        self._limit = jump_limit(demuxer)
        self._reordered = demuxer in _DERIVED_DTS
        self._reached = -math.inf
        self._latest = -math.inf

    def add(self, packet: MediaPacket, number: int, sequence: int, elsewhere: Mapping[int, float]) -> None:
        """Add a packet. `number` counts the stream's packets and `sequence` the file's; `elsewhere` is
        copied if a run begins."""
        # Matroska stores no decoding times, and those that ffmpeg derives are wrong where times start over.
        clock = packet.pts if self._reordered or packet.dts is None else packet.dts
        shown = packet.pts
        if clock is None or shown is None:
            return
        if not self.runs or (len(self.runs) < _MAX_RUNS and self._breaks(clock, keyframe=packet.keyframe)):
            self.runs.append(Run(number, sequence, elsewhere=dict(elsewhere)))
            self._reached = self._latest = -math.inf
        self._latest = max(self._latest, clock)
        self._reached = max(self._reached, clock + packet.duration)
        run = self.runs[-1]
        run.start, run.end = min(run.start, shown), max(run.end, shown + packet.duration)
        run.last_sequence = sequence

    def _breaks(self, clock: float, *, keyframe: bool) -> bool:
        if clock > self._reached + self._limit:
            return True
        # Presentation times go back by some frames, but no keyframe is shown before what was decoded earlier.
        back = _MAX_REORDER if self._reordered and not keyframe else _MAX_STEP_BACK
        return clock < self._latest - back


@dataclass(frozen=True)
class Shift:
    """From the packet number `first` on, add `seconds` to a stream's times. Packets whose new time is `until` or later
    are dropped, up to the next shift."""

    first: int
    seconds: float
    until: float = math.inf


@dataclass(frozen=True)
class Retiming:
    """How to make the times of a file continuous: the shifts of each stream, by its index."""

    shifts: Mapping[int, tuple[Shift, ...]]


@dataclass
class _Track:
    """A stream whose runs are being placed: `next` is the run to place next, `end` where the last one ends."""

    index: int
    runs: Sequence[Run]
    next: int = 0
    offsets: list[float] = field(default_factory=list)
    end: float | None = None

    @property
    def upcoming(self) -> Run | None:
        return self.runs[self.next] if self.next < len(self.runs) else None

    @property
    def current(self) -> Run | None:
        return self.runs[self.next - 1] if self.next else None

    def continuation(self, run: Run) -> float | None:
        """Return the offset with which `run` continues this stream, or None at its beginning."""
        return None if self.end is None else self.end - run.start

    def put(self, offset: float) -> None:
        end = self.runs[self.next].end + offset
        self.end = end if self.end is None else max(self.end, end)
        self.offsets.append(offset)
        self.next += 1


IndexedRuns = tuple[int, Sequence[Run]]
"""A stream's index, and its runs."""


def plan_retiming(video: IndexedRuns | None, audio: IndexedRuns | None, demuxer: str) -> Retiming | None:
    """Return how to make the times of a video and its audio continuous, or None if they are.

    Runs of both streams that begin at the same time belong to the same recording and remain in step. The next recording
    begins where the picture of the last one ends, or its sound, if that ends more than a tenth of a second later.
    """
    tracks = [_Track(*stream) for stream in (video, audio) if stream is not None and stream[1]]
    limit = jump_limit(demuxer)
    if all(len(track.runs) == 1 for track in tracks) and not _apart(tracks, limit):
        return None
    while any(track.upcoming for track in tracks):
        _assign_next(tracks, limit)
    if len({round(offset, 3) for track in tracks for offset in track.offsets}) < 2:
        return None
    return Retiming({track.index: _shifts(track) for track in tracks})


def _assign_next(tracks: Sequence[_Track], limit: float) -> None:
    """Place the run that begins first in the file, together with the other stream's run of the same recording."""
    track = min((track for track in tracks if track.upcoming), key=lambda track: track.runs[track.next].sequence)
    run = track.runs[track.next]
    other = next((other for other in tracks if other is not track), None)
    if other is not None and _begin_together(track, other):
        offset = _common_offset(*tracks)
        for each in tracks:
            each.put(offset)
        return
    if other is not None and other.current is not None and _same_clock(track, run, other, limit):
        track.put(other.offsets[-1])
        return
    continuation = track.continuation(run)
    if continuation is None:
        begin = other.current.start + other.offsets[-1] if other is not None and other.current is not None else 0.0
        continuation = begin - run.start
    track.put(continuation)


def _common_offset(video: _Track, audio: _Track) -> float:
    """Return the offset for the next runs of both streams."""
    picture, sound = (track.continuation(track.runs[track.next]) for track in (video, audio))
    if picture is not None and sound is not None:
        return max(picture, sound - _MAX_OVERLAP)
    started = picture if picture is not None else sound
    return started if started is not None else -min(track.runs[track.next].start for track in (video, audio))


def _apart(tracks: Sequence[_Track], limit: float) -> bool:
    """Return whether the first runs of two streams are so far apart that they have no common clock."""
    return len(tracks) > 1 and _distance(tracks[0].runs[0], tracks[1].runs[0].start, tracks[1].runs[0].end) > limit


def _distance(run: Run, start: float, end: float) -> float:
    return max(0.0, start - run.end, run.start - end)


def _begin_together(track: _Track, other: _Track) -> bool:
    """Return whether the next runs of both streams are the beginning of the same recording."""
    run, mate = track.runs[track.next], other.upcoming
    if mate is None or abs(mate.start - run.start) > _SAME_START:
        return False
    after = track.runs[track.next + 1] if track.next + 1 < len(track.runs) else None
    if after is not None and mate.sequence > after.sequence:
        return False
    ending = other.current
    return ending is None or ending.end - run.elsewhere.get(other.index, ending.end) <= _SAME_CLOCK


def _same_clock(track: _Track, run: Run, other: _Track, limit: float) -> bool:
    """Return whether a run has the clock of the other stream's current run, which continues beside it."""
    beside, before = other.current, track.current
    if beside is None or beside.last_sequence < run.sequence:
        return False
    if before is None:
        return _distance(beside, run.start, run.end) <= limit
    if run.start > before.end:
        return beside.start <= run.start <= beside.end + _SAME_CLOCK
    return abs(run.elsewhere.get(other.index, math.inf) - run.start) <= _SAME_CLOCK


def _shifts(track: _Track) -> tuple[Shift, ...]:
    starts = [run.start + offset for run, offset in zip(track.runs, track.offsets, strict=True)]
    ends = [run.end + offset for run, offset in zip(track.runs, track.offsets, strict=True)]
    untils = [
        following if following < end else math.inf
        for end, following in itertools.zip_longest(ends, starts[1:], fillvalue=math.inf)
    ]
    return tuple(
        Shift(0 if number == 0 else run.first, offset, until)
        for number, (run, offset, until) in enumerate(zip(track.runs, track.offsets, untils, strict=True))
    )
