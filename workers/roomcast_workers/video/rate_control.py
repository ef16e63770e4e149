"""Encode to a target quality or size, and estimate the result of a long compression."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from roomcast.errors import EncodingFailed, TooLarge
from roomcast.runtime.tasks import run_for_each
from roomcast.uploads.model import Forecast

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.codecs import (
    ASSUMED_FPS,
    EFFORT,
    KEYFRAME_SECONDS,
    ConstantQuality,
    EncodeSettings,
    TwoPass,
    codec_for,
)
from roomcast_workers.ffmpeg.commands import Metric
from roomcast_workers.job import Job
from roomcast_workers.media_info.probe import MediaInfo, VideoStream, require_video
from roomcast_workers.media_info.section_packets import (
    VideoPacket,
    bytes_in_sections,
    bytes_without_extra_keyframes,
)
from roomcast_workers.media_info.truncation import VerifiedMedia
from roomcast_workers.sources.ranges import sections_of
from roomcast_workers.video.copy_or_compress import source_audio_bitrate
from roomcast_workers.video.crf_search import (
    CRF_RANGES,
    MAX_TRIALS,
    CrfSearch,
    after_keyframes,
    next_crf,
    rounded_score,
    sample_starts,
    score_for,
    ssim_score,
    vmaf_score,
)
from roomcast_workers.video.encoder import EncodedFile, available_codec, can_decode, encode_video, fit_even
from roomcast_workers.video.progress_meter import ProgressMeter
from roomcast_workers.video.size_budget import SizeBudget, compute_budget, hits_target, next_bitrate

_MIN_FORECAST_SECONDS = 20.0
_PIXELS_PER_SECOND = 60e6
"""What two cores compress with x264's `veryfast`; used only to decide whether a video deserves an estimate."""
_REFERENCE_EFFORT = 10
_SAMPLES = 3
_SAMPLES_SPREAD = 2.0
"""Three samples show a film's size to a factor of 2 in nine of ten films, of which half were mixed of extremes."""
_SAMPLES_TIME_SPREAD = 1.5
_FORECAST_FRACTION = 0.02
_FORECAST_SAMPLE = 0.5, 3.0
_QUALITY_SAMPLE = 1.5
_SEARCH_ENDS_AT = 0.2
_FIRST_PASS_ENDS_AT = 0.3
_TRIES_END_AT = 0.85, 0.93, 0.97, 1.0
_TWO_PASSES = 1.6
_COMPARISON_SAMPLE = 0.5, 1.5
_COMPARISON_PIXELS = 40e6
_SAMPLING_FROM = 1.5
_ROUGH_PRESET, _ROUGH_CRF_STEP = "veryfast", 2
"""x264's `veryfast` makes with a `crf` that is 2 lower 0 to 21 % more bytes than `fast`, for half the CPU time."""
_UNCLEAR = 0.75, 1.0
"""Fractions between which a rough result does not show whether a fifth is gained."""
_MAX_RETRIES = 4


async def estimate(job: Job, source: VerifiedMedia, settings: EncodeSettings, meter: ProgressMeter) -> None:
    """Before a long compression, compress samples of two per cent and publish the expected size and duration."""
    video = require_video(source.info)
    pixels = settings.width * settings.height * (video.fps or 25) * source.seconds
    if pixels * int(EFFORT[settings.preset]) / _REFERENCE_EFFORT / _PIXELS_PER_SECOND < _MIN_FORECAST_SECONDS:
        return
    shortest, longest = _FORECAST_SAMPLE
    length = min(longest, max(shortest, source.seconds * _FORECAST_FRACTION / _SAMPLES))
    target = job.scratch / f"samples{settings.codec.suffix}"
    starts = sample_starts(source.seconds, _SAMPLES, length)
    began = time.monotonic()
    await job.run_ffmpeg(commands.compress_samples(job.source_input, target, source.info, settings, starts, length))
    elapsed = time.monotonic() - began
    await _publish_forecast(job, source, settings, meter, target.stat().st_size, elapsed, len(starts) * length)
    target.unlink()


