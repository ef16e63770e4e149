"""Make HLS: a video in several sizes, cut into CMAF segments, for players that adapt to their bandwidth.

    hls.m3u8                        the master playlist: the renditions and the bandwidth of each
    hls-720.m3u8                    a rendition's own playlist; `hls-audio` is the audio of all renditions
    hls-720-init.mp4, hls-720-00000.m4s, …

The input is the compressed video and not its source: it is upright, with square pixels, complete, in colours that every
screen shows, and known to be readable. The loss of the second generation is small beside that of scaling down. One
decoder feeds all renditions, and they are cut at the same frames, so that a player can switch between any two segments.

ffmpeg's own master playlist (`-master_pl_name`, tried with ffmpeg 8.1.2) is not used. Its EXT-X-STREAM-INF lines have
no FRAME-RATE, which Apple's authoring specification requires; it lists the audio once more as a variant of its own; it
names it `audio_2`, which players show, and without AUTOSELECT; and for a video of 8.04 s it wrote BANDWIDTH=615928 with
AVERAGE-BANDWIDTH=616550, a peak below the average.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from roomcast.errors import EncodingFailed
from roomcast.segments.plan import AUDIO
from roomcast.segments.playlists import (
    MASTER_PLAYLIST,
    AudioRendition,
    Bandwidth,
    Variant,
    bandwidth_of,
    playlist_name,
    target_seconds,
    write_master_playlist,
)

from roomcast_workers.ffmpeg import segment_commands
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.ffmpeg.segment_commands import BUFFER_SECONDS, Rendition
from roomcast_workers.job import Job, ResultFile
from roomcast_workers.media_info.probe import MediaInfo, require_video

_STEREO = 2
_PLAYLIST_MIME = "application/vnd.apple.mpegurl"
_FULL_HD_PIXELS = 1920 * 1080
_FULL_HD_BITRATE = 6_000_000
_HIGH_FPS = 40
_TOLERANCE_SECONDS = 1.0
_SEGMENT = re.compile(r"^#EXTINF:([\d.]+),[^\n]*\n([^#\n]+)$", re.MULTILINE)
_AVC = re.compile(rb"avcC.(...)", re.DOTALL)
"""Profile, constraints and level, in an `avcC` box (ISO/IEC 14496-15)."""
_AV1 = re.compile(rb"av1C.(..)", re.DOTALL)
"""Profile and level, and flags, in an `av1C` box (AV1 Codec ISO Media File Format Binding)."""
_VP9 = re.compile(rb"vpcC....(...)", re.DOTALL)
"""Profile, level and depth, in a `vpcC` box (VP Codec ISO Media File Format Binding)."""
_AAC = re.compile(rb"esds.*?\x05\x80\x80\x80.(.)", re.DOTALL)
"""The first byte of an AudioSpecificConfig, which begins with the object type, in an `esds` box as ffmpeg writes it."""


@dataclass(frozen=True)
class MediaSegment:
    """One segment in a rendition's playlist."""

    name: str
    seconds: float


