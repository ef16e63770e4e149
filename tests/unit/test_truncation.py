"""Truncated media, and the scan of packets that finds it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import UnreadableMedia
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.truncation import find_truncation, segment_size, verify_media

from tests.support.media import AUDIO, INFO, VIDEO, scanned


def test_complete_file_and_forged_header_are_not_truncated() -> None:
    assert find_truncation(INFO, scanned(), b"") is None
    forged = dataclasses.replace(INFO, video=dataclasses.replace(VIDEO, duration=49 * 86400.0))
    assert find_truncation(forged, scanned(), b"") is None  # every packet that the sample table counts is there
    uncounted = dataclasses.replace(VIDEO, frames=None, duration=49 * 86400.0)
    assert find_truncation(dataclasses.replace(INFO, video=uncounted), scanned(), b"") is None


def test_truncated_file_is_found() -> None:
    found = find_truncation(INFO, scanned(packets=100), b"")
    assert found is not None
    assert found.to_json() == {"seconds": 4.0, "declaredSeconds": 10.0}
    uncounted = dataclasses.replace(INFO, video=dataclasses.replace(VIDEO, frames=None))
    assert find_truncation(uncounted, scanned(packets=100), b"") == found


def test_streams_of_different_length_are_not_truncated() -> None:
    early = dataclasses.replace(VIDEO, duration=None, frames=None)
    late = dataclasses.replace(AUDIO, duration=None, frames=None)
    scan = PacketScan("flv")
    for number in range(25):
        for stream, time in ((0, number / 25), (1, number / 25 + 4)):
            scan.feed(f"{stream},{time},{time},0.04,9,48,K__\n".encode())
    info = dataclasses.replace(INFO, format_name="flv", duration=5.0, video=early, audio=late)
    assert find_truncation(info, scan, b"") is None
    found = find_truncation(dataclasses.replace(info, duration=9.0), scan, b"")
    assert found is not None
    assert found.seconds == pytest.approx(5)


def test_matroska_size_decides_truncation() -> None:
    head = b"\x1a\x45\xdf\xa3\x84...." + b"\x18\x53\x80\x67" + b"\x01" + (1000).to_bytes(7, "big")
    assert segment_size(head) == len(head) + 1000
    assert segment_size(head[:-8] + b"\x01" + b"\xff" * 7) is None
    assert segment_size(head[:7]) is None
    info = dataclasses.replace(INFO, format_name="matroska,webm", size=len(head) + 1000)
    assert find_truncation(info, scanned(packets=100), head) is None
    assert find_truncation(dataclasses.replace(info, size=500), scanned(packets=100), head) is not None


@given(st.binary(max_size=64))
def test_segment_size_of_any_bytes_never_raises(head: bytes) -> None:
    assert (segment_size(head) or 0) >= 0
    assert (segment_size(b"\x1a\x45\xdf\xa3" + head) or 0) >= 0


def test_streams_without_packets_are_dropped() -> None:
    found = verify_media(dataclasses.replace(INFO, audio=dataclasses.replace(AUDIO, index=7)), scanned(), b"")
    assert found.info.audio is None
    assert found.seconds == pytest.approx(10)
    with pytest.raises(UnreadableMedia):
        verify_media(INFO, PacketScan(), b"")


LINES = b"""0,-0.080000,-0.120000,0.040000,900,48,KD_
1,0.000000,0.000000,0.020000,100,N/A,K__
0,0.000000,-0.080000,0.040000,50,48,K__
0,2.000000,0.000000,0.040000,50,48,___
0,N/A,N/A,N/A,7,48,___
rubbish
1,0.5,0.5,0.02,100,48,K__"""


@given(st.lists(st.integers(0, len(LINES)), max_size=8))
def test_packets_are_parsed_from_any_chunks(cuts: list[int]) -> None:
    scan = PacketScan()
    for start, end in itertools.pairwise([0, *sorted(cuts), len(LINES)]):
        scan.feed(LINES[start:end])
    video = scan.stream(0)
    assert (video.packets, video.hidden, video.untimed, video.size) == (4, 1, 1, 1007)
    assert (video.start, video.end, video.max_keyframe_gap, video.starts_with_keyframe) == (0.0, 2.04, 2.0, True)
    assert scan.seconds(0, 1) == pytest.approx(2.04)
    assert scan.stream(9).packets == 0


@given(st.binary())
def test_packet_scan_of_any_bytes_never_raises(data: bytes) -> None:
    scan = PacketScan()
    scan.feed(data + b"\n")
    assert (scan.seconds(*scan.streams) or 0) >= 0


def test_end_of_reordered_frames_is_that_of_the_last_one_that_is_shown() -> None:
    # The first frame stays for nine seconds, and MP4 gives these to the one that is decoded before the second.
    scan = PacketScan("mov")
    for shown, decoded, duration in (
        (0, -0.2, 0.1),
        (9.2, -0.1, 9.1),
        (9.1, 9.0, 0.1),
        (9.4, 9.1, 0.1),
        (9.3, 9.2, 0.1),
    ):
        scan.feed(f"0,{shown},{decoded},{duration},10,0,{'K__' if decoded < -0.1 else '___'}\n".encode())
    assert (scan.stream(0).last, scan.stream(0).end) == (9.4, 9.5)
    scan.feed(b"0,9.35,9.3,3.0,10,0,___\n")
    assert scan.stream(0).end == pytest.approx(12.35)
