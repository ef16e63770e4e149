"""Encode one task of a plan: a segment in some renditions, verified frame by frame."""

from __future__ import annotations

import contextlib
import math
import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

import structlog
from roomcast.errors import EncodingFailed, RoomcastError, UnreadableMedia
from roomcast.runtime.files import open_regular
from roomcast.segments.plan import PlannedSegment, SegmentFile, SegmentPlan, SegmentTask

from roomcast_workers.ffmpeg import segment_commands
from roomcast_workers.ffmpeg.codecs import ConstantQuality, EncodeSettings
from roomcast_workers.ffmpeg.progress import FrameCounter, ProgressBlock
from roomcast_workers.ffmpeg.segment_commands import Section, SegmentOutput
from roomcast_workers.job import Job
from roomcast_workers.media_info.damage import (
    TIME_TOLERANCE,
    DamageDetector,
    DecodedFrame,
    DecodedFrames,
    StoredFrame,
    undecodable_times,
)
from roomcast_workers.segments.film_settings import FilmSettings
from roomcast_workers.segments.fragments import (
    TIMESCALE,
    Fragments,
    Frame,
    fragment_header,
    moved_to,
    placed,
    read_fragments,
)
from roomcast_workers.sources.keyframe_heads import is_idr_picture
from roomcast_workers.video.crf_search import (
    CRF_RANGES,
    MAX_TRIALS,
    CrfSearch,
    loss_per_crf,
    sample_starts,
    score_for,
)
from roomcast_workers.video.hls import codec_string
from roomcast_workers.video.rate_control import SampleTrial, find_crf

log = structlog.get_logger(__name__)

_SAMPLES, _SAMPLE_SECONDS = 2, 0.8
"""Two short samples of a segment show its quality better than a long one: a cut to another scene may be between."""
_TOLERANCE = 0.7
"""In VMAF points: about what the next CRF would lose, for the time of another trial."""
_SEARCH_ENDS_AT = 0.5
_MAX_HALF_FRAME = 0.02
_FIRST_BYTES = 65_536


@dataclass(frozen=True)
class EncodedSegment:
    """A segment in one rendition, as a local CMAF segment with its initialization segment. `codec` is in the notation
    of RFC 6381; `score` was measured on samples if there is a target quality."""

    rendition: str
    path: Path
    init_path: Path
    codec: str
    frames: int
    crf: int | None = None
    score: float | None = None


@dataclass(frozen=True)
class EncodedTask:
    """What a task has made. `missing` lists what could not be decoded: pairs of times in seconds from the beginning of
    the film. Without `files`, nothing could be decoded."""

    files: tuple[EncodedSegment, ...]
    missing: tuple[tuple[float, float], ...] = ()


async def encode_task(
    job: Job, plan: SegmentPlan, task: SegmentTask, on_fraction: Callable[[float], None],
    *, similar: SegmentFile | None = None,
) -> EncodedTask:  # fmt: skip
    """Make the segment of a task in files in the job's scratch directory, and report the fraction that is done, 0–1.

    The job's source is read as the plan says. With a target quality, the search for the CRF begins with that of
    `similar`, another segment in the best rendition. Raises the errors of `run_ffmpeg`, and `EncodingFailed` if the
    source can be decoded and yet the segment is not the one that was planned.
    """
    copied = [one.name for one in plan.renditions if one.copied and one.name in task.renditions]
    encoded = [name for name in task.renditions if name not in copied]
    made = EncodedTask(())
    if encoded:
        to_encode = replace(task, renditions=tuple(encoded))
        made = await _TaskEncoder(job, plan, to_encode, on_fraction, similar).encode()
        if not made.files:
            return made
    copies = [await _copy(job, plan, task, name) for name in copied]
    on_fraction(1.0)
    return replace(made, files=(*made.files, *copies))


