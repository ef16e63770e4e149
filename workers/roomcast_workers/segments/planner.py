"""Plan a film: where it is cut, in which renditions it is encoded, or why it is compressed in one run."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest
from typing import Any

from roomcast.segments.plan import PlannedRendition, PlannedSegment, SegmentPlan
from roomcast.uploads.model import Source
from roomcast.uploads.templates import Template

from roomcast_workers.ffmpeg.codecs import ConstantQuality, EncodeSettings
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.ffmpeg.segment_commands import LADDER_CRF
from roomcast_workers.job import Job
from roomcast_workers.media_info.packet_scan import StreamScan
from roomcast_workers.media_info.probe import VideoStream
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.segments.film_settings import FilmSettings, RenditionSettings
from roomcast_workers.sources.excerpts import find_excerpts
from roomcast_workers.sources.ranges import PacketSpan, find_ranges
from roomcast_workers.video.hls import expected_peak, renditions
from roomcast_workers.video.size_budget import exceeds_target

_SHORTEST_FILM_SECONDS = 20.0
_SEGMENT_SECONDS = 8.0
_SHORTEST_SEGMENT_SECONDS = 4.0
_HEAD_BYTES = 16_384

_INDEXED_FORMATS = {"mov", "matroska"}
_SEEKABLE_CODECS = {
    "h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd", "ffv1", "huffyuv", "utvideo",
}  # fmt: skip
"""Codecs of which each packet is a frame."""

_CUES = bytes.fromhex("53ab841c53bb6b")
"""In a Matroska file's list of contents: the entry of its index."""


@dataclass(frozen=True)
class SingleRun:
    """Why a film is not compressed in segments, as a full sentence."""

    reason: str


@dataclass(frozen=True, order=True)
class Cut:
    """Where a segment begins: when its keyframe is shown, by the clock of the file, and the number of its interval."""

    time: float
    interval: int


def plan_film(
    job: Job, media: VerifiedMedia, settings: EncodeSettings, metric: Metric | None = None, *, encoder: str
) -> SegmentPlan | SingleRun:
    """Return the plan of the film that the job's source is, or why it is compressed in one run.

    The job's path is that of the source, or of the copy from which `media` was read. `metric` is what measures the
    target quality, if the template has one, or None where nothing can. `encoder` is the version of the encoder. It
    reads the file, so it waits for the disk.
    """
    with job.path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    copied = job.path != job.source_path
    plan = plan_segments(
        *(media, job.source, job.template, settings, metric),
        head=head,
        encoder=encoder,
        copied=copied,
        copies=job.state.copies,
    )
    if isinstance(plan, SingleRun) or media.info.video is None:
        return plan
    found = byte_spans(media.scan.stream(media.info.video.index), plan) or []
    spans, pieces = [PacketSpan(*span) for span in found], media.scan.pieces
    # The plan's id does not depend on what follows: it is the same for the same source.
    if pieces is not None:
        excerpts = find_excerpts(pieces, job.source.format, spans) if spans else None
        if excerpts is None:
            return SingleRun("The segments cannot be cut out of the file.")
        return replace(plan, settings={**plan.settings, "excerpts": excerpts.to_json()})
    ranges = find_ranges(job.path, job.source.format, spans) if spans else None
    return plan if ranges is None else replace(plan, settings={**plan.settings, "ranges": ranges.to_json()})


