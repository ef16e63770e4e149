"""ISO media boxes (ISO/IEC 14496-12 and 23008-12): the colours and the clean aperture of a file's primary image."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import IO, NamedTuple

_MAX_BOXES = 10_000
_MAX_BOX = 1 << 20
_TRACK = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


class ImageProperties(NamedTuple):
    """`cicp` has primaries, transfer, matrix and full range; `aperture` is left, top, right and bottom in pixels."""

    cicp: tuple[int, int, int, int] | None = None
    aperture: tuple[int, int, int, int] | None = None


class _Box(NamedTuple):
    name: bytes
    start: int
    """Of the content."""
    end: int


def image_properties(file: IO[bytes]) -> ImageProperties:
    """Return the properties of the primary image; of a file whose boxes are broken, those that were found."""
    try:
        return _Reader(file).properties()
    except (struct.error, ValueError, IndexError, ZeroDivisionError, OverflowError):
        return ImageProperties()


class _Reader:
    """One file and the number of boxes that were read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._end = file.seek(0, io.SEEK_END)
        self._boxes_read = 0

    def properties(self) -> ImageProperties:
        cicp: tuple[int, int, int, int] | None = None
        size, aperture = (0, 0), b""
        for name, content in self._primary_properties():
            match name:
                case b"colr" if content[:4] == b"nclx":
                    cicp = _cicp(content)
                case b"ispe" if len(content) >= 12:
                    size = struct.unpack(">II", content[4:12])
                case b"clap" if len(content) >= 32:
                    aperture = content
        return ImageProperties(cicp or self._track_cicp(), _aperture(size, aperture) if aperture else None)

    def _primary_properties(self) -> list[tuple[bytes, bytes]]:
        """Return names and contents of the primary item's properties."""
        meta = self._find(_Box(b"", 0, self._end), b"meta")
        if meta is None:
            return []
        inside = _Box(b"meta", meta.start + 4, meta.end)
        primary, properties = self._find(inside, b"pitm"), self._find(inside, b"iprp")
        if primary is None or properties is None:
            return []
        content = self._content(primary)
        item = int.from_bytes(content[4:6] if content[0] == 0 else content[4:8], "big")
        container = self._find(properties, b"ipco")
        if container is None:
            return []
        all_properties = list(self._boxes(container))
        numbers = [
            number
            for box in self._boxes(properties)
            if box.name == b"ipma"
            for number in _associations(self._content(box), item)
        ]
        chosen = [all_properties[number - 1] for number in numbers if 0 < number <= len(all_properties)]
        return [(box.name, self._content(box)) for box in chosen if box.name in {b"colr", b"ispe", b"clap"}]

    def _track_cicp(self) -> tuple[int, int, int, int] | None:
        """Return the colours of the first track of an image sequence."""
        box: _Box | None = _Box(b"", 0, self._end)
        for name in _TRACK:
            if box is None or (box := self._find(box, name)) is None:
                return None
        entry = next(self._boxes(_Box(b"", box.start + 8, box.end)), None) if box else None
        if entry is None:
            return None
        colours = self._find(_Box(b"", entry.start + 78, entry.end), b"colr")  # after a visual sample entry's fields
        content = self._content(colours) if colours else b""
        return _cicp(content) if content[:4] == b"nclx" else None

    def _find(self, parent: _Box, name: bytes) -> _Box | None:
        return next((box for box in self._boxes(parent) if box.name == name), None)

    def _boxes(self, parent: _Box) -> Iterator[_Box]:
        offset = parent.start
        while offset + 8 <= parent.end:
            self._boxes_read += 1
            if self._boxes_read > _MAX_BOXES:
                raise ValueError("There are too many boxes.")
            self._file.seek(offset)
            size, name = struct.unpack(">I4s", self._file.read(8))
            header = 8
            if size == 1:
                size, header = struct.unpack(">Q", self._file.read(8))[0], 16
            elif size == 0:
                size = parent.end - offset
            if size < header:
                raise ValueError("A box is shorter than its header.")
            yield _Box(name, offset + header, min(offset + size, parent.end))
            offset += size

    def _content(self, box: _Box) -> bytes:
        self._file.seek(box.start)
        return self._file.read(max(0, min(box.end - box.start, _MAX_BOX)))


def _associations(content: bytes, item: int) -> list[int]:
    """Return the numbers of the properties of an item, from 1, of an `ipma` box."""
    wide_ids, wide_numbers = content[0] >= 1, bool(content[3] & 1)
    (count,) = struct.unpack(">I", content[4:8])
    offset = 8
    for _ in range(count):
        id_size, number_size = (4 if wide_ids else 2), (2 if wide_numbers else 1)
        found = int.from_bytes(content[offset : offset + id_size], "big")
        number_count = content[offset + id_size]
        start = offset + id_size + 1
        offset = start + number_count * number_size
        if found == item:
            essential = 0x8000 if wide_numbers else 0x80
            return [
                int.from_bytes(content[at : at + number_size], "big") & ~essential
                for at in range(start, offset, number_size)
            ]
    return []


def _cicp(content: bytes) -> tuple[int, int, int, int]:
    primaries, transfer, matrix, full_range = struct.unpack(">HHHB", content[4:11])
    return primaries, transfer, matrix, full_range >> 7


def _aperture(size: tuple[int, int], content: bytes) -> tuple[int, int, int, int] | None:
    """Return the box that a `clap` property leaves of an image of this size; None if it is not inside."""
    fields = struct.unpack(">IIIIiIiI", content[:32])
    width, height, across, down = (Fraction(fields[at], fields[at + 1]) for at in (0, 2, 4, 6))
    left = Fraction(size[0] - 1, 2) + across - (width - 1) / 2
    top = Fraction(size[1] - 1, 2) + down - (height - 1) / 2
    if left < 0 or top < 0 or width < 1 or height < 1 or left + width > size[0] or top + height > size[1]:
        return None
    return round(left), round(top), round(left + width), round(top + height)
