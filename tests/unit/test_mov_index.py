"""Packets of an MP4 file by its index."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, VideoStream
from roomcast_workers.sources.mov_index import scan_index

from tests.support.mp4 import AUDIO, VIDEO, box, movie, movie_index, sound, table, track

FILE_SIZE = 10_000


def scanned(content: bytes, *streams: VideoStream | AudioStream, size: int = FILE_SIZE) -> PacketScan | None:
    return scan_index(content, size, streams or (VIDEO,))


def test_times_sizes_and_positions_are_those_of_the_index() -> None:
    scan = scanned(movie_index(), VIDEO, AUDIO)
    assert scan is not None
    video, audio = scan.stream(0), scan.stream(1)
    assert [round(time, 3) for time in video.times] == [0, 0.08, 0.04, 0.12, 0.2, 0.16]
    assert (video.packets, video.hidden, video.untimed, video.size) == (6, 0, 0, 1080)
    assert (video.start, round(video.last, 3), round(video.end, 3)) == (0.0, 0.2, 0.24)
    assert round(video.max_keyframe_gap, 3) == 0.08
    assert video.starts_with_keyframe
    assert [round(time, 3) for time in video.intervals.times] == [0, 0.12]
    assert list(video.intervals.first_bytes) == [1000, 3020]
    assert list(video.intervals.end_bytes) == [3020, 5100]
    assert list(video.intervals.head_bytes) == [3020, 5100]
    assert list(video.intervals.leading) == [0, 0]
    assert [(run.first, run.start) for run in video.runs] == [(0, 0.0)]
    assert (audio.packets, audio.hidden, audio.size, audio.start) == (3, 1, 33, 0.0)
    assert audio.end == pytest.approx((1024 + 900) / 48_000)


def test_track_may_begin_later_than_the_film() -> None:
    late = box(b"edts", table(b"elst", "IiI", (1500, -1, 1 << 16), (240, 40, 1 << 16)))
    scan = scanned(movie(track(edts=late)))
    assert scan is not None
    assert scan.stream(0).start == pytest.approx(1.5)


def pcm(*, chunks: tuple[int, ...] = (6000, 7000), samples: int = 2000, **changed: Any) -> bytes:
    """A track of uncompressed sound with 1,000 samples in a chunk, of which the second begins at 1/8 s."""
    boxes = {
        "stts": table(b"stts", "II", (samples, 1)),
        "stsz": box(b"stsz", bytes(4), struct.pack(">II", 1, samples)),
        "stsc": table(b"stsc", "III", (1, 1000, 1)),
        "stco": table(b"stco", "I", *[(at,) for at in chunks]),
    } | changed
    scale = box(b"mdhd", bytes(12), struct.pack(">I", 8000), bytes(8))
    return box(b"trak", box(b"mdia", scale, box(b"minf", box(b"stbl", *boxes.values()))))


PCM = dataclasses.replace(AUDIO, codec="pcm_s16le", channels=1, sample_rate=8000)


def test_uncompressed_sound_is_measured_without_a_table_of_its_samples() -> None:
    scan = scanned(movie(track(), pcm()), VIDEO, PCM)
    assert scan is not None
    sound = scan.stream(1)
    assert (sound.packets, sound.hidden, sound.size, sound.start, sound.end) == (2, 0, 4000, 0.0, 0.25)
    assert len(sound.runs) == 1


@pytest.mark.parametrize(
    "track_of_sound",
    [
        pcm(chunks=(6000, 8001)),  # cut off
        pcm(samples=1 << 31),  # hours, of which there are two chunks
        pcm(samples=0),
        pcm(stts=table(b"stts", "II", (1999, 1))),
        pcm(stts=table(b"stts", "II", (2000, 1 << 20))),
        pcm(stsz=box(b"stsz", bytes(8), struct.pack(">I", 2000))),
    ],
)
def test_uncompressed_sound_that_is_not_all_there_is_left_to_ffprobe(track_of_sound: bytes) -> None:
    assert scanned(movie(track(), track_of_sound), VIDEO, PCM) is None


def test_samples_of_one_size_need_no_table() -> None:
    table_of_equal = table(b"stsz", "I", *[(40,)] * 6, head=bytes(4))
    common = box(b"stsz", bytes(4), struct.pack(">II", 40, 6))
    one, other = scanned(movie(track(stsz=table_of_equal))), scanned(movie(track(stsz=common)))
    assert one is not None
    assert other is not None
    assert one.stream(0) == other.stream(0)


def test_frames_before_a_keyframe_in_its_interval_are_leading() -> None:
    open_group = table(b"ctts", "Ii", (1, 40), (1, 80), (1, 0), (1, 120), (1, 0), (1, 0))
    scan = scanned(movie(track(ctts=open_group, edts=None)))
    assert scan is not None
    assert list(scan.stream(0).intervals.leading) == [0, 2]


@pytest.mark.parametrize(
    "changed",
    [
        {"edts": box(b"edts", table(b"elst", "IiI", (240, 41, 1 << 16)))},  # the first frame is hidden
        {"edts": box(b"edts", table(b"elst", "IiI", (190, 40, 1 << 16)))},  # the last one
        {"edts": box(b"edts", table(b"elst", "IiI", (240, 40, 1 << 15)))},  # at half the speed
        {"edts": box(b"edts", table(b"elst", "IiI", (80, 40, 1 << 16), (80, 120, 1 << 16)))},
        {"edts": box(b"edts", b"")},
        {"stts": table(b"stts", "II", (5, 40))},
        {"stts": table(b"stts", "II", (5, 40), (1 << 31, 40))},
        {"stts": table(b"stts", "II", (3, 40), (1, 0), (2, 40))},
        {"stts": table(b"stts", "II", (3, 40), (3, 700_000))},
        {"ctts": table(b"ctts", "Ii")},
        {"stsz": None},
        {"stsz": box(b"stsz", bytes(4), struct.pack(">II", 1 << 31, 6))},
        {"stsz": box(b"stsz", bytes(4), struct.pack(">II", 4, 1 << 31))},
        {"stsz": box(b"stsz", bytes(8), struct.pack(">I", 1 << 31))},
        {"stsz": table(b"stsz", "I", (500,), (60,), (0,), (400,), (70,), (30,), head=bytes(4))},
        {"stsc": table(b"stsc", "III", (1, 2, 1), (3, 2, 2))},  # another codec, perhaps
        {"stsc": table(b"stsc", "III", (1, 3, 1))},
        {"stsc": table(b"stsc", "III", (1, 0, 1), (2, 3, 1))},
        {"stsc": table(b"stsc", "III", (2, 2, 1))},
        {"stsc": table(b"stsc", "III", (1, 2, 1), (9, 2, 1))},
        {"stco": table(b"stco", "I", (1000,), (3000,), (9950,))},  # cut off
        {"stco": table(b"stco", "I")},
        {"stss": table(b"stss", "I", (2,), (4,))},
        {"stss": table(b"stss", "I", (1,), (7,))},
        {"stss": table(b"stss", "I", (1,), (4,), (4,))},
        {"stss": table(b"stss", "I")},
        {"sbgp": box(b"sbgp", bytes(4), b"rap ", bytes(4))},
    ],
)
def test_index_that_does_not_stand_for_the_packets_is_left_to_ffprobe(changed: dict[str, bytes | None]) -> None:
    assert scanned(movie(track())) is not None
    assert scanned(movie(track(**changed))) is None


@pytest.mark.parametrize(
    ("content", "streams"),
    [
        (movie(track(), more=box(b"mvex", b"")), [VIDEO]),
        (movie(track()), [dataclasses.replace(VIDEO, codec="svq3")]),
        (movie(track()), [dataclasses.replace(VIDEO, frames=7)]),
        (movie(track()), [VIDEO, AUDIO]),
        (movie(track(), sound(priming=20_000)), [VIDEO, AUDIO]),
        (track(), [VIDEO]),
        (b"".join([movie(track()), *[box(b"free", b"")] * 2000]), [VIDEO]),
    ],
)
def test_file_that_is_not_as_its_index_is_left_to_ffprobe(content: bytes, streams: list[Any]) -> None:
    assert scanned(content, *streams) is None


def test_damaged_index_is_left_to_ffprobe() -> None:
    content = movie_index()
    assert all(scanned(content[:length], VIDEO, AUDIO) is None for length in range(len(content)))
