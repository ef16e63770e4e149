"""A read-only file made of byte strings and of ranges of another file, so that a repair copies nothing."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from typing import IO

FileSegment = bytes | tuple[int, int]
"""Bytes, or the offset and length of a range of the original file."""


def segmented_file(original: IO[bytes], segments: Sequence[FileSegment]) -> IO[bytes]:
    """Return a seekable file with the segments one after another. `original` must stay open."""
    return io.BufferedReader(_SegmentedFile(original, _merged(segments)), 1 << 16)


def _merged(segments: Sequence[FileSegment]) -> list[FileSegment]:
    """Join ranges that follow each other."""
    merged: list[FileSegment] = []
    for segment in segments:
        last = merged[-1] if merged else b""
        if isinstance(segment, tuple) and isinstance(last, tuple) and sum(last) == segment[0]:
            merged[-1] = (last[0], last[1] + segment[1])
        else:
            merged.append(segment)
    return merged


class _SegmentedFile(io.RawIOBase):
    """The segments as one file."""

    def __init__(self, original: IO[bytes], segments: Sequence[FileSegment]) -> None:
        self._original = original
        self._segments = [segment for segment in segments if _length(segment)]
        self._starts: list[int] = []
        self._size = 0
        for segment in self._segments:
            self._starts.append(self._size)
            self._size += _length(segment)
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._offset, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(f"The offset {base + offset} is negative.")
        self._offset = base + offset
        return self._offset

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        if self._offset >= self._size:
            return 0
        number = bisect_right(self._starts, self._offset) - 1
        segment, within = self._segments[number], self._offset - self._starts[number]
        count = min(len(buffer), _length(segment) - within)
        if isinstance(segment, bytes):
            data = segment[within : within + count]
        else:
            self._original.seek(segment[0] + within)
            data = self._original.read(count)
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)


def _length(segment: FileSegment) -> int:
    return segment[1] if isinstance(segment, tuple) else len(segment)
