"""Detect the raw photographs (DNG, NEF, ARW, CR2 and others) that are TIFF files. Pure.

A decoder of TIFF finds only the small preview of such a file, or takes the values of the sensor for colours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

Read = Callable[[int, int], bytes]
"""Return the bytes of a file from an offset on, at most so many; fewer at its end."""

_CANON, _PHASE_ONE = b"CR", b"IIII"
"""At byte 8 of a TIFF header."""

_COMPRESSION, _PHOTOMETRIC, _SUB_IFDS = 259, 262, 330
_WITH_VALUES = frozenset({_COMPRESSION, _PHOTOMETRIC, _SUB_IFDS})
_RAW_TAGS = frozenset({50706, 33422, 33424, 34310, 50710})
"""DNGVersion, CFAPattern, the directories of Kodak and Leaf, and CFAPlaneColor."""
_SENSOR = frozenset({32803, 34892})
"""Photometric interpretations of values that are no colours yet: a colour filter array, and linear raw."""
_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 32772, 34713, 34892, 65000, 65535})
"""Of Sony, Epson, Samsung, Nikon, Adobe, Kodak and Pentax. 32773, which is near them, is plain PackBits."""

_MAX_DIRECTORIES = 32
_MAX_ENTRIES = 1000


def is_raw_photo(read: Read) -> bool:
    """Return whether the file is a raw photograph, as far as `read` can see it."""
    head = read(0, 16)
    if head[:4] not in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return False
    if head[8:10] == _CANON or head[8:12] == _PHASE_ONE:
        return True
    return any(_describes_sensor(tags) for tags in _Directories(read, head).all())


def _describes_sensor(tags: dict[int, list[int]]) -> bool:
    values = {*tags.get(_PHOTOMETRIC, [])} & _SENSOR, {*tags.get(_COMPRESSION, [])} & _RAW_COMPRESSIONS
    return any(values) or not _RAW_TAGS.isdisjoint(tags)


class _Directories:
    """The directories (IFDs) of a TIFF or BigTIFF file."""

    def __init__(self, read: Read, head: bytes) -> None:
        self._read = read
        self._order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        self._big = b"+" in head[2:4]
        self._first = self._number(head[8:16] if self._big else head[4:8])

    def all(self) -> Iterator[dict[int, list[int]]]:
        """Yield the values of the tags that matter here, of each directory, subordinate ones too; none twice."""
        waiting, visited = [self._first], set[int]()
        while waiting and len(visited) < _MAX_DIRECTORIES:
            offset = waiting.pop(0)
            if offset in visited or offset == 0:
                continue
            visited.add(offset)
            tags, following = self._directory(offset)
            yield tags
            waiting += [*tags.get(_SUB_IFDS, []), following]

    def _directory(self, offset: int) -> tuple[dict[int, list[int]], int]:
        """Return the tags and the offset of the next directory, 0 if there is none."""
        count_size, entry_size, offset_size = (8, 20, 8) if self._big else (2, 12, 4)
        count = min(self._number(self._read(offset, count_size)), _MAX_ENTRIES)
        body = self._read(offset + count_size, count * entry_size + offset_size)
        tags: dict[int, list[int]] = {}
        for start in range(0, min(len(body), count * entry_size) - entry_size + 1, entry_size):
            tag = self._number(body[start : start + 2])
            tags[tag] = self._values(body[start : start + entry_size], offset_size) if tag in _WITH_VALUES else []
        return tags, self._number(body[count * entry_size :])

    def _values(self, entry: bytes, offset_size: int) -> list[int]:
        """Return the integers of an entry, at most a few."""
        size = {3: 2, 4: 4, 13: 4, 16: 8, 18: 8}.get(self._number(entry[2:4]))
        if size is None:
            return []
        total = size * min(self._number(entry[4 : 4 + offset_size]), _MAX_DIRECTORIES)
        inline = entry[4 + offset_size :]
        data = inline[:total] if total <= offset_size else self._read(self._number(inline), total)
        return [self._number(data[at : at + size]) for at in range(0, len(data) - size + 1, size)]

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, self._order)
