"""Read the packets of an MP4 or QuickTime file from its index, the box `moov`, without its media data. Pure.

ffprobe reads all of a file to list its packets: of a film of two hours, 2.3 GB, in 24 seconds. The index of such a file
has their times, sizes and positions (ISO/IEC 14496-12, 8.6 and 8.7). It stands for the packets only where nothing
speaks against it: no fragments, no edits that hide frames, every sample inside the file. The rest is ffprobe's.
"""

from __future__ import annotations

import itertools
import operator
import re
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from roomcast_workers.media_info.boxes import timescale
from roomcast_workers.media_info.packet_columns import EARLY_SECONDS, PacketColumns, scan_columns, scan_video_columns
from roomcast_workers.media_info.packet_scan import PacketScan, StreamScan
from roomcast_workers.media_info.probe import AudioStream, VideoStream
from roomcast_workers.media_info.timeline import Run
from roomcast_workers.sources.headers import NotPlain

INDEXED_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mjpeg", "prores", "dnxhd"})
"""Codecs of videos whose packets are the samples of the index: those of others ffmpeg divides or joins."""

SAMPLE_IS_PACKET = frozenset({"aac", "ac3", "eac3", "opus", "alac", "flac", "mp3"})
"""Codecs of sound of which the same is true."""

_PCM_BITS = re.compile(r"pcm_[a-z]+(\d+)")
_FRAMES_IN_PACKET = 1024
"""Of uncompressed sound, in a packet that ffmpeg makes of the samples."""

_MAX_BOXES, _MAX_SAMPLES = 1000, 2_000_000
_MAX_STEP_SECONDS = 60.0
_MAX_PRIMING_SECONDS = 0.2
_HEADER, _FULL_HEADER = 8, 4
_ROLL = b"roll"
"""The group of samples (8.9.2) that says how many a decoder needs before it is right; others may have keyframes."""

Boxes = Mapping[bytes, memoryview]


@dataclass(frozen=True)
class Edit:
    """What of a track is shown: from `start` to `end` on its own time scale, `delay` seconds after the beginning."""

    start: int
    end: int | None
    delay: float


@dataclass(frozen=True)
class _Samples:
    """The samples of a track, in the order of decoding: when they are shown, and their durations, in units of the time
    scale `scale`; their sizes and positions in bytes; and the numbers of the keyframes."""

    scale: int
    shown: array[int]
    durations: array[int]
    sizes: array[int]
    positions: array[int]
    keyframes: Sequence[int]


def scan_index(moov: bytes, file_size: int, streams: Sequence[VideoStream | AudioStream]) -> PacketScan | None:
    """Return the scan of these streams as ffprobe's list of packets would give it, or None if the index does not show
    that. `moov` is the content of that box, and `file_size` is in bytes.

    Only videos have the times of their frames, and `intervals`. Of uncompressed sound, the number of packets is about
    that of ffprobe.
    """
    if any(isinstance(stream, VideoStream) and stream.codec not in INDEXED_CODECS for stream in streams):
        return None
    try:
        children = list(read_boxes(memoryview(moov)))
        if any(name == b"mvex" for name, _ in children):
            return None
        movie_scale = timescale(dict(children)[b"mvhd"])
        tracks = [content for name, content in children if name == b"trak"]
        scan = PacketScan("mov")
        for stream in streams:
            scan.streams[stream.index] = _scan_track(tracks[stream.index], movie_scale, file_size, stream)
    except (NotPlain, struct.error, LookupError, ValueError, OverflowError):
        return None
    return scan


