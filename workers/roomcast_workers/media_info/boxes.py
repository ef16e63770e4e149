"""Read and write the boxes of which MP4 files consist (ISO/IEC 14496-12). Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

TFHD_OFFSET, TFHD_DESCRIPTION, TFHD_DURATION, TFHD_SIZE, TFHD_FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
TFHD_FROM_MOOF = 0x20000
TRUN_OFFSET, TRUN_FIRST_FLAGS = 0x1, 0x4
TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION = 0x100, 0x200, 0x400, 0x800
"""The flags of the boxes `tfhd` and `trun` (8.8.7 and 8.8.8) for the fields that they have."""


@dataclass(frozen=True)
class SampleDefaults:
    """The fields of samples without fields of their own."""

    duration: int = 0
    size: int = 0
    flags: int = 0

    def of_fragment(self, tfhd: memoryview, at: int) -> SampleDefaults:
        """Return the defaults with those that a `tfhd` box gives from the position `at` on."""
        (given,), defaults = struct.unpack_from(">I", tfhd), self
        for bit, name in ((TFHD_DURATION, "duration"), (TFHD_SIZE, "size"), (TFHD_FLAGS, "flags")):
            if given & bit:
                defaults, at = replace(defaults, **{name: struct.unpack_from(">I", tfhd, at)[0]}), at + 4
        return defaults


def boxes(content: memoryview, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield the type of each box, and where it, its body and its end are."""
    at = start
    while at < end:
        size, name = struct.unpack_from(">I4s", content, at)
        header = 8
        if size == 1:
            size, header = struct.unpack_from(">Q", content, at + 8)[0], 16
        if size < header or at + size > end:
            raise ValueError("A box is longer than what contains it.")
        yield name, at, at + header, at + size
        at += size


def complete_until(content: memoryview, start: int) -> int:
    """Return where the last `mdat` box ends that is completely in a file which is being written."""
    at = until = start
    while at + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        if size == 1 and at + 16 <= len(content):
            size = struct.unpack_from(">Q", content, at + 8)[0]
        at += max(size, 8)
        if name == b"mdat" and at <= len(content):
            until = at
    return until


def find(content: memoryview, *path: bytes) -> tuple[int, int] | None:
    """Return where the body of a box and its end are, which is inside the others of `path`; None if there is none."""
    start, end = 0, len(content)
    for wanted in path:
        found = next(((body, after) for name, _, body, after in boxes(content, start, end) if name == wanted), None)
        if found is None:
            return None
        start, end = found
    return start, end


def timescale(header: memoryview) -> int:
    """Return the ticks a second that the content of an `mvhd` or `mdhd` box gives. Raise `ValueError` if it gives 0."""
    (scale,) = struct.unpack_from(">I", header, 20 if header[0] else 12)
    if not scale:
        raise ValueError("There is no time scale.")
    return int(scale)


def box(name: bytes, body: bytes) -> bytes:
    """Return a box with this content."""
    return struct.pack(">I4s", 8 + len(body), name) + body


def full_box(name: bytes, version: int, flags: int, body: bytes) -> bytes:
    """Return a box that has a version and flags before its content."""
    return box(name, struct.pack(">I", version << 24 | flags) + body)
