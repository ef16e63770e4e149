"""Indexes of MP4 films, box by box."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence

from tests.support import media

VIDEO = dataclasses.replace(media.VIDEO, frames=None)
AUDIO = dataclasses.replace(media.AUDIO, frames=None)


def box(name: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), name) + joined


def table(name: bytes, entry: str, *rows: Sequence[int], head: bytes = b"") -> bytes:
    packed = [struct.pack(f">{entry}", *row) for row in rows]
    return box(name, bytes(4), head, struct.pack(">I", len(rows)), *packed)


def track(**changed: bytes | None) -> bytes:
    """A track of six frames, 0.04 s each: I P B, I P B, two in a chunk; the second is shown third. Without a box that
    is None."""
    boxes: dict[str, bytes | None] = {
        "edts": box(b"edts", table(b"elst", "IiI", (240, 40, 1 << 16))),
        "stts": table(b"stts", "II", (6, 40)),
        "ctts": table(b"ctts", "Ii", *[(1, 40), (1, 80), (1, 0)] * 2),
        "stsz": table(b"stsz", "I", (500,), (60,), (20,), (400,), (70,), (30,), head=bytes(4)),
        "stsc": table(b"stsc", "III", (1, 2, 1)),
        "stco": table(b"stco", "I", (1000,), (3000,), (5000,)),
        "stss": table(b"stss", "I", (1,), (4,)),
        "sbgp": None,
    } | changed
    sample_table = [content for name, content in boxes.items() if name != "edts" and content is not None]
    scale = box(b"mdhd", bytes(12), struct.pack(">I", 1000), bytes(8))
    media = box(b"mdia", scale, box(b"minf", box(b"stbl", *sample_table)))
    return box(b"trak", boxes["edts"] or b"", media)


def sound(*, priming: int = 1024) -> bytes:
    """A track of three frames of AAC, of which an edit leaves out the first samples."""
    edit = box(b"edts", table(b"elst", "IiI", (64, priming, 1 << 16)))
    times, sizes = table(b"stts", "II", (2, 1024), (1, 900)), table(b"stsz", "I", (10,), (11,), (12,), head=bytes(4))
    chunks = table(b"stsc", "III", (1, 3, 1)) + table(b"co64", "Q", (7000,))
    group = box(b"sbgp", bytes(4), b"roll", bytes(4))
    scale = box(b"mdhd", bytes(12), struct.pack(">I", 48_000), bytes(8))
    return box(b"trak", edit, box(b"mdia", scale, box(b"minf", box(b"stbl", times, sizes, chunks, group))))


def movie(*tracks: bytes, more: bytes = b"") -> bytes:
    return box(b"mvhd", bytes(12), struct.pack(">I", 1000), bytes(8)) + b"".join(tracks) + more


def movie_index() -> bytes:
    """The content of `moov` of a film with sound."""
    return movie(track(), sound())
