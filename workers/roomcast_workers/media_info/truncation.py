"""Whether all of a file is there: what was read, against what it declares. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from roomcast.errors import UnreadableMedia

from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream

_SLACK_SECONDS = 1.0
_SLACK_SHARE = 0.02
_BELIEVED = 1000
"""A file that declares more than so many times what it holds, and counts no frames, is not cut short: it lies."""

_ONE_FRAME = 0.04
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


@dataclass(frozen=True)
class Truncation:
    """A film that is cut short: seconds that could be read, of seconds declared."""

    seconds: float
    declared: float

    def to_json(self) -> dict[str, float]:
        """As it is said in `element.partial`."""
        return {"seconds": round(self.seconds, 3), "declaredSeconds": round(self.declared, 3)}


@dataclass(frozen=True)
class VerifiedMedia:
    """What a file has been found to hold: what its header says of the streams that have packets, the packets, the true
    length in seconds, and what is missing."""

    info: MediaInfo
    scan: PacketScan
    seconds: float
    truncation: Truncation | None


def verify_media(info: MediaInfo, scan: PacketScan, head: bytes) -> VerifiedMedia:
    """What can be read of a file. `head`: its first bytes, some hundred will do.

    Raises `UnreadableMedia` when that is nothing, or a film without a single picture.
    """
    audio = info.audio if info.audio and scan.stream(info.audio.index).packets else None
    found = info.video if info.video and scan.stream(info.video.index).packets else None
    if (found is None and info.video is not None) or (found is None and audio is None):
        raise UnreadableMedia("nothing of the file can be read")
    seconds = scan.seconds(*(stream.index for stream in (found, audio) if stream is not None))
    seconds = seconds or info.duration or _ONE_FRAME
    if found is not None:
        found = replace(found, duration=scan.stream(found.index).seconds or seconds)
    left = replace(info, duration=seconds, video=found, audio=audio)
    return VerifiedMedia(left, scan, seconds, find_truncation(info, scan, head))


def lengths_match(one: float, other: float) -> bool:
    """Whether two lengths, in seconds, differ by no more than containers and encoders make them."""
    return abs(one - other) <= max(_SLACK_SECONDS, _SLACK_SHARE * max(one, other))


def find_truncation(info: MediaInfo, scan: PacketScan, head: bytes) -> Truncation | None:
    """What is missing of a file, or None when it is whole. `head`: its first bytes, some hundred will do.

    A sample table that counts more packets than there are is proof. Matroska says how many bytes it has. Of the others
    the declared length is believed, unless it is out of all proportion: a forged header is no reason to call a whole
    file partial.
    """
    if info.format_name.startswith("matroska"):
        whole = segment_size(head)
        if whole is None or info.size is None or info.size >= whole:
            return None
    if info.format_name == "avi" and info.video and info.video.frames and info.video.fps:
        # Of what is cut short ffmpeg guesses a length by the bytes that are there; the header counts the frames.
        info = replace(info, video=replace(info.video, duration=info.video.frames / info.video.fps))
    for stream in (info.video, info.audio):
        found = _missing(stream, info.duration, scan) if stream is not None else None
        if found is not None:
            return found
    return None


def _missing(stream: VideoStream | AudioStream, declared: float | None, scan: PacketScan) -> Truncation | None:
    found = scan.stream(stream.index)
    declared = stream.duration or declared
    if declared is None or found.seconds >= declared or lengths_match(found.seconds, declared):
        return None
    counted_all = stream.frames is not None and found.packets >= stream.frames * (1 - _SLACK_SHARE)
    lying = stream.frames is None and declared > found.seconds * _BELIEVED
    return None if counted_all or lying else Truncation(found.seconds, declared)


def segment_size(head: bytes) -> int | None:
    """How many bytes a Matroska file has by its own account; None when it does not say (a live recording does not).

    RFC 8794: an element is an id, a size and so much content; the first is the EBML head, the second the segment.
    """
    if not head.startswith(_EBML):
        return None
    size, at = _vint(head, len(_EBML))
    if size is None or head[at + size : at + size + len(_SEGMENT)] != _SEGMENT:
        return None
    length, after = _vint(head, at + size + len(_SEGMENT))
    return None if length is None else after + length


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """The number at `at`, None for "unknown", and where it ends."""
    width = 9 - data[at].bit_length() if at < len(data) else 9
    if width > 8 or at + width > len(data):
        return None, at
    unknown = (1 << 7 * width) - 1
    value = int.from_bytes(data[at : at + width], "big") & unknown
    return (None if value == unknown else value), at + width
