"""Packets of a Matroska file by the headers of its blocks."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, VideoStream
from roomcast_workers.sources import matroska
from roomcast_workers.sources.matroska import scan_matroska

from tests.support import media
from tests.support.matroska import (
    AUDIO_NUMBER,
    CUES,
    UNKNOWN_SIZE,
    VIDEO_NUMBER,
    cluster,
    element,
    film_clusters,
    group,
    short,
    simple,
    tracks,
)
from tests.support.matroska import matroska as matroska_file

VIDEO = dataclasses.replace(media.VIDEO, index=0, codec="h264")
AUDIO = dataclasses.replace(media.AUDIO, index=1, codec="opus")
BY_VP8 = dataclasses.replace(VIDEO, codec="vp8")

Scan = Callable[..., PacketScan | None]


@pytest.fixture
def scanned(tmp_path: Path) -> Scan:
    path = tmp_path / "film.mkv"

    def scan(content: bytes, *streams: VideoStream | AudioStream) -> PacketScan | None:
        path.write_bytes(content)
        with path.open("rb") as file:
            return scan_matroska(file, streams or (VIDEO, AUDIO))

    return scan


@pytest.mark.parametrize("live", [False, True], ids=["sizes known", "live"])
def test_times_sizes_and_positions_are_those_of_the_blocks(scanned: Scan, live: bool) -> None:
    clusters = film_clusters(size=UNKNOWN_SIZE if live else None)
    content = matroska_file(clusters, segment_size=UNKNOWN_SIZE if live else None)
    scan = scanned(content)
    assert scan is not None
    video, audio = scan.stream(0), scan.stream(1)
    expected = [number * 0.12 + time for number in range(3) for time in (0, 0.08, 0.04)]
    assert list(video.times) == pytest.approx(expected)
    assert (video.packets, video.size, video.untimed, video.hidden) == (9, 144, 0, 0)
    assert (video.start, video.last, video.end) == pytest.approx((0.0, 0.32, 0.36))
    assert video.starts_with_keyframe
    assert list(video.intervals.times) == pytest.approx([0, 0.12, 0.24])
    first = content.index(b"V" * 20)
    assert video.intervals.first_bytes[0] == first - 4
    assert list(video.intervals.leading) == [0, 0, 0]
    assert (audio.packets, audio.size, len(audio.runs)) == (9, 9, 1)
    assert (audio.start, audio.end) == pytest.approx((0.0, 0.34))
    assert scan.pieces is not None
    assert [content[at : at + 4] for at in scan.pieces.starts] == [b"\x1f\x43\xb6\x75"] * 3
    assert scan.pieces.end == len(content)


def test_pieces_end_before_the_index_behind_them(scanned: Scan) -> None:
    clusters = film_clusters()
    content = matroska_file(clusters, after=element(CUES, b"index"))
    scan = scanned(content)
    assert scan is not None
    assert scan.pieces is not None
    assert content[scan.pieces.end :] == element(CUES, b"index")


def test_block_group_is_a_keyframe_without_reference_and_says_how_long_it_lasts(scanned: Scan) -> None:
    blocks = group(VIDEO_NUMBER, 0, key=True) + group(VIDEO_NUMBER, 40, duration=500)
    scan = scanned(matroska_file([cluster(1000, blocks)]), VIDEO)
    assert scan is not None
    assert list(scan.stream(0).intervals.times) == [1.0]
    assert scan.stream(0).end == pytest.approx(1.54)


def test_laces_of_sound_are_counted(scanned: Scan) -> None:
    sound = simple(AUDIO_NUMBER, 0, b"\x02" + b"A" * 9, key=True, flags=0x04)
    scan = scanned(matroska_file([cluster(0, simple(VIDEO_NUMBER, 0, key=True), sound)]))
    assert scan is not None
    assert scan.stream(1).packets == 3
    assert scan.stream(1).end == pytest.approx(0.06)


def test_sound_begins_before_its_blocks_by_the_delay_of_the_codec(scanned: Scan) -> None:
    scan = scanned(matroska_file(film_clusters(), head=tracks(delay=6_500_000)))
    assert scan is not None
    assert scan.stream(1).start == pytest.approx(-0.007)


def test_frames_of_vp8_that_are_never_shown_have_no_times(scanned: Scan) -> None:
    shown, hidden = b"\x10frame", b"\x00frame"
    blocks = (
        simple(VIDEO_NUMBER, 0, shown, key=True) + simple(VIDEO_NUMBER, 39, hidden) + simple(VIDEO_NUMBER, 40, shown)
    )
    content = matroska_file([cluster(0, blocks)])
    scan, other = scanned(content, BY_VP8), scanned(content, VIDEO)
    assert scan is not None
    assert other is not None
    assert list(scan.stream(0).times) == pytest.approx([0, 0.04])
    assert (scan.stream(0).packets, len(other.stream(0).times)) == (3, 3)


def test_block_that_a_recording_ended_in_is_left_out(scanned: Scan) -> None:
    clusters = film_clusters(size=UNKNOWN_SIZE)
    content = matroska_file(clusters, segment_size=UNKNOWN_SIZE)
    scan = scanned(content[:-3])
    assert scan is not None
    assert (scan.stream(0).packets, scan.stream(1).packets) == (9, 8)


ONE = [cluster(0, simple(VIDEO_NUMBER, 0, key=True))]


@pytest.mark.parametrize(
    "content",
    {
        "empty": b"",
        "cut off": matroska_file(film_clusters())[:-3],
        "another recording follows": matroska_file(film_clusters()) * 2,
        "no tracks": matroska_file(film_clusters(), head=b""),
        "tracks change": matroska_file([*ONE, tracks()]),
        "a track twice": matroska_file(ONE, head=tracks(short(0xD7, b"\x02"))),
        "compressed blocks": matroska_file(film_clusters(), head=tracks(short(0x6D80, b""))),
        "a slower clock": matroska_file(film_clusters(), head=tracks(short(0x23314F, b"\x40\x00\x00\x00"))),
        "encrypted": matroska_file([*ONE, cluster(40, short(0xAF, b"secret"))]),
        "no keyframe first": matroska_file([cluster(0, simple(VIDEO_NUMBER, 0))]),
        "invisible": matroska_file([*ONE, cluster(40, simple(VIDEO_NUMBER, 0, flags=0x08))]),
        "laced video": matroska_file([*ONE, cluster(40, simple(VIDEO_NUMBER, 0, b"\x01xx", flags=0x04))]),
        "no time": matroska_file([element(0x1F43B675, simple(VIDEO_NUMBER, 0, key=True))]),
        "a block without content": matroska_file([*ONE, cluster(40, short(0xA3, b"\x81"))]),
        "a block beyond its cluster": matroska_file([cluster(0, simple(VIDEO_NUMBER, 0, key=True), size=10), *ONE]),
        "a cluster beyond the file": matroska_file([*ONE, cluster(40, size=1 << 40)]),
        "a cluster in a cluster": matroska_file([cluster(0, *ONE), *ONE]),
        "a block of unknown size": matroska_file([cluster(0, element(0xA3, b"", size=UNKNOWN_SIZE))]),
        "a size of 2^56": matroska_file([cluster(0, element(0xEC, b"", size=UNKNOWN_SIZE - 1))]),
        "zeros": matroska_file([*ONE, bytes(4000)]),
        "times start over": matroska_file([cluster(9000, simple(VIDEO_NUMBER, 0, key=True)), *ONE]),
        "times jump": matroska_file([*ONE, cluster(700_000, simple(VIDEO_NUMBER, 0, key=True))]),
    }.items(),
    ids=lambda item: item[0],
)
def test_file_of_which_the_headers_do_not_show_the_packets_is_left_to_ffprobe(
    scanned: Scan, content: tuple[str, bytes]
) -> None:
    assert scanned(matroska_file(ONE)) is not None
    assert scanned(content[1]) is None


def test_streams_that_are_not_as_in_the_file_are_left_to_ffprobe(scanned: Scan) -> None:
    content = matroska_file(film_clusters())
    assert scanned(content, dataclasses.replace(VIDEO, codec="rv40")) is None
    assert scanned(content, dataclasses.replace(VIDEO, index=1)) is None
    assert scanned(content, dataclasses.replace(AUDIO, index=2)) is None


def test_film_of_too_many_elements_is_left_to_ffprobe(scanned: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    content = matroska_file([cluster(0, simple(VIDEO_NUMBER, 0, key=True), *[short(0xEC, b"")] * 100)])
    assert scanned(content) is not None
    monkeypatch.setattr(matroska, "_MAX_ELEMENTS", 100)
    assert scanned(content) is None


def test_only_the_headers_are_read(scanned: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, read = os.pread, list[int]()

    def counted(descriptor: int, count: int, at: int) -> bytes:
        read.append(count)
        return pread(descriptor, count, at)

    monkeypatch.setattr(os, "pread", counted)
    frames = [element(0xA3, b"\x81\0\0\x80" + bytes(1 << 20)) for _ in range(5)]
    content = matroska_file([cluster(40 * number, frame) for number, frame in enumerate(frames)])
    assert scanned(content, VIDEO) is not None
    assert sum(read) < 0.02 * len(content)


WHOLE = matroska_file(film_clusters())


@given(st.binary(min_size=1, max_size=12), st.integers(0, len(WHOLE) - 1))
def test_damaged_file_is_left_to_ffprobe_or_has_positions_within_it(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
) -> None:
    content = (WHOLE[:at] + junk + WHOLE[at + len(junk) :])[: len(WHOLE)]
    path = tmp_path_factory.getbasetemp() / "damaged.mkv"
    path.write_bytes(content)
    with path.open("rb") as file:
        scan = scan_matroska(file, (VIDEO, AUDIO))
    if scan is not None:
        assert scan.pieces is not None
        assert 0 < scan.pieces.end <= len(content)
        for stream in scan.streams.values():
            assert stream.packets >= len(stream.times)
            assert all(0 <= end <= len(content) for end in stream.intervals.end_bytes)
