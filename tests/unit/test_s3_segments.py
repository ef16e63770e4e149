"""Which segments of a resumable source count as received, and the names of segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from roomcast.media.s3.resumable import Segment, contiguous_prefix

LENGTH = 30
SEGMENTS = st.lists(
    st.lists(st.integers(0, LENGTH), min_size=2, max_size=2, unique=True).map(lambda ends: Segment(*sorted(ends))),
    max_size=20,
)


@given(SEGMENTS)
def test_contiguous_prefix_ends_at_the_first_gap(segments: list[Segment]) -> None:
    covered = {position for segment in segments for position in range(segment.start, segment.stop)}
    gap = next(position for position in range(LENGTH + 1) if position not in covered)
    reached = 0
    for position, segment in contiguous_prefix(segments):
        assert position == reached
        assert segment.start <= position < segment.stop
        reached = segment.stop
    assert reached == gap


@given(SEGMENTS)
def test_segment_names_sort_by_position(segments: list[Segment]) -> None:
    assert sorted(segments, key=lambda one: one.name) == sorted(segments, key=lambda one: (one.start, one.stop))
