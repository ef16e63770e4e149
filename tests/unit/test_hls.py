"""HLS renditions and the reading of their playlists, without ffmpeg."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.errors import TranscodeError
from roomcast_workers.video import hls
from roomcast_workers.video.hls import MediaSegment, parse_segments, renditions

SIDES = st.lists(st.integers(144, 4320), min_size=1, max_size=6)
LENGTHS = st.integers(16, 8192)


@given(SIDES, LENGTHS, LENGTHS)
def test_renditions_are_even_descending_and_preserve_the_shape(sides: list[int], width: int, height: int) -> None:
    ladder = renditions(sides, width, height)
    assert 1 <= len(ladder) <= len(sides)
    for rendition in ladder:
        assert rendition.width % 2 == rendition.height % 2 == 0
        assert rendition.width <= width
        assert rendition.height <= height
        assert min(rendition.width, rendition.height) <= max(sides)
        assert abs(rendition.width / rendition.height - width / height) <= (width / height) * (
            2 / rendition.height + 2 / rendition.width
        )
    for above, below in itertools.pairwise(ladder):
        assert (above.width, above.height, above.max_rate) > (below.width, below.height, below.max_rate)
    assert len({rendition.name for rendition in ladder}) == len(ladder)


def test_side_above_the_video_gives_its_own_size() -> None:
    assert [
        (rendition.name, rendition.width, rendition.height) for rendition in renditions([1080, 720, 480], 1920, 800)
    ] == [
        ("800", 1920, 800),
        ("720", 1728, 720),
        ("480", 1152, 480),
    ]
    assert [(rendition.name, rendition.width, rendition.height) for rendition in renditions([1080, 720], 360, 640)] == [
        ("360", 360, 640)
    ]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0.001, 99), st.from_regex(r"hls-\d+-\d{5}\.m4s", fullmatch=True)), max_size=30))
def test_segments_of_a_playlist_are_parsed(entries: list[tuple[float, str]]) -> None:
    body = "".join(f"#EXTINF:{seconds:.6f},\n{name}\n" for seconds, name in entries)
    read = parse_segments(f'#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI="hls-720-init.mp4"\n{body}#EXT-X-ENDLIST\n')
    assert read == [MediaSegment(name, float(f"{seconds:.6f}")) for seconds, name in entries]


@pytest.mark.parametrize("init", [b"", b"avcC", b"avcC\x01\x64", b"hvcC\x01\x64\x00\x1f"])
def test_unknown_initialization_segment_raises_transcode_error(init: bytes) -> None:
    with pytest.raises(TranscodeError):
        hls.codec_string(init)
