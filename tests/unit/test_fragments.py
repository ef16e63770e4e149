"""Segments as ffmpeg writes them and as they are stored: any order of frames, and any bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import EncodingFailed
from roomcast_workers.media_info.boxes import box, complete_until, find, full_box
from roomcast_workers.segments.fragments import (
    Frame,
    fragment_header,
    moved_to,
    placed,
    read_fragments,
    read_segment,
    reorder_ticks,
)
from roomcast_workers.segments.sound import delayed, read_init

INIT = box(b"ftyp", b"iso6") + box(b"moov", box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0))))


@st.composite
def segments(draw: st.DrawFn) -> tuple[list[Frame], int]:
    """Frames in any order of decoding, and when the segment ends."""
    steps = draw(st.lists(st.integers(1, 100_000), min_size=1, max_size=30))
    start = draw(st.integers(0, 2**40))
    times = [start + sum(steps[:number]) for number in range(len(steps))]
    order = draw(st.permutations(times))
    sizes = draw(st.lists(st.integers(0, 40), min_size=len(times), max_size=len(times)))
    frames = [Frame(time, size, number % 4 == 0) for number, (time, size) in enumerate(zip(order, sizes, strict=True))]
    return frames, start + sum(steps)


@given(segments(), st.integers(0, 2**31 - 1))
def test_stored_segment_has_the_frames_that_were_written(segment: tuple[list[Frame], int], number: int) -> None:
    frames, end = segment
    data = bytes(sum(frame.size for frame in frames))
    stored = fragment_header(frames, end=end, number=number) + data
    for read in (read_segment(memoryview(stored)), read_fragments(memoryview(INIT + stored))):
        assert list(read.frames) == frames
        assert read.end == end
        assert [content_end - start for start, content_end in read.data] == [len(data)]
    later = reorder_ticks(frames)
    moved = read_segment(memoryview(fragment_header(frames, end=end, number=number, reorder=later) + data))
    assert [frame.shown - later for frame in moved.frames] == [frame.shown for frame in frames]
    assert moved.end == end
    assert moved_to(frames, 5)[0].shown - 5 == frames[0].shown - min(frame.shown for frame in frames)


def test_segment_with_two_frames_at_one_time_is_refused() -> None:
    with pytest.raises(EncodingFailed):
        fragment_header([Frame(0, 1, True), Frame(0, 1, False)], end=10, number=1)
    with pytest.raises(EncodingFailed):
        fragment_header([Frame(0, 1, True)], end=0, number=1)


@given(segments(), st.data())
def test_damaged_segment_is_refused_or_read_within_its_bounds(
    segment: tuple[list[Frame], int], data: st.DataObject
) -> None:
    frames, end = segment
    content = bytearray(INIT + fragment_header(frames, end=end, number=1) + bytes(sum(each.size for each in frames)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        read = read_fragments(memoryview(bytes(content)))
    except EncodingFailed:
        return
    assert all(0 <= start <= stop <= len(content) for start, stop in read.data)


@given(st.binary(max_size=200))
def test_sound_header_of_any_bytes_is_refused_or_read(content: bytes) -> None:
    for header in (content, box(b"moov", content), box(b"moov", box(b"mvhd", content[:50]) + box(b"trak", content))):
        try:
            read = read_init(header)
        except (ValueError, struct.error):
            continue
        assert read.timescale > 0


@given(st.lists(st.integers(0, 60), max_size=6), st.integers(0, 400))
def test_growing_file_is_read_up_to_its_last_complete_fragment(sizes: list[int], written: int) -> None:
    ends, content = [0], b""
    for size in sizes:
        content += box(b"moof", b"") + box(b"mdat", bytes(size))
        ends.append(len(content))
    content = content[:written]
    assert complete_until(memoryview(content), 0) == max(end for end in ends if end <= len(content))


def _sound_init(*edits: tuple[int, int]) -> bytes:
    entries = b"".join(struct.pack(">IiI", length, first, 0x10000) for length, first in edits)
    elst = full_box(b"elst", 0, 0, struct.pack(">I", len(edits)) + entries)
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">IIII", 0, 0, 48_000, 0))
    track = full_box(b"tkhd", 0, 0, b"x" * 8) + box(b"edts", elst) + box(b"mdia", mdhd)
    mvhd = full_box(b"mvhd", 0, 0, struct.pack(">IIII", 0, 0, 1000, 0))
    return box(b"ftyp", b"iso6") + box(b"moov", mvhd + box(b"trak", track))


def test_delay_of_the_sound_moves_from_the_edit_list_to_the_times() -> None:
    init = read_init(_sound_init((500, -1), (0, 1024)))
    assert (init.timescale, init.delay) == (48_000, 24_000)
    again = read_init(init.content)
    assert (again.delay, again.content) == (0, init.content)
    assert struct.pack(">iI", 1024, 0x10000) in init.content
    assert find(memoryview(read_init(_sound_init((500, -1), (0, 0))).content), b"moov", b"trak", b"edts") is None
    fragment = fragment_header([Frame(48_000, 3, True)], end=49_024, number=1) + b"abc"
    assert read_segment(memoryview(delayed(fragment, init.delay))).shown == [72_000]


@given(st.lists(st.integers(6, 180).map(lambda step: 50 * step), min_size=1, max_size=20), st.data())
def test_frames_that_were_decoded_get_their_own_times(steps: list[int], data: st.DataObject) -> None:
    planned = [sum(steps[:number]) for number in range(len(steps))]
    lost = data.draw(st.sets(st.sampled_from(planned), max_size=len(planned) - 1))
    there = [time for time in planned if time not in lost]
    moved = [Frame(time - there[0] + 7, 1, False) for time in there]
    assert [frame.shown for frame in placed(moved, there[0], planned)] == there


def test_frame_with_the_time_of_the_next_one_gets_the_time_before() -> None:
    twice = [Frame(time, 1, False) for time in (0, 18_000, 18_001, 36_000)]
    assert [frame.shown for frame in placed(twice, 18_000, [0, 18_000, 27_000, 36_000, 54_000])] == [
        *(18_000, 27_000, 36_000, 54_000)
    ]
    for other in ([Frame(0, 1, False), Frame(900, 1, False)], [Frame(time, 1, False) for time in (0, 1, 2)]):
        with pytest.raises(EncodingFailed):
            placed(other, 0, [0, 18_000])
