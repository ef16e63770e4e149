"""Scan the packets of an MP4 file that consists of fragments, by their headers, without reading the media data.

Recorders write such files, and so do servers of live streams. ffprobe reads all of a file to list its packets; the
headers of the fragments (ISO/IEC 14496-12, 8.8) have the same. Where they do not stand for the packets, or the file is
damaged, the rest is ffprobe's.
"""

from __future__ import annotations

import itertools
import operator
import os
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

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
    timescale,
)
from roomcast_workers.media_info.packet_columns import PacketColumns, are_continuous, scan_columns, scan_video_columns
from roomcast_workers.media_info.packet_scan import PacketScan, Pieces, StreamScan
from roomcast_workers.media_info.probe import AudioStream, VideoStream
from roomcast_workers.media_info.timeline import jump_limit
from roomcast_workers.sources.boxes import Box
from roomcast_workers.sources.headers import NotPlain, read_header
from roomcast_workers.sources.mov_index import INDEXED_CODECS, SAMPLE_IS_PACKET, read_boxes, read_edit, unpacked

_MAX_SAMPLES, _MAX_RUNS = 2_000_000, 300_000
_MAX_BACK, _MAX_REORDER = 0.1, 10.0

_NO_KEYFRAME = 0x01010000
"""That a sample is no sync sample, or depends on others."""


@dataclass
class _Track:
    """A track, and the columns of its samples so far. Times are on the scale `scale`; the latest one is decoded at
    `last`, and the one after it at `next`. `reorder` has by how much samples are shown before they are decoded, at
    most, in each run."""

    scale: int
    edits: memoryview | None
    defaults: SampleDefaults
    next: int = 0
    last: int = -1
    reorder: list[int] = field(default_factory=list)
    shown: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    positions: array[int] = field(default_factory=lambda: array("q"))
    flags: array[int] = field(default_factory=lambda: array("I"))


def scan_fragments(
    file: BinaryIO, boxes: Sequence[Box], streams: Sequence[VideoStream | AudioStream]
) -> PacketScan | None:
    """Return the scan of these streams as ffprobe's list of packets would give it, or None if the fragments do not show
    that. `boxes` are those of the file. It waits for the disk.

    Only videos have the times of their frames, and `intervals`. The scan has the fragments as its `pieces`.
    """
    codecs = [(stream.codec, isinstance(stream, VideoStream)) for stream in streams]
    if any(codec not in (INDEXED_CODECS if is_video else SAMPLE_IS_PACKET) for codec, is_video in codecs):
        return None
    try:
        reader = _Reader(file.fileno(), boxes)
        reader.read()
        scan = PacketScan("mov")
        for stream in streams:
            track = reader.tracks[stream.index]
            if track.sizes:
                scan.streams[stream.index] = _stream_scan(track, reader.movie_scale, stream)
        scan.pieces = reader.pieces()
    except (NotPlain, struct.error, LookupError, ValueError, OverflowError):
        return None
    return scan


def _stream_scan(track: _Track, movie_scale: int, stream: VideoStream | AudioStream) -> StreamScan:
    edit = read_edit(track.edits, movie_scale, track.scale, may_be_endless=True)
    if edit.end is not None:
        raise NotPlain
    # ffmpeg shows all frames later if some are shown before they are decoded: by the most that it has read of so far.
    reorder = track.reorder[0] if track.reorder else 0
    if any(most != reorder for most in track.reorder[:-1]) or min(track.reorder, default=0) < reorder:
        raise NotPlain
    begin = edit.start + reorder
    times = array("d", [(shown - begin) / track.scale + edit.delay for shown in track.shown])
    durations = array("d", [duration / track.scale for duration in track.durations])
    is_video = isinstance(stream, VideoStream)
    keyframes = [number for number, flags in enumerate(track.flags) if not is_video or not flags & _NO_KEYFRAME]
    continuous = are_continuous(
        times, keyframes, ahead=jump_limit("mov"), back=_MAX_REORDER if is_video else _MAX_BACK, key_back=_MAX_REORDER
    )
    if not continuous or not keyframes or keyframes[0] or min(track.sizes) == 0:
        raise NotPlain
    columns = PacketColumns(times, durations, track.sizes, track.positions, keyframes)
    return scan_video_columns(columns) if is_video else scan_columns(columns)


