"""Copy a source that ffmpeg would read only in part, or with some builds not at all, into a file that it reads.

* Joined FLV and FLAC files: at a header inside the file the demuxer of FLV ends, and that of FLAC loses frames. Without
  those headers the rest is one stream.
* QuickTime files with a compressed index (`cmov`), of the years around 2000: the index is appended uncompressed, and a
  `free` box takes the place of the compressed one, so that no position in the file changes.
"""

from __future__ import annotations

import asyncio
import mmap
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from roomcast_workers.sources.boxes import HEADER_BYTES, top_level_boxes
from roomcast_workers.sources.headers import MAX_INDEX

_FLV_HEADER = re.compile(rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00")
_FLAC_HEADER = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")


async def copy_if_needed(source: Path, demuxer: str, target: Path) -> Path:
    """Return `target`, with a copy of `source` that ffmpeg can read, or `source` itself if it needs none."""
    copy = {"flv": _copy_flv, "flac": _copy_flac, "mov": _copy_quicktime}.get(demuxer)
    if copy is not None and await asyncio.to_thread(copy, source, target):
        return target
    return source


def _copy_flv(source: Path, target: Path) -> bool:
    """Copy an FLV file without the headers inside it; return False if it has none."""
    return _copy_without(source, target, lambda content: [found.span() for found in _FLV_HEADER.finditer(content)])


def _copy_flac(source: Path, target: Path) -> bool:
    """Copy a FLAC file without the headers inside it; return False if it has none."""

    def headers(content: mmap.mmap) -> list[tuple[int, int]]:
        return [(found.start(), _flac_frames(content, found.start())) for found in _FLAC_HEADER.finditer(content)]

    return _copy_without(source, target, headers)


def _flac_frames(content: mmap.mmap, header: int) -> int:
    """Return the position after the metadata blocks that follow a FLAC marker."""
    at, is_last = header + 4, False
    while not is_last and at + 4 <= len(content):
        is_last = bool(content[at] & 0x80)
        at += 4 + int.from_bytes(content[at + 1 : at + 4], "big")
    return min(at, len(content))


def _copy_without(source: Path, target: Path, headers_in: Callable[[mmap.mmap], list[tuple[int, int]]]) -> bool:
    """Copy a file without these ranges; return False if none of them is inside the file."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        headers = [header for header in headers_in(content) if header[0]]
        if not headers:
            return False
        with target.open("wb") as copy:
            at = 0
            for start, end in [*headers, (len(content), len(content))]:
                file.seek(at)
                _copy_bytes(file, copy, start - at)
                at = end
    return True


def _copy_bytes(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0 and (data := source.read(min(count, 1 << 20))):
        target.write(data)
        count -= len(data)


def _copy_quicktime(source: Path, target: Path) -> bool:
    """Copy a QuickTime file with its index uncompressed; return False if that is not compressed."""
    with source.open("rb") as file:
        moov = next((box for box in top_level_boxes(file) if box.type == b"moov"), None)
        if moov is None:
            return False
        file.seek(moov.content)
        if file.read(HEADER_BYTES)[4:] != b"cmov":
            return False
        file.seek(moov.start)
        index = _uncompressed_index(file.read(min(moov.stop - moov.start, MAX_INDEX)))
    if index is None:
        return False
    shutil.copyfile(source, target)
    with target.open("r+b") as copy:
        copy.seek(moov.start + 4)
        copy.write(b"free")
        copy.seek(0, 2)
        copy.write(index)
    return True


def _uncompressed_index(compressed: bytes) -> bytes | None:
    """Return the `moov` box of which `cmvd` has the deflated bytes, after their number; None if it is damaged."""
    at = compressed.find(b"cmvd")
    if at < 0 or b"dcomzlib" not in compressed[:64]:
        return None
    try:
        index = zlib.decompressobj().decompress(compressed[at + 8 :], MAX_INDEX)
    except zlib.error:
        return None
    return index if index[4:8] == b"moov" else None
