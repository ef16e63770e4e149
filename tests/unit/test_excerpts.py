"""Small files with the pieces of a source that a segment needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from roomcast_workers.media_info.packet_scan import Pieces
from roomcast_workers.sources.boxes import top_level_boxes
from roomcast_workers.sources.excerpts import Excerpts, find_excerpts
from roomcast_workers.sources.ranges import PacketSpan

from tests.support.mp4 import box

HEAD, PIECES = box(b"ftyp", b"isom") + box(b"moov", b"header"), [box(b"moof", bytes([at])) for at in range(4)]
INDEX = box(b"sidx", bytes(40))
STARTS = [len(HEAD) + len(INDEX) + at * len(PIECES[0]) for at in range(4)]
END = STARTS[3] + len(PIECES[0])
SOURCE = HEAD + INDEX + b"".join(PIECES) + box(b"mfra", b"index")


def found(*spans: tuple[int, int], demuxer: str = "mov", head: bytes = HEAD, end: int = END) -> Excerpts | None:
    return find_excerpts(Pieces(head, STARTS, end), demuxer, [PacketSpan(*span, 0.0) for span in spans])


def test_segment_has_the_pieces_that_its_bytes_are_in() -> None:
    excerpts = found((STARTS[0] + 3, STARTS[1]), (STARTS[1], STARTS[2] + 1), (END - 1, END))
    assert excerpts is not None
    assert excerpts.segments == ((STARTS[0], STARTS[1]), (STARTS[1], STARTS[3]), (STARTS[3], END))
    assert excerpts.ranges(1) == ((STARTS[1], STARTS[3]),)
    assert Excerpts.from_json(json.loads(json.dumps(excerpts.to_json()))) == excerpts


def test_fragments_stay_where_they_are(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "excerpt"
    source.write_bytes(SOURCE)
    excerpts = found((STARTS[1], STARTS[3]))
    assert excerpts is not None
    excerpts.write(0, source, target)
    content = target.read_bytes()
    assert content[STARTS[1] :] == PIECES[1] + PIECES[2]
    with target.open("rb") as file:
        boxes = list(top_level_boxes(file))
    assert [one.type for one in boxes] == [b"ftyp", b"moov", b"free", b"moof", b"moof"]
    assert content.startswith(HEAD)


def test_clusters_follow_the_header(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "excerpt"
    source.write_bytes(SOURCE)
    excerpts = found((STARTS[1], STARTS[3]), demuxer="matroska", head=b"header")
    assert excerpts is not None
    excerpts.write(0, source, target)
    assert target.read_bytes() == b"header" + PIECES[1] + PIECES[2]


@pytest.mark.parametrize("span", [(STARTS[0] - 1, STARTS[1]), (STARTS[1], STARTS[1]), (STARTS[1], END + 1)])
def test_bytes_outside_the_pieces_cannot_be_cut_out(span: tuple[int, int]) -> None:
    assert found((STARTS[0], END)) is not None
    assert found((STARTS[0], END), span) is None


def test_large_header_cannot_be_recorded() -> None:
    assert found((STARTS[0], END), head=bytes(100_000)) is None
    assert found((STARTS[0], END), head=bytes(STARTS[0] - 1)) is None, "there is no room for a box before the fragments"
