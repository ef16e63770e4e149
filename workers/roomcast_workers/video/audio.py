"""The steps of sound without pictures: an AAC file that everything plays."""

from __future__ import annotations

from typing import Any

from roomcast.uploads.lifecycle import Stage

from roomcast_workers.ffmpeg import commands
from roomcast_workers.job import Job, ResultFile, Results
from roomcast_workers.media_info.truncation import Partial, VerifiedMedia
from roomcast_workers.video import verification as video
from roomcast_workers.video.copy_or_compress import sound_complies
from roomcast_workers.video.encoder import EncodedFile, audio_bits, result_of
from roomcast_workers.video.progress_meter import Pace


async def compress_sound(job: Job, source: VerifiedMedia) -> Results:
    """Everything that is made of sound alone. Enters the stages from compressing to thumbnails."""
    await job.reporter.enter(Stage.COMPRESSING, "Compressing the sound")
    result = await _compressed(job, source, Pace(source.seconds, job.reporter.progress))
    await job.reporter.enter(Stage.THUMBNAILS, "Checking the sound")
    sound = source.info.audio
    return Results(
        [ResultFile(result.path, "audio", result.mime, duration=result.info.duration)],
        original={"duration": round(source.seconds, 3), "audioCodec": sound.codec if sound else None},
        facts=result.facts,
    )


async def _compressed(job: Job, source: VerifiedMedia, pace: Pace) -> EncodedFile:
    """A new file: of the same sound where it will do as it is."""
    target, info, bitrate = job.scratch / "audio.m4a", source.info, audio_bits(job, source)
    sound = info.audio
    if sound is None:
        raise ValueError("there is no sound")
    copied = sound_complies(sound, source, bitrate)
    if copied:
        command = commands.copy(job.source_file, target, info, muxer="ipod")
    else:
        command = commands.compress_sound(job.source_file, target, sound, bitrate)
    await job.encode(command, pace)
    result = await result_of(job, target, "mov")
    video.verify_copy(info, source.seconds, result)
    facts: dict[str, Any] = {"copied": True} if copied else {}
    if source.missing is None and video.is_short(source.seconds, result):
        facts["partial"] = Partial(result.duration or 0.0, source.seconds).told()
    return EncodedFile(target, result, "mov", "audio/mp4", facts)
