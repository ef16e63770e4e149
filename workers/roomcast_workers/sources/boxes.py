"""Walk the boxes of an MP4 or QuickTime file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

HEADER_BYTES = 8
_LONG_HEADER_BYTES = 16
_MAX_BOXES = 500_000


@dataclass(frozen=True)
class Box:
    """A box of a file: its type, and the positions of its first byte, of its content, and of the byte after it."""

    type: bytes
    start: int
    content: int
    stop: int


def top_level_boxes(file: BinaryIO) -> Iterator[Box]:
    """Yield the boxes that are in no other one, until the end or the first bytes that are no box."""
    end, at = file.seek(0, 2), 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        box = parse_box(file.read(_LONG_HEADER_BYTES), at, end)
        if box is None:
            return
        yield box
        at = box.stop


def parse_box(header: bytes, at: int, end: int) -> Box | None:
    """Return the box that begins with these bytes at a position of a file that has `end` bytes, or None if they are no
    box."""
    size, length = int.from_bytes(header[:4], "big"), HEADER_BYTES
    if size == 1:
        size, length = int.from_bytes(header[8:_LONG_HEADER_BYTES], "big"), _LONG_HEADER_BYTES
    elif size == 0:
        size = end - at
    if len(header) < HEADER_BYTES or size < HEADER_BYTES:
        return None
    return Box(header[4:8], at, at + length, at + size)
