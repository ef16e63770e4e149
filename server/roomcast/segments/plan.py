"""A film's plan: its closed segments, the renditions that are made of each, and the tasks of workers. Pure.

A film is cut at keyframes into *segments* of about eight seconds, each of which is encoded by itself in all
*renditions*. A *task* is one segment in some of the renditions, encoded by one run with one decoder. What a task has
made is recorded in the ledger and never made again. At the end, the segments of the best rendition become the MP4 file,
and those of the renditions that the template asks for stay as its HLS ladder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import Any, ClassVar

from roomcast.uploads.codec import ExtensibleRecord

AUDIO = "audio"
"""The name of the rendition that has the sound alone."""


@dataclass(frozen=True)
class PlannedSegment(ExtensibleRecord):
    """A part of the film between two cuts: `frames` frames, shown for `seconds` from `start` on.

    `start` is in seconds from the beginning of the result; the first segment starts with the first frame.
    """

    start: float
    seconds: float
    frames: int

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True)
class PlannedRendition(ExtensibleRecord):
    """A size of the film in pixels. `name` is its short side. The HLS ladder has those that are `listed`. The segments
    of a `copied` one are those of the source, which is in that size already. `peak_rate`, in bits per second, is what
    its segments are expected to have at most, 0 if that is unknown."""

    name: str
    width: int
    height: int
    listed: bool = True
    copied: bool = False
    peak_rate: int = 0

    later_fields: ClassVar[frozenset[str]] = frozenset({"copied", "peak_rate"})


@dataclass(frozen=True)
class SegmentTask:
    """The unit of work, with its number in the plan: one segment in some of the renditions.

    `weight` is the work that it is, in pixels of all frames that are encoded.
    """

    number: int
    segment: int
    renditions: tuple[str, ...]
    weight: int


@dataclass(frozen=True)
class SegmentPlan(ExtensibleRecord):
    """How a film is compressed in segments.

    `id` is a hash of everything that the results depend on: the source, the cuts, the settings and the encoder. Two
    plans with the same id have interchangeable results. Only workers whose encoder has the version `encoder` take tasks
    of the plan. `renditions` are in order of size, the largest and best first. `fps` is the source's average, None if
    it is unknown. `settings` is what a worker needs for encoding, and only workers read it. A plan that is
    `ladder_only` makes the HLS ladder beside a video that is copied, or compressed in one run. `audio_rate` is the
    bitrate with which the sound is encoded, in bits per second.
    """

    id: str
    encoder: str
    segments: tuple[PlannedSegment, ...]
    renditions: tuple[PlannedRendition, ...]
    fps: float | None = None
    has_audio: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    ladder_only: bool = False
    audio_rate: int = 0

    later_fields: ClassVar[frozenset[str]] = frozenset({"ladder_only", "audio_rate"})

    @property
    def seconds(self) -> float:
        """The length of the film."""
        return self.segments[-1].end

    @cached_property
    def tasks(self) -> tuple[SegmentTask, ...]:
        """The tasks in the order in which they should be done.

        The first one is the first segment in the smallest rendition alone, so that the film is playable soon.
        """
        pixels = {one.name: 0 if one.copied else one.width * one.height for one in self.renditions}
        names = tuple(pixels)
        tasks = [(0, names[-1:]), (0, names[:-1]), *((number, names) for number in range(1, len(self.segments)))]
        return tuple(
            SegmentTask(
                *(number, segment, chosen),
                weight=self.segments[segment].frames * max(1, sum(pixels[name] for name in chosen)),
            )
            for number, (segment, chosen) in enumerate((segment, chosen) for segment, chosen in tasks if chosen)
        )

    @property
    def weight(self) -> int:
        """The work of all tasks together."""
        return sum(task.weight for task in self.tasks)


@dataclass(frozen=True)
class SegmentFile(ExtensibleRecord):
    """One segment in one rendition, as it is stored: a CMAF segment with the file name `name`, and `size` bytes.

    `frames` were encoded; `crf` was used, and `score` was measured on samples if the template has a target quality.
    """

    rendition: str
    segment: int
    name: str
    size: int
    frames: int
    crf: int | None = None
    score: float | None = None


@dataclass(frozen=True)
class InitFile(ExtensibleRecord):
    """The initialization segment of a rendition, as it is stored. `codec` is in the notation of RFC 6381."""

    rendition: str
    name: str
    sha256: str
    codec: str


@dataclass(frozen=True)
class TaskResult(ExtensibleRecord):
    """What a task has made.

    `inits` has the initialization segment of each rendition; it is the same for all segments of the rendition.
    Without `files`, nothing of the segment could be decoded. `missing` lists what could not be decoded: pairs of times
    in seconds from the beginning of the film.
    """

    files: tuple[SegmentFile, ...]
    inits: tuple[InitFile, ...] = ()
    missing: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class AudioSegment(ExtensibleRecord):
    """A segment of the sound, as it is stored, with its duration and its size in bytes."""

    name: str
    seconds: float
    size: int


@dataclass(frozen=True)
class AudioTrack(ExtensibleRecord):
    """The sound of a film as far as it is encoded: in one run, in segments that need not have the video's cuts.

    It is `complete` once the last segment is stored. `file` is the name of the complete sound, for the MP4 file.
    """

    init: InitFile
    channels: int
    segments: tuple[AudioSegment, ...]
    complete: bool = False
    file: str | None = None


@dataclass(frozen=True)
class RunningTask:
    """A task that a worker has: the `holder` of its lease, the times of claim and expiry, and the fraction done."""

    number: int
    holder: str
    since: float
    expires_at: float
    fraction: float


@dataclass(frozen=True)
class TaskFailure(ExtensibleRecord):
    """The error of a task that failed for good, as in an upload's message."""

    number: int
    code: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class SegmentBoard:
    """The plan of a film and the state of its tasks. `results` are by the task's number, as are `failures`, which
    counts the attempts of each that failed. `version` rises with every result and every further piece of sound."""

    plan: SegmentPlan
    version: int = 0
    results: Mapping[int, TaskResult] = field(default_factory=dict)
    running: tuple[RunningTask, ...] = ()
    failures: Mapping[int, int] = field(default_factory=dict)
    failure: TaskFailure | None = None
    audio: AudioTrack | None = None

    @property
    def is_complete(self) -> bool:
        """Whether all tasks have results, and the sound is complete, if there is any."""
        sound = not self.plan.has_audio or (self.audio is not None and self.audio.complete)
        return sound and len(self.results) == len(self.plan.tasks)

    def contiguous(self, rendition: str) -> tuple[SegmentFile | None, ...]:
        """Return what has been made of a rendition's segments, in order, up to the first that is not done yet.

        It is None for a segment of which nothing could be decoded.
        """
        made: dict[int, SegmentFile | None] = {}
        for task in self.plan.tasks:
            if rendition in task.renditions and task.number in self.results:
                found = self.results[task.number].files
                made[task.segment] = next((file for file in found if file.rendition == rendition), None)
        numbers = takewhile(made.__contains__, range(len(self.plan.segments)))
        return tuple(made[number] for number in numbers)

    def files(self, rendition: str) -> tuple[SegmentFile, ...]:
        """Return the segments of a rendition that are stored, in order, up to the first that is not done yet.

        A segment of which nothing could be decoded is left out.
        """
        return tuple(file for file in self.contiguous(rendition) if file is not None)

    def nearest(self, rendition: str, segment: int) -> SegmentFile | None:
        """Return the stored segment of a rendition that is nearest to this one in the film, None if there is none."""
        made = [file for result in self.results.values() for file in result.files if file.rendition == rendition]
        return min(made, key=lambda file: abs(file.segment - segment), default=None)

    @property
    def missing(self) -> list[tuple[float, float]]:
        """The times that could not be decoded, in seconds from the beginning of the film, in order."""
        joined = list[tuple[float, float]]()
        for start, end in sorted({pair for result in self.results.values() for pair in result.missing}):
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined

    def init(self, rendition: str) -> InitFile | None:
        """Return the initialization segment of a rendition, or None before its first segment is stored."""
        inits = (init for number in sorted(self.results) for init in self.results[number].inits)
        return next((init for init in inits if init.rendition == rendition), None)


@dataclass(frozen=True)
class SegmentProgress:
    """How far a film is, read often and cheaply. `done` counts the tasks with results, `running` those that workers
    have, `waiting` those that can be claimed now, and `delayed` those that will be tried again after an error.
    `done_weight` is the work that is done, `running_weight` that of the running tasks as far as it is done, and
    `failure` the error of a task that failed for good."""

    plan_id: str
    version: int
    tasks: int
    done: int
    running: int
    waiting: int
    weight: int
    done_weight: int
    running_weight: float
    failure: TaskFailure | None = None
    delayed: int = 0
