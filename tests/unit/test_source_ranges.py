"""The bytes that ffmpeg reads of a source for one segment: found in the structure of MP4 and QuickTime."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.media.byte_ranges import check_within
from roomcast_workers.sources import ranges
from roomcast_workers.sources.ranges import PacketSpan, SourceRanges, find_ranges

MEDIA = bytes(range(256)) * 40
HEAD, AHEAD = 1000, 100


@pytest.fixture(autouse=True)
def small_margins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "_HEAD_BYTES", HEAD)
    monkeypatch.setattr(ranges, "_AHEAD_BYTES", AHEAD)
    monkeypatch.setattr(ranges, "_AHEAD_FRACTION", 0)


def box(name: bytes, content: bytes, *, long: bool = False) -> bytes:
    if long:
        return (1).to_bytes(4, "big") + name + (16 + len(content)).to_bytes(8, "big") + content
    return (8 + len(content)).to_bytes(4, "big") + name + content


def found(folder: Path, content: bytes, demuxer: str, *spans: tuple[int, int, float]) -> SourceRanges | None:
    path = folder / "source"
    path.write_bytes(content)
    return find_ranges(path, demuxer, [PacketSpan(*span) for span in spans])


@pytest.mark.parametrize("long", [False, True])
def test_index_of_an_mp4_file_is_read_wherever_it_is(tmp_path: Path, long: bool) -> None:
    ftyp, moov, mdat = box(b"ftyp", b"isom"), box(b"moov", bytes(500)), box(b"mdat", MEDIA, long=long)
    header = 16 if long else 8
    for before, after in ((ftyp + moov, b""), (ftyp, moov), (ftyp + moov + box(b"free", bytes(70)), b"the end")):
        content = before + mdat + after
        first = len(before) + header
        result = found(tmp_path, content, "mov", (first, first + 2000, 0.0), (first + 2000, first + 9000, 8.0))
        assert result is not None
        assert result.segments == ((first, first + 2000 + AHEAD), (first + 2000, first + 9000 + AHEAD))
        needed = {at for start, stop in result.common for at in range(start, stop)}
        assert needed >= {*range(first + 2000), *range(len(before) + len(mdat), len(content))}
        assert needed.isdisjoint(range(first + 2000 + AHEAD, first + len(MEDIA)))
        assert result.of(1) == (*result.common, result.segments[1])


def test_end_of_the_last_segment_is_that_of_the_file(tmp_path: Path) -> None:
    content = box(b"moov", b"") + box(b"mdat", MEDIA)
    result = found(tmp_path, content, "mov", (16, 3000, 0.0), (3000, len(content), 8.0))
    assert result is not None
    assert result.segments[1] == (3000, len(content))


def test_long_start_is_read_up_to_the_limit_of_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "_MAX_HEAD_BYTES", 1500)
    result = found(tmp_path, box(b"moov", b"") + box(b"mdat", MEDIA), "mov", (16, 8000, 0.0))
    assert result is not None
    assert result.common == ((0, 16 + 1500),)


@pytest.mark.parametrize(
    "content",
    [
        box(b"mdat", MEDIA) + box(b"moof", b""),
        box(b"mdat", MEDIA) + b"".join(box(b"udta", b"x") + box(b"mdat", b"x") for _ in range(2000)),
    ],
    ids=["fragments", "thousands of pieces"],
)
def test_mp4_file_of_many_pieces_is_read_whole(tmp_path: Path, content: bytes) -> None:
    assert found(tmp_path, content, "mov", (8, 200, 0.0)) is None


def test_file_that_the_spans_do_not_fit_is_read_whole(tmp_path: Path) -> None:
    content = box(b"moov", b"") + box(b"mdat", MEDIA)
    assert found(tmp_path, content, "mov", (16, 3000, 0.0)) is not None
    for span in ((16, len(content) + 1, 0.0), (-1, 10, 0.0), (30, 30, 0.0)):
        assert found(tmp_path, content, "mov", (16, 3000, 0.0), span) is None
    assert found(tmp_path, content, "mpegts", (16, 3000, 0.0)) is None


@given(st.binary(max_size=40), st.integers(0, 400))
def test_damaged_file_gives_ranges_within_it_or_none(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int
) -> None:
    whole = box(b"moov", bytes(30)) + box(b"mdat", MEDIA)
    content = whole[:at] + junk + whole[at + len(junk) :]
    result = found(tmp_path_factory.getbasetemp(), content, "mov", (10, 200, 0.0), (300, 500, 2.0))
    if result is not None:
        check_within([*result.common, *result.segments], len(content))


def test_ranges_survive_json() -> None:
    result = SourceRanges(((0, 10), (20, 30)), ((3, 4), (5, 6)))
    assert SourceRanges.from_json(json.loads(json.dumps(result.to_json()))) == result
