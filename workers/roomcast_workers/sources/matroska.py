"""Scan the packets of a Matroska or WebM file by the headers of its blocks, without reading what is in them.

ffprobe reads all of a file to list its packets. The headers (RFC 9559, 10) have the same: times, sizes, positions and
which are keyframes; the file needs no index, and its clusters no sizes. Where they do not stand for the packets, or the
file is damaged, the rest is ffprobe's.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import BinaryIO

from roomcast_workers.media_info.packet_columns import (
    PacketColumns,
    are_continuous,
    scan_columns,
    scan_video_columns,
)
from roomcast_workers.media_info.packet_scan import PacketScan, Pieces, StreamScan
from roomcast_workers.media_info.probe import AudioStream, VideoStream
from roomcast_workers.media_info.timeline import jump_limit
from roomcast_workers.sources.headers import NotPlain, read_header

_EBML, _SEGMENT, _CLUSTER, _INFO, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1549A966, 0x1654AE6B
_TIMESTAMP, _BLOCK_GROUP, _SIMPLE_BLOCK, _ENCRYPTED = 0xE7, 0xA0, 0xA3, 0xAF
_BLOCK, _BLOCK_DURATION, _REFERENCE = 0xA1, 0x9B, 0xFB
_TIMESTAMP_SCALE = 0x2AD7B1
_CUES, _CUE_POINT, _CUE_TIME, _CUE_POSITIONS, _CUE_TRACK, _CUE_CLUSTER = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
_TRACK_ENTRY, _TRACK_NUMBER, _TRACK_TYPE, _CODEC = 0xAE, 0xD7, 0x83, 0x86
_DEFAULT_DURATION, _CODEC_DELAY, _ENCODINGS, _TRACK_SCALE = 0x23E383, 0x56AA, 0x6D80, 0x23314F
_VIDEO, _AUDIO, _SUBTITLES, _METADATA = 1, 2, 0x11, 0x21

_VIDEO_CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg", "ffv1", "prores"})
"""Codecs whose packets are the blocks."""

_DEFAULT_SCALE = 1_000_000
"""Nanoseconds of a unit of time, in a file that does not give them."""

_WINDOW = 2048
_HEADER = 32
"""No header of an element and of the block in it has more bytes."""

_AHEAD = 8 << 20
_MAX_ELEMENTS = 2_500_000
"""Of ten hours of video with sound. Reading as many takes some five seconds."""

_MAX_ID_BYTES, _MAX_SIZE_BYTES = 4, 8
_MAX_REORDER, _MAX_STEP_BACK = 5.0, 0.1
_KEYFRAME, _INVISIBLE, _LACED = 0x80, 0x08, 0x06
_VP8_SHOWN = 0x10
_UNKNOWN = -1
_ALL_ONES = (1 << 56) - 1
"""The size, in eight bytes, of an element whose size is unknown."""


@dataclass
class _Track:
    """A track, and the columns of its blocks: times in the file's unit, flags, sizes, positions, and first bytes. Of
    laced ones, `frames` counts all. `scale` and `delay` are in nanoseconds."""

    type: int
    delay: int = 0
    frame_nanoseconds: int = 0
    is_plain: bool = True
    frames: int = 0
    times: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    positions: array[int] = field(default_factory=lambda: array("q"))
    flags: bytearray = field(default_factory=bytearray)
    first_bytes: bytearray = field(default_factory=bytearray)
    block_durations: dict[int, int] = field(default_factory=dict)


def scan_matroska(file: BinaryIO, streams: Sequence[VideoStream | AudioStream]) -> PacketScan | None:
    """Return the scan of these streams as ffprobe's list of packets would give it, or None if the headers do not show
    that. It waits for the disk.

    Only videos have the times of their frames, and `intervals`. The scan has the clusters as its `pieces`.
    """
    if any(isinstance(stream, VideoStream) and stream.codec not in _VIDEO_CODECS for stream in streams):
        return None
    try:
        reader = _Reader(file.fileno())
        reader.read()
        scan = PacketScan("matroska")
        for stream in streams:
            track = reader.tracks[stream.index]
            if track.type != (_VIDEO if isinstance(stream, VideoStream) else _AUDIO) or not track.is_plain:
                return None
            if track.times:
                scan.streams[stream.index] = _stream_scan(track, stream, reader.scale)
        scan.pieces = Pieces(reader.head, reader.clusters, reader.end)
    except (NotPlain, LookupError, ValueError, OverflowError, struct.error):
        return None
    return scan


def _stream_scan(track: _Track, stream: VideoStream | AudioStream, scale: int) -> StreamScan:
    seconds, delay = scale / 1e9, (track.delay + scale // 2) // scale
    times = array("d", [(time - delay) * seconds for time in track.times])
    is_video = isinstance(stream, VideoStream)
    durations = _durations(track, stream, times, seconds)
    keyframes = list(compress(range(len(times)), (flags & _KEYFRAME for flags in track.flags)))
    back = _MAX_REORDER if is_video else _MAX_STEP_BACK
    continuous = are_continuous(times, keyframes, ahead=jump_limit("matroska"), back=back, key_back=_MAX_STEP_BACK)
    if not continuous or not keyframes or keyframes[0]:
        raise NotPlain
    columns = PacketColumns(times, durations, track.sizes, track.positions, keyframes)
    if not is_video:
        scan = scan_columns(columns)
        scan.packets = track.frames
        return scan
    if track.frames != len(times) or any(flags & _INVISIBLE for flags in track.flags):
        raise NotPlain
    scan = scan_video_columns(columns)
    if stream.codec == "vp8":
        # Frames that are never shown, to which others refer, are packets of their own.
        scan.times = array("d", compress(times, (first & _VP8_SHOWN for first in track.first_bytes)))
        if len(scan.times) < len(times):
            scan.start, scan.last = min(scan.times), max(scan.times)
    return scan


def _durations(
    track: _Track, stream: VideoStream | AudioStream, times: Sequence[float], seconds: float
) -> Sequence[float]:
    """Return for how long the packets are shown: as they say, or as the track says, or by the average."""
    usual = track.frame_nanoseconds / 1e9 * max(1, track.frames // len(times))
    if not usual and isinstance(stream, VideoStream) and stream.fps:
        usual = 1 / stream.fps
    if not usual and len(times) > 1:
        usual = max(0.0, times[-1] - times[-2])
    durations = array("d", [usual]) * len(times)
    for number, ticks in track.block_durations.items():
        durations[number] = ticks * seconds
    return durations


class _Reader:
    """Reads the headers of one file, in small windows. Every method raises `NotPlain` for what it cannot read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self.scale = _DEFAULT_SCALE
        self.tracks: list[_Track] = []
        self.head = b""
        self.clusters = array("q")
        self.end = 0
        self._stop = self._cluster_stop = self._ahead = 0
        self._cluster_time = _UNKNOWN

    def read(self) -> None:
        """Read the tracks, and the headers of their blocks up to the end of the file."""
        at, stop, is_cut_off = self._enter_segment()
        info = tracks = b""
        while at < stop:
            number, _, after = self._element(at, stop)
            if number == _CLUSTER:
                break
            if number in {_INFO, _TRACKS}:
                content = self._bytes(at, after)
                info, tracks = (content, tracks) if number == _INFO else (info, content)
            at = after
        if not tracks:
            raise NotPlain
        numbers = self._read_tracks(tracks)
        self.scale = _number(_child(info, _TIMESTAMP_SCALE), _DEFAULT_SCALE) if info else _DEFAULT_SCALE
        videos = [number for number, track in numbers.items() if track.type == _VIDEO]
        self.head = self._ebml + _written(_SEGMENT, size=_ALL_ONES) + info + tracks
        self.head += _index_of_first_cluster(videos, len(info + tracks))
        self._read_blocks(at, stop, numbers, is_cut_off=is_cut_off)

    def _enter_segment(self) -> tuple[int, int, bool]:
        """Return where the content of the segment begins and ends, and whether the file may end amid it."""
        number, _, after = self._element(0, self._size)
        if number != _EBML:
            raise NotPlain
        self._ebml = self._bytes(0, after)
        head = self._bytes(after, min(self._size, after + _HEADER))
        number, size, length = _header(head)
        if number != _SEGMENT:
            raise NotPlain
        at = after + length
        if size == _UNKNOWN:
            return at, self._size, True
        if at + size != self._size:  # cut off, or another recording follows
            raise NotPlain
        return at, at + size, False

    def _read_tracks(self, element: bytes) -> dict[int, _Track]:
        """Return the tracks by their numbers, and put those that are streams to ffprobe into `tracks`."""
        numbers = dict[int, _Track]()
        for name, entry in _children(_content(element)):
            if name != _TRACK_ENTRY:
                continue
            fields = dict(_children(entry))
            track = _Track(
                _number(fields.get(_TRACK_TYPE), 0),
                _number(fields.get(_CODEC_DELAY), 0),
                _number(fields.get(_DEFAULT_DURATION), 0),
                _ENCODINGS not in fields and _track_scale(fields.get(_TRACK_SCALE)) == 1.0,
            )
            number = _number(fields.get(_TRACK_NUMBER), 0)
            if number in numbers:
                raise NotPlain
            numbers[number] = track
            if track.type in {_VIDEO, _AUDIO, _SUBTITLES, _METADATA} and fields.get(_CODEC):
                self.tracks.append(track)
        return numbers

    def _read_blocks(self, at: int, stop: int, tracks: dict[int, _Track], *, is_cut_off: bool) -> None:
        """Read the headers of all blocks from the first cluster on. Clusters of unknown sizes end where the next one
        begins, which makes no difference to their blocks."""
        self._stop = self._cluster_stop = stop
        window, base = b"", 0
        for _ in range(_MAX_ELEMENTS):
            if at >= stop:
                break
            offset = at - base
            if offset < 0 or offset + _HEADER > len(window):
                window, base, offset = self._window(at), at, 0
            number, size, length = _header(window, offset)
            content = at + length
            if number == _CLUSTER:
                self._begin_cluster(at, content, size)
                at = content
                continue
            after = content + size
            if size == _UNKNOWN or after > self._cluster_stop:
                if size == _UNKNOWN or not is_cut_off or self._cluster_stop != stop:
                    raise NotPlain
                break  # a recording that ended amid a block
            if number == _SIMPLE_BLOCK:
                self._add_block(window, offset + length, content, after, tracks)
            else:
                self._read_other(number, content, after, tracks)
            at = after
            if at == self._cluster_stop:
                self._cluster_stop = stop
        else:
            raise NotPlain

    def _begin_cluster(self, at: int, content: int, size: int) -> None:
        if self._cluster_stop not in {at, self._stop}:
            raise NotPlain
        self.clusters.append(at)
        self._cluster_time = _UNKNOWN
        self._cluster_stop = self._stop if size == _UNKNOWN else content + size
        if self._cluster_stop > self._stop:
            raise NotPlain

    def _read_other(self, number: int, content: int, after: int, tracks: dict[int, _Track]) -> None:
        """Read an element that is no block with a header alone: one of a cluster, or one beside the clusters."""
        if number == _BLOCK_GROUP:
            self._read_group(content, after, tracks)
        elif number == _TIMESTAMP:
            self._cluster_time = int.from_bytes(self._bytes(content, after)[:_MAX_SIZE_BYTES], "big")
        elif number in {_ENCRYPTED, _TRACKS, _SEGMENT, _EBML}:
            raise NotPlain

    def _add_block(
        self, window: bytes, offset: int, content: int, after: int, tracks: dict[int, _Track]
    ) -> _Track | None:
        """Add a block whose header is in `window` at `offset`, and return its track, None if that is unknown."""
        number, length = _variable(window, offset)
        track = tracks.get(number)
        first = offset + length + 3
        if track is None:
            return None
        if self._cluster_time == _UNKNOWN or after - content < length + 3:
            raise NotPlain
        self.end = after
        flags = window[first - 1]
        track.times.append(self._cluster_time + int.from_bytes(window[first - 3 : first - 1], "big", signed=True))
        track.sizes.append(after - content - length - 3)
        track.positions.append(content)
        track.flags.append(flags)
        track.first_bytes.append(window[first])
        track.frames += window[first] + 1 if flags & _LACED else 1
        return track

    def _read_group(self, at: int, stop: int, tracks: dict[int, _Track]) -> None:
        """Read a block with more than a header about it."""
        added, is_keyframe, duration = None, True, None
        while at < stop:
            number, content, after = self._element(at, stop)
            if number == _BLOCK:
                added = self._add_block(self._window(content), 0, content, after, tracks)
            elif number == _BLOCK_DURATION:
                duration = int.from_bytes(self._bytes(content, after), "big")
            elif number == _REFERENCE:
                is_keyframe = False
            at = after
        if added is not None:
            added.flags[-1] = added.flags[-1] & ~_KEYFRAME | (_KEYFRAME if is_keyframe else 0)
            if duration is not None:
                added.block_durations[len(added.times) - 1] = duration

    def _element(self, at: int, stop: int) -> tuple[int, int, int]:
        """Return the number of an element, and where its content and its end are."""
        number, size, length = _header(self._bytes(at, min(at + _HEADER, self._size)))
        if size == _UNKNOWN and number == _CLUSTER:
            return number, at + length, stop
        if size == _UNKNOWN or at + length + size > stop:
            raise NotPlain
        return number, at + length, at + length + size

    def _bytes(self, start: int, stop: int) -> bytes:
        return read_header(self._descriptor, start, stop)

    def _window(self, at: int) -> bytes:
        """Return the bytes at a position, with zeros after the end of the file. The system reads ahead meanwhile, which
        is faster than many small ranges."""
        if at >= self._ahead and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, at, 2 * _AHEAD, os.POSIX_FADV_WILLNEED)
            self._ahead = at + _AHEAD
        found = os.pread(self._descriptor, _WINDOW, at)
        return found if len(found) == _WINDOW else found + bytes(_HEADER)


