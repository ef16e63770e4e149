"""Join the segments of a film and its sound into one file, without encoding anything again."""

from __future__ import annotations

import asyncio
import mmap
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

from roomcast.errors import EncodingFailed, UnreadableMedia
from roomcast.segments.plan import SegmentBoard

from roomcast_workers.ffmpeg import segment_commands
from roomcast_workers.ffmpeg.codecs import ConstantQuality
from roomcast_workers.ffmpeg.command_line import MUXERS
from roomcast_workers.ffmpeg.progress import FrameCounter
from roomcast_workers.job import Job
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia
from roomcast_workers.segments.film_settings import FilmSettings
from roomcast_workers.segments.fragments import (
    TIMESCALE,
    Frame,
    fragment_header,
    read_segment,
    reorder_ticks,
)
from roomcast_workers.video.crf_search import rounded_score, score_for
from roomcast_workers.video.encoder import EncodedFile, probe_output
from roomcast_workers.video.verification import verify_encoded


async def join_film(job: Job, media: VerifiedMedia, board: SegmentBoard, paths: Mapping[str, Path]) -> EncodedFile:
    """Join the segments of the best rendition and the sound, and return the verified file.

    `paths` has the local files by the names that the board gives them: the segments of the best rendition, its
    initialization segment and the complete sound. The times of the frames are exact, the index is at the front, and
    there is no metadata. `extra` has `partial` if a part of the film is missing, `codec` if it is another than the
    template's, and `quality` if the template has a target.

    Raises `UnreadableMedia` if nothing could be decoded, and `EncodingFailed` if the result is not the planned film.
    """
    plan, best = board.plan, board.plan.renditions[0]
    film = FilmSettings.from_json(plan.settings)
    files = board.files(best.name)
    init = board.init(best.name)
    if not files or init is None:
        raise UnreadableMedia("None of the video's frames can be decoded.")
    verify_headers(board)
    settings = film.encode_settings(best.name, best.width, best.height)
    target, pictures = job.scratch / f"video{settings.codec.suffix}", job.scratch / "pictures.mp4"
    sound = paths[board.audio.file] if board.audio is not None and board.audio.file is not None else None
    segments = [(paths[file.name], round(plan.segments[file.segment].end * TIMESCALE)) for file in files]
    counter = FrameCounter()
    later = await asyncio.to_thread(_append, paths[init.name], segments, pictures)
    await job.run_ffmpeg(
        segment_commands.join_segments(
            job.input(pictures, "mov"),
            job.input(sound, "mov") if sound is not None else None,
            target,
            later=later / TIMESCALE,
            muxer=MUXERS[settings.codec.muxer],
        ),
        counter,
        readable=[sound] if sound is not None else [],
    )
    pictures.unlink()
    result = await probe_output(job, target, settings.codec.demuxer)
    verify_encoded(settings, media.info, media.seconds, result)
    frames = sum(file.frames for file in files)
    found = result.video.frames if result.video is not None and result.video.frames is not None else counter.frames
    if found != frames:
        raise EncodingFailed(f"The result has {found} frames instead of {frames}.")
    extra: dict[str, Any] = {} if settings.codec.name == job.template.codec else {"codec": settings.codec.name}
    if missing := missing_frames(board, media.seconds):
        extra["partial"] = missing
    quality = reached_quality(board)
    if quality is not None:
        extra["quality"] = quality
        crfs = [file.crf for file in files if file.crf is not None]
        settings = replace(settings, rate=ConstantQuality(round(fmean(crfs)), limited=False))
    return EncodedFile(target, result, settings.codec.demuxer, settings.codec.mime, extra, settings)


def verify_headers(board: SegmentBoard) -> None:
    """Raise `EncodingFailed` if the segments of a rendition have different headers."""
    headers = {(init.rendition, init.sha256) for result in board.results.values() for init in result.inits}
    if len(headers) > len({rendition for rendition, _ in headers}):
        raise EncodingFailed("The segments of the film have different headers.")


def missing_frames(board: SegmentBoard, seconds: float) -> dict[str, Any] | None:
    """Return `element.partial` of a film that lasts so long, or None if all of it can be decoded."""
    return Truncation(seconds, seconds).without(board.missing).to_json() if board.missing else None


def reached_quality(board: SegmentBoard) -> dict[str, Any] | None:
    """Return `element.quality` of a film with a target quality: that of its worst segment, or None without a target."""
    film, measured = FilmSettings.from_json(board.plan.settings), board.files(board.plan.renditions[0].name)
    scored = [(file.score, file) for file in measured if file.score is not None]
    if film.metric is None or film.target_quality is None or not scored:
        return None
    target, (score, worst) = score_for(film.metric, film.target_quality), min(scored, key=itemgetter(0))
    segment, published = board.plan.segments[worst.segment], rounded_score(film.metric, score)
    return {
        "metric": film.metric,
        "crf": worst.crf,
        "target": rounded_score(film.metric, target),
        "score": published,
        "reached": score >= target,
        "worst": {
            "start": round(segment.start, 3),
            "seconds": round(segment.seconds, 3),
            "score": published,
            "crf": worst.crf,
        },
    }


def _append(init: Path, segments: Sequence[tuple[Path, int]], target: Path) -> int:
    """Write the segments, with their ends in ticks, into one fragmented file in which no frame is decoded after it is
    shown. Return how many ticks later its frames are shown for that."""
    frames = [_frames(path) for path, _ in segments]
    later = max(reorder_ticks(each) for each, _ in frames)
    with target.open("wb") as film:
        film.write(init.read_bytes())
        for number, ((path, end), (each, first)) in enumerate(zip(segments, frames, strict=True), start=1):
            film.write(fragment_header(each, end=end, number=number, reorder=later))
            with path.open("rb") as segment:
                segment.seek(first)
                shutil.copyfileobj(segment, film)
    return later


def _frames(path: Path) -> tuple[tuple[Frame, ...], int]:
    """Return the frames of a stored segment, and where their bytes begin."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        with memoryview(content) as view:
            segment = read_segment(view)
        return segment.frames, segment.data[0][0]
