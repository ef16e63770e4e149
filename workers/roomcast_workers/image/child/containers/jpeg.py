"""JPEG markers (ITU-T T.81): files that lack their end."""

from __future__ import annotations

import io
import struct
from typing import IO

from .segmented_file import segmented_file

_END = b"\xff\xd9"
_PADDING = bytes(range(1, 251)) * 4
"""Entropy-coded data: in a scan that is complete it is ignored, in a cut one it becomes pixels."""
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_COEFFICIENTS = 64


def ended_jpeg(file: IO[bytes]) -> tuple[IO[bytes], IO[bytes]] | None:
    """Return the file with an end, and again with other data before that end; None if a scan is missing.

    Both decode to the same pixels if and only if the last scan is complete.
    """
    size = file.seek(0, io.SEEK_END)
    if not _has_all_scans(file, size):
        return None
    cut = size - 1 if _last_byte(file, size) == b"\xff" else size
    complete = (0, cut)
    return segmented_file(file, [complete, _END]), segmented_file(file, [complete, _PADDING, _END])


def _last_byte(file: IO[bytes], size: int) -> bytes:
    file.seek(max(0, size - 1))
    return file.read(1)


def _has_all_scans(file: IO[bytes], size: int) -> bool:
    """Return whether the scans that begin in the file send every bit of every coefficient of every component."""
    missing: set[tuple[int, int]] = set()
    progressive = False
    for marker, content in _markers(file, size):
        if marker in _FRAMES and len(content) >= 6 and not missing:
            progressive = marker in _PROGRESSIVE
            components = content[6::3][: content[5]]
            missing = {(component, k) for component in components for k in range(_COEFFICIENTS if progressive else 1)}
            if not missing:
                return False
        elif marker == _START_OF_SCAN and content:
            components = content[1 : 1 + 2 * content[0] : 2]
            first, last, bits = content[1 + 2 * content[0] :][:3] or (0, 0, 0)
            if not progressive:
                first, last, bits = 0, 0, 0
            if bits & 0xF == 0:
                missing -= {(component, k) for component in components for k in range(first, last + 1)}
    return not missing


def _markers(file: IO[bytes], size: int) -> list[tuple[int, bytes]]:
    """Return the frame and scan headers of the main image, in order."""
    found: list[tuple[int, bytes]] = []
    offset = 2
    while offset + 4 <= size:
        file.seek(offset)
        head = file.read(4)
        marker, length = head[1], struct.unpack(">H", head[2:])[0]
        if head[0] != 0xFF or marker == _END_OF_IMAGE:
            break
        if marker in _FRAMES or marker == _START_OF_SCAN:
            found.append((marker, file.read(max(0, length - 2))))
        offset += 2 + length
        if marker == _START_OF_SCAN:
            offset = _next_marker(file, offset)
    return found


def _next_marker(file: IO[bytes], offset: int) -> int:
    """Return the offset of the marker that ends the entropy-coded data, or of the end of the file."""
    file.seek(offset)
    rest = b""
    while block := file.read(1 << 16):
        data = rest + block
        at = data.find(b"\xff")
        while 0 <= at < len(data) - 1:
            if data[at + 1] not in {0, 0xFF, *range(0xD0, 0xD8)}:
                return offset + at
            at = data.find(b"\xff", at + 1)
        rest = data[-1:] if data.endswith(b"\xff") else b""
        offset += len(data) - len(rest)
    return offset
