"""Compressing to a target: a quality, or a number of bytes; and what a long compression is expected to come to."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from roomcast.errors import TooLarge, TranscodeError
from roomcast.uploads.model import Forecast

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.codecs import EFFORT, AtBitrate, AtQuality, EncodeSettings, codec_for
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.job import Job
from roomcast_workers.media_info.probe import require_video
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.video.crf_search import (
    CRF_SEARCHED,
    MOST_TRIALS,
    CrfSearch,
    equivalent_ssim,
    sample_starts,
    ssim_score,
    vmaf_score,
)
from roomcast_workers.video.encoder import EncodedFile, can_decode, encode_video, fit_even
from roomcast_workers.video.progress_meter import ProgressMeter
from roomcast_workers.video.size_budget import budget, hits_target, next_bitrate

_LONG_SECONDS = 20.0
_PIXELS_PER_SECOND = 60e6
"""What two cores compress with x264's `veryfast`: only to tell whether a film will take long."""
_USUAL_EFFORT = 10
_SAMPLES = 3
_FORECAST_SHARE = 0.02
_FORECAST_SAMPLE = 0.5, 3.0
_QUALITY_SAMPLE = 1.5
_SEARCH_ENDS_AT = 0.2
_FIRST_PASS_ENDS_AT = 0.3
_TRIES_END_AT = 0.85, 0.93, 0.97, 1.0
_TWO_PASSES = 1.6


async def estimate(job: Job, source: VerifiedMedia, settings: EncodeSettings) -> None:
    """Before a compression that will take long, tell the room what it is expected to come to: by compressing some
    stretches of the film, together a fiftieth of it."""
    video = require_video(source.info)
    pixels = settings.width * settings.height * (video.fps or 25) * source.seconds
    if pixels * int(EFFORT[settings.preset]) / _USUAL_EFFORT / _PIXELS_PER_SECOND < _LONG_SECONDS:
        return
    shortest, longest = _FORECAST_SAMPLE
    length = min(longest, max(shortest, source.seconds * _FORECAST_SHARE / _SAMPLES))
    target = job.scratch / f"samples{settings.codec.suffix}"
    starts = sample_starts(source.seconds, _SAMPLES, length)
    began = time.monotonic()
    await job.run_ffmpeg(commands.compress_samples(job.source_input, target, source.info, settings, starts, length))
    elapsed = time.monotonic() - began
    await _announce(job, source, settings, target.stat().st_size, elapsed, len(starts) * length)
    target.unlink()


async def encode_to_quality(
    job: Job, source: VerifiedMedia, settings: EncodeSettings, target: float, meter: ProgressMeter
) -> EncodedFile:
    """Compress with the highest crf that still gives `target` points of VMAF, by samples; `facts.quality` tells. With
    the usual crf where the ffmpeg in use cannot look at its own pictures."""
    if not await can_decode(job, settings.codec.name):
        meter.start_video_run(1.0, sized=True)
        result = await encode_video(job, source, settings, meter)
        return replace(result, extra=result.extra | {"quality": {"metric": None, "crf": job.template.video_crf}})
    metric: Metric = "vmaf" if "libvmaf" in await job.ffmpeg_features() else "ssim"
    wanted = target if metric == "vmaf" else equivalent_ssim(target)
    video = require_video(source.info)
    reference = job.scratch / "reference.mkv"
    starts = sample_starts(source.seconds, _SAMPLES, _QUALITY_SAMPLE)
    length = _QUALITY_SAMPLE if len(starts) > 1 else min(source.seconds, _SAMPLES * _QUALITY_SAMPLE)
    await job.run_ffmpeg(commands.save_samples(job.source_input, reference, source.info, settings, starts, length))
    search = CrfSearch(*CRF_SEARCHED[settings.codec.name], wanted)
    trial = job.scratch / f"trial{settings.codec.suffix}"
    sizes: dict[int, tuple[int, float]] = {}
    while (crf := search.next) is not None:
        began = time.monotonic()
        at_crf = replace(settings, rate=AtQuality(crf))
        await job.run_ffmpeg(commands.compress_trial(job.input(reference, "matroska"), trial, video, at_crf))
        sizes[crf] = trial.stat().st_size, time.monotonic() - began
        search.tell(crf, await _score(job, reference, trial, settings.codec.demuxer, metric))
        meter.start_video_run(_SEARCH_ENDS_AT * len(search.scores) / MOST_TRIALS)
        meter.finish_run()
    best = search.best
    await _announce(job, source, settings, *sizes[best], len(starts) * length)
    reference.unlink()
    trial.unlink()
    meter.start_video_run(1.0, sized=True)
    result = await encode_video(job, source, replace(settings, rate=AtQuality(best)), meter)
    digits = 1 if metric == "vmaf" else 4
    told = {"target": round(wanted, digits), "score": round(search.scores[best], digits)}
    return replace(result, extra=result.extra | {"quality": {"metric": metric, "crf": best, **told}})


