"""The plan of a storyboard, and its WebVTT file."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast_workers.video.storyboard import plan_storyboard, webvtt

from tests.support.media import cues

DURATIONS = st.floats(2, 200_000)
SIDES = st.integers(1, 8192)


@given(DURATIONS, SIDES, SIDES)
def test_cues_cover_the_video_and_tiles_the_sprite_exactly(duration: float, width: int, height: int) -> None:
    storyboard = plan_storyboard(duration, width, height)
    assert storyboard is not None
    track = webvtt(storyboard, "sprite.jpg")
    assert track.startswith("WEBVTT\n\n")
    found = cues(track)
    assert len(found) == storyboard.count <= 100
    assert found[0][0] == 0
    assert found[-1][1] == round(duration * 1000)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert all(start < end for start, end, _ in found)
    areas = [area for _, _, area in found]
    assert len(set(areas)) == storyboard.count
    for x, y, wide, high in areas:
        assert (wide, high) == (storyboard.width, storyboard.height)
        assert x % wide == y % high == 0
        assert x + wide <= storyboard.columns * wide
        assert y + high <= storyboard.rows * high
    assert max(storyboard.width, storyboard.height) <= 192


@pytest.mark.parametrize("duration", [None, 0.0, 1.9])
def test_short_video_has_no_storyboard(duration: float | None) -> None:
    assert plan_storyboard(duration, 320, 240) is None
