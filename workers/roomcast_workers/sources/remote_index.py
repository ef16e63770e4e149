"""Fetch of a remote MP4 or QuickTime file what a plan of its segments needs: its index and its first packets."""

from __future__ import annotations

import asyncio
import os

from roomcast.media.contract import SparseSource

from roomcast_workers.sources.boxes import Box, parse_box
from roomcast_workers.sources.headers import MAX_INDEX

_HEADER_BYTES = 32
_MAX_BOXES = 16
_FIRST_PACKETS = 2 << 20
"""What ffprobe reads to find out what the streams contain."""


async def fetch_index(source: SparseSource) -> bool:
    """Fetch the index of an MP4 or QuickTime file and its first packets, and return whether there is an index: not in
    files of fragments, compressed indexes and damaged files."""
    at, media, index = 0, source.size, None
    for _ in range(_MAX_BOXES):
        if at >= source.size:
            break
        box = await _box_at(source, at)
        if box is None or box.type == b"moof" or (index is not None and box.type == b"moov"):
            return False
        if box.type == b"moov":
            index = box
        elif box.type == b"mdat":
            media = min(media, box.content)
        at = box.stop
    if index is None or not index.stop - index.start <= MAX_INDEX or at != source.size:
        return False
    await source.fill([(index.start, index.stop), (media, min(media + _FIRST_PACKETS, source.size))])
    return await asyncio.to_thread(_read, source, index.content + 4, 4) != b"cmov"


async def _box_at(source: SparseSource, at: int) -> Box | None:
    await source.fill([(at, min(at + _HEADER_BYTES, source.size))])
    return parse_box(await asyncio.to_thread(_read, source, at, _HEADER_BYTES), at, source.size)


def _read(source: SparseSource, at: int, count: int) -> bytes:
    descriptor = os.open(source.path, os.O_RDONLY)
    try:
        return os.pread(descriptor, count, at)
    finally:
        os.close(descriptor)