async def encode_to_size(
    job: Job, source: VerifiedMedia, settings: EncodeSettings, target: int, meter: ProgressMeter
) -> EncodedFile:
    """Compress into at most `target` bytes, and at least 95 % of them where the film has so much to tell: two passes,
    the second again with a corrected bitrate when it missed.

    Raises `TooLarge` when the film is too long for that.
    """
    info, video = source.info, require_video(source.info)
    channels = info.audio.channels if info.audio else 0
    size = (settings.width, settings.height)
    share = budget(target, source.seconds, size, video.fps, channels, settings.audio_bitrate, settings.codec.bits)
    width, height = fit_even(video.width, video.height, max(16, round(max(size) * share.scale)))
    settings = replace(
        settings,
        codec=codec_for(job.template.codec, width, height),
        width=width,
        height=height,
        audio_bitrate=share.audio_bitrate,
        channels=share.channels,
    )
    log, bitrate = job.scratch / "passes", share.video_bitrate
    meter.start_video_run(_FIRST_PASS_ENDS_AT)
    first = replace(settings, rate=AtBitrate(bitrate, 1, log))
    await job.run_ffmpeg(commands.compress(job.source_input, log, info, first), meter)
    kept: EncodedFile | None = None
    best = job.scratch / f"best{settings.codec.suffix}"
    fixed = share.audio_bitrate * source.seconds / 8
    for ends_at in _TRIES_END_AT:
        meter.start_video_run(ends_at, sized=True)
        result = await encode_video(job, source, replace(settings, rate=AtBitrate(bitrate, 2, log)), meter)
        came_to = result.size
        if came_to <= target and (kept is None or came_to > best.stat().st_size):
            result.path.replace(best)
            kept = result
        if hits_target(came_to, target):
            break
        bitrate = next_bitrate(bitrate, came_to, target, fixed)
    if kept is None:
        raise TooLarge("The film does not fit into so few bytes.", details={"targetBytes": target})
    best.replace(kept.path)
    return kept


async def _announce(
    job: Job, source: VerifiedMedia, settings: EncodeSettings, size: int, elapsed: float, sampled: float
) -> None:
    """Tell what samples of `sampled` seconds, which took `elapsed` and came to `size` bytes, say of the whole."""
    times = source.seconds / sampled
    audio = settings.audio_bitrate / 8 * source.seconds if source.info.audio else 0
    forecast = Forecast(round(size * times + audio), round(elapsed * times, 1))
    if job.template.target_bytes is not None:
        forecast = Forecast(job.template.target_bytes, round(elapsed * times * _TWO_PASSES, 1))
    await job.publish_forecast(forecast)


async def _score(job: Job, reference: Path, trial: Path, demuxer: str, metric: Metric) -> float:
    log = job.scratch / "quality.log"
    saved, tried = job.input(reference, "matroska"), job.input(trial, demuxer)
    await job.run_ffmpeg(commands.measure_quality(saved, tried, metric, log.name))
    said = log.read_text(encoding="utf-8", errors="replace")
    score = vmaf_score(said) if metric == "vmaf" else ssim_score(said)
    if score is None:
        raise TranscodeError("the quality cannot be measured")
    return score