class _Reader:
    """Reads the headers of one file. Every method raises `NotPlain` or `struct.error` for what it cannot read."""

    def __init__(self, descriptor: int, boxes: Sequence[Box]) -> None:
        self._descriptor = descriptor
        self._boxes = boxes
        self._size = os.fstat(descriptor).st_size
        self._by_id = dict[int, _Track]()
        self._fragments = array("q")
        self._runs = self._samples = 0
        self.tracks: list[_Track] = []
        self.movie_scale = 0

    def read(self) -> None:
        """Read the tracks, and the headers of their fragments up to the end of the file."""
        for box in self._boxes:
            if box.type == b"moov" and not self._fragments:
                self._read_movie(memoryview(self._content(box)))
            elif box.type == b"moov":
                raise NotPlain  # another recording follows
            elif box.type == b"moof":
                self._fragments.append(box.start)
                self._read_fragment(box, memoryview(self._content(box)))

    def pieces(self) -> Pieces:
        """Return the fragments, and the headers that come before them."""
        head = [box for box in self._boxes if box.type in {b"ftyp", b"moov"} and box.start < self._fragments[0]]
        end = min(self._boxes[-1].stop, self._size)
        return Pieces(b"".join(self._bytes(box.start, box.stop) for box in head), self._fragments, end)

    def _content(self, box: Box) -> bytes:
        return self._bytes(box.content, box.stop)

    def _bytes(self, start: int, stop: int) -> bytes:
        return read_header(self._descriptor, start, stop)

    def _read_movie(self, movie: memoryview) -> None:
        children = list(read_boxes(movie))
        self.movie_scale = timescale(dict(children)[b"mvhd"])
        defaults = dict[int, SampleDefaults]()
        for name, extends in children:
            if name == b"mvex":
                for inner, content in read_boxes(extends):
                    if inner == b"trex":
                        number, *values = struct.unpack_from(">I4xIII", content, 4)
                        defaults[number] = SampleDefaults(*values)
        for name, content in children:
            if name == b"trak":
                self._read_track(content, defaults)

    def _read_track(self, content: memoryview, defaults: Mapping[int, SampleDefaults]) -> None:
        boxes = dict(read_boxes(content))
        media = dict(read_boxes(boxes[b"mdia"]))
        table = dict(read_boxes(dict(read_boxes(media[b"minf"]))[b"stbl"]))
        (samples,) = struct.unpack_from(">I", table[b"stsz"], 8)
        edits = dict(read_boxes(boxes[b"edts"]))[b"elst"] if b"edts" in boxes else None
        header = boxes[b"tkhd"]
        (number,) = struct.unpack_from(">I", header, 20 if header[0] else 12)
        if samples or number in self._by_id:
            raise NotPlain
        track = _Track(timescale(media[b"mdhd"]), edits, defaults.get(number, SampleDefaults()))
        self.tracks.append(track)
        self._by_id[number] = track

    def _read_fragment(self, moof: Box, content: memoryview) -> None:
        after = moof.start  # where data continues that has no position
        for name, fragment in read_boxes(content):
            if name == b"traf":
                after = self._read_track_fragment(moof.start, after, fragment)

    def _read_track_fragment(self, moof: int, after: int, fragment: memoryview) -> int:
        """Read the samples of one track, and return where its data end."""
        boxes = list(read_boxes(fragment))
        header = dict(boxes)[b"tfhd"]
        flags, number = struct.unpack_from(">II", header)
        track = self._by_id[number]
        base = moof if flags & TFHD_FROM_MOOF else after
        at = 8
        if flags & TFHD_OFFSET:
            (base,), at = struct.unpack_from(">Q", header, at), at + 8
        if flags & TFHD_DESCRIPTION:
            if struct.unpack_from(">I", header, at) != (1,):
                raise NotPlain  # with other parameters of the codec
            at += 4
        defaults, end = track.defaults.of_fragment(header, at), base
        for kind, box in boxes:
            if kind == b"tfdt":
                self._set_time(track, struct.unpack_from(">Q" if box[0] else ">I", box, 4)[0])
            elif kind == b"trun":
                end = self._read_run(track, defaults, box, base, end)
        return end

    def _set_time(self, track: _Track, decoded: int) -> None:
        most = jump_limit("mov") * track.scale
        if track.sizes and not -_MAX_BACK * track.scale <= decoded - track.next <= most:
            raise NotPlain
        track.next = decoded

    def _read_run(self, track: _Track, defaults: SampleDefaults, run: memoryview, base: int, position: int) -> int:
        """Read the samples of a run, and return where their data end."""
        flags, count = struct.unpack_from(">II", run)
        self._runs += 1
        self._samples += count
        if self._samples > _MAX_SAMPLES or self._runs > _MAX_RUNS or run[0] > 1:
            raise NotPlain
        at = 8
        if flags & TRUN_OFFSET:
            position, at = base + int(struct.unpack_from(">i", run, at)[0]), at + 4
        first_flags = None
        if flags & TRUN_FIRST_FLAGS:
            (first_flags,), at = struct.unpack_from(">I", run, at), at + 4
        columns = _columns(run[at:], flags, count)
        durations = columns.get(TRUN_DURATION) or array("I", [defaults.duration]) * count
        sizes = columns.get(TRUN_SIZE) or array("I", [defaults.size]) * count
        sample_flags = columns.get(TRUN_FLAGS) or array("I", [defaults.flags]) * count
        if first_flags is not None and count and not flags & TRUN_FLAGS:
            sample_flags[0] = first_flags
        decoded = list(itertools.accumulate(durations, initial=track.next))
        offsets = columns.get(TRUN_COMPOSITION)
        positions: list[int] = list(itertools.accumulate(sizes, initial=position))
        if position < 0 or positions[-1] > self._size:
            raise NotPlain
        if track.last >= decoded[0] or not all(map(operator.lt, decoded[:-1], decoded[1:-1])):
            raise NotPlain  # ffmpeg would not show such a sample
        track.next = decoded.pop()
        if count:
            track.last = decoded[-1]
        if offsets is None:
            track.shown.extend(decoded)
        else:
            later = list(_signed(offsets))
            track.reorder.append(min(0, *later))
            track.shown.extend(map(operator.add, decoded, later))
        track.durations.extend(durations)
        track.sizes.extend(sizes)
        track.positions.extend(positions[:-1])
        track.flags.extend(sample_flags)
        return positions[-1]


def _columns(content: memoryview, flags: int, count: int) -> dict[int, array[int]]:
    """Return the columns of the table of a run, by the flags for them."""
    bits = [bit for bit in (TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION) if flags & bit]
    total = count * len(bits)
    numbers = unpacked(content, total, "I") if total else array("I")
    return {bit: numbers[column :: len(bits)] for column, bit in enumerate(bits)}


def _signed(numbers: array[int]) -> Iterator[int]:
    return (number - (1 << 32) if number >> 31 else number for number in numbers)
