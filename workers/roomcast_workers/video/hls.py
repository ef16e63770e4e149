"""The HLS ladder: a film in several sizes, cut into CMAF segments, for players that choose by what the line carries.

    hls.m3u8                        the master playlist: which renditions there are, and what each takes
    hls-720.m3u8                    a rendition's own playlist; `hls-audio` is the sound, once for all
    hls-720-init.mp4, hls-720-00000.m4s, …

It is made of the compressed film rather than of its source. That one is upright, square, whole, in the colours of
every screen and known to be readable, so nothing of it has to be put right again for each rendition; the one
generation more is lost in what a smaller size loses. One decode feeds all renditions. They are cut at the same frames,
so that a player can change between any two segments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from roomcast.errors import TranscodeError

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.commands import Rendition
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.job import Job, ResultFile
from roomcast_workers.media_info import probe

_STEREO = 2
_FULL_HD_PIXELS = 1920 * 1080
_FULL_HD_RATE = 6_000_000
_SMOOTH_FPS = 40
_SLACK_SECONDS = 1.0
_SEGMENT = re.compile(r"^#EXTINF:([\d.]+),[^\n]*\n([^#\n]+)$", re.MULTILINE)
_AVC = re.compile(rb"avcC.(...)", re.DOTALL)
"""Profile, constraints and level, in an `avcC` box (ISO/IEC 14496-15)."""
_AAC = re.compile(rb"esds.*?\x05\x80\x80\x80.(.)", re.DOTALL)
"""The first byte of an AudioSpecificConfig, which begins with the object type, in an `esds` box as ffmpeg writes it."""


@dataclass(frozen=True)
class Segment:
    """One entry of a rendition's playlist."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Bandwidth:
    """What a rendition takes, in bits a second: at most in any segment, and on average."""

    peak: int
    average: int


@dataclass(frozen=True)
class Variant:
    """A rung as it came out. `codec` as RFC 6381 writes it."""

    rendition: Rendition
    codec: str
    rate: Bandwidth


@dataclass(frozen=True)
class AudioRendition:
    """The one rendition of the sound, as it came out."""

    channels: int
    codec: str
    rate: Bandwidth


