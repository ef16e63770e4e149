"""Process audio without video: make an AAC file that plays everywhere."""

from __future__ import annotations

from typing import Any

from roomcast_workers.ffmpeg import commands
from roomcast_workers.job import Job, ResultFile
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia
from roomcast_workers.video.copy_or_compress import audio_meets_template
from roomcast_workers.video.encoder import (
    AUDIO_RESERVE,
    MIN_AUDIO_BITRATE,
    EncodedFile,
    audio_bitrate_for,
    probe_output,
)
from roomcast_workers.video.progress_meter import ProgressMeter
from roomcast_workers.video.verification import is_short, verify_copied


async def compress_audio_alone(job: Job, source: VerifiedMedia) -> None:
    """Compress audio without video, or copy it if that is as good."""
    result = await _copy_or_compress(job, source, ProgressMeter(source.seconds, job.reporter.progress))
    audio, results = source.info.audio, job.state.results
    codec = result.info.audio.codec if result.info.audio else None
    results.files.append(ResultFile(result.path, "audio", result.mime, duration=result.info.duration, codec=codec))
    results.original |= {"duration": round(source.seconds, 3), "audioCodec": audio.codec if audio else None}
    results.extra |= result.extra


async def _copy_or_compress(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile:
    """Copy the audio if it meets the template, otherwise compress it."""
    target, info, bitrate = job.scratch / "audio.m4a", source.info, audio_bitrate_for(job, source)
    audio = info.audio
    if audio is None:
        raise ValueError("There is no audio.")
    # The last packets of a truncated file are broken and would be copied too.
    copied = source.truncation is None and audio_meets_template(audio, source, bitrate)
    if copied:
        command = commands.remux(job.source_input, target, info, muxer="ipod")
    else:
        command = commands.compress_audio(job.source_input, target, audio, bitrate)
    await job.run_ffmpeg(command, meter)
    excess = target.stat().st_size - job.source.size
    if excess > 0 and not copied:
        fewer = max(MIN_AUDIO_BITRATE, bitrate - round(AUDIO_RESERVE * excess * 8 / source.seconds))
        await job.run_ffmpeg(commands.compress_audio(job.source_input, target, audio, fewer), meter)
    result = await probe_output(job, target, "mov")
    verify_copied(info, source.seconds, result)
    extra: dict[str, Any] = {"copied": True} if copied else {}
    if copied and excess > 0:
        extra["copiedDespite"] = ["size"]
    if source.truncation is not None:
        extra["partial"] = source.truncation.to_json()
    elif is_short(source.seconds, result):
        extra["partial"] = Truncation(result.duration or 0.0, source.seconds).to_json()
    return EncodedFile(target, result, "mov", "audio/mp4", extra)
