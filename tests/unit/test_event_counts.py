"""What an event adds to the history, whatever its record contains, and the percentiles of the counts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.errors import TimedOut
from roomcast.ledger.history import event_counts, percentile
from roomcast.ledger.lease_tokens import new_token
from roomcast.uploads.lifecycle import Stage, State
from roomcast.uploads.model import Upload, error_body


def at(stage: Stage, **known: Any) -> Upload:
    return Upload("upload_a", "ada", "auto", "film.mp4", "e1", 1.0, known.pop("now", 2.0), state=State(stage), **known)


@pytest.mark.parametrize(
    ("element", "stored"),
    [
        ({}, 0),
        ({"outputs": []}, 0),
        ({"outputs": [{}, {"size": None}, {"size": "5"}, {"size": 7}]}, 7),
    ],
)
def test_outputs_without_a_size_count_nothing(element: dict[str, Any], stored: int) -> None:
    counts = event_counts(at(Stage.CLEANING), at(Stage.DONE, element=element or {"new": 1}))
    assert counts == {"done": 1, "bytesOut": stored}


def test_no_name_of_a_count_has_a_space() -> None:
    error = error_body(TimedOut("no"), "x") | {"code": "A B\n1"}
    assert event_counts(at(Stage.PROBING), at(Stage.FAILED, error=error)) == {"failed": 1, "code.AB1": 1}


def test_a_record_that_was_set_aside_is_a_failure() -> None:
    error = error_body(TimedOut("no"), "x")
    assert event_counts(None, at(Stage.FAILED, error=error))["failed"] == 1
    assert event_counts(None, at(Stage.RECEIVING)) == {}


@given(st.lists(st.floats(0.011, 500_000), min_size=1, max_size=50), st.sampled_from((0.5, 0.95)))
def test_percentiles_are_right_within_a_tenth(durations: list[float], fraction: float) -> None:
    counts: Counter[str] = Counter()
    for seconds in durations:
        counts.update(event_counts(at(Stage.PROBING), at(Stage.FAILED, now=seconds), new_token("worker", 0.0)))
    ordered = sorted(durations)
    exact = next(one for rank, one in enumerate(ordered, 1) if rank >= fraction * len(ordered))
    assert exact * 0.9 < percentile(counts, "run", fraction) < exact * 1.1
