"""Process a video: poster, compressed video, HLS renditions, storyboard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from roomcast.uploads.lifecycle import Stage

from roomcast_workers.job import Job, ResultFile, Results
from roomcast_workers.media_info.probe import VideoStream, require_video
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.sources.reader import read_source
from roomcast_workers.video.audio import process_audio
from roomcast_workers.video.copy_or_compress import decide, is_worthwhile
from roomcast_workers.video.encoder import (
    EncodedFile,
    can_decode,
    copy_video,
    encode_video,
    require_decoders,
    settings_for,
)
from roomcast_workers.video.hls import make_hls, relative_cost
from roomcast_workers.video.poster import make_poster
from roomcast_workers.video.progress_meter import ProgressMeter
from roomcast_workers.video.rate_control import encode_to_quality, encode_to_size, estimate
from roomcast_workers.video.storyboard import make_storyboard


async def process_video(job: Job) -> Results:
    """Process a video, or audio alone."""
    job, source = await read_source(job)
    await require_decoders(job, source.info)
    if source.info.video is None:
        return await process_audio(job, source)
    video, hls_sides = source.info.video, job.template.hls
    poster = await make_poster(job, job.path, source.info, job.source.format)

    await job.reporter.enter(Stage.COMPRESSING, "Compressing the video")
    video_share = 1 / (1 + relative_cost(hls_sides, video.width, video.height))
    meter = ProgressMeter(source.seconds, job.reporter.progress, video_share)
    result = await _copy_or_compress(job, source, meter)
    stream = require_video(result.info)
    files = [ResultFile(result.path, "video", result.mime, stream.width, stream.height, result.info.duration)]
    derived_from = job.path, source.info, job.source.format
    if await can_decode(job, stream.codec):
        timed = replace(result.info, video=replace(stream, last_frame=video.last_frame))
        derived_from = result.path, timed, result.demuxer
    if hls_sides:
        meter.start_run(ends_at=1.0)
        files += await make_hls(job, *derived_from, meter)

    await job.reporter.enter(Stage.THUMBNAILS, "Making the storyboard")
    poster = poster or await make_poster(job, *derived_from)
    files += await make_storyboard(job, *derived_from)
    partial = {"partial": source.truncation.to_json()} if source.truncation else {}
    return Results(files, [poster] if poster else [], _original(video, source), result.extra | partial)


async def _copy_or_compress(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile:
    """Copy the video if it meets the template and compressing it would gain nothing; otherwise compress it."""
    decision = decide(source, job.template)
    if decision == "copy":
        meter.start_video_run(1.0)
        copied = await copy_video(job, source, meter)
        if copied is not None:
            return copied
    encoded = await _compress(job, source, meter)
    if decision != "compare" or is_worthwhile(encoded.size, job.source.size):
        return encoded
    aside = encoded.path.replace(job.scratch / "compressed")
    copied = await copy_video(job, source, meter)
    if copied is not None and not is_worthwhile(aside.stat().st_size, copied.size):
        aside.unlink()
        return copied
    aside.replace(encoded.path)
    return encoded


async def _compress(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile:
    template, settings = job.template, await settings_for(job, source)
    if template.target_quality is not None:
        return await encode_to_quality(job, source, settings, template.target_quality, meter)
    await estimate(job, source, settings)
    if template.target_bytes is not None and job.source.size > template.target_bytes:
        return await encode_to_size(job, source, settings, template.target_bytes, meter)
    meter.start_video_run(1.0, predicts_size=True)
    encoded = await encode_video(job, source, settings, meter)
    if template.target_bytes is not None and encoded.size > template.target_bytes:
        return await encode_to_size(job, source, settings, template.target_bytes, meter)
    return encoded


def _original(video: VideoStream, source: VerifiedMedia) -> dict[str, Any]:
    """Return `element.original`'s fields about the video, as displayed and with its real duration."""
    original: dict[str, Any] = {
        "width": video.width,
        "height": video.height,
        "duration": round(source.seconds, 3),
        "codec": video.codec,
        "fps": round(video.fps, 3) if video.fps else None,
    }
    if source.info.audio:
        original["audioCodec"] = source.info.audio.codec
    return original | ({"hdr": True} if video.hdr else {})
