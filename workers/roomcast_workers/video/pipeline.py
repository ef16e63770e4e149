"""Process a video: poster, compressed video, HLS renditions, storyboard."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from roomcast.uploads.lifecycle import Stage
from roomcast.uploads.templates import CRF_DEFAULT

from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, max_playback_bytes
from roomcast_workers.job import Job, ResultFile, Results
from roomcast_workers.media_info.probe import VideoStream, require_video
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.sources.reader import read_source
from roomcast_workers.video.audio import process_audio
from roomcast_workers.video.copy_or_compress import decide, differences, is_worthwhile
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
from roomcast_workers.video.rate_control import (
    encode_below,
    encode_to_quality,
    encode_to_size,
    estimate,
    sampled_fraction,
    worth_sampling,
)
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
    if decision == "copy" or (decision == "compare" and not await _gains_enough(job, source)):
        meter.start_video_run(1.0)
        copied = await copy_video(job, source, meter)
        if copied is not None:
            return copied
    return await _compress(job, source, meter)


async def _gains_enough(job: Job, source: VerifiedMedia) -> bool:
    """Return whether samples show that compressing a video gains enough over copying it."""
    if not worth_sampling(source.info, source.seconds):
        return True  # the result itself is compared
    settings = await settings_for(job, source)
    most = max_playback_bytes(settings, require_video(source.info).fps, source.seconds)
    if job.template.target_quality is None and is_worthwhile(most, job.source.size):
        return True  # no result has more bytes than that
    fraction = await sampled_fraction(job, source, settings)
    return is_worthwhile(round(fraction * job.source.size), job.source.size)


async def _copy_instead(
    job: Job, source: VerifiedMedia, encoded: EncodedFile, meter: ProgressMeter
) -> EncodedFile | None:
    """Return a copy if `encoded` gains too little over it, or None, with `encoded` as it was."""
    unlike = differences(source, job.template)
    fits_better = unlike == [] and not is_worthwhile(encoded.size, job.source.size)
    if unlike is None or not (fits_better or encoded.size > job.source.size):
        return None
    encoded_bytes, aside = encoded.size, encoded.path.replace(job.scratch / "compressed")
    copied = await copy_video(job, source, meter)
    if copied is None or (is_worthwhile(encoded_bytes, copied.size) if unlike == [] else copied.size > encoded_bytes):
        aside.replace(encoded.path)
        return None
    aside.unlink()
    despite = [*unlike, *copied.extra.get("copiedDespite", [])]
    codec = {} if job.template.codec == copied.codec else {"codec": copied.codec}
    return replace(copied, extra=copied.extra | codec | ({"copiedDespite": despite} if despite else {}))


async def _within_limits(
    job: Job, source: VerifiedMedia, encoded: EncodedFile, meter: ProgressMeter, most: float = math.inf
) -> EncodedFile:
    """Return `encoded` if it has no more bytes than its source and than `most`; or else a copy, or what a higher
    CRF gives."""
    unlike = differences(source, job.template)
    other_codec = unlike is not None and "codec" in unlike  # the template asks for another one, so a copy comes last
    if not other_codec and (copied := await _copy_instead(job, source, encoded, meter)) is not None:
        return copied
    encoded = await encode_below(job, source, encoded, round(min(most, job.source.size)), meter)
    copied = await _copy_instead(job, source, encoded, meter) if other_codec else None
    return copied or await _in_h264_if_smaller(job, source, encoded, meter)


async def _in_h264_if_smaller(
    job: Job, source: VerifiedMedia, encoded: EncodedFile, meter: ProgressMeter
) -> EncodedFile:
    """Return `encoded` if it is not larger than its source, or else what is smaller of it and its like in H.264, whose
    highest CRF takes far fewer bytes than that of VP9."""
    if encoded.size <= job.source.size or encoded.settings is None or encoded.codec == "h264":
        return encoded
    settings = replace(encoded.settings, codec=CODECS["h264"], rate=ConstantQuality(CRF_DEFAULT["h264"]))
    aside = encoded.path.replace(job.scratch / "larger")
    other = await encode_below(job, source, await encode_video(job, source, settings, meter), job.source.size, meter)
    if other.size >= aside.stat().st_size:
        other.path.unlink()
        aside.replace(encoded.path)
        return encoded
    aside.unlink()
    quality = {"quality": encoded.extra["quality"]} if "quality" in encoded.extra else {}
    return replace(other, extra=other.extra | quality)


async def _compress(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile:
    template, settings = job.template, await settings_for(job, source)
    if template.target_quality is not None:
        encoded = await encode_to_quality(job, source, settings, template.target_quality, meter)
        return await _within_limits(job, source, encoded, meter)
    await estimate(job, source, settings)
    if template.target_bytes is not None and job.source.size > template.target_bytes:
        return await encode_to_size(job, source, settings, template.target_bytes, meter)
    meter.start_video_run(1.0, predicts_size=True)
    encoded = await encode_video(job, source, settings, meter)
    most = max_playback_bytes(settings, require_video(source.info).fps, source.seconds)
    encoded = await _within_limits(job, source, encoded, meter, most)
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
