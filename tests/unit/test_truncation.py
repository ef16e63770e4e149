"""Truncated media, and the scan of packets that finds it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import UnreadableMedia
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream
from roomcast_workers.media_info.truncation import find_truncation, segment_size, verify_media

FILM = VideoStream(0, "h264", 1280, 720, 0, 25.0, "yuv420p", 250, 10.0, profile="High")
SOUND = AudioStream(1, "aac", 2, 48_000, 10.0, 469)
INFO = MediaInfo(10.0, 1_000_000, "mov", FILM, SOUND)


def scanned(
    *, packets: int = 250, bits: int = 1_000_000, first: str = "K__", gap: int = 50, pts: bool = True
) -> PacketScan:
    """Ten seconds of film at 25 frames and `bits` a second, and as much sound at 100 kbit/s."""
    scan = PacketScan()
    for number in range(packets):
        flags = first if number == 0 else "K__" if number % gap == 0 else "___"
        time = f"{number / 25:.6f}"
        scan.feed(f"0,{time if pts else 'N/A'},{time},0.040000,{bits // 200},{flags}\n".encode())
    for number in range(500):
        scan.feed(f"1,{number / 50:.6f},{number / 50:.6f},0.020000,250,K__\n".encode())
    return scan


def test_complete_file_and_forged_header_are_not_truncated() -> None:
    assert find_truncation(INFO, scanned(), b"") is None
    forged = dataclasses.replace(INFO, video=dataclasses.replace(FILM, duration=49 * 86400.0))
    assert find_truncation(forged, scanned(), b"") is None  # every packet that the sample table counts is there
    uncounted = dataclasses.replace(FILM, frames=None, duration=49 * 86400.0)
    assert find_truncation(dataclasses.replace(INFO, video=uncounted), scanned(), b"") is None


def test_truncated_file_is_found() -> None:
    found = find_truncation(INFO, scanned(packets=100), b"")
    assert found is not None
    assert found.to_json() == {"seconds": 4.0, "declaredSeconds": 10.0}
    uncounted = dataclasses.replace(INFO, video=dataclasses.replace(FILM, frames=None))
    assert find_truncation(uncounted, scanned(packets=100), b"") == found


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
    seen = verify_media(dataclasses.replace(INFO, audio=dataclasses.replace(SOUND, index=7)), scanned(), b"")
    assert seen.info.audio is None
    assert seen.seconds == pytest.approx(10)
    with pytest.raises(UnreadableMedia):
        verify_media(INFO, PacketScan(), b"")


LINES = b"""0,-0.080000,-0.120000,0.040000,900,KD_
1,0.000000,0.000000,0.020000,100,K__
0,0.000000,-0.080000,0.040000,50,K__
0,2.000000,0.000000,0.040000,50,___
0,N/A,N/A,N/A,7,___
rubbish
1,0.5,0.5,0.02,100,K__"""


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
