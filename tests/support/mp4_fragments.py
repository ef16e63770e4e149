"""MP4 films of fragments, box by box."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from tests.support.mp4 import box, movie

ALL_FIELDS, OFFSET, SIGNED = 0xF00, 0x1, 1 << 24
KEY, OTHER = 0x02000000, 0x01010000


def empty_track(number: int, *, samples: int = 0, edits: bytes = b"") -> bytes:
    """A track whose samples are in fragments."""
    header = box(b"tkhd", bytes(12), struct.pack(">I", number), bytes(60))
    stsz = box(b"stsz", bytes(8), struct.pack(">I", samples))
    media = box(b"mdia", box(b"mdhd", bytes(12), struct.pack(">I", 1000), bytes(8)), box(b"minf", box(b"stbl", stsz)))
    return box(b"trak", header, edits, media)


def trex(number: int) -> bytes:
    return box(b"trex", bytes(4), struct.pack(">IIIII", number, 1, 20, 7, 0))


def head(*tracks: bytes) -> bytes:
    extends = box(b"mvex", trex(1), trex(2))
    return box(b"ftyp", b"isom") + box(b"moov", movie(*(tracks or (empty_track(1), empty_track(2)))), extends)


def traf(number: int, decoded: int | None, run: bytes, *, flags: int = 0x020000, fields: bytes = b"") -> bytes:
    time = b"" if decoded is None else box(b"tfdt", bytes([1, 0, 0, 0]), struct.pack(">Q", decoded))
    return box(b"traf", box(b"tfhd", struct.pack(">II", flags, number), fields), time, run)


def trun(flags: int, *samples: Sequence[int], offset: int | None = None, count: int | None = None) -> bytes:
    begin = struct.pack(">II", flags | (OFFSET if offset is not None else 0), len(samples) if count is None else count)
    begin += b"" if offset is None else struct.pack(">i", offset)
    return box(b"trun", begin, *[struct.pack(f">{len(sample)}I", *sample) for sample in samples])


FRAMES = ((40, 30, KEY, 0), (40, 20, OTHER, 80), (40, 10, OTHER, 0))
"""I P B: duration, size, flags, and how much later they are shown."""


def fragment(decoded: int, *, frames: Sequence[Sequence[int]] = FRAMES, flags: int = ALL_FIELDS) -> bytes:
    """A fragment with frames of video, and three of sound that have the defaults of the track."""
    length, pictures = 0, sum(frame[1] for frame in frames)
    for _ in range(2):  # the first time to find out its length
        moof = box(
            b"moof",
            traf(1, decoded, trun(flags, *frames, offset=length + 8)),
            traf(2, decoded, trun(0, count=3, offset=length + 8 + pictures)),
        )
        length = len(moof)
    return moof + box(b"mdat", bytes(pictures + 21))


def film(*fragments: bytes) -> bytes:
    return head() + b"".join(fragments or [fragment(120 * number) for number in range(3)])