async def encode_to_quality(
    job: Job, source: VerifiedMedia, settings: EncodeSettings, target: float, meter: ProgressMeter
) -> EncodedFile:
    """Encode with the highest CRF whose samples reach `target` VMAF points, and report it in `extra["quality"]`.

    Uses the template's CRF if the installed ffmpeg cannot measure its own output.
    """
    metric = await quality_metric(job, settings.codec.name)
    if metric is None:
        meter.start_run(1.0, predicts_size=True)
        result = await encode_video(job, source, settings, meter)
        return replace(result, extra=result.extra | {"quality": {"metric": None, "crf": job.template.video_crf}})
    target_score = score_for(metric, target)
    reference = job.scratch / "reference.mkv"
    starts = sample_starts(source.seconds, _SAMPLES, _QUALITY_SAMPLE)
    length = _QUALITY_SAMPLE if len(starts) > 1 else min(source.seconds, _SAMPLES * _QUALITY_SAMPLE)
    await job.run_ffmpeg(commands.save_samples(job.source_input, reference, source.info, settings, starts, length))

    def on_trials(trials: int) -> None:
        meter.start_run(_SEARCH_ENDS_AT * trials / MAX_TRIALS)
        meter.finish_run()

    search = CrfSearch(*CRF_RANGES[settings.codec.name], target_score)
    best = await find_crf(job, reference, require_video(source.info), settings, metric, search, on_trials)
    reference.unlink()
    await _publish_forecast(job, source, settings, meter, best.size, best.seconds, len(starts) * length)
    meter.start_run(1.0, predicts_size=True)
    result = await encode_video(job, source, replace(settings, rate=ConstantQuality(best.crf, limited=False)), meter)
    scores = {
        "target": rounded_score(metric, target_score),
        "score": rounded_score(metric, best.score),
        "reached": best.score >= target_score,
    }
    return replace(result, extra=result.extra | {"quality": {"metric": metric, "crf": best.crf, **scores}})


async def quality_metric(job: Job, codec: str) -> Metric | None:
    """Return by what the installed ffmpeg can measure the quality of what it has encoded, or None if it cannot."""
    if not await can_decode(job, codec):
        return None
    filters = (await job.capabilities()).filters
    return "vmaf" if "libvmaf" in filters else "ssim" if "ssim" in filters else None


@dataclass(frozen=True)
class SampleTrial:
    """A sample that was encoded with a CRF: its score, its size in bytes, and the seconds that it took."""

    crf: int
    score: float
    size: int
    seconds: float


async def find_crf(
    job: Job, reference: Path, video: VideoStream, settings: EncodeSettings, metric: Metric, search: CrfSearch,
    on_trials: Callable[[int], None],
) -> SampleTrial:  # fmt: skip
    """Encode the samples in the lossless file `reference`, as the search wants it, and return its result.

    `on_trials` is called after each trial with their number so far.
    """
    encoded = job.scratch / f"trial{settings.codec.suffix}"
    trials: dict[int, SampleTrial] = {}
    while (crf := search.next) is not None:
        began = time.monotonic()
        at_crf = replace(settings, rate=ConstantQuality(crf, limited=False))
        await job.run_ffmpeg(commands.compress_trial(job.input(reference, "matroska"), encoded, video, at_crf))
        size, seconds = encoded.stat().st_size, time.monotonic() - began
        score = await _score(job, reference, encoded, settings.codec.demuxer, metric)
        search.record(crf, score)
        trials[crf] = SampleTrial(crf, score, size, seconds)
        on_trials(len(trials))
    encoded.unlink()
    return trials[search.best]


def worth_sampling(info: MediaInfo, seconds: float) -> bool:
    """Return whether compressing samples costs much less than compressing the complete video."""
    video, sampled = require_video(info), _SAMPLES * _COMPARISON_SAMPLE[0]
    pixels = video.width * video.height * (video.fps or ASSUMED_FPS) * seconds
    return seconds > _SAMPLING_FROM * sampled and pixels > _SAMPLING_FROM * _COMPARISON_PIXELS


