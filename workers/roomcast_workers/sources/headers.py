"""Read the headers of files whose packets are not read."""

from __future__ import annotations

import os

MAX_INDEX = 64 << 20
"""In bytes. The index of eight hours with a chunk for each frame has 40 MB."""

_MAX_HEADER = 4 << 20


class NotPlain(Exception):
    """The headers of a file do not stand for its packets, or the file is damaged."""


def read_header(descriptor: int, start: int, stop: int) -> bytes:
    """Return the bytes of a file from `start` to `stop`. Raise `NotPlain` if they are too many for a header, or if the
    file has fewer."""
    if stop - start > _MAX_HEADER:
        raise NotPlain
    found = os.pread(descriptor, stop - start, start)
    if len(found) < stop - start:
        raise NotPlain
    return found
