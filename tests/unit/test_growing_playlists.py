"""The cache of the playlists of films that are being compressed: what it asks the ledger, and when."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from roomcast.errors import NotFound, StorageError
from roomcast.http.downloads.growing import GrowingPlaylists
from roomcast.segments.plan import SegmentBoard, SegmentProgress

from tests.support.ledgers import Clock
from tests.support.segment_files import film_plan, made_by

ID = f"upload_{'0' * 32}"
FOLDER = f"films/{ID}/segments"
PLAN = film_plan((8.0, 8.0), (480,))


class Boards:
    """The ledger's boards by upload, and how often each was asked for."""

    def __init__(self, *films: str) -> None:
        self.boards: dict[str, SegmentBoard | None] = {upload_id: SegmentBoard(PLAN) for upload_id in films}
        self.asked = Counter[str]()
        self.fails = False

    def complete(self, upload_id: str, task: int) -> None:
        board = self.boards[upload_id]
        assert board is not None
        results = {**board.results, task: made_by(PLAN, PLAN.tasks[task])}
        self.boards[upload_id] = replace(board, version=board.version + 1, results=results)

    async def progress(self, upload_id: str) -> SegmentProgress | None:
        board = await self._read("progress", upload_id)
        return SegmentProgress(board.plan.id, board.version, 2, 0, 0, 0, 2, 0, 0.0) if board else None

    async def board(self, upload_id: str) -> SegmentBoard | None:
        return await self._read("board", upload_id)

    async def _read(self, name: str, upload_id: str) -> SegmentBoard | None:
        self.asked[name] += 1
        await asyncio.sleep(0)
        if self.fails:
            raise StorageError("The ledger does not answer.")
        if upload_id not in self.boards:
            raise NotFound("There is no such upload.")
        return self.boards[upload_id]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def growing_of(boards: Boards, clock: Clock) -> GrowingPlaylists:
    segments: Any = boards
    return GrowingPlaylists(segments, clock=clock)


async def test_flood_of_requests_costs_one_read_of_each_version(clock: Clock) -> None:
    boards = Boards(ID)
    growing = growing_of(boards, clock)
    assert await growing.find(FOLDER, "hls.m3u8") is None
    boards.complete(ID, 0)
    clock.now += 1
    boards.asked.clear()
    found = await asyncio.gather(*(growing.find(FOLDER, "hls-480.m3u8") for _ in range(500)))
    assert {one and one.content.count(b"#EXTINF") for one in found} == {1}
    assert boards.asked == {"progress": 1, "board": 1}
    clock.now += 1
    assert await growing.find(FOLDER, "hls-480.m3u8") == found[0]
    assert boards.asked == {"progress": 2, "board": 1}, "the version is the same"
    boards.complete(ID, 1)
    clock.now += 1
    complete = await growing.find(FOLDER, "hls-480.m3u8")
    assert complete is not None
    assert complete.content.count(b"#EXTINF") == 2
    assert complete.content.endswith(b"#EXT-X-ENDLIST\n")
    assert gzip.decompress(complete.gzipped) == complete.content


async def test_playlists_are_the_stores_when_the_board_is_gone(clock: Clock) -> None:
    boards = Boards(ID)
    boards.complete(ID, 0)
    growing = growing_of(boards, clock)
    assert await growing.find(FOLDER, "hls.m3u8")
    boards.boards[ID] = None
    clock.now += 1
    assert await growing.find(FOLDER, "hls.m3u8") is None
    del boards.boards[ID]
    clock.now += 1
    assert await growing.find(FOLDER, "hls.m3u8") is None


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (f"films/{ID}", "hls.m3u8"),
        (FOLDER, "hls-480-c0ffee00-00000.m4s"),
        ("segments", "hls.m3u8"),
        ("films/holiday/segments", "hls.m3u8"),
        (f"{FOLDER}/segments", "hls.m3u8"),
    ],
)
async def test_other_results_do_not_ask_the_ledger(clock: Clock, folder: str, name: str) -> None:
    boards = Boards(ID)
    assert await growing_of(boards, clock).find(folder, name) is None
    assert boards.asked == {}


async def test_known_segments_are_served_while_the_ledger_does_not_answer(clock: Clock) -> None:
    boards = Boards(ID, other := f"upload_{'1' * 32}")
    boards.complete(ID, 0)
    growing = growing_of(boards, clock)
    known = await growing.find(FOLDER, "hls.m3u8")
    boards.fails = True
    clock.now += 1
    assert await growing.find(FOLDER, "hls.m3u8") == known
    with pytest.raises(StorageError):
        await growing.find(f"{other}/segments", "hls.m3u8")
    boards.fails = False
    boards.complete(other, 0)
    assert await growing.find(f"{other}/segments", "hls.m3u8"), "an error is not cached"


async def test_number_of_cached_films_is_limited(clock: Clock) -> None:
    films = [f"upload_{number:032x}" for number in range(200)]
    boards = Boards(*films)
    growing = growing_of(boards, clock)
    for upload_id in films:
        boards.complete(upload_id, 0)
        assert await growing.find(f"{upload_id}/segments", "hls.m3u8")
    boards.asked.clear()
    for upload_id in (films[-1], films[0]):
        assert await growing.find(f"{upload_id}/segments", "hls.m3u8")
    assert boards.asked == {"progress": 1, "board": 1}
