"""The segments of a film that is being compressed: which are done, and which workers have the others. Pure."""

# ruff: noqa: N815  (the names are JSON's)

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import Field

from roomcast.segments.plan import SegmentBoard, SegmentPlan, SegmentTask
from roomcast.uploads.messages import Percent, Shape, Timestamp, timestamp

_DONE, _INCOMPLETE, _RUNNING, _WAITING, _FAILED = "dirwf"


class FilmRendition(Shape):
    """A size of a film in pixels, and in how many segments it is done."""

    name: Annotated[str, Field(examples=["720"])]
    width: int
    height: int
    listed: bool
    """Whether it can be chosen when the film is played."""
    done: int


class SegmentSpan(Shape):
    """A task: a segment of a film, from `start` to `end` in seconds, in some of the sizes."""

    task: int
    segment: int
    start: float
    end: float


class RunningSegment(SegmentSpan):
    """A task that a worker does now."""

    renditions: list[str]
    process: str
    since: Timestamp
    progress: Percent


class FailedSegment(SegmentSpan):
    """A task of which attempts have failed, also if a later one is running or done."""

    attempts: int


class FilmSegments(Shape):
    """How far a film is that is compressed in segments."""

    planId: str
    encoder: str
    seconds: float
    segments: int
    renditions: list[FilmRendition]
    """The largest first."""
    states: Annotated[str, Field(examples=["ddirww"])]
    """A letter for each task, in order: `d` done, `i` done but for what could not be decoded, `r` running, `w` waiting,
    `f` failed for good. The first segment has two tasks if there are several sizes."""
    done: int
    """How many tasks are done."""
    running: list[RunningSegment]
    failures: list[FailedSegment]
    failure: str | None
    """Why a task has failed for good."""
    missing: list[list[float]]
    """What could not be decoded: pairs of times in seconds."""
    soundSeconds: float | None
    """How much of the sound is stored; null if there is none."""


class UploadSegments(Shape):
    """The segments of an upload."""

    film: FilmSegments | None
    """Null unless the upload is being compressed in segments now."""


def film_segments(board: SegmentBoard, now: float) -> FilmSegments:
    """Return the state of all tasks as JSON, in a size that suits a film of hours: a letter for each task."""
    plan = board.plan
    running = {one.number: one for one in board.running if one.expires_at > now and one.number not in board.results}
    states = [_state(board, number, number in running) for number in range(len(plan.tasks))]
    counts = Counter(states)
    done = Counter(
        name for number in board.results if number < len(plan.tasks) for name in plan.tasks[number].renditions
    )
    return FilmSegments(
        planId=plan.id,
        encoder=plan.encoder,
        seconds=round(plan.seconds, 3),
        segments=len(plan.segments),
        renditions=[
            FilmRendition(name=one.name, width=one.width, height=one.height, listed=one.listed, done=done[one.name])
            for one in plan.renditions
        ],
        states="".join(states),
        done=counts[_DONE] + counts[_INCOMPLETE],
        running=[
            RunningSegment(
                **_span(plan, plan.tasks[number]),
                renditions=list(plan.tasks[number].renditions),
                process=one.holder,
                since=timestamp(one.since),
                progress=round(100 * one.fraction, 1),
            )
            for number, one in sorted(running.items())
        ],
        failures=[
            FailedSegment(**_span(plan, plan.tasks[number]), attempts=attempts)
            for number, attempts in sorted(board.failures.items())
            if attempts and number < len(plan.tasks)
        ],
        failure=board.failure.message if board.failure else None,
        missing=[list(span) for span in board.missing],
        soundSeconds=_sound_seconds(board),
    )


def _state(board: SegmentBoard, number: int, running: bool) -> str:
    if result := board.results.get(number):
        return _INCOMPLETE if result.missing else _DONE
    if board.failure and board.failure.number == number:
        return _FAILED
    return _RUNNING if running else _WAITING


def _span(plan: SegmentPlan, task: SegmentTask) -> SegmentSpan:
    segment = plan.segments[task.segment]
    return SegmentSpan(task=task.number, segment=task.segment, start=round(segment.start, 3), end=round(segment.end, 3))


def _sound_seconds(board: SegmentBoard) -> float | None:
    if not board.plan.has_audio:
        return None
    return round(sum(segment.seconds for segment in board.audio.segments), 3) if board.audio else 0.0
