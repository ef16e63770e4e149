"""One run of ffmpeg over a film, and the check of what came out."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roomcast.errors import Code, RoomcastError, TranscodeError, UnreadableMedia
from roomcast.uploads.templates import CRF_DEFAULT

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.codecs import AtQuality, EncodeSettings, audio_options, codec_for
from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.ffmpeg.runner import NoStreams
from roomcast_workers.job import Job
from roomcast_workers.media_info.probe import MediaInfo, VideoStream, require_video
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia
from roomcast_workers.video import verification
from roomcast_workers.video.copy_or_compress import audio_meets_template, target_audio_bitrate
from roomcast_workers.video.progress_meter import ProgressMeter

log = logging.getLogger(__name__)

_TAIL_SECONDS = 5.0
_AV1_DECODERS = {"libdav1d", "libaom-av1"}


@dataclass(frozen=True)
class EncodedFile:
    """A film or sound that has been compressed, and checked: the file, what it holds, how ffmpeg must read it, its MIME
    type. `facts` are fields of `element`."""

    path: Path
    info: MediaInfo
    demuxer: str
    mime: str
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.path.stat().st_size


async def settings_for(job: Job, source: VerifiedMedia) -> EncodeSettings:
    """How the template wants this film compressed."""
    template = job.template
    video = require_video(source.info)
    width, height = fit_even(video.width, video.height, template.video_long_side)
    codec = codec_for(template.codec, width, height)
    crf = template.video_crf if codec.name == template.codec else CRF_DEFAULT["h264"]
    mapper = await tone_mapper(job, video)
    return EncodeSettings(
        codec, template.preset, AtQuality(crf), width, height, audio_bitrate_for(job, source), tone_mapper=mapper
    )


def fit_even(width: int, height: int, long_side: int) -> tuple[int, int]:
    """The largest even (width, height) of this shape that is no larger than it is and fits `long_side`."""
    shrink = min(1.0, long_side / max(width, height))
    return _even(width * shrink), _even(height * shrink)


def _even(side: float) -> int:
    return max(2, int(side + 1e-9) // 2 * 2)


async def tone_mapper(job: Job, video: VideoStream) -> ToneMapper:
    """What the ffmpeg in use can do for this film's colours, if they need it."""
    if not video.needs_colour_management:
        return "none"
    can = await job.ffmpeg_features()
    if {"zscale", "tonemap"} <= can:
        return "zscale"
    return "swscale" if "scale:intent" in can else "none"


async def can_decode(job: Job, codec: str) -> bool:
    """Whether the ffmpeg in use can look at what it makes: for AV1 it needs more than its own decoder, which is for
    hardware."""
    return codec != "av1" or bool(_AV1_DECODERS & await job.ffmpeg_features())


def audio_bitrate_for(job: Job, source: VerifiedMedia) -> int:
    """The bits a second to spend on the sound."""
    asked = int(job.template.audio_bitrate.removesuffix("k")) * 1000
    return target_audio_bitrate(source.info.audio, source, asked) if source.info.audio else asked


async def encode_video(job: Job, source: VerifiedMedia, settings: EncodeSettings, meter: ProgressMeter) -> EncodedFile:
    """Compress the film. When less of it could be decoded than it has packets, `facts` say so."""
    target = job.scratch / f"video{settings.codec.suffix}"
    await job.run_ffmpeg(commands.compress(job.source_input, target, source.info, settings), meter)
    result = await probe_output(job, target, settings.codec.demuxer)
    verification.verify(settings, source.info, source.seconds, result)
    extra: dict[str, Any] = {} if settings.codec.name == job.template.codec else {"codec": settings.codec.name}
    if verification.is_short(source.seconds, result):
        extra["partial"] = (await _missing_tail(job, source, result)).to_json()
    return EncodedFile(target, result, settings.codec.demuxer, settings.codec.mime, extra)


async def copy_video(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile | None:
    """The film as it is, in a new file; None when it does not go into one."""
    target, info, bitrate = job.scratch / "video.mp4", source.info, audio_bitrate_for(job, source)
    audio = None
    if info.audio is not None and not audio_meets_template(info.audio, source, bitrate):
        audio = audio_options("aac", "aac", bitrate, info.audio.channels, info.audio.sample_rate)
    try:
        await job.run_ffmpeg(commands.remux(job.source_input, target, info, sound_options=audio), meter)
        result = await probe_output(job, target, "mov")
        verification.verify_copy(info, source.seconds, result)
        if verification.is_short(source.seconds, result):
            raise TranscodeError("the copy is not the whole film")
    except RoomcastError as error:
        if error.code not in {Code.TRANSCODE_ERROR, Code.UNREADABLE_MEDIA}:
            raise
        log.warning("the film cannot be copied: %s", error.message)
        return None
    return EncodedFile(target, result, "mov", "video/mp4", {"copied": True})


async def probe_output(job: Job, path: Path, demuxer: str) -> MediaInfo:
    """What our own result holds; that it cannot be read is not the source's fault, but that nothing is in it is."""
    try:
        return await job.probe(path, demuxer)
    except NoStreams:
        raise
    except UnreadableMedia as error:
        raise TranscodeError("The encoder's result cannot be read.") from error


async def _missing_tail(job: Job, source: VerifiedMedia, result: MediaInfo) -> Truncation:
    """What is missing, if the source is to blame: there are packets, but they are not pictures. Else raises."""
    got = result.duration or 0.0
    pictures = 0

    def hear(reading: ProgressBlock) -> None:
        nonlocal pictures
        pictures = max(pictures, reading.frame or 0)

    try:
        start = got + _TAIL_SECONDS / 5
        await job.run_ffmpeg(commands.count_pictures(job.source_input, source.info, start, _TAIL_SECONDS), hear)
    except UnreadableMedia:
        pictures = 0
    if pictures:
        raise TranscodeError("the result is shorter than its source")
    return Truncation(got, source.seconds)
