"""What is fetched of a remote film before it is planned."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from roomcast.media.byte_ranges import ByteRange, check_within, joined, subtracted
from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.sources.ranges import sections_of
from roomcast_workers.sources.remote_index import fetch_index

from tests.support.mp4 import box

MEDIA = bytes(range(1, 201)) * 50_000


class RemoteSource:
    """A source of which the bytes are fetched that are asked for."""

    def __init__(self, folder: Path, content: bytes) -> None:
        self.path, self.size, self._content = folder / "source", len(content), content
        self.path.write_bytes(bytes(self.size))
        self.filled: list[ByteRange] = []
        self.requests = 0

    @property
    def is_complete(self) -> bool:
        return not subtracted([(0, self.size)], self.filled)

    async def fill(self, ranges: Iterable[ByteRange]) -> None:
        wanted = list(ranges)
        check_within(wanted, self.size)
        self.requests += len(wanted)
        with self.path.open("r+b") as file:
            for start, stop in wanted:
                file.seek(start)
                file.write(self._content[start:stop])
        self.filled = joined([*self.filled, *wanted])

    async def fill_all(self) -> None:
        await self.fill([(0, self.size)])


@pytest.mark.parametrize("index_last", [False, True])
async def test_index_and_first_packets_are_fetched(tmp_path: Path, index_last: bool) -> None:
    boxes = [box(b"ftyp", b"isom"), box(b"moov", bytes(5000)), box(b"free", bytes(100_000)), box(b"mdat", MEDIA)]
    content = b"".join([boxes[0], *boxes[2:], boxes[1]] if index_last else boxes)
    source = RemoteSource(tmp_path, content)
    assert await fetch_index(source)
    index, media = content.index(b"moov") - 4, content.index(b"mdat") + 4
    assert subtracted([(index, index + 5008), (media, media + (2 << 20))], source.filled) == []
    assert sum(stop - start for start, stop in source.filled) < 2_200_000
    assert source.requests <= 6


@pytest.mark.parametrize(
    "content",
    {
        "fragments": box(b"moov", b"") + box(b"moof", b"") + box(b"mdat", b"media"),
        "no index": box(b"ftyp", b"isom") + box(b"mdat", b"media"),
        "two indexes": box(b"moov", b"") + box(b"moov", b"") + box(b"mdat", b"media"),
        "compressed index": box(b"moov", box(b"cmov", b"")) + box(b"mdat", b"media"),
        "cut off": box(b"moov", b"") + box(b"mdat", b"media")[:-1],
        "zeros behind": box(b"moov", b"") + box(b"mdat", b"media") + b"\0\0\0\1" + bytes(20),
        "too short a box": box(b"moov", b"") + b"\0\0\0\4free",
        "too large a box": box(b"moov", b"") + b"\0\0\0\1mdat" + b"\xff" * 8,
        "many boxes": box(b"moov", b"") + box(b"free", b"") * 5000,
        "empty": b"",
    }.items(),
    ids=lambda item: item[0],
)
async def test_other_files_have_no_index_to_fetch(tmp_path: Path, content: tuple[str, bytes]) -> None:
    source = RemoteSource(tmp_path, content[1])
    assert not await fetch_index(source)
    assert source.requests < 20


def test_sections_have_the_keyframes_before_and_after_them() -> None:
    scan = StreamScan()
    for number in range(10):
        scan.intervals.add_interval([number * 4.0], [1000 * number], [900])
    assert sections_of(scan, [(0.0, 0.0), (17.0, 18.0)]) == [(0, 1900), (4000, 5900)]
    assert sections_of(scan, [(50.0, 60.0)]) == [(9000, 9900)]
    assert sections_of(StreamScan(), [(0.0, 1.0)]) == []
