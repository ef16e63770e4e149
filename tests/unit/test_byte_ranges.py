"""Ranges of bytes, compared with sets of positions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import StorageError
from roomcast.media.byte_ranges import ByteRange, check_within, divided, joined, subtracted

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)


def positions(ranges: list[ByteRange]) -> set[int]:
    return {at for start, stop in ranges for at in range(start, stop)}


def are_apart(ranges: list[ByteRange], gap: int) -> bool:
    return all(one[1] + gap < other[0] for one, other in itertools.pairwise(ranges))


@given(RANGES)
def test_joined_ranges_have_the_same_bytes_in_order(ranges: list[ByteRange]) -> None:
    assert positions(joined(ranges)) == positions(ranges)
    assert are_apart(joined(ranges), 0)


@given(RANGES, st.integers(0, 5))
def test_joined_ranges_bridge_gaps_up_to_the_limit(ranges: list[ByteRange], gap: int) -> None:
    bridged = joined(ranges, gap=gap)
    assert positions(bridged) >= positions(ranges)
    assert are_apart(bridged, gap)


@given(RANGES, RANGES)
def test_subtracted_ranges_have_the_bytes_of_the_first_only(ranges: list[ByteRange], others: list[ByteRange]) -> None:
    left = subtracted(ranges, others)
    assert positions(left) == positions(ranges) - positions(others)
    assert are_apart(left, 0)


@given(RANGES, st.integers(1, 9))
def test_divided_ranges_have_no_more_than_the_most_bytes(ranges: list[ByteRange], most: int) -> None:
    pieces = divided(joined(ranges), most)
    assert positions(pieces) == positions(ranges)
    assert all(0 < stop - start <= most for start, stop in pieces)


@pytest.mark.parametrize("one", [(0, 11), (-1, 3), (11, 11), (5, 4)])
def test_range_outside_the_source_is_refused(one: ByteRange) -> None:
    check_within([(0, 10), (10, 10)], 10)
    with pytest.raises(StorageError):
        check_within([(0, 1), one], 10)