class _TaskEncoder:
    """Encodes one segment in some renditions, from its keyframe on. If that is damaged, decoding begins with the
    segment before: as in a run over the complete film, the pictures from there stay where none can be decoded."""

    def __init__(
        self, job: Job, plan: SegmentPlan, task: SegmentTask, on_fraction: Callable[[float], None],
        similar: SegmentFile | None,
    ) -> None:  # fmt: skip
        self._job = job
        self._plan = plan
        self._task = task
        self._on_fraction = on_fraction
        self._film = FilmSettings.from_json(plan.settings)
        self._planned = plan.segments[task.segment]
        self._section = _section(plan, self._film, task.segment)
        self._start = ticks(self._planned.start)
        self._outputs = [
            SegmentOutput(
                _encoded_path(job, one.name),
                self._film.encode_settings(one.name, one.width, one.height),
                self._film.renditions[one.name].max_rate,
            )
            for one in plan.renditions
            if one.name in task.renditions
        ]
        self._crf = similar.crf if similar is not None else None
        self._searched = 0.0
        self._scores: dict[Path, float] = {}
        self._reported = DamageDetector(self._film.video.codec, self._film.video.decoder)

    async def encode(self) -> EncodedTask:
        """Encode the segment. If the encoder has reported damage, or has not made what was planned, find out which
        frames are stored and which can be decoded, and give those that were made their times."""
        failure: RoomcastError | None = None
        try:
            made = await self._run(self._section)
        except (UnreadableMedia, EncodingFailed) as error:
            made, failure = [], error
        if failure is None and not self._reported.found and len(made[0].frames) == self._planned.frames:
            return self._write(made, [moved_to(fragments.frames, self._start) for fragments in made])
        section, decoded = await self._decoded_frames(failure)
        if not decoded:
            log.warning("segment_not_decodable", segment=self._task.segment, reason=str(failure or ""))
            return EncodedTask((), ((self._planned.start, self._planned.end),))
        stored = await self._stored_frames()
        if len(stored) != self._planned.frames:
            raise failure or EncodingFailed("A segment has another number of frames than planned.")
        missing = undecodable_times(stored, decoded, self._planned.seconds)
        begins_damaged = bool(missing) and missing[0][0] == stored[0].time
        if failure is not None or begins_damaged or len(made[0].frames) != len(decoded):
            if section.lead > 0.0:
                log.info("segment_decoded_from_before", segment=self._task.segment)
                made = await self._run(section)
            elif failure is not None:
                raise failure
        shown = [self._start + ticks(frame.time) for frame in stored]
        earliest = self._start + ticks(decoded[0].time)
        begin = self._planned.start
        named = tuple((round(begin + first, 3), round(begin + last, 3)) for first, last in missing)
        return self._write(made, [placed(fragments.frames, earliest, shown) for fragments in made], named)

    def _on_progress(self, block: ProgressBlock) -> None:
        done = min(1.0, (block.seconds or 0.0) / self._planned.seconds)
        self._on_fraction(self._searched + (1.0 - self._searched) * done)

    def _on_trials(self, trials: int) -> None:
        self._searched = _SEARCH_ENDS_AT * min(1.0, trials / MAX_TRIALS)
        self._on_fraction(self._searched)

    async def _run(self, section: Section) -> list[Fragments]:
        """Encode a section in all renditions."""
        job, film, outputs = self._job, self._film, self._outputs
        if film.metric is not None and outputs[0].path == _encoded_path(job, self._plan.renditions[0].name):
            settings = outputs[0].settings
            trial = await _find_crf(job, film, section, self._planned, settings, self._on_trials, start=self._crf)
            self._crf = trial.crf
            rate = ConstantQuality(trial.crf, limited=False)
            outputs[0] = replace(outputs[0], settings=replace(settings, rate=rate))
            self._scores[outputs[0].path] = trial.score
        command = segment_commands.encode_segment(job.input(job.path, film.demuxer), film.video, section, outputs)
        await job.run_ffmpeg(command, self._on_progress, on_log=self._reported.feed)
        made = [_read(output.path) for output in outputs]
        if len({len(fragments.frames) for fragments in made}) > 1:
            raise EncodingFailed("The renditions of a segment have different frames.")
        return made

    def _write(
        self, made: Sequence[Fragments], frames: Sequence[Sequence[Frame]],
        missing: tuple[tuple[float, float], ...] = (),
    ) -> EncodedTask:  # fmt: skip
        """Write the segments with the times of these frames."""
        files = [
            replace(
                _write_segment(self._plan, self._task, output.path, fragments, moved),
                crf=output.settings.rate.crf if isinstance(output.settings.rate, ConstantQuality) else None,
                score=self._scores.get(output.path),
            )
            for output, fragments, moved in zip(self._outputs, made, frames, strict=True)
        ]
        for output in self._outputs:
            output.path.unlink()
        return EncodedTask(tuple(files), missing)

    async def _decoded_frames(self, failure: RoomcastError | None) -> tuple[Section, list[DecodedFrame]]:
        """Return what can be decoded of the segment by a decoder that has read the segment before, with times from the
        beginning of the segment, and the section that such a decoder reads. Raise `failure` if that is unknown."""
        film, section = self._film, self._section
        before = max([seek for seek in film.seeks if seek < section.start], default=section.start)
        section = replace(section, lead=section.start - before)
        listed, counter = DecodedFrames(), FrameCounter()
        command = segment_commands.list_section_frames(
            self._job.input(self._job.path, film.demuxer), film.video, section
        )
        with contextlib.suppress(UnreadableMedia):
            await self._job.run_ffmpeg(command, counter, on_log=listed.feed)
        end = math.inf if section.seconds is None else section.seconds
        moved = sorted(
            (replace(frame, time=frame.time - section.lead) for frame in listed.frames), key=attrgetter("time")
        )
        frames = [frame for frame in moved if -TIME_TOLERANCE <= frame.time < end]
        if len(frames) != counter.frames:
            raise failure or EncodingFailed("The decoder has not listed the frames of a segment.")
        return section, frames

    async def _stored_frames(self) -> list[StoredFrame]:
        """Return the frames that the source has of the segment, with times from the beginning of the segment."""
        film, section, seconds = self._film, self._section, self._planned.seconds
        source = self._job.input(self._job.path, film.demuxer)
        packets = await self._job.list_section_packets(source, film.video.index, [section.start], seconds)
        first, end = section.start - TIME_TOLERANCE, section.start + seconds - TIME_TOLERANCE
        shown = {packet.time: packet.keyframe for packet in packets if first <= packet.time < end}
        frames = [StoredFrame(time - section.start, keyframe) for time, keyframe in sorted(shown.items())]
        # The first is a keyframe by the plan. Where it is damaged, ffprobe's parser does not recognise it.
        return [replace(frame, keyframe=True) for frame in frames[:1]] + frames[1:]