async def sampled_fraction(job: Job, source: VerifiedMedia, settings: EncodeSettings) -> float:
    """Compress three short samples, and return their bytes as a fraction of those that the source has there.

    Samples of half the length, with a fast preset in place of a slow one, may show clearly enough whether that is a
    gain.
    """
    rate = settings.rate
    if settings.codec.name == "h264" and isinstance(rate, ConstantQuality):
        rough = settings
        if int(EFFORT[settings.preset]) > int(EFFORT[_ROUGH_PRESET]):
            rough_rate = replace(rate, crf=max(0, rate.crf - _ROUGH_CRF_STEP))
            rough = replace(settings, preset=_ROUGH_PRESET, rate=rough_rate)
        fraction = await _compress_samples(job, source, rough, 0.5)
        if not _UNCLEAR[0] < fraction < _UNCLEAR[1]:
            return fraction
    return await _compress_samples(job, source, settings, 1.0)


async def _compress_samples(job: Job, source: VerifiedMedia, settings: EncodeSettings, scale: float) -> float:
    """Do what `sampled_fraction` does, from samples of `scale` times the usual length."""
    video = require_video(source.info)
    pixels = settings.width * settings.height * (video.fps or ASSUMED_FPS)
    shortest, longest = (scale * seconds for seconds in _COMPARISON_SAMPLE)
    length = min(longest, max(shortest, scale * _COMPARISON_PIXELS / pixels / _SAMPLES), source.seconds / _SAMPLES)
    starts = sample_starts(source.seconds, _SAMPLES, length)
    length *= _SAMPLES / len(starts)
    begin = min(source.scan.stream(stream.index).start for stream in (video, source.info.audio) if stream is not None)
    keyframes = [time - begin for time in source.scan.stream(video.index).intervals.times]
    starts = after_keyframes(starts, keyframes, length)
    sections = [(begin + start, begin + start + length) for start in starts]
    await job.fill(sections_of(source.scan.stream(video.index), sections))
    target = job.scratch / f"samples{settings.codec.suffix}"
    source_starts, packets = [begin + start for start in starts], list[VideoPacket]()

    async def compress() -> None:
        arguments = commands.compress_samples(job.source_input, target, source.info, settings, starts, length)
        await job.run_ffmpeg(arguments)

    async def list_packets() -> None:
        packets.extend(await job.list_section_packets(job.source_input, video.index, source_starts, length))

    await run_for_each((compress, list_packets), lambda work: work(), at_once=2)
    samples = await job.list_section_packets(job.input(target, settings.codec.demuxer), 0, [0.0], len(starts) * length)
    target.unlink()
    compressed = bytes_without_extra_keyframes(samples, len(starts), length, KEYFRAME_SECONDS)
    in_source = bytes_in_sections(packets, source_starts, length, source.seconds / max(1, len(keyframes)))
    return compressed / max(1.0, in_source)


async def encode_below(
    job: Job, source: VerifiedMedia, result: EncodedFile, limit: int, meter: ProgressMeter
) -> EncodedFile:
    """Encode again with higher CRFs until the result has at most `limit` bytes, and return the smallest result.

    `result` is the first one, which has more. Gives up when the CRF cannot be higher.
    """
    settings, audio = result.settings, source.info.audio
    if settings is None or not isinstance(settings.rate, ConstantQuality):
        return result
    rate, aside = settings.rate, job.scratch / "smallest"
    if audio is not None:
        settings = replace(settings, audio_bitrate=source_audio_bitrate(audio, source, settings.audio_bitrate))
    for _ in range(_MAX_RETRIES):
        audio_bytes = settings.audio_bitrate * source.seconds / 8 if audio is not None else 0.0
        crf = next_crf(settings.codec.name, rate.crf, result.size - audio_bytes, limit - audio_bytes)
        if result.size <= limit or crf == rate.crf:
            break
        rate = replace(rate, crf=crf)
        result.path.replace(aside)
        smaller = await encode_video(job, source, replace(settings, rate=rate), meter)
        if smaller.size >= aside.stat().st_size:
            aside.replace(result.path)
            break
        quality = result.extra.get("quality")
        # With one CRF for the complete film, none of its segments is the worst any more.
        known = {name: value for name, value in quality.items() if name != "worst"} if quality else {}
        missed = {"quality": known | {"crf": crf, "score": None, "reached": False}} if known else {}
        result = replace(smaller, extra=smaller.extra | missed)
    aside.unlink(missing_ok=True)
    return result


