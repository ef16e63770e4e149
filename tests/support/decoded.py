"""What a media file contains, read with the packaged ffmpeg and ffprobe: times, pixels, and the pitch of its audio."""

from __future__ import annotations

import json
import subprocess
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any

from roomcast_workers.ffmpeg.binaries import find_binaries

RATE = 48_000


def described(path: Path, *options: str) -> dict[str, Any]:
    argv = [find_binaries().ffprobe, "-v", "error", "-of", "json", "-show_format", "-show_streams", *options]
    found: dict[str, Any] = json.loads(subprocess.run([*argv, str(path)], capture_output=True, check=True).stdout)
    return found


def packets(path: Path, kind: str) -> list[tuple[float, float]]:
    """Return the time and duration of each packet of the first stream of a `kind` ("v" or "a"), sorted by time."""
    found = described(path, "-select_streams", f"{kind}:0", "-show_packets")["packets"]
    return sorted((float(packet["pts_time"]), float(packet["duration_time"])) for packet in found)


def span(path: Path, kind: str) -> tuple[float, float]:
    """Return when the first stream of a `kind` ("v" or "a") starts and ends, as a player shows it."""
    stream = next(each for each in described(path)["streams"] if each["codec_type"].startswith(kind))
    start = float(stream["start_time"])
    return start, start + float(stream["duration"])


def pixels(path: Path, number: int = 0) -> tuple[int, int, bytes]:
    """Return the width, the height and the RGB bytes of a frame."""
    select = f"select=eq(n\\,{number})"
    argv = [find_binaries().ffmpeg, "-v", "error", "-i", str(path), "-vf", select, "-frames:v", "1"]
    stream = next(each for each in described(path)["streams"] if each["codec_type"] == "video")
    done = subprocess.run([*argv, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    return stream["width"], stream["height"], done.stdout


def pictures_digest(path: Path) -> str:
    """Return a digest of all frames of a video, decoded."""
    argv = [find_binaries().ffmpeg, "-v", "error", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough"]
    return subprocess.run([*argv, "-f", "hash", "-"], capture_output=True, check=True, text=True).stdout


def pixel(path: Path, x: int, y: int, number: int = 0) -> tuple[int, int, int]:
    width, _, content = pixels(path, number)
    at = (y * width + x) * 3
    return content[at], content[at + 1], content[at + 2]


def pitches(path: Path) -> list[int]:
    """Return the frequency in Hz of each channel, by its zero crossings; 0 for silence."""
    stream = next(each for each in described(path)["streams"] if each["codec_type"] == "audio")
    channels = int(stream["channels"])
    argv = [find_binaries().ffmpeg, "-v", "error", "-i", str(path), "-map", "0:a", "-ar", str(RATE), "-f", "s16le", "-"]
    samples = array("h", subprocess.run(argv, capture_output=True, check=True).stdout)
    return [_pitch(samples[channel::channels]) for channel in range(channels)]


def _pitch(samples: array[int]) -> int:
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    if not middle or max(middle) < 100:
        return 0
    crossings = sum(before < 0 <= after for before, after in pairwise(middle))
    return round(crossings * RATE / len(middle))
