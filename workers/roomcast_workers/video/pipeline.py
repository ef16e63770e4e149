"""The steps of a video, or of audio alone: probe, poster, compressed video, HLS renditions, storyboard."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from roomcast.uploads.templates import CRF_DEFAULT

from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings, max_playback_bytes
from roomcast_workers.ffmpeg.progress import FrameCounter
from roomcast_workers.job import Job, ResultFile
from roomcast_workers.media_info.probe import VideoStream, require_video
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia
from roomcast_workers.sources.ranges import sections_of
from roomcast_workers.sources.reader import read_source
from roomcast_workers.video.audio import compress_audio_alone
from roomcast_workers.video.copy_or_compress import decide, differences, is_worthwhile
from roomcast_workers.video.encoder import (
    EncodedFile,
    can_decode,
    copy_video,
    encode_video,
    find_undecodable,
    require_decoders,
    settings_for,
)
from roomcast_workers.video.hls import make_hls, relative_cost
from roomcast_workers.video.poster import make_poster, poster_time
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

_POSTER_SECONDS = 10.0
"""How much of a film in a bucket is fetched for its poster: a fade-in takes less."""


async def probe_video(job: Job) -> None:
    """Read the source, and find out what it contains and whether it can be decoded."""
    job, source = await read_source(job)
    await require_decoders(job, source.info)
    job.state.readable, job.state.verified = (job.path, job.source), source


async def publish_first_poster(job: Job) -> None:
    """Make the poster of the source. If that fails, the storyboard's step makes it of the result."""
    source = verified_media(job)
    if source.info.video is None:
        return
    scan, begin = source.scan.stream(source.info.video.index), poster_time(source.info)
    await job.fill(
        sections_of(scan, [(scan.start, scan.start), (scan.start + begin, scan.start + begin + _POSTER_SECONDS)])
    )
    if poster := await make_poster(job, job.path, source.info, job.source.format):
        job.state.results.published.append(poster)


async def compress_video(job: Job) -> None:
    """Compress the video or the audio in one run, or copy it if that is as good."""
    await job.complete_source()
    source = verified_media(job)
    if source.info.video is None:
        await compress_audio_alone(job, source)
        return
    result = await _copy_or_compress(job, source, ProgressMeter(source.seconds, job.reporter.progress))
    await add_video(job, source, result)


async def add_video(job: Job, source: VerifiedMedia, result: EncodedFile) -> None:
    """Add the compressed or copied video to the results. Renditions and pictures are made of it, where it can be
    decoded."""
    video, stream, state = require_video(source.info), require_video(result.info), job.state
    state.results.files.append(
        ResultFile(
            *(result.path, "video", result.mime),
            width=stream.width,
            height=stream.height,
            duration=result.info.duration,
            codec=stream.codec,
        )
    )
    state.derived_from = job.path, source.info, job.source.format
    if await can_decode(job, stream.codec):
        timed = replace(result.info, video=replace(stream, last_frame=video.last_frame))
        state.derived_from = result.path, timed, result.demuxer
    state.results.original |= _original(video, source)
    state.results.extra |= result.extra
    state.results.extra |= await _partial(job, source, is_damaged=result.is_damaged, drops_frames=result.drops_frames)


async def _partial(job: Job, source: VerifiedMedia, *, is_damaged: bool = False, drops_frames: bool) -> dict[str, Any]:
    """Return `element.partial`, if the source is truncated, or damaged as far as one run has found, or if that run
    has left out frames."""
    readable = source.truncation or Truncation(source.seconds, source.seconds)
    wanted = drops_frames or is_damaged
    missing = await find_undecodable(job, source, drops_frames=drops_frames) if wanted else ()
    return {"partial": readable.without(missing).to_json()} if missing or source.truncation else {}


def wants_hls(job: Job) -> bool:
    """Return whether the template wants renditions of what is a video, and they are not among its segments."""
    source = job.state.verified
    is_video = source is not None and source.info.video is not None
    return is_video and bool(job.template.hls) and job.state.plan is None


def hls_cost(job: Job) -> float:
    """Return what making the renditions costs, in relation to compressing the video."""
    video = require_video(verified_media(job).info)
    return relative_cost(job.template.hls, video.width, video.height)


async def make_renditions(job: Job) -> None:
    """Make the HLS renditions of the compressed video."""
    if job.state.derived_from is None:
        return
    source, results = verified_media(job), job.state.results
    counter = FrameCounter(ProgressMeter(source.seconds, job.reporter.progress))
    results.files += await make_hls(job, *job.state.derived_from, counter)
    if counter.dropped and results.extra.get("copied"):  # the copy has all frames
        results.extra |= await _partial(job, source, drops_frames=True)


async def make_pictures(job: Job) -> None:
    """Make the storyboard of a video, and its poster unless there is one."""
    state = job.state
    if state.derived_from is None:
        return
    if not state.results.published and (poster := await make_poster(job, *state.derived_from)):
        state.results.published.append(poster)
    state.results.files += await make_storyboard(job, *state.derived_from)


def verified_media(job: Job) -> VerifiedMedia:
    """Return what the source contains, which the step `probe` has found out."""
    if job.state.verified is None:
        raise ValueError("The source was not probed.")
    return job.state.verified


async def _copy_or_compress(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile:
    """Copy the video if that was decided; compress it otherwise, or if it cannot be copied."""
    if job.state.copies:
        meter.start_run(1.0)
        copied = await copy_video(job, source, meter)
        if copied is not None:
            return copied
    return await _compress(job, source, meter)


async def is_copied(job: Job, source: VerifiedMedia) -> bool:
    """Return whether the video is to be copied, because compressing it would gain too little."""
    decision = decide(source, job.template)
    return decision == "copy" or (decision == "compare" and not await _gains_enough(job, source))


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
    extra = copied.extra | codec | ({"copiedDespite": despite} if despite else {})
    if "partial" in encoded.extra:  # which segments name: the copy has the same damage
        extra["partial"] = encoded.extra["partial"]
    return replace(copied, extra=extra, is_damaged=encoded.is_damaged)


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
        return await within_template(job, source, settings, encoded, meter)
    await estimate(job, source, settings, meter)
    if template.target_bytes is not None and job.source.size > template.target_bytes:
        return await encode_to_size(job, source, settings, template.target_bytes, meter)
    meter.start_run(1.0, predicts_size=True)
    return await within_template(job, source, settings, await encode_video(job, source, settings, meter), meter)


async def within_template(
    job: Job, source: VerifiedMedia, settings: EncodeSettings, encoded: EncodedFile, meter: ProgressMeter
) -> EncodedFile:
    """Return `encoded`, which has a constant or the target quality, if it is as small as the template wants it; or else
    a copy, or what another quality or two passes give."""
    if job.template.target_quality is not None:
        return await _within_limits(job, source, encoded, meter)
    most = max_playback_bytes(settings, require_video(source.info).fps, source.seconds)
    encoded = await _within_limits(job, source, encoded, meter, most)
    target = job.template.target_bytes
    if target is not None and encoded.size > target:
        return await encode_to_size(job, source, settings, target, meter)
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