def renditions(sides: Sequence[int], width: int, height: int, fps: float | None = None) -> list[Rendition]:
    """Return the renditions of a video of this size, the largest first.

    `sides` are short sides in pixels, as in "720p". Nothing is enlarged: all sides above the video's own give one
    rendition in its own size.
    """
    short = min(width, height)
    by_name: dict[int, Rendition] = {}
    for side in sorted({min(side, short) for side in sides}, reverse=True):
        wide, high = (max(2, int(length * side / short + 1e-9) // 2 * 2) for length in (width, height))
        name = min(wide, high)
        by_name.setdefault(name, Rendition(str(name), wide, high, _max_rate(wide * high, fps)))
    return list(by_name.values())


def _max_rate(pixels: int, fps: float | None) -> int:
    """Return 6 Mbit/s for Full HD, half as much again above 40 fps, and less than proportionally for other sizes."""
    factor = 1.5 if fps and fps > _HIGH_FPS else 1.0
    return round(_FULL_HD_BITRATE * factor * math.pow(pixels / _FULL_HD_PIXELS, 0.75))


def expected_peak(rendition: Rendition, shortest: float) -> int:
    """Return the bits per second that segments of a rendition, of `shortest` seconds at least, have at most.

    An encoder may fill its buffer once in each, and sizes without that limit need hardly more.
    """
    return round(rendition.max_rate * (1 + BUFFER_SECONDS / shortest))


def relative_cost(sides: Sequence[int], width: int, height: int) -> float:
    """Return how many pixels all renditions have together, as a multiple of the video's."""
    return sum(rendition.width * rendition.height for rendition in renditions(sides, width, height)) / (width * height)


def parse_segments(playlist: str) -> list[MediaSegment]:
    """Return the segments of a rendition's playlist, in order."""
    return [MediaSegment(name, float(seconds)) for seconds, name in _SEGMENT.findall(playlist)]


def codec_string(init: bytes) -> str:
    """Return the RFC 6381 codec string of the initialization segment of H.264, AV1, VP9, AAC or Opus. Raise
    `EncodingFailed` for others."""
    if match := _AV1.search(init):
        profile_and_level, flags = match[1]
        depth = (12 if flags & 0x20 else 10) if flags & 0x40 else 8
        tier = "H" if flags & 0x80 else "M"
        return f"av01.{profile_and_level >> 5}.{profile_and_level & 31:02}{tier}.{depth:02}"
    if match := _VP9.search(init):
        profile, level, depth = match[1]
        return f"vp09.{profile:02}.{level:02}.{depth >> 4:02}"
    if b"dOps" in init:
        return "opus"
    if match := _AVC.search(init):
        return f"avc1.{match[1].hex()}"
    if match := _AAC.search(init):
        return f"mp4a.40.{match[1][0] >> 3}"
    raise EncodingFailed("An HLS rendition does not have the expected codec.")


async def make_hls(
    job: Job, video: Path, info: MediaInfo, demuxer: str, on_progress: Callable[[ProgressBlock], None]
) -> list[ResultFile]:
    """Encode the renditions of a compressed video and return their files; only the master playlist is listed.

    Raises `EncodingFailed` when the result is incomplete or the renditions are not cut at the same frames.
    """
    stream = require_video(info)
    template = job.template
    ladder = renditions(template.hls, stream.width, stream.height, stream.fps)
    source = job.input(video, demuxer)
    await job.run_ffmpeg(
        segment_commands.encode_hls(source, info, ladder, preset=job.preset, audio_bitrate=template.audio_bitrate),
        on_progress,
    )

    segments = {rendition.name: _segments(job, rendition.name) for rendition in ladder}
    _verify(list(segments.values()), stream.duration or info.duration)
    variants = [
        Variant(one.name, one.width, one.height, _codec(job, one.name), _bandwidth(job, segments[one.name]))
        for one in ladder
    ]
    audio = None
    if info.audio is not None:
        segments[AUDIO] = _segments(job, AUDIO)
        channels = min(info.audio.channels, _STEREO)
        audio = AudioRendition(channels, _codec(job, AUDIO), _bandwidth(job, segments[AUDIO]))
    master = job.scratch / MASTER_PLAYLIST
    master.write_text(write_master_playlist(variants, stream.fps, audio))
    largest = ladder[0]
    files = [ResultFile(master, "hls", _PLAYLIST_MIME, largest.width, largest.height, info.duration)]
    return files + [file for name in segments for file in _rendition_files(job, name, segments[name])]


def _playlist(job: Job, name: str) -> Path:
    return job.scratch / playlist_name(name)


def _init(job: Job, name: str) -> Path:
    return job.scratch / f"hls-{name}-init.mp4"


def _segments(job: Job, name: str) -> list[MediaSegment]:
    return parse_segments(_playlist(job, name).read_text())


def _codec(job: Job, name: str) -> str:
    return codec_string(_init(job, name).read_bytes())


def _bandwidth(job: Job, segments: Sequence[MediaSegment]) -> Bandwidth:
    timed = [(segment.seconds, (job.scratch / segment.name).stat().st_size) for segment in segments]
    return bandwidth_of(timed, target_seconds(seconds for seconds, _ in timed))


def _rendition_files(job: Job, name: str, segments: Sequence[MediaSegment]) -> list[ResultFile]:
    """Return the files of a rendition, none of which is listed."""
    return [
        ResultFile(_playlist(job, name), "hls", _PLAYLIST_MIME, listed=False),
        ResultFile(_init(job, name), "hls", "video/mp4", listed=False),
        *(ResultFile(job.scratch / segment.name, "hls", "video/iso.segment", listed=False) for segment in segments),
    ]


def _verify(by_rendition: Sequence[Sequence[MediaSegment]], duration: float | None) -> None:
    """Raise `EncodingFailed` unless every rendition is complete and all are cut at the same frames."""
    cuts = [[segment.seconds for segment in segments] for segments in by_rendition]
    if not all(cuts):
        raise EncodingFailed("An HLS rendition has no segments.")
    if any(first != second for first, second in pairwise(cuts)):
        raise EncodingFailed("The HLS renditions are not cut at the same frames.")
    if duration is not None and abs(sum(cuts[0]) - duration) > max(_TOLERANCE_SECONDS, duration / 50):
        raise EncodingFailed("The HLS renditions are not as long as the video.")
