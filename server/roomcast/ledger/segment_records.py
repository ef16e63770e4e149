"""What the ledgers store of films in segments, as JSON, and the failures that the ledgers themselves record."""

from __future__ import annotations

from functools import lru_cache

from roomcast.errors import Code, UnreadableRecord, WrongState
from roomcast.segments.plan import AudioTrack, SegmentPlan, SegmentTask, TaskFailure, TaskResult
from roomcast.uploads.codec import JsonCodec

_PLANS = JsonCodec(SegmentPlan)
_RESULTS = JsonCodec(TaskResult)
_AUDIO = JsonCodec(AudioTrack)
_FAILURES = JsonCodec(TaskFailure)


@lru_cache(maxsize=32)
def parse_plan(body: bytes) -> SegmentPlan:
    """Return a stored plan; raise `UnreadableRecord` if it is damaged. The latest are cached: parsing one takes
    milliseconds."""
    plan = _PLANS.decode(body)
    if not plan.segments or not plan.renditions:
        raise UnreadableRecord("The stored plan has no tasks.")
    return plan


@lru_cache(maxsize=2048)
def parse_result(body: bytes) -> TaskResult:
    """Return the stored result of a task; raise `UnreadableRecord` if it is damaged."""
    return _RESULTS.decode(body)


def parse_audio(body: bytes) -> AudioTrack:
    """Return the stored sound of a film; raise `UnreadableRecord` if it is damaged."""
    return _AUDIO.decode(body)


def parse_failure(body: bytes) -> TaskFailure:
    """Return the stored failure of a task; raise `UnreadableRecord` if it is damaged."""
    return _FAILURES.decode(body)


def is_readable_result(body: bytes) -> bool:
    """Return whether the stored result of a task can be parsed."""
    try:
        parse_result(body)
    except UnreadableRecord:
        return False
    return True


def is_readable_audio(body: bytes) -> bool:
    """Return whether the stored sound of a film can be parsed."""
    try:
        parse_audio(body)
    except UnreadableRecord:
        return False
    return True


def planned_task(plan: SegmentPlan, number: int) -> SegmentTask:
    """Return the task with this number; raise `UnreadableRecord` if the plan does not have it."""
    if number >= len(plan.tasks):
        raise UnreadableRecord("The stored plan does not have all of its tasks.")
    return plan.tasks[number]


def should_replace_audio(stored: bytes | None, audio: AudioTrack) -> bool:
    """Return whether this sound is recorded in place of the `stored` one.

    The sound of a film that is planned again is encoded from its beginning, but what viewers can play already must not
    disappear meanwhile.
    """
    if audio.complete or not stored or not is_readable_audio(stored):
        return True
    before = parse_audio(stored)
    return not before.complete and len(audio.segments) >= len(before.segments)


def is_lasting_failure(stored: bytes | None) -> bool:
    """Return whether a stored failure outlives that the film is planned again: the segment kills its workers."""
    try:
        return stored is not None and parse_failure(stored).code == Code.WORKER_LOST
    except UnreadableRecord:
        return False


def workers_lost_failure(number: int) -> TaskFailure:
    """Return the failure of a task that has lost too many workers."""
    return TaskFailure(number, Code.WORKER_LOST, "Every worker that encoded this segment was lost.", retryable=True)


def unreadable_plan_failure(number: int) -> TaskFailure:
    """Return the failure of a task whose plan is damaged."""
    text = "The server cannot read how it has planned this film."
    return TaskFailure(number, Code.UNREADABLE_RECORD, text, retryable=True)


def no_plan_error() -> WrongState:
    """Return the error for a film that has no plan."""
    return WrongState("The film has no plan.")