def renditions(sides: Sequence[int], width: int, height: int, fps: float | None = None) -> list[Rendition]:
    """The ladder of a film of so many pixels, largest size first. `sides` are short sides in pixels, as in “720p”; none
    is larger than the film, so those above it come to the film's own size, once."""
    short = min(width, height)
    found: dict[int, Rendition] = {}
    for side in sorted({min(side, short) for side in sides}, reverse=True):
        wide, high = (max(2, int(length * side / short + 1e-9) // 2 * 2) for length in (width, height))
        name = min(wide, high)
        found.setdefault(name, Rendition(str(name), wide, high, _max_rate(wide * high, fps)))
    return list(found.values())


def _max_rate(pixels: int, fps: float | None) -> int:
    """6 Mbit/s for Full HD, half as much again above 40 frames a second; detail grows slower than area."""
    smooth = 1.5 if fps and fps > _SMOOTH_FPS else 1.0
    return round(_FULL_HD_RATE * smooth * math.pow(pixels / _FULL_HD_PIXELS, 0.75))


def relative_cost(sides: Sequence[int], width: int, height: int) -> float:
    """How much there is to encode for the ladder, as a multiple of the film."""
    return sum(rendition.width * rendition.height for rendition in renditions(sides, width, height)) / (width * height)


def parse_segments(playlist: str) -> list[Segment]:
    """The entries of a rendition's playlist, in order."""
    return [Segment(name, float(seconds)) for seconds, name in _SEGMENT.findall(playlist)]


def bandwidth_of(entries: Sequence[Segment], sizes: Sequence[int]) -> Bandwidth:
    """What a rendition takes whose segments have these sizes in bytes."""
    timed = [(size * 8, max(entry.seconds, 1e-3)) for entry, size in zip(entries, sizes, strict=True)]
    # A last segment of a frame or two says nothing of what the line must carry.
    full = [bits / seconds for bits, seconds in timed if seconds >= commands.HLS_SEGMENT_SECONDS / 2]
    average = sum(bits for bits, _ in timed) / sum(seconds for _, seconds in timed)
    return Bandwidth(peak=round(max([average, *full])), average=round(average))


def codec_string(init: bytes) -> str:
    """The codec of an H.264 or AAC initialization segment, as RFC 6381 writes it; `TranscodeError` for any other."""
    if found := _AVC.search(init):
        return f"avc1.{found[1].hex()}"
    if found := _AAC.search(init):
        return f"mp4a.40.{found[1][0] >> 3}"
    raise TranscodeError("The ladder has a rendition that is not what it should be.")


def master_playlist(variants: Sequence[Variant], fps: float | None, audio: AudioRendition | None) -> str:
    """The master playlist. With `sound`, each variant plays with the one rendition of it."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio:
        described = f'TYPE=AUDIO,GROUP-ID="audio",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="{audio.channels}"'
        lines.append(f'#EXT-X-MEDIA:{described},URI="hls-audio.m3u8"')
    for variant in variants:
        rendition, rate = variant.rendition, variant.rate
        codecs = f"{variant.codec},{audio.codec}" if audio else variant.codec
        attributes = [
            f"BANDWIDTH={rate.peak + (audio.rate.peak if audio else 0)}",
            f"AVERAGE-BANDWIDTH={rate.average + (audio.rate.average if audio else 0)}",
            f'CODECS="{codecs}"',
            f"RESOLUTION={rendition.width}x{rendition.height}",
            *([f"FRAME-RATE={fps:.3f}"] if fps else []),
            *(['AUDIO="audio"'] if audio else []),
        ]
        lines += [f"#EXT-X-STREAM-INF:{','.join(attributes)}", f"hls-{rendition.name}.m3u8"]
    return "\n".join(lines) + "\n"


async def make_hls(
    job: Job, video: Path, info: probe.MediaInfo, demuxer: str, on_progress: Callable[[ProgressBlock], None]
) -> list[ResultFile]:
    """The ladder of the compressed film: the master playlist, which is listed, and all that it leads to. Raises
    `TranscodeError` when what came out is not the whole film, or is not cut alike."""
    stream = probe.require_video(info)
    template = job.template
    ladder = renditions(template.hls, stream.width, stream.height, stream.fps)
    source = job.input(video, demuxer)
    await job.run_ffmpeg(
        commands.encode_hls(source, info, ladder, preset=template.preset, audio_bitrate=template.audio_bitrate),
        on_progress,
    )

    cuts = {rendition.name: _segments(job, rendition.name) for rendition in ladder}
    _verify(list(cuts.values()), stream.duration or info.duration)
    variants = [
        Variant(rendition, _codec(job, rendition.name), _rate(job, cuts[rendition.name])) for rendition in ladder
    ]
    audio = None
    if info.audio is not None:
        cuts["audio"] = _segments(job, "audio")
        audio = AudioRendition(_channels(info.audio), _codec(job, "audio"), _rate(job, cuts["audio"]))
    master = job.scratch / "hls.m3u8"
    master.write_text(master_playlist(variants, stream.fps, audio))
    made = [
        ResultFile(master, "hls", "application/vnd.apple.mpegurl", ladder[0].width, ladder[0].height, info.duration)
    ]
    return made + [part for name, entries in cuts.items() for part in _rendition_files(job, name, entries)]


def _playlist(job: Job, name: str) -> Path:
    return job.scratch / f"hls-{name}.m3u8"


def _init(job: Job, name: str) -> Path:
    return job.scratch / f"hls-{name}-init.mp4"


def _segments(job: Job, name: str) -> list[Segment]:
    return parse_segments(_playlist(job, name).read_text())


def _codec(job: Job, name: str) -> str:
    return codec_string(_init(job, name).read_bytes())


def _rate(job: Job, entries: Sequence[Segment]) -> Bandwidth:
    return bandwidth_of(entries, [(job.scratch / entry.name).stat().st_size for entry in entries])


def _rendition_files(job: Job, name: str, entries: Sequence[Segment]) -> list[ResultFile]:
    """What a rendition consists of; none of it is listed."""
    return [
        ResultFile(_playlist(job, name), "hls", "application/vnd.apple.mpegurl", listed=False),
        ResultFile(_init(job, name), "hls", "video/mp4", listed=False),
        *(ResultFile(job.scratch / entry.name, "hls", "video/iso.segment", listed=False) for entry in entries),
    ]


def _verify(cuts: Sequence[Sequence[Segment]], duration: float | None) -> None:
    if not all(cuts):
        raise TranscodeError("The ladder has a rendition without a segment.")
    if any([entry.seconds for entry in one] != [entry.seconds for entry in other] for one, other in pairwise(cuts)):
        raise TranscodeError("The renditions of the ladder are not cut at the same frames.")
    length = sum(entry.seconds for entry in cuts[0])
    if duration is not None and abs(length - duration) > max(_SLACK_SECONDS, duration / 50):
        raise TranscodeError("The ladder is not as long as the film.")


def _channels(audio: probe.AudioStream) -> int:
    return min(audio.channels, _STEREO)
