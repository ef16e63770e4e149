"""The size of a JPEG XL image (ISO/IEC 18181), which its decoder shows only after it has decoded all of it."""

from __future__ import annotations

import io
from typing import IO

_CODESTREAM = b"\xff\x0a"
_CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
_HEADER_BYTES = 16
_MAX_BOXES = 1000
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def jxl_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Return the width and height as they are stored; None if there is no codestream."""
    file.seek(0)
    head = file.read(len(_CONTAINER))
    if head.startswith(_CODESTREAM):
        file.seek(0)
        return _size_of(file.read(_HEADER_BYTES))
    return _size_in_container(file) if head == _CONTAINER else None


def _size_in_container(file: IO[bytes]) -> tuple[int, int] | None:
    end, offset = file.seek(0, io.SEEK_END), 0
    for _ in range(_MAX_BOXES):
        file.seek(offset)
        header = file.read(16)
        if len(header) < 8:
            return None
        size, start = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, start = int.from_bytes(header[8:], "big"), 16
        elif size == 0:
            size = end - offset
        if header[4:8] in {b"jxlc", b"jxlp"}:
            file.seek(offset + start + (4 if header[4:8] == b"jxlp" else 0))  # a part of several has its number first
            return _size_of(file.read(_HEADER_BYTES))
        if size < start:
            return None
        offset += size
    return None


def _size_of(codestream: bytes) -> tuple[int, int] | None:
    """Return the size that a codestream's header states (annex D.2)."""
    if not codestream.startswith(_CODESTREAM) or len(codestream) < _HEADER_BYTES // 2:
        return None
    bits = _Bits(int.from_bytes(codestream[2:], "little"))
    small = bits.read(1)
    height = 8 * (1 + bits.read(5)) if small else bits.size()
    ratio = bits.read(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return (8 * (1 + bits.read(5)) if small else bits.size()), height


class _Bits:
    """Bits of a little-endian integer, the lowest first."""

    def __init__(self, value: int) -> None:
        self._value = value

    def read(self, count: int) -> int:
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        return value

    def size(self) -> int:
        return 1 + self.read((9, 13, 18, 30)[self.read(2)])
