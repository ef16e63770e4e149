"""Packets of an MP4 file that consists of fragments, by their headers."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, VideoStream
from roomcast_workers.sources import mp4_fragments
from roomcast_workers.sources.boxes import top_level_boxes
from roomcast_workers.sources.mp4_fragments import scan_fragments

from tests.support.mp4 import AUDIO, VIDEO, box, table
from tests.support.mp4_fragments import (
    ALL_FIELDS,
    FRAMES,
    KEY,
    OTHER,
    SIGNED,
    empty_track,
    film,
    fragment,
    head,
    traf,
    trun,
)

Scan = Callable[..., PacketScan | None]


@pytest.fixture
def scanned(tmp_path: Path) -> Scan:
    path = tmp_path / "film.mp4"

    def scan(content: bytes, *streams: VideoStream | AudioStream) -> PacketScan | None:
        path.write_bytes(content)
        with path.open("rb") as file:
            return scan_fragments(file, list(top_level_boxes(file)), streams or (VIDEO, AUDIO))

    return scan


def test_times_sizes_and_positions_are_those_of_the_fragments(scanned: Scan) -> None:
    content = film()
    scan = scanned(content)
    assert scan is not None
    video, audio = scan.stream(0), scan.stream(1)
    expected = [number * 0.12 + time for number in range(3) for time in (0, 0.12, 0.08)]
    assert list(video.times) == pytest.approx(expected)
    assert (video.packets, video.size, video.hidden, video.untimed) == (9, 180, 0, 0)
    assert (video.start, video.end) == pytest.approx((0.0, 0.4))
    assert list(video.intervals.times) == pytest.approx([0, 0.12, 0.24])
    data = content.index(b"mdat") + 4
    assert (video.intervals.first_bytes[0], video.intervals.end_bytes[0]) == (data, data + 60)
    assert (audio.packets, audio.size, audio.start, len(audio.runs)) == (9, 63, 0.0, 1)
    assert audio.end == pytest.approx(0.3)
    assert scan.pieces is not None
    assert scan.pieces.head == head()
    assert [content[at + 4 : at + 8] for at in scan.pieces.starts] == [b"moof"] * 3
    assert scan.pieces.end == len(content)


def test_edit_takes_away_the_delay_of_the_encoder(scanned: Scan) -> None:
    edits = box(b"edts", table(b"elst", "IiI", (500, -1, 1 << 16), (0, 40, 1 << 16)))
    scan = scanned(head(empty_track(1, edits=edits), empty_track(2)) + fragment(40))
    assert scan is not None
    assert scan.stream(0).start == pytest.approx(0.5)


def test_frames_shown_before_they_are_decoded_move_the_clock(scanned: Scan) -> None:
    early = (1 << 32) - 40
    frames = [(40, 30, KEY, 0), (40, 20, OTHER, 40), (40, 10, OTHER, early)]
    fragments = [fragment(120 * number, frames=frames, flags=ALL_FIELDS | SIGNED) for number in range(2)]
    scan = scanned(film(*fragments))
    assert scan is not None
    assert list(scan.stream(0).times)[:3] == pytest.approx([0.04, 0.12, 0.08])
    deeper = [*frames[:2], (40, 10, OTHER, early - 40)]
    assert scanned(film(*fragments, fragment(240, frames=deeper, flags=ALL_FIELDS | SIGNED))) is None
    assert scanned(film(fragments[0], fragment(120), fragment(240))) is None, "an excerpt would have another clock"


def test_positions_may_be_those_of_the_file(scanned: Scan) -> None:
    place = struct.pack(">Q", len(head()) + 500)
    at_place = traf(1, 0, trun(ALL_FIELDS, *FRAMES, offset=0), flags=0x1, fields=place)
    after_it = traf(2, 0, trun(0, count=3), flags=0)
    scan = scanned(head() + box(b"moof", at_place, after_it) + box(b"mdat", bytes(1000)))
    assert scan is not None
    assert scan.stream(0).intervals.first_bytes[0] == len(head()) + 500


def test_fragment_without_a_time_continues(scanned: Scan) -> None:
    second = box(b"moof", traf(1, None, trun(ALL_FIELDS, *FRAMES, offset=8)))
    scan = scanned(film(fragment(0)) + second + box(b"mdat", bytes(60)), VIDEO)
    assert scan is not None
    assert list(scan.stream(0).intervals.times) == pytest.approx([0, 0.12])


@pytest.mark.parametrize(
    "content",
    {
        "cut off": film()[:-1],
        "another recording follows": film() + film(),
        "frames in the index": head(empty_track(1, samples=3), empty_track(2)) + fragment(0),
        "a track twice": head(empty_track(1), empty_track(1)) + fragment(0),
        "an edit that ends": head(
            empty_track(1, edits=box(b"edts", table(b"elst", "IiI", (100, 0, 1 << 16)))), empty_track(2)
        )
        + fragment(0),
        "no index": fragment(0),
        "an unknown track": film(fragment(0)) + box(b"moof", traf(9, 0, trun(0, count=1, offset=0))),
        "another description": film(box(b"moof", traf(1, 0, trun(0), flags=0x2, fields=struct.pack(">I", 2)))),
        "a table that is cut off": film(box(b"moof", traf(1, 0, trun(ALL_FIELDS, (40, 1, KEY, 0), offset=0, count=2)))),
        "four thousand million samples": film(box(b"moof", traf(1, 0, trun(0, offset=0, count=(1 << 32) - 1)))),
        "no size": film(box(b"moof", traf(1, 0, trun(ALL_FIELDS, (40, 0, KEY, 0), offset=0)))),
        "bytes before the file": film(box(b"moof", traf(1, 0, trun(ALL_FIELDS, *FRAMES, offset=-5000)))),
        "no keyframe first": film(fragment(0, frames=[(40, 1, OTHER, 0)])),
        "times start over": film(fragment(120), fragment(0)),
        "times jump": film(fragment(0), fragment(700_000)),
        "two frames decoded at once": film(fragment(0, frames=[(0, 9, KEY, 0), (40, 9, OTHER, 0)])),
        "a fragment twice": film(fragment(0), fragment(80)),
    }.items(),
    ids=lambda item: item[0],
)
def test_file_of_which_the_fragments_do_not_show_the_packets_is_left_to_ffprobe(
    scanned: Scan, content: tuple[str, bytes]
) -> None:
    assert scanned(content[1]) is None


def test_streams_of_other_codecs_are_left_to_ffprobe(scanned: Scan) -> None:
    assert scanned(film(), dataclasses.replace(VIDEO, codec="svq3")) is None
    assert scanned(film(), VIDEO, dataclasses.replace(AUDIO, codec="pcm_s16le")) is None


def test_film_of_too_many_runs_is_left_to_ffprobe(scanned: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp4_fragments, "_MAX_RUNS", 5)
    assert scanned(film()) is None


WHOLE = film()


@given(st.binary(min_size=1, max_size=12), st.integers(0, len(WHOLE) - 1))
def test_damaged_file_is_left_to_ffprobe_or_has_positions_within_it(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
) -> None:
    content = (WHOLE[:at] + junk + WHOLE[at + len(junk) :])[: len(WHOLE)]
    path = tmp_path_factory.getbasetemp() / "damaged.mp4"
    path.write_bytes(content)
    with path.open("rb") as file:
        scan = scan_fragments(file, list(top_level_boxes(file)), (VIDEO, AUDIO))
    if scan is not None:
        for stream in scan.streams.values():
            assert all(0 <= end <= len(content) for end in stream.intervals.end_bytes)
