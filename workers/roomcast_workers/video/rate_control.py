"""Compressing to a target: a quality, or a number of bytes; and what a long compression is expected to come to."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from roomcast.errors import TooLarge, TranscodeError
from roomcast.uploads.model import Forecast

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.codecs import EFFORT, AtBitrate, AtQuality, Recipe, codec_for
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.job import Job
from roomcast_workers.media_info.probe import require_video
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.video.crf_search import (
    CRF_SEARCHED,
    MOST_TRIALS,
    CrfSearch,
    sample_starts,
    ssim_for,
    ssim_score,
    vmaf_score,
)
from roomcast_workers.video.encoder import EncodedFile, can_decode, encode, fit_even
from roomcast_workers.video.progress_meter import Pace
from roomcast_workers.video.size_budget import budget, corrected, fits

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


async def estimate(job: Job, source: VerifiedMedia, recipe: Recipe) -> None:
    """Before a compression that will take long, tell the room what it is expected to come to: by compressing some
    stretches of the film, together a fiftieth of it."""
    film = require_video(source.info)
    pixels = recipe.width * recipe.height * (film.fps or 25) * source.seconds
    if pixels * int(EFFORT[recipe.preset]) / _USUAL_EFFORT / _PIXELS_PER_SECOND < _LONG_SECONDS:
        return
    shortest, longest = _FORECAST_SAMPLE
    length = min(longest, max(shortest, source.seconds * _FORECAST_SHARE / _SAMPLES))
    target = job.scratch / f"samples{recipe.codec.suffix}"
    starts = sample_starts(source.seconds, _SAMPLES, length)
    began = time.monotonic()
    await job.encode(commands.compress_samples(job.source_file, target, source.info, recipe, starts, length))
    elapsed = time.monotonic() - began
    await _announce(job, source, recipe, target.stat().st_size, elapsed, len(starts) * length)
    target.unlink()


async def at_quality(job: Job, source: VerifiedMedia, recipe: Recipe, target: float, pace: Pace) -> EncodedFile:
    """Compress with the highest crf that still gives `target` points of VMAF, by samples; `facts.quality` tells. With
    the usual crf where the ffmpeg in use cannot look at its own pictures."""
    if not await can_decode(job, recipe.codec.name):
        pace.film_run(1.0, sized=True)
        result = await encode(job, source, recipe, pace)
        return replace(result, facts=result.facts | {"quality": {"metric": None, "crf": job.template.video_crf}})
    metric: Metric = "vmaf" if "libvmaf" in await job.ffmpeg_features() else "ssim"
    wanted = target if metric == "vmaf" else ssim_for(target)
    film = require_video(source.info)
    reference = job.scratch / "reference.mkv"
    starts = sample_starts(source.seconds, _SAMPLES, _QUALITY_SAMPLE)
    length = _QUALITY_SAMPLE if len(starts) > 1 else min(source.seconds, _SAMPLES * _QUALITY_SAMPLE)
    await job.encode(commands.save_samples(job.source_file, reference, source.info, recipe, starts, length))
    search = CrfSearch(*CRF_SEARCHED[recipe.codec.name], wanted)
    trial = job.scratch / f"trial{recipe.codec.suffix}"
    sizes: dict[int, tuple[int, float]] = {}
    while (crf := search.next) is not None:
        began = time.monotonic()
        at_crf = replace(recipe, rate=AtQuality(crf))
        await job.encode(commands.compress_trial(job.input(reference, "matroska"), trial, film, at_crf))
        sizes[crf] = trial.stat().st_size, time.monotonic() - began
        search.tell(crf, await _score(job, reference, trial, recipe.codec.demuxer, metric))
        pace.film_run(_SEARCH_ENDS_AT * len(search.scores) / MOST_TRIALS)
        pace.end_run()
    best = search.best
    await _announce(job, source, recipe, *sizes[best], len(starts) * length)
    reference.unlink()
    trial.unlink()
    pace.film_run(1.0, sized=True)
    result = await encode(job, source, replace(recipe, rate=AtQuality(best)), pace)
    digits = 1 if metric == "vmaf" else 4
    told = {"target": round(wanted, digits), "score": round(search.scores[best], digits)}
    return replace(result, facts=result.facts | {"quality": {"metric": metric, "crf": best, **told}})


async def into_bytes(job: Job, source: VerifiedMedia, recipe: Recipe, target: int, pace: Pace) -> EncodedFile:
    """Compress into at most `target` bytes, and at least 95 % of them where the film has so much to tell: two passes,
    the second again with a corrected bitrate when it missed.

    Raises `TooLarge` when the film is too long for that.
    """
    info, film = source.info, require_video(source.info)
    channels = info.audio.channels if info.audio else 0
    size = (recipe.width, recipe.height)
    share = budget(target, source.seconds, size, film.fps, channels, recipe.audio_bitrate, recipe.codec.bits)
    width, height = fit_even(film.width, film.height, max(16, round(max(size) * share.scale)))
    recipe = replace(
        recipe,
        codec=codec_for(job.template.codec, width, height),
        width=width,
        height=height,
        audio_bitrate=share.audio_bitrate,
        channels=share.channels,
    )
    log, bitrate = job.scratch / "passes", share.video_bitrate
    pace.film_run(_FIRST_PASS_ENDS_AT)
    first = replace(recipe, rate=AtBitrate(bitrate, 1, log))
    await job.encode(commands.compress(job.source_file, log, info, first), pace)
    kept: EncodedFile | None = None
    best = job.scratch / f"best{recipe.codec.suffix}"
    fixed = share.audio_bitrate * source.seconds / 8
    for ends_at in _TRIES_END_AT:
        pace.film_run(ends_at, sized=True)
        result = await encode(job, source, replace(recipe, rate=AtBitrate(bitrate, 2, log)), pace)
        came_to = result.size
        if came_to <= target and (kept is None or came_to > best.stat().st_size):
            result.path.replace(best)
            kept = result
        if fits(came_to, target):
            break
        bitrate = corrected(bitrate, came_to, target, fixed)
    if kept is None:
        raise TooLarge("The film does not fit into so few bytes.", details={"targetBytes": target})
    best.replace(kept.path)
    return kept


async def _announce(job: Job, source: VerifiedMedia, recipe: Recipe, size: int, elapsed: float, sampled: float) -> None:
    """Tell what samples of `sampled` seconds, which took `elapsed` and came to `size` bytes, say of the whole."""
    times = source.seconds / sampled
    sound = recipe.audio_bitrate / 8 * source.seconds if source.info.audio else 0
    forecast = Forecast(round(size * times + sound), round(elapsed * times, 1))
    if job.template.target_bytes is not None:
        forecast = Forecast(job.template.target_bytes, round(elapsed * times * _TWO_PASSES, 1))
    await job.announce(forecast)


async def _score(job: Job, reference: Path, trial: Path, demuxer: str, metric: Metric) -> float:
    log = job.scratch / "quality.log"
    saved, tried = job.input(reference, "matroska"), job.input(trial, demuxer)
    await job.encode(commands.measure_quality(saved, tried, metric, log.name))
    said = log.read_text(encoding="utf-8", errors="replace")
    score = vmaf_score(said) if metric == "vmaf" else ssim_score(said)
    if score is None:
        raise TranscodeError("the quality cannot be measured")
    return score