def fit_bytes(source: VerifiedMedia, settings: EncodeSettings, target: int) -> tuple[EncodeSettings, SizeBudget]:
    """Return the settings with the size of the picture and the sound with which a video fits into `target` bytes, and
    how these are divided. Raise `TooLarge` if the video is too long."""
    video, audio = require_video(source.info), source.info.audio
    size = (settings.width, settings.height)
    channels, relative_bitrate = audio.channels if audio else 0, settings.codec.relative_bitrate
    shares = compute_budget(target, source.seconds, size, video.fps, channels, settings.audio_bitrate, relative_bitrate)
    width, height = fit_even(video.width, video.height, max(16, round(max(size) * shares.scale)))
    fitting = replace(
        settings, width=width, height=height, audio_bitrate=shares.audio_bitrate, channels=shares.channels
    )
    return fitting, shares


async def encode_to_size(
    job: Job, source: VerifiedMedia, settings: EncodeSettings, target: int, meter: ProgressMeter
) -> EncodedFile:
    """Encode into at most `target` bytes and, if the video needs that many, at least 95 % of them.

    Runs two passes, and the second again with another bitrate if it missed. Raises `TooLarge` if the video is too long.
    """
    info = source.info
    settings, shares = fit_bytes(source, settings, target)
    settings = replace(settings, codec=codec_for(await available_codec(job), settings.width, settings.height))
    log, bitrate = job.scratch / "passes", shares.video_bitrate
    meter.start_run(_FIRST_PASS_ENDS_AT)
    first = replace(settings, rate=TwoPass(bitrate, 1, log))
    await job.run_ffmpeg(commands.compress(job.source_input, log, info, first), meter)
    best_result: EncodedFile | None = None
    best = job.scratch / f"best{settings.codec.suffix}"
    fixed = shares.audio_bitrate * source.seconds / 8
    for ends_at in _TRIES_END_AT:
        meter.start_run(ends_at, predicts_size=True)
        result = await encode_video(job, source, replace(settings, rate=TwoPass(bitrate, 2, log)), meter)
        result_bytes = result.size
        if result_bytes <= target and (best_result is None or result_bytes > best.stat().st_size):
            result.path.replace(best)
            best_result = result
        if hits_target(result_bytes, target):
            break
        bitrate = next_bitrate(bitrate, result_bytes, target, fixed)
    if best_result is None:
        raise TooLarge("The video does not fit into the target size.", details={"targetBytes": target})
    best.replace(best_result.path)
    return best_result


async def _publish_forecast(
    job: Job,
    source: VerifiedMedia,
    settings: EncodeSettings,
    meter: ProgressMeter,
    size: int,
    elapsed: float,
    sampled_seconds: float,
) -> None:
    """Extrapolate and publish what samples of `sampled_seconds` took: `elapsed` seconds and `size` bytes."""
    scale = source.seconds / sampled_seconds
    audio = settings.audio_bitrate / 8 * source.seconds if source.info.audio else 0
    forecast = sample_forecast(round(size * scale + audio), elapsed * scale)
    if job.template.target_bytes is not None:
        forecast = Forecast(job.template.target_bytes, round(elapsed * scale * _TWO_PASSES, 1))
    meter.expect(forecast)
    await job.publish_forecast(forecast)


def sample_forecast(size: int, seconds: float) -> Forecast:
    """Return the forecast of a film, of which samples suggest `size` bytes and `seconds` of work."""
    return Forecast(
        size,
        round(seconds, 1),
        bytes_low=round(size / _SAMPLES_SPREAD),
        bytes_high=round(size * _SAMPLES_SPREAD),
        seconds_low=round(seconds / _SAMPLES_TIME_SPREAD, 1),
        seconds_high=round(seconds * _SAMPLES_TIME_SPREAD, 1),
    )


async def _score(job: Job, reference: Path, trial: Path, demuxer: str, metric: Metric) -> float:
    log = job.scratch / "quality.log"
    saved, tried = job.input(reference, "matroska"), job.input(trial, demuxer)
    await job.run_ffmpeg(commands.measure_quality(saved, tried, metric, log.name))
    text = log.read_text(encoding="utf-8", errors="replace")
    score = vmaf_score(text) if metric == "vmaf" else ssim_score(text)
    if score is None:
        raise EncodingFailed("The quality cannot be measured.")
    return score
