"""Read a source: which streams are used, what they really contain, and a copy of it if its times are not continuous."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog
from roomcast.errors import Code, RoomcastError, TranscodeError, UnreadableMedia, UnsupportedType

from roomcast_workers.ffmpeg import commands
from roomcast_workers.job import Job
from roomcast_workers.limits import check_duration
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream, choose_streams
from roomcast_workers.media_info.timeline import IndexedRuns, Retiming, plan_retiming
from roomcast_workers.media_info.truncation import VerifiedMedia, verify_media
from roomcast_workers.sources.indexed_scan import scan_by_index
from roomcast_workers.sources.keyframe_heads import read_keyframe_heads
from roomcast_workers.sources.readable_copy import copy_if_needed

log = structlog.get_logger(__name__)

_HEAD_BYTES = 4096
_ID3_HEADER = 10
_MAX_COPIES = 3
"""Where the clock of MPEG-TS wraps (every 26.5 hours), ffmpeg corrects times that were continuous to it, which a second
copy makes good."""

_STREAMED_FORMATS = {"mpegts", "mpeg", "mpegvideo", "flv"}
_IN_BAND_CODECS = {"h264", "hevc", "mpeg1video", "mpeg2video", "aac", "mp2", "mp3", "ac3", "eac3"}
"""What MPEG-TS stores with the decoders' parameters among the packets: those of joined recordings may differ."""

_CALL_CODECS = {"vp8", "vp9", "av1"}


async def read_source(job: Job) -> tuple[Job, VerifiedMedia]:
    """Return what the source really contains, and the job to process it with.

    That is another job if its source is a copy: one that ffmpeg reads completely, or one with continuous times where
    those of the source start over or jump.

    Raises `TooLarge` when the source is too long, and `UnreadableMedia` when nothing in it can be read.
    """
    if job.is_source_partial:
        try:
            readable, media = await _read_source(job)
            info = media.info
            if info.video is not None and info.video.pix_fmt is not None and info.audio is not None:
                return readable, media
            reason = "The first packets do not show what the streams contain."  # or there is only one
        except (UnreadableMedia, UnsupportedType, TranscodeError) as error:
            reason = error.message
        if job.is_source_partial:
            log.warning("source_read_whole", reason=reason)
            await job.complete_source()
    return await _read_source(job)


async def _read_source(job: Job) -> tuple[Job, VerifiedMedia]:
    """Do what `read_source` does, with the bytes of the source that there are."""
    job = replace(job, path=await copy_if_needed(job.path, job.source.format, job.scratch / "readable"))
    info, scan = await _read_streams(job)
    head = _read_head(job.path)
    attempts = 0
    while (retiming := _plan(job, info, scan)) is not None:
        if (attempts := attempts + 1) > _MAX_COPIES:
            raise UnreadableMedia("The times in the file start over or jump too often.")
        replaced, job = job.path, await _retimed(job, info, retiming, attempts)
        if replaced.parent == job.path.parent:
            replaced.unlink()  # an earlier copy
        info, scan = await _read_streams(job)
        head = b""
    source = verify_media(info, scan, head)
    if attempts and source.info.video is not None:
        # The parameters of the recordings may differ, so their packets do not make one stream.
        source = source.with_video(replace(source.info.video, as_is=False, joined=True))
    check_duration(source.seconds, job.deps.limits)
    if source.info.video is not None:
        source = source.with_video(await _with_keyframes(job, source.info.video, scan, is_copy=attempts > 0))
    if source.info.video is not None and source.info.video.decoder is not None:
        source = source.with_video(await _with_available_decoder(job, source.info.video))
    return job, source


async def _read_streams(job: Job) -> tuple[MediaInfo, PacketScan]:
    info = await job.probe(job.path, job.source.format)
    scan = await _scan(job, info)
    return choose_streams(info, lambda index: scan.stream(index).packets > 0), scan


async def _scan(job: Job, info: MediaInfo) -> PacketScan:
    """Return what the file's index shows of its streams, or else all packets that ffprobe reads."""
    indexed = await asyncio.to_thread(scan_by_index, job.path, job.source.format, info)
    if indexed is not None:
        return indexed
    await job.complete_source()
    return await job.scan_packets()


def _read_head(path: Path) -> bytes:
    """Return the first bytes of a file, after an ID3v2 tag."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[:3] == b"ID3" and len(head) > _ID3_HEADER:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            file.seek(_ID3_HEADER + size)
            head = file.read(_HEAD_BYTES)
    return head


def _plan(job: Job, info: MediaInfo, scan: PacketScan) -> Retiming | None:
    return plan_retiming(_runs(info.video, scan), _runs(info.audio, scan), job.source.format)


def _runs(stream: VideoStream | AudioStream | None, scan: PacketScan) -> IndexedRuns | None:
    return None if stream is None else (stream.index, scan.stream(stream.index).runs)


async def _retimed(job: Job, info: MediaInfo, retiming: Retiming, number: int) -> Job:
    """Copy the source into a file with continuous times, and return the job with that file as its source."""
    codecs = {stream.codec for stream in (info.video, info.audio) if stream is not None}
    is_broadcast = job.source.format in {"mpegts", "mpeg"}
    # Matroska has no decoding times, which MPEG-TS needs.
    to_mpegts = is_broadcast or (codecs <= _IN_BAND_CODECS and job.source.format != "matroska")
    muxer = "mpegts" if to_mpegts else "matroska"
    target = job.scratch / f"continuous-{number}"
    await job.complete_source()
    used = replace(
        info,
        video=info.video if info.video is not None and info.video.index in retiming.shifts else None,
        audio=info.audio if info.audio is not None and info.audio.index in retiming.shifts else None,
    )
    log.info("times_made_continuous", jumps=max(len(shifts) for shifts in retiming.shifts.values()) - 1)
    await job.run_ffmpeg(commands.retime(job.source_input, target, used, retiming, muxer))
    return replace(job, path=target, source=replace(job.source, format=muxer))


def _size_may_vary(job: Job, video: VideoStream) -> bool:
    """Return whether the format and the codec allow frames of several sizes, and recorders of calls and broadcasts make
    them."""
    return (
        video.codec in _CALL_CODECS
        or video.parameters_in_band
        or job.source.format in _STREAMED_FORMATS
        or (job.source.format == "matroska" and video.codec == "h264")
    )


async def _with_keyframes(job: Job, video: VideoStream, scan: PacketScan, *, is_copy: bool) -> VideoStream:
    """Return the video with the largest size of its keyframes, and note in `scan` whether these are none. They are
    decoded if their sizes may differ and their first bytes do not show that."""
    stream = scan.stream(video.index)
    heads = await asyncio.to_thread(read_keyframe_heads, job.path, job.source.format, video.codec, stream)
    stream.is_refreshed_gradually = heads.is_refreshed_gradually
    if is_copy or (_size_may_vary(job, video) and not heads.is_size_constant):
        return await _with_frame_sizes(job, video)
    return video


async def _with_frame_sizes(job: Job, video: VideoStream) -> VideoStream:
    await job.complete_source()
    try:
        sizes = await job.read_frame_sizes(video)
    except RoomcastError as error:
        if error.code not in {Code.TIMEOUT, Code.TRANSCODE_ERROR}:
            raise
        log.warning("frame_sizes_unknown", reason=error.message)
        return video
    return sizes.applied_to(video)


async def _with_available_decoder(job: Job, video: VideoStream) -> VideoStream:
    """Return the video without its decoder, and so without alpha, where the installed ffmpeg does not have that."""
    if video.decoder in (await job.capabilities()).decoders:
        return video
    return replace(video, decoder=None, alpha=False)