async def _copy(job: Job, plan: SegmentPlan, task: SegmentTask, rendition: str) -> EncodedSegment:
    """Copy the pictures of a segment, which must be those that were planned and begin with one that needs no others."""
    film, planned = FilmSettings.from_json(plan.settings), plan.segments[task.segment]
    section, path = _section(plan, film, task.segment), _encoded_path(job, rendition)
    if section.seconds is not None:
        section = replace(section, seconds=planned.seconds - TIME_TOLERANCE)
    source = job.input(job.path, film.demuxer)
    await job.run_ffmpeg(segment_commands.copy_segment(source, film.video, section, path), lambda _: None)
    fragments = _read(path)
    if len(fragments.frames) != planned.frames:
        raise EncodingFailed(f"A copied segment has {len(fragments.frames)} frames instead of {planned.frames}.")
    with open_regular(path) as file:
        file.seek(fragments.data[0][0])
        first = file.read(min(_FIRST_BYTES, fragments.frames[0].size))
    if not is_idr_picture(fragments.init, first):
        raise EncodingFailed("A keyframe of the source does not begin a segment that can be decoded by itself.")
    copied = _write_segment(plan, task, path, fragments, moved_to(fragments.frames, ticks(planned.start)))
    path.unlink()
    return copied


def _encoded_path(job: Job, rendition: str) -> Path:
    return job.scratch / f"segment-{rendition}.mp4"


