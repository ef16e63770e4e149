"""The storyboard: one sprite of small pictures, and a WebVTT file with their times, for a player's seek bar.

It is made from the result in separate runs: a second output beside the video would silence the progress of both.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import structlog
from roomcast.errors import RoomcastError
from roomcast.uploads.model import Tick

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.codecs import ASSUMED_FPS
from roomcast_workers.ffmpeg.filters import ToneMapper
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import FrameCounter, ProgressBlock
from roomcast_workers.job import NON_FATAL, Job, ResultFile
from roomcast_workers.media_info.jpeg import read_jpeg_size
from roomcast_workers.media_info.probe import MediaInfo, VideoStream, require_video
from roomcast_workers.sources.indexed_scan import scan_by_index
from roomcast_workers.video.encoder import tone_mapper

log = structlog.get_logger(__name__)

_MIN_SECONDS = 2.0
_MAX_TILES = 100
_MIN_INTERVAL_MS, _DEFAULT_INTERVAL_MS = 1000, 5000
_MIN_TILES = 10
_COLUMNS = 10
_TILE_LONG_SIDE = 192
_FEW_PIXELS, _MANY_PIXELS = 50e6, 250e6
"""Of frames: decoding up to the first number costs less than counting keyframes, and needs no progress; above the
second, it costs more than half a CPU second."""
_MIN_KEYFRAMES = 4


class Layout(TypedDict):
    """How the tiles are arranged in the sprite."""

    columns: int
    rows: int
    count: int


@dataclass(frozen=True)
class Storyboard:
    """A sprite of `count` tiles of `width` × `height` pixels, filled row by row. Each tile covers `interval`
    milliseconds of a video of `duration` milliseconds, the last one the rest."""

    count: int
    interval: int
    duration: int
    width: int
    height: int

    @property
    def columns(self) -> int:
        return min(self.count, _COLUMNS)

    @property
    def rows(self) -> int:
        return math.ceil(self.count / _COLUMNS)

    @property
    def layout(self) -> Layout:
        return {"columns": self.columns, "rows": self.rows, "count": self.count}


def plan_storyboard(duration: float | None, width: int, height: int, most: int = _MAX_TILES) -> Storyboard | None:
    """Return the storyboard for a video of this duration and shape, or None when it is too short.

    One tile every five seconds, as our own videos have keyframes; about ten for a short video, at most `most`.
    """
    if duration is None or duration < _MIN_SECONDS:
        return None
    milliseconds = round(duration * 1000)
    default_interval = min(_DEFAULT_INTERVAL_MS, milliseconds // _MIN_TILES)
    interval = max(_MIN_INTERVAL_MS, default_interval, math.ceil(milliseconds / most))
    scale = min(1.0, _TILE_LONG_SIDE / max(width, height))
    tile_width, tile_height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
    return Storyboard(math.ceil(milliseconds / interval), interval, milliseconds, tile_width, tile_height)


def webvtt(storyboard: Storyboard, sprite: str) -> str:
    """Return the WebVTT thumbnails track: for each interval the area of `sprite`, a relative URL, that shows it."""
    cues = ["WEBVTT\n"]
    for number in range(storyboard.count):
        row, column = divmod(number, storyboard.columns)
        start, end = number * storyboard.interval, min((number + 1) * storyboard.interval, storyboard.duration)
        area = f"{column * storyboard.width},{row * storyboard.height},{storyboard.width},{storyboard.height}"
        cues.append(f"{_timestamp(start)} --> {_timestamp(end)}\n{sprite}#xywh={area}\n")
    return "\n".join(cues)


async def make_storyboard(job: Job, video: Path, info: MediaInfo, demuxer: str) -> list[ResultFile]:
    """Make the sprite and the WebVTT file of a video, or return nothing if that fails. Reports progress."""
    stream = require_video(info)
    duration = info.video_end or info.duration
    storyboard = plan_storyboard(duration, stream.width, stream.height)
    if storyboard is None:
        return []
    sprite, track = job.scratch / "sprite.jpg", job.scratch / "storyboard.vtt"
    try:
        source = job.input(video, demuxer)
        mapper = await tone_mapper(job, stream)
        frame = stream.width * stream.height
        pixels = frame * storyboard.duration / 1000 * (stream.fps or ASSUMED_FPS)
        keyframes = await _count_keyframes(job, source, info, stream) if pixels > _FEW_PIXELS else 0
        if pixels > _MANY_PIXELS and _MIN_KEYFRAMES <= keyframes < storyboard.count:
            storyboard = plan_storyboard(duration, stream.width, stream.height, keyframes) or storyboard
        keyframes_only = keyframes >= storyboard.count
        if (frame * keyframes if keyframes_only else pixels) <= _FEW_PIXELS:
            command = commands.save_short_sprite(
                source, sprite, stream, storyboard.width, storyboard.height, mapper, interval=storyboard.interval,
                keyframes_only=keyframes_only, **storyboard.layout,
            )  # fmt: skip
            await job.run_ffmpeg(command)
            job.reporter.progress(Tick(1.0))
        else:
            await _save_sprite_in_two_runs(
                job, source, sprite, stream, storyboard, mapper, keyframes_only=keyframes_only
            )
        width, height = read_jpeg_size(sprite)
    except RoomcastError as error:
        if error.code not in NON_FATAL:
            raise
        log.warning("storyboard_not_made", reason=error.message)
        return []
    track.write_text(webvtt(storyboard, sprite.name), encoding="utf-8")
    return [
        ResultFile(sprite, "sprite", "image/jpeg", width, height),
        ResultFile(track, "storyboard", "text/vtt", duration=duration),
    ]


async def _save_sprite_in_two_runs(
    job: Job, source: InputFile, sprite: Path, stream: VideoStream, storyboard: Storyboard, mapper: ToneMapper,
    *, keyframes_only: bool,
) -> None:  # fmt: skip
    """Save the tiles, with progress, and then the sprite of them: a run with one picture has no progress to report."""
    tiles = job.scratch / "tiles.nut"
    try:
        command = commands.save_tiles(
            source, tiles, stream, storyboard.width, storyboard.height, mapper, interval=storyboard.interval,
            keyframes_only=keyframes_only,
        )  # fmt: skip
        await job.run_ffmpeg(command, _progress_reporter(job, storyboard))
        await job.run_ffmpeg(commands.save_sprite(job.input(tiles, "nut"), sprite, **storyboard.layout))
    finally:
        tiles.unlink(missing_ok=True)


async def _count_keyframes(job: Job, source: InputFile, info: MediaInfo, stream: VideoStream) -> int:
    """Return the number of a video's keyframes: by the index where it shows them, otherwise from all packets."""
    indexed = await asyncio.to_thread(scan_by_index, source.path, source.demuxer, info)
    if indexed is not None:
        return len(indexed.stream(stream.index).intervals.times)
    counter = FrameCounter()
    await job.run_ffmpeg(commands.count_keyframes(source, stream), counter)
    return counter.frames


def _progress_reporter(job: Job, storyboard: Storyboard) -> Callable[[ProgressBlock], None]:
    return lambda block: job.reporter.progress(Tick(min(1.0, (block.frame or 0) / storyboard.count)))


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
