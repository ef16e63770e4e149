"""Read the first bytes of a video's keyframes: whether all have one size, and whether they need no earlier frames.

Decoding the keyframes shows the same, but reads all of a file and takes long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from roomcast_workers.media_info.packet_scan import StreamScan

_HEAD_BYTES = 4096
_MAX_KEYFRAMES = 50_000
_START_CODE = b"\0\0\0\1"
_LENGTH_BYTES = 4
_BLOCK_HEADER_REST = 3
"""The bytes of a Matroska block's header after the number of its track."""

_H264_SLICES, _H264_IDR_SLICE, _H264_SEI, _H264_PARAMETERS = range(1, 6), 5, 6, 7
_H264_TYPE = 0x1F
_H264_CONFIGURATION = b"avcC"
_LENGTH_AT = 8
"""Where the configuration has how many bytes the length of a unit has, from its name on."""

_HEVC_SLICES, _HEVC_RANDOM_ACCESS, _HEVC_PARAMETERS = range(32), range(16, 24), 33
_RECOVERY_POINT = 6
_VP8_SYNC, _VP9_SYNC = b"\x9d\x01\x2a", b"\x49\x83\x42"


@dataclass(frozen=True)
class KeyframeHeads:
    """What the first bytes of all keyframes show.

    With `is_size_constant` they have one size; otherwise that is unknown. With `is_refreshed_gradually`, the frames
    that the file calls keyframes need others: their picture is complete only some frames later.
    """

    is_size_constant: bool = False
    is_refreshed_gradually: bool = False


@dataclass(frozen=True)
class _Head:
    """What one keyframe shows: the bytes with its size, None if it has the size of the one before, and whether it needs
    no earlier frames."""

    size: bytes | None
    is_complete: bool = True


def read_keyframe_heads(path: Path, demuxer: str, codec: str, scan: StreamScan) -> KeyframeHeads:
    """Return what the keyframes of a video show, of which `scan` has the positions. It waits for the disk."""
    parse = _PARSERS.get(codec)
    positions = scan.intervals.first_bytes
    if parse is None or demuxer not in {"mov", "matroska"} or not 0 < len(positions) <= _MAX_KEYFRAMES:
        return KeyframeHeads()
    sizes = set[bytes | None]()
    with path.open("rb") as file:
        for position in positions:
            if position < 0:
                return KeyframeHeads()
            head = os.pread(file.fileno(), _HEAD_BYTES, position)
            found = parse(head[_block_header(head) :] if demuxer == "matroska" else head)
            if found is None:
                return KeyframeHeads()
            if not found.is_complete:
                return KeyframeHeads(is_refreshed_gradually=True)
            sizes.add(found.size)
    # Where only some have the parameters, the others have those of the file's header, which is not read here.
    return KeyframeHeads(is_size_constant=len(sizes) == 1)


def is_idr_picture(init: bytes, sample: bytes) -> bool:
    """Return whether an H.264 sample of an MP4 file with this header is an IDR picture, before which no later one
    refers (ISO/IEC 14496-10). `sample` may lack its end. Pure."""
    at = init.find(_H264_CONFIGURATION) + _LENGTH_AT
    if at < _LENGTH_AT or at >= len(init):
        return False
    kinds = (unit[0] & _H264_TYPE for unit in _units(sample, (init[at] & 3) + 1))
    return next((kind for kind in kinds if kind in _H264_SLICES), None) == _H264_IDR_SLICE


def _block_header(block: bytes) -> int:
    """Return how many bytes the header of a Matroska block has."""
    return 9 - block[0].bit_length() + _BLOCK_HEADER_REST if block else 0


def _parse_h264(head: bytes) -> _Head | None:
    """Read the units before the first slice of a picture (ISO/IEC 14496-10, 7.3)."""
    parameters = b""
    for unit in _units(head):
        kind = unit[0] & _H264_TYPE
        if kind in _H264_SLICES:
            return _Head(parameters or None)
        if kind == _H264_PARAMETERS:
            parameters += unit
        elif kind == _H264_SEI and _recovery_frames(unit[1:]):
            return _Head(None, is_complete=False)
    return None


def _parse_hevc(head: bytes) -> _Head | None:
    """Read the units before the first slice of a picture (ISO/IEC 23008-2, 7.3)."""
    parameters = b""
    for unit in _units(head):
        kind = unit[0] >> 1 & 0x3F
        if kind in _HEVC_SLICES:
            return _Head(parameters or None, is_complete=kind in _HEVC_RANDOM_ACCESS)
        if kind == _HEVC_PARAMETERS:
            parameters += unit
    return None


def _parse_vp8(head: bytes) -> _Head | None:
    """Read the size in the header of a keyframe (RFC 6386, 9.1)."""
    return _Head(head[6:10]) if head[3:6] == _VP8_SYNC and len(head) >= 10 else None


def _parse_vp9(head: bytes) -> _Head | None:
    """Read the colours and the size in the header of a keyframe."""
    if head[1:4] != _VP9_SYNC or len(head) < 10:
        return None
    profile = (head[0] >> 5 & 1) | (head[0] >> 3 & 2)
    bits = 36 + (profile >= 2) + (3 if profile % 2 else 0)
    header = int.from_bytes(head[4:9], "big") >> (40 - bits)
    return _Head(header.to_bytes(5, "big"))


def _units(head: bytes, length_bytes: int = _LENGTH_BYTES) -> Iterator[bytes]:
    """Yield the units of a picture as far as they are in its first bytes; each has its length before it."""
    if head.startswith(_START_CODE):
        return
    at = 0
    while at + length_bytes < len(head):
        length = int.from_bytes(head[at : at + length_bytes], "big")
        at += length_bytes
        if not length:
            return
        yield head[at : at + length]
        at += length


def _recovery_frames(message: bytes) -> int:
    """Return how many frames after this one the picture is complete, by a recovery point (Annex D.2.8); 0 without."""
    at = 0
    while at + 2 < len(message):
        numbers = []
        for _ in range(2):  # the type of a message and its size
            number = 0
            while at < len(message) and message[at] == 0xFF:
                number, at = number + 0xFF, at + 1
            numbers.append(number + message[at] if at < len(message) else 0)
            at += 1
        kind, size = numbers
        if kind == _RECOVERY_POINT:
            return _exponential_golomb(message[at : at + size])
        at += size
    return 0


def _exponential_golomb(data: bytes) -> int:
    """Return the first number of the bits, which is written as so many zeros as it has digits, and itself plus one."""
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1


_PARSERS: Mapping[str, Callable[[bytes], _Head | None]] = {
    "h264": _parse_h264,
    "hevc": _parse_hevc,
    "vp8": _parse_vp8,
    "vp9": _parse_vp9,
}
