"""Which stretches of a source count, and that failures of the bucket lose nothing that was told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from roomcast.media.s3.resumable import Stretch, without_gap

LENGTH = 30
STRETCHES = st.lists(
    st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).filter(lambda pair: pair[0] < pair[1]), max_size=20
).map(lambda pairs: [Stretch(start, stop) for start, stop in pairs])


@given(STRETCHES)
def test_what_counts_reaches_as_far_as_there_is_no_gap(stretches: list[Stretch]) -> None:
    covered = {place for stretch in stretches for place in range(stretch.start, stretch.stop)}
    reach = next(place for place in range(LENGTH + 1) if place not in covered)
    reached = 0
    for place, stretch in without_gap(stretches):
        assert place == reached
        assert stretch.start <= place < stretch.stop
        reached = stretch.stop
    assert reached == reach


@given(STRETCHES)
def test_names_sort_as_places_do(stretches: list[Stretch]) -> None:
    assert sorted(stretches, key=lambda one: one.name) == sorted(stretches, key=lambda one: (one.start, one.stop))