def plan_segments(
    media: VerifiedMedia, source: Source, template: Template, settings: EncodeSettings,
    metric: Metric | None = None, *, head: bytes, encoder: str, copied: bool = False, copies: bool = False,
) -> SegmentPlan | SingleRun:  # fmt: skip
    """Return the plan of a film, or why it is compressed in one run.

    `media` was read from a copy of the source if it is `copied`; `head` is the first bytes of the source, of which some
    thousand are enough. `encoder` is the version of the encoder. If the result `copies` the video, or has to have a
    target size, the plan is for the ladder alone. Pure.
    """
    video = media.info.video
    if video is None:
        return SingleRun("The file has no video.")
    scan = media.scan.stream(video.index)
    ladder_only = copies or exceeds_target(source.size, template)
    if ladder_only and not template.hls:
        reason = "The video is copied." if copies else "A target size needs a first pass over the complete film."
        return SingleRun(reason)
    if template.target_quality is not None and not ladder_only:
        if metric is None:
            return SingleRun("The installed ffmpeg cannot measure the quality of what it encodes.")
        settings = replace(settings, rate=ConstantQuality(template.video_crf, limited=False))
    if (obstacle := _obstacle(media, source, settings, video, head=head, copied=copied)) is not None:
        return SingleRun(obstacle)
    cuts = find_cuts(scan)
    if len(cuts) < 2:
        return SingleRun("The film has too few keyframes to cut it at.")
    begin = media.beginning
    if begin < 0:
        return SingleRun("The times in the file begin before zero.")
    made = _renditions(template, settings, video, ladder_only=ladder_only)
    planned = [rendition for rendition, _ in made]
    if copies and (planned[0].width, planned[0].height) == (video.width, video.height) and _are_closed(scan, cuts):
        planned[0] = replace(planned[0], copied=True)
    film = FilmSettings(
        demuxer=source.format,
        video=video,
        seeks=tuple(cut.time for cut in cuts),
        codec=settings.codec.name,
        preset=settings.preset,
        renditions={rendition.name: quality for rendition, quality in made},
        tone_mapper=settings.tone_mapper,
        target_quality=None if ladder_only else template.target_quality,
        metric=None if ladder_only or template.target_quality is None else metric,
        audio_bitrate=settings.audio_bitrate,
        seconds=media.seconds,
    )
    segments = _segments(scan, cuts, begin)
    described = film.to_json()
    plan = SegmentPlan(
        _plan_id(source, segments, planned, described, encoder),
        *(encoder, segments, tuple(planned)),
        fps=video.fps,
        has_audio=media.info.audio is not None,
        settings=described,
        ladder_only=ladder_only,
        audio_rate=settings.audio_bitrate if media.info.audio is not None else 0,
    )
    return replace(plan, renditions=tuple(replace(one, peak_rate=_peak_rate(plan, one, scan)) for one in planned))


def _renditions(
    template: Template, settings: EncodeSettings, video: VideoStream, *, ladder_only: bool
) -> list[tuple[PlannedRendition, RenditionSettings]]:
    """Return the renditions of a film, the largest first, and how each is encoded."""
    ladder = renditions(template.hls, settings.width, settings.height, video.fps)
    best = str(min(settings.width, settings.height))
    made = [
        (PlannedRendition(one.name, one.width, one.height), RenditionSettings(LADDER_CRF, max_rate=one.max_rate))
        for one in ladder
        if ladder_only or one.name != best
    ]
    if ladder_only:
        return made
    listed = not template.hls or best in {one.name for one in ladder}
    return [(PlannedRendition(best, settings.width, settings.height, listed=listed), _quality(settings)), *made]


def _peak_rate(plan: SegmentPlan, rendition: PlannedRendition, scan: StreamScan) -> int:
    """Return the bits per second that the segments of a rendition are expected to have at most."""
    spans = byte_spans(scan, plan) if rendition.copied else None
    if spans is not None:  # with the sound that is between the pictures
        sizes = (
            8 * (end - first) / segment.seconds for (first, end, _), segment in zip(spans, plan.segments, strict=True)
        )
        return round(max(sizes))
    (same,) = renditions([int(rendition.name)], rendition.width, rendition.height, plan.fps)
    return expected_peak(same, min(segment.seconds for segment in plan.segments))


def find_cuts(scan: StreamScan) -> list[Cut]:
    """Return where a film is cut: at keyframes about eight seconds apart, never less than four."""
    intervals = scan.intervals
    candidates = sorted(Cut(time, number) for number, time in enumerate(intervals.times) if number)
    cuts = [Cut(scan.start, 0)]
    for before, after in zip_longest(candidates, candidates[1:]):
        if scan.end - cuts[-1].time <= 1.5 * _SEGMENT_SECONDS:
            break
        length = before.time - cuts[-1].time
        if length < _SHORTEST_SEGMENT_SECONDS or scan.end - before.time < _SHORTEST_SEGMENT_SECONDS:
            continue
        # The one that is nearest to eight seconds.
        is_last = after is None or scan.end - after.time < _SHORTEST_SEGMENT_SECONDS
        following = math.inf if after is None or is_last else after.time - cuts[-1].time
        if abs(length - _SEGMENT_SECONDS) <= abs(following - _SEGMENT_SECONDS):
            cuts.append(before)
    return cuts


