"""WebP chunks (RFC 9649): what decoding needs of them."""

from __future__ import annotations

import io
import struct
from typing import IO

from .segmented_file import FileSegment, segmented_file

_PIXELS = {b"VP8 ", b"VP8L", b"ALPH", b"ANMF"}
_KEPT = _PIXELS | {b"VP8X", b"ICCP", b"ANIM", b"EXIF"}
_XMP_FLAG = 0x04
_EXIF_FLAG = 0x08


def repaired_webp(file: IO[bytes]) -> IO[bytes]:
    """Return the file with the chunks that decoding needs, and lengths that are true.

    Metadata that is cut is dropped. Cut pixels stay, for the decoder to refuse.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        file.seek(0)
        return file
    segments: list[FileSegment] = []
    names: set[bytes] = set()
    offset = 12
    while offset + 8 <= end:
        file.seek(offset)
        name, length = struct.unpack("<4sI", file.read(8))
        padded = length + length % 2
        complete = offset + 8 + length <= end
        if name in _KEPT and (complete or name in _PIXELS):
            segments.append((offset, min(8 + padded, end - offset)))
            if offset + 8 + padded > end and complete:
                segments.append(b"\0")  # the padding, which is missing
            names.add(name)
        offset += 8 + padded
    _correct_flags(file, segments, names)
    size = 4 + sum(segment[1] if isinstance(segment, tuple) else len(segment) for segment in segments)
    return segmented_file(file, [b"RIFF" + struct.pack("<I", size) + b"WEBP", *segments])


def _correct_flags(file: IO[bytes], segments: list[FileSegment], names: set[bytes]) -> None:
    """Clear the flags of metadata that is not there."""
    if b"VP8X" not in names or not segments or not isinstance(segments[0], tuple):
        return
    file.seek(segments[0][0])
    chunk = bytearray(file.read(segments[0][1]))
    if chunk[:4] == b"VP8X" and len(chunk) >= 18:
        chunk[8] &= ~(_XMP_FLAG | (0 if b"EXIF" in names else _EXIF_FLAG))
        segments[0] = bytes(chunk)
