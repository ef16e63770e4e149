"""Detect truncated media: compare what could be read of a file with what it declares. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from roomcast.errors import UnreadableMedia

from roomcast_workers.media_info.declared import DECLARED_BY_HEADER, declared_seconds
from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream

_TOLERANCE_SECONDS = 1.0
_TOLERANCE_FRACTION = 0.02
_MAX_CREDIBLE_RATIO = 1000
"""A file that declares more than this many times what it contains, and no number of frames, has a forged header."""

_ONE_FRAME = 0.04
_LONG_FRAME_SECONDS = 0.5
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


@dataclass(frozen=True)
class Truncation:
    """A truncated or damaged file: the seconds that could be read, and the seconds declared. `missing` has pairs of
    times, in seconds from the beginning of the result, of what could not be decoded."""

    seconds: float
    declared: float
    missing: tuple[tuple[float, float], ...] = ()

    def without(self, missing: Sequence[tuple[float, float]]) -> Truncation:
        """Return the same without what could not be decoded."""
        lost = sum(end - start for start, end in missing)
        return Truncation(max(0.0, self.seconds - lost), self.declared, tuple(missing))

    def to_json(self) -> dict[str, Any]:
        """Return `element.partial`."""
        named = [[round(start, 3), round(end, 3)] for start, end in self.missing]
        seconds = {"seconds": round(self.seconds, 3), "declaredSeconds": round(self.declared, 3)}
        return seconds | ({"missing": named} if named else {})


@dataclass(frozen=True)
class VerifiedMedia:
    """What a file really contains.

    `info` describes only streams that have packets; `seconds` is the duration by the packets; `truncation` is None for
    a complete file.
    """

    info: MediaInfo
    scan: PacketScan
    seconds: float
    truncation: Truncation | None

    @property
    def beginning(self) -> float:
        """The time of the file at which the result begins: with the first of its streams."""
        video, audio = self.info.video, self.info.audio
        starts = [self.scan.stream(video.index).start] if video is not None else []
        if audio is not None:
            starts.append(audio.start if audio.start is not None else self.scan.stream(audio.index).start)
        return min(starts)

    def with_video(self, video: VideoStream) -> VerifiedMedia:
        """Return the same with another description of the video."""
        return replace(self, info=replace(self.info, video=video))


def verify_media(info: MediaInfo, scan: PacketScan, head: bytes) -> VerifiedMedia:
    """Return what can be read of a file. `head` is its first bytes, after an ID3 tag; some hundred are enough.

    A stream without packets is left out, as a declared video of which none was recorded. Raises `UnreadableMedia` when
    there are no packets.
    """
    audio = info.audio if info.audio and scan.stream(info.audio.index).packets else None
    video = info.video if info.video and scan.stream(info.video.index).packets else None
    if video is None and audio is None:
        raise UnreadableMedia("Nothing in the file can be read.")
    seconds = scan.seconds(*(stream.index for stream in (video, audio) if stream is not None))
    seconds = seconds or info.duration or _ONE_FRAME
    if video is not None:
        video = _measured(video, audio, scan, seconds)
    readable = replace(info, duration=seconds, video=video, audio=audio)
    return VerifiedMedia(readable, scan, seconds, find_truncation(info, scan, head))


def _measured(video: VideoStream, audio: AudioStream | None, scan: PacketScan, seconds: float) -> VideoStream:
    """Return the video with its real duration, and with the start of its last frame if that is a long one."""
    packets = scan.stream(video.index)
    beginning = min([packets.start, *([scan.stream(audio.index).start] if audio is not None else [])])
    last_seconds = packets.end - packets.last
    is_long = last_seconds > _LONG_FRAME_SECONDS and packets.last > packets.start
    return replace(
        video,
        duration=packets.seconds or seconds,
        last_frame=(packets.last - beginning, last_seconds) if is_long else None,
    )


def lengths_match(one: float, other: float) -> bool:
    """Return whether two durations, in seconds, differ no more than containers and encoders make them."""
    return abs(one - other) <= max(_TOLERANCE_SECONDS, _TOLERANCE_FRACTION * max(one, other))


def find_truncation(info: MediaInfo, scan: PacketScan, head: bytes) -> Truncation | None:
    """Return how a file is truncated, or None when it is complete. `head` is its first bytes; some hundred are enough.

    A sample table with more entries than there are packets is proof. Matroska declares its size in bytes. Any other
    declared duration is believed unless it is out of all proportion: a forged header does not make a file truncated.
    """
    if info.format_name.startswith("matroska"):
        declared_size = segment_size(head)
        if declared_size is None or info.size is None or info.size >= declared_size:
            return None
    if info.format_name in DECLARED_BY_HEADER:
        seconds = declared_seconds(info.format_name, head)
        audio = replace(info.audio, duration=seconds) if info.audio else None
        video = replace(info.video, duration=seconds) if info.video else None
        info = replace(info, video=video, audio=audio, duration=None)
    if info.format_name == "avi" and info.video and info.video.frames and info.video.fps:
        # ffmpeg estimates a truncated AVI's duration from the bytes that exist; the header has the number of frames.
        info = replace(info, video=replace(info.video, duration=info.video.frames / info.video.fps))
    streams = [stream for stream in (info.video, info.audio) if stream is not None]
    for stream in streams:
        packets = scan.stream(stream.index)
        declared = stream.duration if stream.duration is not None else info.duration
        # What the container declares is from the beginning of the first stream to the end of the last.
        read = (
            packets.seconds if stream.duration is not None else scan.seconds(*(each.index for each in streams)) or 0.0
        )
        if declared is None or read >= declared or lengths_match(read, declared):
            continue
        all_frames = stream.frames is not None and packets.packets >= stream.frames * (1 - _TOLERANCE_FRACTION)
        forged = stream.frames is None and declared > read * _MAX_CREDIBLE_RATIO
        if not (all_frames or forged):
            return Truncation(read, declared)
    return None


def segment_size(head: bytes) -> int | None:
    """Return the size in bytes that a Matroska file declares, or None when it declares none, as in a live recording.

    RFC 8794: an element is an id, a size and its content. The first is the EBML header, the second the segment.
    """
    if not head.startswith(_EBML):
        return None
    size, at = _vint(head, len(_EBML))
    if size is None or head[at + size : at + size + len(_SEGMENT)] != _SEGMENT:
        return None
    length, after = _vint(head, at + size + len(_SEGMENT))
    return None if length is None else after + length


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """Return the number at `at`, None for "unknown", and the position after it."""
    width = 9 - data[at].bit_length() if at < len(data) else 9
    if width > 8 or at + width > len(data):
        return None, at
    unknown = (1 << 7 * width) - 1
    value = int.from_bytes(data[at : at + width], "big") & unknown
    return (None if value == unknown else value), at + width
