"""Encode or copy a video in one run of ffmpeg, and verify the result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from roomcast.errors import Code, EncodingFailed, RoomcastError, UnreadableMedia, UnsupportedType
from roomcast.uploads.templates import CRF_DEFAULT, CodecName

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.codecs import CODECS, ConstantQuality, EncodeSettings, audio_options, codec_for
from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.ffmpeg.progress import FrameCounter
from roomcast_workers.ffmpeg.runner import NoStreams
from roomcast_workers.job import Job
from roomcast_workers.media_info.damage import DamageDetector, DecodedFrames, stored_frames, undecodable_in_film
from roomcast_workers.media_info.probe import MediaInfo, VideoStream, require_video
from roomcast_workers.media_info.truncation import Truncation, VerifiedMedia
from roomcast_workers.video.copy_or_compress import audio_meets_template, target_audio_bitrate
from roomcast_workers.video.progress_meter import ProgressMeter
from roomcast_workers.video.verification import is_short, verify_copied, verify_encoded

log = structlog.get_logger(__name__)

_TAIL_SECONDS = 5.0
MIN_AUDIO_BITRATE = 12_000
AUDIO_RESERVE = 1.1
"""How many bits of audio are saved for each that a file is too large: the encoder meets its bitrate only roughly."""
_DECODED_EVERYWHERE = {"h264", "hevc", "vp8", "vp9", "mpeg4", "mjpeg", "aac", "mp3", "opus", "vorbis", "pcm_s16le"}
"""Codecs that every ffmpeg decodes by itself: for them it need not be asked, which takes 0.2 CPU seconds a process."""


@dataclass(frozen=True)
class EncodedFile:
    """A verified result: the file, what it contains, the demuxer that reads it, and its MIME type. `extra` are fields
    of `element`; `settings` are those of an encoded video. `is_damaged` is whether its source was in that run, and
    `drops_frames` whether that run left out frames that it had decoded."""

    path: Path
    info: MediaInfo
    demuxer: str
    mime: str
    extra: dict[str, Any] = field(default_factory=dict)
    settings: EncodeSettings | None = None
    is_damaged: bool = False
    drops_frames: bool = False

    @property
    def codec(self) -> str:
        """The codec of the video."""
        return require_video(self.info).codec

    @property
    def size(self) -> int:
        return self.path.stat().st_size


async def settings_for(job: Job, source: VerifiedMedia) -> EncodeSettings:
    """Return how the template wants this video encoded."""
    template = job.template
    video = require_video(source.info)
    width, height = fit_even(video.width, video.height, template.video_long_side)
    codec = codec_for(await available_codec(job), width, height)
    crf = template.video_crf if codec.name == template.codec else CRF_DEFAULT["h264"]
    return EncodeSettings(
        codec,
        job.preset,
        ConstantQuality(crf),
        width,
        height,
        audio_bitrate_for(job, source),
        tone_mapper=await tone_mapper(job, video),
        seconds=source.seconds,
    )


def fit_even(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return the largest even (width, height) of this shape that fits `long_side` and enlarges nothing."""
    scale = min(1.0, long_side / max(width, height))
    return _even(width * scale), _even(height * scale)


