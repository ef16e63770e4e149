"""Read the fragmented MP4 files that ffmpeg makes of a segment, and write CMAF segments with exact times. Pure.

ffmpeg writes an initialization segment (`ftyp`, `moov`) and then fragments (`moof`, `mdat`), one for each keyframe.
Where frames are reordered, their times are late by some frames. A CMAF segment is one fragment, in which decoding
begins with the segment and ends with it: each frame, in the order of decoding, is decoded at the time at which the
frame of the same number is shown, and the offset from there to its own time may be negative (ISO/IEC 23000-19, brand
`cmf2`). No edit list is needed, and segments follow each other without a gap, also where frames are reordered.

Boxes are described in ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from roomcast.errors import EncodingFailed

from roomcast_workers.media_info.boxes import (
    TFHD_DESCRIPTION,
    TFHD_FROM_MOOF,
    TFHD_OFFSET,
    TRUN_COMPOSITION,
    TRUN_DURATION,
    TRUN_FIRST_FLAGS,
    TRUN_FLAGS,
    TRUN_OFFSET,
    TRUN_SIZE,
    SampleDefaults,
    box,
    boxes,
    full_box,
)

TIMESCALE = 90_000
"""Ticks a second in all segments of video."""

_MILLISECOND = TIMESCALE // 1000

_MAX_SAMPLES = 1_000_000
_NOT_SYNC = 0x10000
_SYNC_FLAGS, _OTHER_FLAGS = 0x2000000, 0x1010000


@dataclass(frozen=True)
class Frame:
    """A frame of a segment, in the order of decoding: when it is shown, in ticks, its bytes, and whether it is a
    keyframe."""

    shown: int
    size: int
    keyframe: bool


@dataclass(frozen=True)
class Fragments:
    """What is in a fragmented MP4 file of one track: its initialization segment, the frames in the order of decoding,
    where their bytes are in the file, as ranges (first, end), and when the last one ends by the order of decoding."""

    init: bytes
    frames: tuple[Frame, ...]
    data: tuple[tuple[int, int], ...]
    end: int

    @property
    def shown(self) -> list[int]:
        """The times of the frames in ticks, in order."""
        return sorted(frame.shown for frame in self.frames)


def read_fragments(content: memoryview) -> Fragments:
    """Return what is in a fragmented MP4 file of one track. Raise `EncodingFailed` if it is damaged or another file."""
    found = read_segment(content)
    if not found.init:
        raise EncodingFailed("The encoder has made a segment without a header.")
    return found


def read_segment(content: memoryview) -> Fragments:
    """Return what is in a segment, whose initialization segment may be another file, with the same error."""
    try:
        return _read(content)
    except (struct.error, IndexError, ValueError) as error:
        raise EncodingFailed("A segment cannot be read.") from error


def moved_to(frames: Sequence[Frame], start: int) -> tuple[Frame, ...]:
    """Return the frames with times that begin at `start`."""
    first = min(frame.shown for frame in frames)
    return tuple(replace(frame, shown=frame.shown - first + start) for frame in frames)


def placed(frames: Sequence[Frame], first: int, planned: Sequence[int]) -> tuple[Frame, ...]:
    """Return the frames at the times of the planned frames that they are, of which some are missing.

    The distances between the frames are right, and the earliest of them is shown at `first`. Where a decoder gave two
    frames the same time, because it lost those before, the earlier one gets the time before. Raise `EncodingFailed` if
    there is no planned frame at the time of one.
    """
    begin = min(frame.shown for frame in frames)
    times, latest = dict[int, int](), len(planned)
    for shown in sorted((frame.shown for frame in frames), reverse=True):
        found = _nearest(planned, shown - begin + first)
        latest = min(found, latest - 1)
        if latest < 0 or abs(planned[found] - (shown - begin + first)) > _MILLISECOND:
            raise EncodingFailed("A segment has frames at other times than planned.")
        times[shown] = planned[latest]
    return tuple(replace(frame, shown=times[frame.shown]) for frame in frames)


def fragment_header(frames: Sequence[Frame], *, end: int, number: int, reorder: int = 0) -> bytes:
    """Return the `moof` box and the header of the `mdat` box of a segment, which the frames' bytes follow.

    The last frame is shown until `end`. With `reorder`, all frames are shown that many ticks later: if it is at least
    `reorder_ticks`, no offset is negative. Raise `EncodingFailed` if two frames have the same time.
    """
    shown = sorted(frame.shown for frame in frames)
    durations = [after - before for before, after in zip(shown, [*shown[1:], end], strict=True)]
    if min(durations) <= 0:
        raise EncodingFailed("The encoder has made a segment with wrong times.")
    entries = b"".join(
        struct.pack(
            ">IIIi",
            duration,
            frame.size,
            _SYNC_FLAGS if frame.keyframe else _OTHER_FLAGS,
            frame.shown - decoded + reorder,
        )
        for frame, decoded, duration in zip(frames, shown, durations, strict=True)
    )
    flags = TRUN_OFFSET | TRUN_DURATION | TRUN_SIZE | TRUN_FLAGS | TRUN_COMPOSITION
    tfhd = full_box(b"tfhd", 0, TFHD_FROM_MOOF, struct.pack(">I", 1))
    tfdt = full_box(b"tfdt", 1, 0, struct.pack(">Q", shown[0]))
    mfhd = box(b"mfhd", struct.pack(">II", 0, number))
    length = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + 20 + len(entries)  # of the whole moof
    trun = full_box(b"trun", 1, flags, struct.pack(">Ii", len(frames), length + 8) + entries)
    moof = box(b"moof", mfhd + box(b"traf", tfhd + tfdt + trun))
    return moof + struct.pack(">I4s", 8 + sum(frame.size for frame in frames), b"mdat")


def reorder_ticks(frames: Sequence[Frame]) -> int:
    """Return how many ticks the frames must be shown later, so that none is decoded after it is shown."""
    shown = sorted(frame.shown for frame in frames)
    return max(0, *(decoded - frame.shown for frame, decoded in zip(frames, shown, strict=True)))


def _read(content: memoryview) -> Fragments:
    init, frames, data = 0, list[Frame](), list[tuple[int, int]]()
    defaults, decoded, reading = SampleDefaults(), 0, False
    for name, start, body, end in boxes(content, 0, len(content)):
        if name in {b"ftyp", b"moov"} and start == init:
            init = end
            if name == b"moov":
                defaults = _track_defaults(content, body, end)
        elif name == b"moof":
            found = list(_frames(content, body, end, defaults))
            frames += [frame for frame, _ in found]
            decoded = found[-1][1]
            reading = True
        elif name == b"mdat" and reading:
            data.append((body, end))
    if not frames or sum(frame.size for frame in frames) != sum(end - first for first, end in data):
        raise ValueError("The fragments are incomplete.")
    return Fragments(bytes(content[:init]), tuple(frames), tuple(data), decoded)


def _track_defaults(content: memoryview, start: int, end: int) -> SampleDefaults:
    """Return the defaults that `trex` in `mvex` gives for samples."""
    for name, _, body, after in boxes(content, start, end):
        if name == b"mvex":
            for inner, _, at, _ in boxes(content, body, after):
                if inner == b"trex":
                    return SampleDefaults(*struct.unpack_from(">12xIII", content, at))
    raise ValueError("There is no track.")


def _frames(content: memoryview, start: int, end: int, defaults: SampleDefaults) -> Iterator[tuple[Frame, int]]:
    """Yield the frames of one `moof`, and when each ends by the order of decoding."""
    tracks = [(body, after) for name, _, body, after in boxes(content, start, end) if name == b"traf"]
    if len(tracks) != 1:
        raise ValueError("There is another number of tracks than one.")
    decoded = 0
    for name, _, at, after in boxes(content, *tracks[0]):
        if name == b"tfhd":
            defaults = _fragment_defaults(content[at:after], defaults)
        elif name == b"tfdt":
            decoded = struct.unpack_from(">Q" if content[at] else ">I", content, at + 4)[0]
        elif name == b"trun":
            for frame, duration in _run(content[at:after], decoded, defaults):
                decoded += duration
                yield frame, decoded


def _fragment_defaults(tfhd: memoryview, defaults: SampleDefaults) -> SampleDefaults:
    (flags,) = struct.unpack_from(">I", tfhd)
    return defaults.of_fragment(tfhd, 8 + (8 if flags & TFHD_OFFSET else 0) + (4 if flags & TFHD_DESCRIPTION else 0))


def _run(run: memoryview, decoded: int, defaults: SampleDefaults) -> Iterator[tuple[Frame, int]]:
    """Yield the frames of a `trun` and their durations."""
    version_and_flags, count = struct.unpack_from(">II", run)
    flags = version_and_flags & 0xFFFFFF
    if count > _MAX_SAMPLES:
        raise ValueError("There are too many samples.")
    at = 8 + (4 if flags & TRUN_OFFSET else 0)
    first_flags = defaults.flags
    if flags & TRUN_FIRST_FLAGS:
        first_flags = struct.unpack_from(">I", run, at)[0]
        at += 4
    fields = [bit for bit in (TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION) if flags & bit]
    layout = struct.Struct(">" + "".join("i" if bit == TRUN_COMPOSITION else "I" for bit in fields))
    for number in range(count):
        values = dict(zip(fields, layout.unpack_from(run, at), strict=True))
        at += layout.size
        duration = values.get(TRUN_DURATION, defaults.duration)
        sample_flags = values.get(TRUN_FLAGS, defaults.flags if number else first_flags)
        shown = decoded + values.get(TRUN_COMPOSITION, 0)
        yield Frame(shown, values.get(TRUN_SIZE, defaults.size), not sample_flags & _NOT_SYNC), duration
        decoded += duration


def _nearest(times: Sequence[int], time: int) -> int:
    """Return the number of the one of `times`, which are in order, that is nearest."""
    after = bisect_left(times, time)
    return min(range(max(0, after - 1), min(after + 1, len(times))), key=lambda number: abs(times[number] - time))
