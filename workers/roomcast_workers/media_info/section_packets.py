"""Packets in short sections of a video, and from them the bytes that compressing it would take. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

SECTION_ENTRIES = "packet=pts_time,size,flags"
"""ffprobe's `-show_entries`, with `-of csv=p=0`: one line per packet, its fields in this order."""

_FIELDS = 3


@dataclass(frozen=True)
class VideoPacket:
    """One frame as it is stored: when it is shown, in seconds, and its size in bytes."""

    time: float
    size: int
    keyframe: bool


def parse_packets(listing: str) -> list[VideoPacket]:
    """Return the packets in what ffprobe lists with `SECTION_ENTRIES`, except those without a time. Never raises."""
    packets = []
    for line in listing.splitlines():
        fields = line.split(",")
        try:
            packets.append(VideoPacket(float(fields[0]), int(fields[1]), "K" in fields[2]))
        except (ValueError, IndexError):
            continue
    return packets


def bytes_in_sections(
    packets: Sequence[VideoPacket], starts: Sequence[float], seconds: float, keyframe_seconds: float
) -> float:
    """Return the bytes of the frames that are shown in sections of `seconds` each, as if these had as many keyframes as
    the video has elsewhere: one every `keyframe_seconds`.

    Between keyframes that lie far apart ffprobe lists packets once for every section that follows.
    """
    listed = set(packets)
    shown = [packet for packet in listed if any(start <= packet.time < start + seconds for start in starts)]
    keyframes = [packet.size for packet in listed if packet.keyframe]
    others = [packet.size for packet in shown if not packet.keyframe]
    total = sum(packet.size for packet in shown)
    if not keyframes or not others:
        return total
    lacking = len(starts) * seconds / keyframe_seconds - sum(packet.keyframe for packet in shown)
    return total + lacking * max(0.0, fmean(keyframes) - fmean(others))


def bytes_without_extra_keyframes(
    packets: Sequence[VideoPacket], sections: int, seconds: float, keyframe_seconds: float
) -> float:
    """Return the bytes that samples, encoded one after the other, would take amid the complete video.

    There are `sections` of `seconds` each. Each begins with a keyframe; in the complete video there is one every
    `keyframe_seconds`, and an average frame in the place of the others.
    """
    keyframes = [packet.size for packet in packets if packet.keyframe]
    others = [packet.size for packet in packets if not packet.keyframe]
    total = sum(keyframes) + sum(others)
    if not keyframes or not others:
        return total
    expected = max(0, len(keyframes) - sections) + sections * seconds / keyframe_seconds
    extra = max(0.0, len(keyframes) - expected)
    return total - extra * max(0.0, sum(keyframes) / len(keyframes) - sum(others) / len(others))