async def _find_crf(
    job: Job, film: FilmSettings, section: Section, planned: PlannedSegment, settings: EncodeSettings,
    on_trials: Callable[[int], None], *, start: int | None,
) -> SampleTrial:  # fmt: skip
    """Return the highest CRF with which samples of a segment reach the target quality. `start` is tried first.

    If none of the samples' frames can be decoded, the complete segment is the sample.
    """
    if film.metric is None or film.target_quality is None:
        raise ValueError("The film has no target quality.")
    reference, counter = job.scratch / "reference.mkv", FrameCounter()
    source = job.input(job.path, film.demuxer)
    starts = sample_starts(planned.seconds, _SAMPLES, _SAMPLE_SECONDS)
    seconds = _SAMPLE_SECONDS if len(starts) > 1 else planned.seconds
    for begins, length in ((starts, seconds), ([0.0], planned.seconds)):
        if not counter.frames:
            with contextlib.suppress(UnreadableMedia):
                await job.run_ffmpeg(
                    segment_commands.save_section_samples(
                        source, film.video, section, reference, settings, begins, length
                    ),
                    counter,
                )
    if not counter.frames:
        raise UnreadableMedia("None of the segment's frames can be decoded.")
    target = score_for(film.metric, film.target_quality)
    tolerance = score_for(film.metric, min(100.0, film.target_quality + _TOLERANCE)) - target
    loss = loss_per_crf(film.codec, film.metric, film.target_quality)
    search = CrfSearch(*CRF_RANGES[film.codec], target, tolerance, start=start, loss=loss)
    trial = await find_crf(job, reference, film.video, settings, film.metric, search, on_trials)
    reference.unlink()
    return trial


def ticks(seconds: float) -> int:
    """Return a time of the film in the ticks of its segments."""
    return round(seconds * TIMESCALE)


def _section(plan: SegmentPlan, film: FilmSettings, segment: int) -> Section:
    """Return what is read of the source for a segment: up to half a frame before the next."""
    planned, is_last = plan.segments[segment], segment + 1 == len(plan.segments)
    half_a_frame = min(_MAX_HALF_FRAME, planned.seconds / planned.frames / 2)
    last_frame = None
    if is_last and film.video.last_frame is not None:
        last_frame = film.video.last_frame[0] - planned.start, film.video.last_frame[1]
    seconds = None if is_last else planned.seconds - half_a_frame
    return Section(film.seeks[segment], planned.frames, seconds, last_frame)


def _read(path: Path) -> Fragments:
    try:
        opened = open_regular(path)
    except OSError as error:
        raise EncodingFailed("The encoder has made no segment.") from error
    with opened as file:
        if not os.fstat(file.fileno()).st_size:
            raise EncodingFailed("The encoder has made no segment.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
            return read_fragments(view)


def _write_segment(
    plan: SegmentPlan, task: SegmentTask, made: Path, fragments: Fragments, frames: Sequence[Frame]
) -> EncodedSegment:
    """Write the segment and its initialization segment, after verifying its frames."""
    planned, rendition = plan.segments[task.segment], made.stem.removeprefix("segment-")
    last = max(frame.shown for frame in frames)
    if not frames[0].keyframe or last >= ticks(planned.end):
        raise EncodingFailed("A segment does not begin with a keyframe, or is longer than planned.")
    path, init_path = made.with_suffix(".m4s"), made.with_suffix(".init")
    with init_path.open("xb") as header:  # the encoder could have made a link there
        header.write(fragments.init)
    with open_regular(made) as encoded, path.open("xb") as target:
        target.write(fragment_header(frames, end=ticks(planned.end), number=task.segment + 1))
        for first, end in fragments.data:
            encoded.seek(first)
            target.write(encoded.read(end - first))
    return EncodedSegment(rendition, path, init_path, codec_string(fragments.init), len(frames))
