"""The first bytes of a video's keyframes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.sources.keyframe_heads import KeyframeHeads, read_keyframe_heads

CONSTANT, UNKNOWN, GRADUAL = (
    KeyframeHeads(is_size_constant=True),
    KeyframeHeads(),
    KeyframeHeads(is_refreshed_gradually=True),
)

IDR, PLAIN_SLICE = b"\x65slice", b"\x41slice"
SMALL, LARGE = b"\x67small", b"\x67large"
AT_ONCE, GRADUALLY = b"\x06\x06\x01\x80", b"\x06\x06\x01\x28"  # recovery points: after 0 and after 4 frames
TEXT = b"\x06\x05\xff\x02" + bytes(257)

HEVC_IDR, HEVC_OPEN, HEVC_OTHER = b"\x26\x01", b"\x2a\x01", b"\x02\x01"
HEVC_SMALL, HEVC_LARGE = b"\x42\x01small", b"\x42\x01large"


def units(*contents: bytes) -> bytes:
    return b"".join(len(content).to_bytes(4, "big") + content for content in contents)


def vp8(width: int) -> bytes:
    return b"\x10\x02\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + b"\x40\x00rest"


def vp9(width: int, *, profile: int = 0, rest: int = 0) -> bytes:
    """A keyframe that is 64 pixels high: the bits of the profile, the sync code, the colours, the size and the rest."""
    first = 0b10 << 6 | (profile & 1) << 5 | (profile >> 1) << 4 | 0b0010 >> (1 if profile == 3 else 0)
    colours, bits = (0b0010, 4) if profile == 0 else (0b00010, 5)
    numbers = (colours << 16 | width - 1) << 16 | 63
    return bytes([first]) + b"\x49\x83\x42" + ((numbers << (40 - bits - 32)) | rest).to_bytes(5, "big") + b"rest"


def heads(folder: Path, codec: str, keyframes: Sequence[bytes], demuxer: str = "mov") -> KeyframeHeads:
    path, scan = folder / "film", StreamScan()
    path.write_bytes(b"".join(frame.ljust(5000, b"\0") for frame in keyframes))
    scan.intervals.first_bytes.extend(range(0, 5000 * len(keyframes), 5000))
    return read_keyframe_heads(path, demuxer, codec, scan)


@pytest.mark.parametrize(
    ("codec", "keyframes", "expected"),
    [
        ("h264", [units(IDR), units(TEXT, IDR)], CONSTANT),
        ("h264", [units(SMALL, b"\x68p", IDR), units(SMALL, b"\x68p", IDR)], CONSTANT),
        ("h264", [units(SMALL, IDR), units(LARGE, IDR)], UNKNOWN),
        ("h264", [units(IDR), units(LARGE, IDR)], UNKNOWN),
        ("h264", [units(IDR), units(TEXT, AT_ONCE, PLAIN_SLICE)], CONSTANT),
        ("h264", [units(IDR), units(GRADUALLY, PLAIN_SLICE)], GRADUAL),
        ("h264", [units(IDR), units(TEXT + GRADUALLY[1:], PLAIN_SLICE)], GRADUAL),
        ("h264", [b"\0\0\0\1" + IDR], UNKNOWN),
        ("h264", [b""], UNKNOWN),
        ("h264", [units(TEXT * 20, IDR)], UNKNOWN),
        ("hevc", [units(HEVC_IDR), units(HEVC_OPEN)], CONSTANT),
        ("hevc", [units(HEVC_SMALL, HEVC_IDR), units(HEVC_LARGE, HEVC_IDR)], UNKNOWN),
        ("hevc", [units(HEVC_IDR), units(HEVC_OTHER)], GRADUAL),
        ("vp8", [vp8(64), vp8(64)], CONSTANT),
        ("vp8", [vp8(64), vp8(32)], UNKNOWN),
        ("vp8", [vp8(64), b"\x11delta frame"], UNKNOWN),
        ("vp9", [vp9(64), vp9(64, rest=9)], CONSTANT),
        ("vp9", [vp9(64), vp9(65)], UNKNOWN),
        ("vp9", [vp9(64, profile=2), vp9(64, profile=2, rest=7)], CONSTANT),
        ("vp9", [b"\x84delta frame"], UNKNOWN),
        ("av1", [b"\x12\x00"], UNKNOWN),
        ("h264", [], UNKNOWN),
    ],
)
def test_keyframes_show_their_size_and_whether_they_are_complete(
    tmp_path: Path, codec: str, keyframes: list[bytes], expected: KeyframeHeads
) -> None:
    assert heads(tmp_path, codec, keyframes) == expected


def test_header_of_a_block_is_skipped(tmp_path: Path) -> None:
    assert heads(tmp_path, "h264", [b"\x81\0\0\x80" + units(IDR)], "matroska") == CONSTANT
    assert heads(tmp_path, "h264", [b"\x40\x81\0\0\x80" + units(IDR)], "matroska") == CONSTANT


def test_keyframes_at_unknown_positions_show_nothing(tmp_path: Path) -> None:
    scan = StreamScan()
    scan.intervals.first_bytes.append(-1)
    (tmp_path / "film").write_bytes(units(IDR))
    assert read_keyframe_heads(tmp_path / "film", "mov", "h264", scan) == UNKNOWN
    assert heads(tmp_path, "h264", [units(IDR)], "mpegts") == UNKNOWN


@given(st.binary(max_size=60), st.sampled_from(["h264", "hevc", "vp8", "vp9"]), st.sampled_from(["mov", "matroska"]))
def test_any_bytes_are_read(tmp_path_factory: pytest.TempPathFactory, junk: bytes, codec: str, demuxer: str) -> None:
    found = heads(tmp_path_factory.getbasetemp(), codec, [junk, units(IDR, junk)], demuxer)
    assert not (found.is_size_constant and found.is_refreshed_gradually)
