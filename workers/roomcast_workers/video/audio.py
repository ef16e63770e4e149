"""The steps of sound without pictures: an AAC file that everything plays."""

from __future__ import annotations

from typing import Any

from roomcast.uploads.lifecycle import Stage

from roomcast_workers.ffmpeg import commands
from roomcast_workers.job import Job, ResultFile, Results
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia
from roomcast_workers.video import verification
from roomcast_workers.video.copy_or_compress import audio_meets_template
from roomcast_workers.video.encoder import EncodedFile, audio_bitrate_for, probe_output
from roomcast_workers.video.progress_meter import ProgressMeter


async def process_audio(job: Job, source: VerifiedMedia) -> Results:
    """Everything that is made of sound alone. Enters the stages from compressing to thumbnails."""
    await job.reporter.enter(Stage.COMPRESSING, "Compressing the sound")
    result = await _compressed(job, source, ProgressMeter(source.seconds, job.reporter.progress))
    await job.reporter.enter(Stage.THUMBNAILS, "Checking the sound")
    audio = source.info.audio
    return Results(
        [ResultFile(result.path, "audio", result.mime, duration=result.info.duration)],
        original={"duration": round(source.seconds, 3), "audioCodec": audio.codec if audio else None},
        extra=result.extra,
    )


async def _compressed(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile:
    """A new file: of the same sound where it will do as it is."""
    target, info, bitrate = job.scratch / "audio.m4a", source.info, audio_bitrate_for(job, source)
    audio = info.audio
    if audio is None:
        raise ValueError("there is no sound")
    copied = audio_meets_template(audio, source, bitrate)
    if copied:
        command = commands.remux(job.source_input, target, info, muxer="ipod")
    else:
        command = commands.compress_audio(job.source_input, target, audio, bitrate)
    await job.run_ffmpeg(command, meter)
    result = await probe_output(job, target, "mov")
    verification.verify_copy(info, source.seconds, result)
    extra: dict[str, Any] = {"copied": True} if copied else {}
    if source.truncation is None and verification.is_short(source.seconds, result):
        extra["partial"] = Truncation(result.duration or 0.0, source.seconds).to_json()
    return EncodedFile(target, result, "mov", "audio/mp4", extra)
