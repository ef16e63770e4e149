"""Scan the packets of a source by its index or by the headers of its packets, without reading the rest of it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream
from roomcast_workers.sources.boxes import top_level_boxes
from roomcast_workers.sources.headers import MAX_INDEX
from roomcast_workers.sources.matroska import scan_matroska
from roomcast_workers.sources.mov_index import scan_index
from roomcast_workers.sources.mp4_fragments import scan_fragments

_MAX_DIFFERENCE = 0.1
"""In seconds. Packets of sound that are decoded but not heard are counted by one and not by the other."""

_Streams = list[VideoStream | AudioStream]


def scan_by_index(path: Path, demuxer: str, info: MediaInfo) -> PacketScan | None:
    """Return the scan of a file's video and audio streams, or None where neither an index nor headers stand for the
    packets. It waits for the disk."""
    scan = {"mov": _scan_mp4, "matroska": scan_matroska}.get(demuxer)
    streams: _Streams = [found.stream for found in info.videos]
    streams += [found.stream for found in info.audios]
    if scan is None:
        return None
    with path.open("rb") as file:
        found = scan(file, streams)
    return found if found is not None and _begins_as_probed(found, streams) else None


def _begins_as_probed(scan: PacketScan, streams: _Streams) -> bool:
    """Return whether the streams begin when ffprobe has met their first packets. It has rules of its own for files that
    give wrong delays."""
    known = [(stream.start, scan.streams[stream.index].start) for stream in streams if stream.index in scan.streams]
    return all(probed is None or abs(probed - start) < _MAX_DIFFERENCE for probed, start in known)


def _scan_mp4(file: BinaryIO, streams: _Streams) -> PacketScan | None:
    boxes = list(top_level_boxes(file))
    indexes = [box for box in boxes if box.type == b"moov"]
    if any(box.type == b"moof" for box in boxes):
        return scan_fragments(file, boxes, streams)
    if len(indexes) != 1:
        return None
    length = indexes[0].stop - indexes[0].content
    if length > MAX_INDEX:
        return None
    size = file.seek(0, 2)
    file.seek(indexes[0].content)
    return scan_index(file.read(length), size, streams)
