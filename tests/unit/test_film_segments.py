"""The segments of a film, as the admin page shows them."""

from __future__ import annotations

import json
import time

from roomcast.http.admin.detail.film_segments import film_segments
from roomcast.segments.plan import RunningTask, SegmentBoard, TaskFailure

from tests.support.segment_files import film_plan, made_by, sound_of


def test_every_task_has_a_letter_and_the_running_ones_their_worker() -> None:
    plan = film_plan([8.0] * 5, audio=True)
    board = SegmentBoard(
        plan,
        results={number: made_by(plan, plan.tasks[number], decodable=number != 2) for number in (0, 2)},
        running=(
            RunningTask(1, "host.1", since=90.0, expires_at=105.0, fraction=0.25),
            RunningTask(3, "host.2", since=80.0, expires_at=99.0, fraction=0.9),
            RunningTask(2, "host.3", since=80.0, expires_at=105.0, fraction=0.9),
        ),
        failures={1: 1, 5: 3, 4: 0},
        failure=TaskFailure(5, "TRANSCODE_ERROR", "It cannot be encoded.", retryable=False),
        audio=sound_of(plan, 2),
    )
    shown = film_segments(board, now=100.0)
    assert shown["states"] == "driwwf"
    assert (shown["done"], shown["segments"], shown["seconds"], shown["soundSeconds"]) == (2, 5, 40.0, 16.0)
    assert [(one["name"], one["done"]) for one in shown["renditions"]] == [("720", 1), ("480", 2)]
    (running,) = shown["running"]
    assert (running["task"], running["segment"], running["renditions"]) == (1, 0, ["720"])
    assert (running["process"], running["progress"], running["start"], running["end"]) == ("host.1", 25.0, 0.0, 8.0)
    assert [(one["task"], one["attempts"]) for one in shown["failures"]] == [(1, 1), (5, 3)]
    assert shown["failure"] == "It cannot be encoded."
    assert shown["missing"] == [[8.0, 16.0]]


def test_nearest_segment_of_a_rendition_is_that_with_the_fewest_between() -> None:
    plan = film_plan([8.0] * 6)
    board = SegmentBoard(plan, results={task: made_by(plan, plan.tasks[task]) for task in (0, 3, 6)})
    found = [board.nearest("720", segment) for segment in range(6)]
    assert [file.segment if file else None for file in found] == [2, 2, 2, 2, 5, 5]
    smallest = board.nearest("480", 1)
    assert smallest is not None
    assert smallest.segment == 0
    assert SegmentBoard(plan).nearest("720", 0) is None


def test_a_film_of_hours_has_a_small_state_that_is_made_quickly() -> None:
    plan = film_plan([8.0] * 2000, (1080, 720, 480))
    board = SegmentBoard(plan, results={number: made_by(plan, plan.tasks[number]) for number in range(1500)})
    began = time.process_time()
    shown = film_segments(board, now=1.0)
    assert time.process_time() - began < 1, "a poll of the page must not hold up a web process"
    assert len(shown["states"]) == 2001
    assert len(json.dumps(shown)) < 4_000