def _header(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """Return the number of the element at a position, the size of its content, `_UNKNOWN` if that is not given, and how
    many bytes its header has."""
    id_bytes = 9 - data[at].bit_length()
    if id_bytes > _MAX_ID_BYTES:
        raise NotPlain
    middle = at + id_bytes
    size_bytes = 9 - data[middle].bit_length()
    stop = middle + size_bytes
    if size_bytes > _MAX_SIZE_BYTES or stop > len(data):
        raise NotPlain
    all_ones = (1 << 7 * size_bytes) - 1
    size = int.from_bytes(data[middle:stop], "big") & all_ones
    number = data[at] if id_bytes == 1 else int.from_bytes(data[at:middle], "big")
    return number, _UNKNOWN if size == all_ones else size, stop - at


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """Return the variable-length number at a position, and how many bytes it has."""
    length = 9 - data[at].bit_length()
    if length > _MAX_SIZE_BYTES:
        raise NotPlain
    return int.from_bytes(data[at : at + length], "big") & (1 << 7 * length) - 1, length


def _written(number: int, content: bytes = b"", *, size: int | None = None) -> bytes:
    """Return an element, or only its beginning if a `size` is given."""
    length = len(content) if size is None else size
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + (1 << 56 | length).to_bytes(8, "big") + content


def _index_of_first_cluster(videos: Sequence[int], before: int) -> bytes:
    """Return an index that leads ffmpeg to the first cluster, which follows after `before` bytes and the index.

    It does so for every time: ffmpeg looks for a keyframe some frames before the time that it seeks. An index with one
    entry is ignored, so this one has two.
    """

    def index(position: int) -> bytes:
        cluster = _written(_CUE_CLUSTER, position.to_bytes(4, "big"))
        targets = [_written(_CUE_POSITIONS, _written(_CUE_TRACK, bytes([track])) + cluster) for track in videos]
        points = [_written(_CUE_POINT, b"".join([_written(_CUE_TIME, bytes([time])), *targets])) for time in (0, 1)]
        return _written(_CUES, b"".join(points))

    return index(before + len(index(0)))


def _children(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the numbers and the contents of the elements that fill some bytes."""
    at = 0
    while at < len(content):
        number, size, length = _header(content, at)
        if size == _UNKNOWN or at + length + size > len(content):
            raise NotPlain
        yield number, content[at + length : at + length + size]
        at += length + size


def _content(element: bytes) -> bytes:
    return element[_header(element)[2] :]


def _child(element: bytes, wanted: int) -> bytes | None:
    return next((content for number, content in _children(_content(element)) if number == wanted), None)


def _number(content: bytes | None, default: int) -> int:
    return default if content is None or len(content) > _MAX_SIZE_BYTES else int.from_bytes(content, "big")


def _track_scale(content: bytes | None) -> float:
    """Return how much slower the clock of a track is, which is 1 in all files but very old ones."""
    return 1.0 if not content else float(struct.unpack(">f" if len(content) == 4 else ">d", content)[0])
