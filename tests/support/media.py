"""Descriptions of media for tests: a video as ffprobe describes it, and parsers of playlists and of WebVTT."""

from __future__ import annotations

import re

from roomcast_workers.media_info.packet_scan import PacketScan
from roomcast_workers.media_info.probe import AudioStream, MediaInfo, VideoStream

VIDEO = VideoStream(0, "h264", 1280, 720, 0, 25.0, "yuv420p", 250, 10.0, profile="High")
AUDIO = AudioStream(1, "aac", 2, 48_000, 10.0, 469)
INFO = MediaInfo(10.0, 1_000_000, "mov", VIDEO, AUDIO)


def scanned(
    *, packets: int = 250, bits: int = 1_000_000, first: str = "K__", gap: int = 50, pts: bool = True
) -> PacketScan:
    """Return ten seconds of video at 25 fps and `bits` per second, with audio at 100 kbit/s."""
    scan = PacketScan()
    for number in range(packets):
        flags = first if number == 0 else "K__" if number % gap == 0 else "___"
        time = f"{number / 25:.6f}"
        scan.feed(f"0,{time if pts else 'N/A'},{time},0.040000,{bits // 200},N/A,{flags}\n".encode())
    for number in range(500):
        scan.feed(f"1,{number / 50:.6f},{number / 50:.6f},0.020000,250,N/A,K__\n".encode())
    return scan


CUE = re.compile(
    r"(\d\d+):(\d\d):(\d\d)\.(\d{3}) --> (\d\d+):(\d\d):(\d\d)\.(\d{3})\n(.+)#xywh=(\d+),(\d+),(\d+),(\d+)"
)


def cues(track: str) -> list[tuple[int, int, tuple[int, ...]]]:
    """Return the cues of a WebVTT file: start and end in milliseconds, and the area of the sprite."""
    found = []
    for cue in CUE.findall(track):
        hours, minutes, seconds, thousandths = zip(cue[:4], cue[4:8], strict=True)
        times = [
            int(h) * 3_600_000 + int(m) * 60_000 + int(s) * 1000 + int(t)
            for h, m, s, t in zip(hours, minutes, seconds, thousandths, strict=True)
        ]
        found.append((*times, tuple(int(number) for number in cue[9:])))
    return found  # type: ignore[return-value]


def attributes(line: str) -> dict[str, str]:
    """Return the attributes of a playlist's tag."""
    found = re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2])
    return {name: value.strip('"') for name, value in found}