def byte_spans(scan: StreamScan, plan: SegmentPlan) -> list[tuple[int, int, float]] | None:
    """Return for each segment the first and the end of the bytes that decoding it needs, and its seek time.

    None if the file does not say where its packets are.
    """
    intervals, cuts = scan.intervals, find_cuts(scan)
    if len(cuts) != len(plan.segments) or any(first < 0 for first in intervals.first_bytes):
        return None
    spans = []
    for cut, after in zip(cuts, [*cuts[1:], None], strict=True):
        until = after.interval if after is not None else len(intervals.times)
        end = max(intervals.end_bytes[number] for number in range(cut.interval, until))
        if after is not None:
            end = max(end, intervals.head_bytes[after.interval])
        first = min(intervals.first_bytes[number] for number in range(cut.interval, until))
        spans.append((first, end, cut.time))
    return spans


def _obstacle(
    media: VerifiedMedia, source: Source, settings: EncodeSettings, video: VideoStream, *, head: bytes, copied: bool,
) -> str | None:  # fmt: skip
    """Return why the film cannot be compressed in segments, or None."""
    scan = media.scan.stream(video.index)
    obstacles = {
        f"The film is shorter than {_SHORTEST_FILM_SECONDS:.0f} seconds.": media.seconds < _SHORTEST_FILM_SECONDS,
        "The source had to be copied before it could be read.": copied,
        "The file is incomplete.": media.truncation is not None,
        f"Files of the format {source.format} have no index of their frames.": source.format not in _INDEXED_FORMATS,
        "The file has no index of its frames.": media.scan.pieces is None
        and (
            (source.format == "matroska" and _CUES not in head)
            or (source.format == "mov" and (video.frames is None or video.frames < scan.packets))
        ),
        f"The packets of the codec {video.codec} are not single frames.": video.codec not in _SEEKABLE_CODECS
        # Which packets are frames that are never shown, only our own scan knows.
        and not (video.codec == "vp8" and media.scan.pieces is not None),
        "The size of the picture varies.": video.size_varies or video.joined,
        "Converting the colours with this ffmpeg is expensive for every segment.": settings.tone_mapper == "swscale",
        "Some frames have no time.": scan.untimed > 0,
        "The times in the file start over or jump.": len(scan.runs) > 1,
        "The film does not begin with a keyframe.": not scan.starts_with_keyframe,
        "The picture is refreshed gradually, without keyframes.": scan.is_refreshed_gradually,
        "Two frames have the same time.": len(set(scan.times)) < len(scan.times),
        "Frames in the middle of the film are hidden.": any(
            scan.start < time < scan.last for time in scan.hidden_times
        ),
    }
    return next((reason for reason, applies in obstacles.items() if applies), None)


def _segments(scan: StreamScan, cuts: Sequence[Cut], begin: float) -> tuple[PlannedSegment, ...]:
    times = sorted(scan.times)
    bounds = [*(bisect_left(times, cut.time) for cut in cuts), len(times)]
    ends = [*(cut.time for cut in cuts[1:]), scan.end]
    return tuple(
        PlannedSegment(round(cut.time - begin, 6), round(end - cut.time, 6), after - first)
        for cut, end, (first, after) in zip(cuts, ends, pairwise(bounds), strict=True)
    )


def _quality(settings: EncodeSettings) -> RenditionSettings:
    if not isinstance(settings.rate, ConstantQuality):
        raise TypeError("A film in segments has a constant quality.")
    return RenditionSettings(settings.rate.crf, limited=settings.rate.limited)


def _are_closed(scan: StreamScan, cuts: Sequence[Cut]) -> bool:
    """Return whether no frame that is decoded after a cut is shown before it."""
    return not any(scan.intervals.leading[cut.interval] for cut in cuts)


def _plan_id(
    source: Source, segments: Sequence[PlannedSegment], planned: Sequence[PlannedRendition],
    settings: Mapping[str, Any], encoder: str,
) -> str:  # fmt: skip
    content = source.sha256 or source.md5 or f"{source.key} {source.size}"
    hashed = [content, encoder, *(vars(one) for one in (*segments, *planned)), settings]
    return hashlib.sha256(json.dumps(hashed, sort_keys=True, default=list).encode()).hexdigest()[:32]