def read_boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the type and the content of each box. Raise `NotPlain` if they are too many or too long."""
    at, count = 0, 0
    while at + _HEADER <= len(content):
        if (count := count + 1) > _MAX_BOXES:
            raise NotPlain
        size, name = struct.unpack_from(">I4s", content, at)
        if not _HEADER <= size <= len(content) - at:
            raise NotPlain
        yield name, content[at + _HEADER : at + size]
        at += size


def _scan_track(track: memoryview, movie_scale: int, file_size: int, stream: VideoStream | AudioStream) -> StreamScan:
    boxes = dict(read_boxes(track))
    media = dict(read_boxes(boxes[b"mdia"]))
    listed = list(read_boxes(dict(read_boxes(media[b"minf"]))[b"stbl"]))
    if any(name in {b"stps", b"csgp"} or (name == b"sbgp" and content[4:8] != _ROLL) for name, content in listed):
        raise NotPlain  # further samples may be keyframes
    table = dict(listed)
    scale = timescale(media[b"mdhd"])
    edits = dict(read_boxes(boxes[b"edts"]))[b"elst"] if b"edts" in boxes else None
    edit = read_edit(edits, movie_scale, scale)
    if isinstance(stream, AudioStream) and stream.codec not in SAMPLE_IS_PACKET:
        return _even_sound_scan(table, scale, edit, file_size, stream)
    samples = _read_samples(table, scale)
    _check_samples(samples, file_size)
    if stream.frames is not None and stream.frames != len(samples.sizes):
        raise NotPlain
    return _video_scan(samples, edit) if isinstance(stream, VideoStream) else _audio_scan(samples, edit)


def _read_samples(table: Boxes, scale: int) -> _Samples:
    sizes = _sample_sizes(table[b"stsz"])
    durations = _expanded(table[b"stts"], len(sizes))
    decoded = array("q", itertools.accumulate(durations[:-1], initial=0))
    if b"ctts" in table:
        decoded = array("q", map(operator.add, decoded, _expanded(table[b"ctts"], len(sizes), "i")))
    keyframes: Sequence[int] = range(len(sizes))
    if b"stss" in table:
        keyframes = array("q", [number - 1 for number in _numbers(table[b"stss"], 4)])
    return _Samples(scale, decoded, durations, sizes, _positions(table, sizes), keyframes)


def _sample_sizes(box: memoryview) -> array[int]:
    common, count = struct.unpack_from(">II", box, _FULL_HEADER)
    if not 0 < count <= _MAX_SAMPLES:
        raise NotPlain
    sizes = array("I", [common]) * count if common else _numbers(box, 8)
    if len(sizes) != count:
        raise NotPlain
    return sizes


def _numbers(box: memoryview, count_at: int, width: str = "I") -> array[int]:
    """Return a table of big-endian numbers, which follow their count."""
    (count,) = struct.unpack_from(">I", box, count_at)
    return unpacked(box[count_at + 4 :], count, width)


def unpacked(content: memoryview, count: int, width: str) -> array[int]:
    """Return the first `count` big-endian numbers of `content`."""
    numbers = array(width)
    numbers.frombytes(content[: count * numbers.itemsize])
    if sys.byteorder == "little":
        numbers.byteswap()
    if not count or len(numbers) != count:
        raise NotPlain
    return numbers


def _expanded(box: memoryview, count: int, width: str = "I") -> array[int]:
    """Return the values of a table of (number of samples, value), one for each of `count` samples."""
    (entries,) = struct.unpack_from(">I", box, _FULL_HEADER)
    repeats = _columns(box, entries, 2)[0]
    if sum(repeats) != count:
        raise NotPlain
    return array("q", _repeated(_columns(box, entries, 2, width)[1], repeats))


def _columns(box: memoryview, entries: int, columns: int, width: str = "I") -> list[array[int]]:
    """Return the columns of a table, which follows the number of its entries."""
    numbers = unpacked(box[8:], entries * columns, width)
    return [numbers[column::columns] for column in range(columns)]


def _repeated(values: Iterable[int], counts: Iterable[int]) -> Iterator[int]:
    return itertools.chain.from_iterable(map(itertools.repeat, values, counts))


def _positions(table: Boxes, sizes: array[int]) -> array[int]:
    """Return where the samples begin in the file: one after the other in each chunk."""
    chunks, counts = _chunks(table, len(sizes))
    before = array("q", itertools.accumulate(sizes, initial=0))
    first_samples = itertools.accumulate(counts[:-1], initial=0)
    offsets = map(operator.sub, chunks, map(before.__getitem__, first_samples))
    return array("q", map(operator.add, before, _repeated(offsets, counts)))


def _chunks(table: Boxes, samples: int) -> tuple[array[int], array[int]]:
    """Return where the chunks of a track begin in the file, and how many samples each has."""
    chunks = _numbers(table[b"co64"], 4, "Q") if b"co64" in table else _numbers(table[b"stco"], 4)
    (entries,) = struct.unpack_from(">I", table[b"stsc"], _FULL_HEADER)
    first_chunks, per_chunk, descriptions = _columns(table[b"stsc"], entries, 3)
    first_chunks.append(len(chunks) + 1)
    lengths = array("q", map(operator.sub, first_chunks[1:], first_chunks))
    if first_chunks[0] != 1 or min(lengths) <= 0 or set(descriptions) != {1}:
        raise NotPlain  # where the description changes, so do the parameters of the codec
    if sum(map(operator.mul, per_chunk, lengths)) != samples or min(per_chunk) == 0:
        raise NotPlain
    return chunks, array("q", _repeated(per_chunk, lengths))


def _check_samples(samples: _Samples, file_size: int) -> None:
    """Raise `NotPlain` if a sample is empty or not in the file, times jump, or the first frame is no keyframe."""
    ends = map(operator.add, samples.positions, samples.sizes)
    keyframes = samples.keyframes
    steps = samples.durations[:-1] or samples.durations
    if (
        min(samples.sizes) == 0
        or max(ends) > file_size
        or max(samples.durations) > _MAX_STEP_SECONDS * samples.scale
        or min(steps) == 0
        or not keyframes
        or keyframes[0] != 0
        or keyframes[-1] >= len(samples.sizes)
        or not all(map(operator.lt, keyframes, keyframes[1:]))
    ):
        raise NotPlain


def read_edit(box: memoryview | None, movie_scale: int, scale: int, *, may_be_endless: bool = False) -> Edit:
    """Return the one edit of a track, which an empty one may precede. One that `may_be_endless` is that if its duration
    is 0, as in files of fragments."""
    if box is None:
        return Edit(0, None, 0.0)
    (entries,) = struct.unpack_from(">I", box, _FULL_HEADER)
    entry = ">QqI" if box[0] == 1 else ">IiI"
    edits = list(struct.iter_unpack(entry, box[8 : 8 + entries * struct.calcsize(entry)]))
    delay = 0.0
    if len(edits) > 1 and edits[0][1] == -1:
        delay = edits.pop(0)[0] / movie_scale
    if len(edits) != 1 or entries > 2:
        raise NotPlain
    duration, start, rate = edits[0]
    if start < 0 or not (duration or may_be_endless) or rate != 1 << 16:
        raise NotPlain
    if not duration:
        return Edit(start, None, delay)
    return Edit(start, start + (duration + 1) * scale // movie_scale, delay)


def _shown_times(samples: _Samples, edit: Edit) -> array[float]:
    """Return when each sample is shown, in seconds."""
    if edit.end is not None and max(samples.shown) >= edit.end:
        raise NotPlain
    scale, start, delay = samples.scale, edit.start, edit.delay
    return array("d", [(shown - start) / scale + delay for shown in samples.shown])


def _columns_of(samples: _Samples, edit: Edit) -> PacketColumns:
    durations = array("d", [duration / samples.scale for duration in samples.durations])
    return PacketColumns(_shown_times(samples, edit), durations, samples.sizes, samples.positions, samples.keyframes)


def _audio_scan(samples: _Samples, edit: Edit) -> StreamScan:
    """Scan a track of which an edit leaves out the samples with which the encoder began."""
    if edit.start > _MAX_PRIMING_SECONDS * samples.scale or samples.shown[0] > edit.start:
        raise NotPlain
    spans = zip(samples.shown, samples.durations, strict=True)
    hidden = sum(1 for _ in itertools.takewhile(lambda span: span[0] + span[1] <= edit.start, spans))
    if hidden == len(samples.sizes):
        raise NotPlain
    return scan_columns(_columns_of(samples, edit), hidden=hidden)


def _even_sound_scan(table: Boxes, scale: int, edit: Edit, file_size: int, stream: AudioStream) -> StreamScan:
    """Scan a track of uncompressed sound, of which two hours have 345 million samples: no table of them is made."""
    common, count = struct.unpack_from(">II", table[b"stsz"], _FULL_HEADER)
    (entries,) = struct.unpack_from(">I", table[b"stts"], _FULL_HEADER)
    repeats, durations = _columns(table[b"stts"], entries, 2)
    bits = _PCM_BITS.match(stream.codec)
    if bits is None or not common:
        raise NotPlain
    sample_bytes = stream.channels * int(bits[1]) // 8  # QuickTime files may give 1 as the size of a sample
    chunks, counts = _chunks(table, count)
    lengths = [sample_bytes * each for each in counts]
    ends = map(operator.add, chunks, lengths)
    shown_until = sum(map(operator.mul, repeats, durations))
    if edit.end is not None:
        shown_until = min(shown_until, edit.end)
    longest = _MAX_STEP_SECONDS * scale
    if not count or sum(repeats) != count or max(durations) > longest or max(ends) > file_size:
        raise NotPlain
    if not edit.start < shown_until or edit.start > _MAX_PRIMING_SECONDS * scale:
        raise NotPlain
    end = (shown_until - edit.start) / scale + edit.delay
    packets = -(-count // _FRAMES_IN_PACKET)
    scan = StreamScan(
        packets=packets, size=count * sample_bytes, start=edit.delay, last=end, end=end, starts_with_keyframe=True
    )
    begun = itertools.accumulate(counts, initial=0)
    early = sum(1 for _ in itertools.takewhile(lambda first: first < scale * EARLY_SECONDS, begun))
    scan.early_bytes = min(chunks[:early]), max(itertools.islice(map(operator.add, chunks, lengths), early))
    scan.runs.append(Run(0, 0, edit.delay, end, last_sequence=packets - 1))
    return scan


def _video_scan(samples: _Samples, edit: Edit) -> StreamScan:
    """Scan a track of which every frame is shown."""
    if min(samples.shown) < edit.start:
        raise NotPlain
    return scan_video_columns(_columns_of(samples, edit))
