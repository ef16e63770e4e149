"""Cut out of a source what ffmpeg reads for one segment of a film, as a small file that it reads from the beginning.

That is possible with formats of which each piece can be read by itself after the headers: the clusters of Matroska and
WebM, and the fragments of MP4. Such files need no index: in one without, ffmpeg looks for a segment's place by reading
all that comes before. Times are those of the source.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from roomcast.media.byte_ranges import ByteRange

from roomcast_workers.media_info.packet_scan import Pieces
from roomcast_workers.sources.ranges import PacketSpan

_MAX_HEAD = 64 << 10
"""In bytes. It is recorded with the plan."""

_COPY_BYTES = 1 << 20
_LONG_BOX_BYTES = 16


@dataclass(frozen=True)
class Excerpts:
    """How the segments of a film are cut out: the headers, the same for all, and the pieces of each.

    A file that `is_sparse` has the pieces at the positions of the source, to which an MP4 file may refer.
    """

    head: bytes
    segments: tuple[ByteRange, ...]
    is_sparse: bool

    def ranges(self, segment: int) -> tuple[ByteRange, ...]:
        """Return the bytes of the source that are needed for a segment."""
        return (self.segments[segment],)

    def write(self, segment: int, source: Path, target: Path) -> None:
        """Write the file of a segment."""
        start, stop = self.segments[segment]
        with source.open("rb") as file, target.open("xb") as excerpt:
            excerpt.write(self.head)
            if self.is_sparse:
                excerpt.write(_empty_box(start - len(self.head)))
                excerpt.seek(start)
            file.seek(start)
            left = stop - start
            while left and (content := file.read(min(left, _COPY_BYTES))):
                excerpt.write(content)
                left -= len(content)

    def to_json(self) -> dict[str, Any]:
        head = b64encode(self.head).decode()
        return {"head": head, "segments": [list(one) for one in self.segments], "sparse": self.is_sparse}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        segments = tuple((start, stop) for start, stop in value["segments"])
        return cls(b64decode(value["head"]), segments, value["sparse"])


def _empty_box(length: int) -> bytes:
    """Return the header of a box that has so many bytes and is ignored."""
    return (1).to_bytes(4, "big") + b"free" + length.to_bytes(8, "big") if length else b""


def find_excerpts(pieces: Pieces, demuxer: str, spans: Sequence[PacketSpan]) -> Excerpts | None:
    """Return how the segments are cut out of a file that has these pieces, or None if that is impossible. Pure."""
    starts, is_sparse = pieces.starts, demuxer == "mov"
    if (
        len(pieces.head) > _MAX_HEAD
        or not starts
        or any(not starts[0] <= one.start < one.stop <= pieces.end for one in spans)
    ):
        return None
    ends = [*starts[1:], pieces.end]
    segments = tuple((starts[bisect_right(starts, one.start) - 1], ends[bisect_left(ends, one.stop)]) for one in spans)
    hole = starts[0] - len(pieces.head)
    if is_sparse and not (hole == 0 or hole >= _LONG_BOX_BYTES):
        return None
    return Excerpts(pieces.head, segments, is_sparse)
