"""The steps of a film, from its probing to its results."""

from __future__ import annotations

from typing import Any

from roomcast.uploads.lifecycle import Stage

from roomcast_workers.job import Job, ResultFile, Results
from roomcast_workers.limits import check_duration
from roomcast_workers.media_info.probe import VideoStream, require_video
from roomcast_workers.media_info.truncation import VerifiedMedia, contents
from roomcast_workers.video import hls
from roomcast_workers.video.audio import compress_sound
from roomcast_workers.video.copy_or_compress import choose, worth_it
from roomcast_workers.video.encoder import EncodedFile, can_decode, copy, encode, recipe_for
from roomcast_workers.video.hls import make_ladder
from roomcast_workers.video.poster import make_poster
from roomcast_workers.video.progress_meter import Pace
from roomcast_workers.video.rate_control import at_quality, estimate, into_bytes
from roomcast_workers.video.storyboard import make_storyboard

_HEAD_BYTES = 4096


async def compress_film(job: Job) -> Results:
    """Everything that is made of a film, or of sound alone. Enters the stages from compressing to thumbnails."""
    source = await _contents(job)
    if source.info.video is None:
        return await compress_sound(job, source)
    film, wanted = source.info.video, job.template.hls
    seen = job.path, source.info, job.source.format
    poster = await make_poster(job, *seen)

    await job.reporter.enter(Stage.COMPRESSING, "Compressing the video")
    pace = Pace(source.seconds, job.reporter.progress, 1 / (1 + hls.work(wanted, film.width, film.height)))
    result = await _compressed(job, source, pace)
    stream = require_video(result.info)
    made = [ResultFile(result.path, "video", result.mime, stream.width, stream.height, result.info.duration)]
    if await can_decode(job, stream.codec):
        seen = result.path, result.info, result.demuxer
    if wanted:
        pace.next_run(ends_at=1.0)
        made += await make_ladder(job, *seen, pace)

    await job.reporter.enter(Stage.THUMBNAILS, "Making the storyboard")
    poster = poster or await make_poster(job, *seen)
    made += await make_storyboard(job, *seen)
    partial = {"partial": source.missing.told()} if source.missing else {}
    return Results(made, [poster] if poster else [], _original(film, source), result.facts | partial)


async def _contents(job: Job) -> VerifiedMedia:
    """What there really is, whatever the header says."""
    info = await job.look(job.path, job.source.format)
    with job.path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    found = contents(info, await job.scan(), head)
    check_duration(found.seconds, job.tools.limits)
    return found


async def _compressed(job: Job, source: VerifiedMedia, pace: Pace) -> EncodedFile:
    """The film as the template wants it: as it is where that will do, and where compressing would gain nothing."""
    choice = choose(source, job.template)
    if choice == "copy":
        pace.film_run(1.0)
        copied = await copy(job, source, pace)
        if copied is not None:
            return copied
    encoded = await _encoded(job, source, pace)
    if choice != "compare" or worth_it(encoded.size, job.source.size):
        return encoded
    aside = encoded.path.replace(job.scratch / "compressed")
    copied = await copy(job, source, pace)
    if copied is not None and not worth_it(aside.stat().st_size, copied.size):
        aside.unlink()
        return copied
    aside.replace(encoded.path)
    return encoded


async def _encoded(job: Job, source: VerifiedMedia, pace: Pace) -> EncodedFile:
    template, recipe = job.template, await recipe_for(job, source)
    if template.target_quality is not None:
        return await at_quality(job, source, recipe, template.target_quality, pace)
    await estimate(job, source, recipe)
    if template.target_bytes is not None and job.source.size > template.target_bytes:
        return await into_bytes(job, source, recipe, template.target_bytes, pace)
    pace.film_run(1.0, sized=True)
    encoded = await encode(job, source, recipe, pace)
    if template.target_bytes is not None and encoded.size > template.target_bytes:
        return await into_bytes(job, source, recipe, template.target_bytes, pace)
    return encoded


def _original(film: VideoStream, source: VerifiedMedia) -> dict[str, Any]:
    """What the source turned out to be: as displayed, and as long as it really is."""
    facts: dict[str, Any] = {
        "width": film.width,
        "height": film.height,
        "duration": round(source.seconds, 3),
        "codec": film.codec,
        "fps": round(film.fps, 3) if film.fps else None,
    }
    if source.info.audio:
        facts["audioCodec"] = source.info.audio.codec
    return facts | ({"hdr": True} if film.hdr else {})
