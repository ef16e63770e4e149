"""Ranges of bytes: join them, subtract them, and divide them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from roomcast.errors import StorageError

ByteRange = tuple[int, int]
"""The bytes from the first position to before the second one."""


def joined(ranges: Iterable[ByteRange], *, gap: int = 0) -> list[ByteRange]:
    """Return the ranges in order, with those as one that overlap or have at most `gap` bytes between them."""
    result = list[ByteRange]()
    for start, stop in sorted(one for one in ranges if one[0] < one[1]):
        if result and start <= result[-1][1] + gap:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def subtracted(ranges: Iterable[ByteRange], others: Iterable[ByteRange]) -> list[ByteRange]:
    """Return what of `ranges` is in none of the other ranges, in order."""
    removed = joined(others)
    return [left for one in joined(ranges) for left in _outside(one, removed)]


def divided(ranges: Iterable[ByteRange], most: int) -> list[ByteRange]:
    """Return the ranges in pieces of at most `most` bytes."""
    return [(at, min(at + most, stop)) for start, stop in ranges for at in range(start, stop, most)]


def check_within(ranges: Iterable[ByteRange], size: int) -> None:
    """Raise `StorageError` unless all ranges are within a source of `size` bytes."""
    if any(not 0 <= start <= stop <= size for start, stop in ranges):
        raise StorageError("The source in the media store has fewer bytes than were expected.")


def _outside(one: ByteRange, removed: list[ByteRange]) -> Iterator[ByteRange]:
    at, end = one
    for start, stop in removed:
        if at < start < end:
            yield (at, start)
        if start < end:
            at = max(at, stop)
    if at < end:
        yield (at, end)
