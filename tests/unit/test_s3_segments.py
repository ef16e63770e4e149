"""Which stretches of a source count, and that failures of the bucket lose nothing that was told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from roomcast.media.s3.resumable import Segment, contiguous_prefix

LENGTH = 30
STRETCHES = st.lists(
    st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).filter(lambda pair: pair[0] < pair[1]), max_size=20
).map(lambda pairs: [Segment(start, stop) for start, stop in pairs])


@given(STRETCHES)
def test_what_counts_reaches_as_far_as_there_is_no_gap(segments: list[Segment]) -> None:
    covered = {place for segment in segments for place in range(segment.start, segment.stop)}
    reach = next(place for place in range(LENGTH + 1) if place not in covered)
    reached = 0
    for place, segment in contiguous_prefix(segments):
        assert place == reached
        assert segment.start <= place < segment.stop
        reached = segment.stop
    assert reached == reach


@given(STRETCHES)
def test_names_sort_as_places_do(segments: list[Segment]) -> None:
    assert sorted(segments, key=lambda one: one.name) == sorted(segments, key=lambda one: (one.start, one.stop))