def _even(side: float) -> int:
    return max(2, int(side + 1e-9) // 2 * 2)


async def tone_mapper(job: Job, video: VideoStream) -> ToneMapper:
    """Return how the installed ffmpeg can convert this video's colours; "none" if they need no conversion."""
    if not video.needs_colour_management:
        return "none"
    return (await job.capabilities()).tone_mapper


async def can_decode(job: Job, codec: str) -> bool:
    """Return whether the installed ffmpeg can decode this codec."""
    return codec in _DECODED_EVERYWHERE or (await job.capabilities()).can_decode(codec)


async def require_decoders(job: Job, info: MediaInfo) -> None:
    """Raise `UnsupportedType` with the codec's name when the installed ffmpeg cannot decode a stream."""
    for stream in (info.video, info.audio):
        if stream is not None and not await can_decode(job, stream.codec):
            raise UnsupportedType(
                f"The file uses the codec {stream.codec}, which this server cannot decode.",
                details={"codec": stream.codec},
            )


async def available_codec(job: Job) -> CodecName:
    """Return the template's codec, or H.264 where the installed ffmpeg cannot encode that."""
    wanted = CODECS[job.template.codec]
    if wanted.name == "h264" or (await job.capabilities()).can_encode(wanted.encoder, wanted.audio_encoder):
        return job.template.codec
    return "h264"


def audio_bitrate_for(job: Job, source: VerifiedMedia) -> int:
    """Return the bitrate for this source's audio, in bits per second."""
    requested = int(job.template.audio_bitrate.removesuffix("k")) * 1000
    return target_audio_bitrate(source.info.audio, source, requested) if source.info.audio else requested


async def encode_video(job: Job, source: VerifiedMedia, settings: EncodeSettings, meter: ProgressMeter) -> EncodedFile:
    """Encode the video. If less of it could be decoded than it has packets, `extra` has `partial`."""
    target, video = job.scratch / f"video{settings.codec.suffix}", require_video(source.info)
    reported, counter = DamageDetector(video.codec, video.decoder), FrameCounter(meter)
    command = commands.compress(job.source_input, target, source.info, settings)
    await job.run_ffmpeg(command, counter, on_log=reported.feed)
    result = await probe_output(job, target, settings.codec.demuxer)
    verify_encoded(settings, source.info, source.seconds, result)
    extra: dict[str, Any] = {} if settings.codec.name == job.template.codec else {"codec": settings.codec.name}
    if is_short(source.seconds, result):
        extra["partial"] = (await _missing_tail(job, source, result)).to_json()
    codec = settings.codec
    encoded = EncodedFile(target, result, codec.demuxer, codec.mime, extra, settings)
    return replace(encoded, is_damaged=reported.found, drops_frames=counter.dropped > 0)


async def find_undecodable(
    job: Job, source: VerifiedMedia, *, drops_frames: bool = False
) -> tuple[tuple[float, float], ...]:
    """Decode the video again, and return the times of the result at which frames are missing or damaged, in seconds:
    with `drops_frames`, also of those that were left out because a frame of a later time came first."""
    decoded, scan = DecodedFrames(), source.scan.stream(require_video(source.info).index)
    await job.run_ffmpeg(commands.list_decoded_frames(job.source_input, source.info), on_log=decoded.feed)
    stored = stored_frames(scan, source.beginning)
    end = scan.end - source.beginning
    return undecodable_in_film(stored, decoded.frames, end, drops_frames=drops_frames)


async def copy_video(job: Job, source: VerifiedMedia, meter: ProgressMeter) -> EncodedFile | None:
    """Copy the video stream into a new file, or return None when the result is not a complete video.

    Audio that does not meet the template is compressed: into fewer bytes if the file is larger than its source.
    """
    target, bitrate = job.scratch / "video.mp4", audio_bitrate_for(job, source)
    audio = source.info.audio
    encodes_audio = audio is not None and not audio_meets_template(audio, source, bitrate)
    try:
        result = await _remux(job, source, target, bitrate if encodes_audio else None, meter)
        excess = target.stat().st_size - job.source.size
        if encodes_audio and excess > 0:
            fewer = bitrate - round(AUDIO_RESERVE * excess * 8 / source.seconds)
            result = await _remux(job, source, target, max(MIN_AUDIO_BITRATE, fewer), meter)
    except RoomcastError as error:
        if error.code not in {Code.TRANSCODE_ERROR, Code.UNREADABLE_MEDIA}:
            raise
        log.warning("video_not_copied", reason=error.message)
        return None
    larger = {"copiedDespite": ["size"]} if target.stat().st_size > job.source.size else {}
    return EncodedFile(target, result, "mov", "video/mp4", {"copied": True} | larger)


async def _remux(
    job: Job, source: VerifiedMedia, target: Path, audio_bitrate: int | None, meter: ProgressMeter
) -> MediaInfo:
    """Copy the streams, or compress the audio into `audio_bitrate`, and return what the verified result contains."""
    info, encoding = source.info, None
    if info.audio is not None and audio_bitrate is not None:
        encoding = audio_options("aac", "aac", audio_bitrate, info.audio.channels, info.audio.sample_rate)
    await job.run_ffmpeg(commands.remux(job.source_input, target, info, audio_encoding=encoding), meter)
    result = await probe_output(job, target, "mov")
    verify_copied(info, source.seconds, result)
    if is_short(source.seconds, result):
        raise EncodingFailed("The copy is shorter than its source.")
    return result


async def probe_output(job: Job, path: Path, demuxer: str) -> MediaInfo:
    """Return what our own result contains.

    Raises `EncodingFailed` when it cannot be read, which is not the source's fault, and `NoStreams` when it is empty,
    which is.
    """
    try:
        return await job.probe(path, demuxer)
    except NoStreams:
        raise
    except UnreadableMedia as error:
        raise EncodingFailed("The encoder's result cannot be read.") from error


async def _missing_tail(job: Job, source: VerifiedMedia, result: MediaInfo) -> Truncation:
    """Return how the source is truncated if its last packets cannot be decoded. Otherwise raise `EncodingFailed`."""
    encoded_seconds = result.duration or 0.0
    start, counter = encoded_seconds + _TAIL_SECONDS / 5, FrameCounter()
    try:
        await job.run_ffmpeg(
            commands.count_decodable_frames(job.source_input, source.info, start, _TAIL_SECONDS), counter
        )
    except UnreadableMedia:
        return Truncation(encoded_seconds, source.seconds)
    if counter.frames:
        raise EncodingFailed("The result is shorter than its source.")
    return Truncation(encoded_seconds, source.seconds)
