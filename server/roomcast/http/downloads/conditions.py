"""Select what of a file a request gets, by its preconditions and its `Range` (RFC 9110, sections 13 and 14). Pure."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')
_RANGE_UNIT = re.compile(r"[ \t]*bytes[ \t]*=(.*)", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]*)[ \t]*-[ \t]*([0-9]*)")
_MAX_DIGITS = 18
"""Longer numbers are larger than any file."""


@dataclass(frozen=True)
class FileVersion:
    """What identifies the content of a file: its size in bytes, and when it was modified in nanoseconds."""

    size: int
    modified_ns: int

    @property
    def entity_tag(self) -> str:
        return f'"{self.modified_ns:x}-{self.size:x}"'

    @property
    def modified(self) -> int:
        """The time of `Last-Modified`, in seconds."""
        return math.ceil(self.modified_ns / 1e9)

    @property
    def last_modified(self) -> str:
        return formatdate(self.modified, usegmt=True)


@dataclass(frozen=True)
class ContentVersion:
    """What identifies content in memory: its hash. When it was modified is not known."""

    content: bytes
    modified: None = None

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def entity_tag(self) -> str:
        return f'"{hashlib.blake2b(self.content, digest_size=12).hexdigest()}"'


Version = FileVersion | ContentVersion


@dataclass(frozen=True)
class Selection:
    """The response's status: 200, 206, 304, 412 or 416. For the first two, the bytes from `start` to before `stop`."""

    status: int
    start: int = 0
    stop: int = 0


def select(method: str, headers: Mapping[str, str], file: Version, *, now: float | None = None) -> Selection:
    """Return what a GET or HEAD request gets of a file. `now` is the time of the request; default: the current time."""
    if not _unchanged(headers, file):
        return Selection(412)
    if _is_known(headers, file):
        return Selection(304)
    specifier = _RANGE_UNIT.fullmatch(headers.get("Range", ""))
    everything = Selection(200, 0, file.size)
    # Ranges of other methods, and of units that the server does not know, must be ignored.
    if method != "GET" or specifier is None or not file.size or not _if_range(headers, file, now or time.time()):
        return everything
    return _select_range(specifier[1], file.size) or everything


def _unchanged(headers: Mapping[str, str], file: Version) -> bool:
    """Return whether the file is still the one that the client has, if the request demands that."""
    if (tags := headers.get("If-Match")) is not None:
        return _has_tag(tags, file, weak=False)
    since = _time(headers.get("If-Unmodified-Since"))
    return since is None or file.modified is None or file.modified <= since


def _is_known(headers: Mapping[str, str], file: Version) -> bool:
    """Return whether the client has this version of the file."""
    if (tags := headers.get("If-None-Match")) is not None:
        return _has_tag(tags, file, weak=True)
    since = _time(headers.get("If-Modified-Since"))
    return since is not None and file.modified is not None and file.modified <= since


def _if_range(headers: Mapping[str, str], file: Version, now: float) -> bool:
    """Return whether a range may be sent: without `If-Range`, or if it names this version by a strong validator.

    A date is one only if it is exactly that of `Last-Modified`, and a second old: the file may have been written twice
    within the same second.
    """
    validator = headers.get("If-Range", "").strip()
    if not validator:
        return True
    if validator.endswith('"'):
        return validator == file.entity_tag
    return file.modified is not None and _time(validator) == file.modified <= now - 1


def _has_tag(tags: str, file: Version, *, weak: bool) -> bool:
    if tags.strip() == "*":
        return True
    return any(tag == file.entity_tag and (weak or not prefix) for prefix, tag in _ENTITY_TAG.findall(tags))


def _time(date: str | None) -> float | None:
    """Return the time of an HTTP date, or None for what is none."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, TypeError, OverflowError):
        return None


def _select_range(specifier: str, size: int) -> Selection | None:
    """Return the selected range; None if the response is the whole file.

    Ranges that overlap or touch are joined. What remains as several ranges is answered with the whole file, which RFC
    9110 allows: players ask for one range, and read a whole file more easily than a `multipart/byteranges` body.
    """
    try:
        ranges = sorted(_ranges(specifier, size))
    except ValueError:
        return Selection(416)
    if not ranges:
        return Selection(416)
    start, stop = ranges[0]
    for other_start, other_stop in ranges[1:]:
        if other_start > stop:
            return None
        stop = max(stop, other_stop)
    return Selection(206, start, stop)


def _ranges(specifier: str, size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges that begin inside the file. Raise `ValueError` if one is not valid."""
    items = [item.strip() for item in specifier.split(",")]
    for item in filter(None, items):
        found = _RANGE.fullmatch(item)
        if found is None or not any(found.groups()):
            raise ValueError(item)
        first, last = map(_number, found.groups())
        if first is None:
            if last:
                yield max(0, size - last), size
        elif last is not None and last < first:
            raise ValueError(item)
        elif first < size:
            yield first, size if last is None else min(last + 1, size)


def _number(digits: str) -> int | None:
    significant = digits.lstrip("0") or digits[:1]
    if not significant:
        return None
    return int(significant) if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS
