"""Plans of films, and what tasks have made of them, without ffmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from roomcast.segments.plan import (
    AUDIO,
    AudioSegment,
    AudioTrack,
    InitFile,
    PlannedRendition,
    PlannedSegment,
    SegmentFile,
    SegmentPlan,
    SegmentTask,
    TaskResult,
)
from roomcast_workers.segments.stored_files import init_name, segment_name

PLAN_ID = "c0ffee00" * 8


def film_plan(
    seconds: Sequence[float] = (8.0, 8.0, 8.0),
    sides: Sequence[int] = (720, 480),
    *,
    audio: bool = False,
    listed: Iterable[int] | None = None,
    plan_id: str = PLAN_ID,
) -> SegmentPlan:
    """A plan of segments that last so many seconds, at 25 frames a second, in renditions with these short sides."""
    starts = [sum(seconds[:number]) for number in range(len(seconds))]
    chosen = set(sides if listed is None else listed)
    return SegmentPlan(
        plan_id,
        "encoder-1",
        tuple(PlannedSegment(start, length, round(length * 25)) for start, length in zip(starts, seconds, strict=True)),
        tuple(PlannedRendition(str(side), side * 16 // 9, side, side in chosen) for side in sides),
        fps=25.0,
        has_audio=audio,
    )


def made_by(plan: SegmentPlan, task: SegmentTask, *, decodable: bool = True) -> TaskResult:
    """The result of a task: a file of 1,000 bytes a second in each rendition, or nothing."""
    segment = plan.segments[task.segment]
    if not decodable:
        return TaskResult((), missing=((segment.start, segment.end),))
    files = tuple(
        SegmentFile(
            name, task.segment, segment_name(plan.id, name, task.segment), round(segment.seconds * 1000), segment.frames
        )
        for name in task.renditions
    )
    inits = tuple(InitFile(name, init_name(plan.id, name), "00" * 32, "avc1.64001f") for name in task.renditions)
    return TaskResult(files, inits)


def sound_of(plan: SegmentPlan, count: int, *, complete: bool = False) -> AudioTrack:
    """The sound of a film, of which so many segments of 8 seconds are stored."""
    segments = tuple(AudioSegment(segment_name(plan.id, AUDIO, number), 8.0, 8_000) for number in range(count))
    return AudioTrack(InitFile(AUDIO, init_name(plan.id, AUDIO), "00" * 32, "mp4a.40.2"), 2, segments, complete)
