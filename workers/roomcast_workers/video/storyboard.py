"""The storyboard: small pictures all along the film in one sprite, and a WebVTT file that says which is when.

What is seen when a player's seek bar is hovered over. Made of the result, in runs of its own: a second output beside
the film would silence the progress of both.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from roomcast.errors import RoomcastError
from roomcast.uploads.model import Tick

from roomcast_workers.ffmpeg import commands
from roomcast_workers.ffmpeg.input_options import InputFile
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.job import NON_FATAL, Job, ResultFile
from roomcast_workers.media_info import probe
from roomcast_workers.video.encoder import tone_mapper

log = logging.getLogger(__name__)

_SHORTEST_SECONDS = 2.0
_MOST_TILES = 100
_CLOSEST_MILLISECONDS, _USUAL_MILLISECONDS = 1000, 5000
_FEWEST_TILES = 10
_COLUMNS = 10
_TILE_LONG_SIDE = 192


@dataclass(frozen=True)
class Storyboard:
    """A sprite of `count` tiles of `width` × `height` pixels, filled row by row. Each tile stands for `interval`
    milliseconds of a film of `duration` milliseconds, the last for what remains."""

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


def plan(duration: float | None, width: int, height: int) -> Storyboard | None:
    """The storyboard of a film of so many seconds, of this shape: a tile for every five seconds, where our own films
    have a keyframe; in a short film some ten, in a long one a hundred. None for a film too short to look through."""
    if duration is None or duration < _SHORTEST_SECONDS:
        return None
    milliseconds = round(duration * 1000)
    usual = min(_USUAL_MILLISECONDS, milliseconds // _FEWEST_TILES)
    interval = max(_CLOSEST_MILLISECONDS, usual, math.ceil(milliseconds / _MOST_TILES))
    shrink = min(1.0, _TILE_LONG_SIDE / max(width, height))
    tile_width, tile_height = (max(2, round(side * shrink / 2) * 2) for side in (width, height))
    return Storyboard(math.ceil(milliseconds / interval), interval, milliseconds, tile_width, tile_height)


def webvtt(board: Storyboard, sprite: str) -> str:
    """The WebVTT thumbnails track: for each stretch of the film the part of `sprite`, a relative URL, that shows it."""
    cues = ["WEBVTT\n"]
    for number in range(board.count):
        row, column = divmod(number, board.columns)
        begin, end = number * board.interval, min((number + 1) * board.interval, board.duration)
        place = f"{column * board.width},{row * board.height},{board.width},{board.height}"
        cues.append(f"{_timestamp(begin)} --> {_timestamp(end)}\n{sprite}#xywh={place}\n")
    return "\n".join(cues)


async def make_storyboard(job: Job, video: Path, info: probe.MediaInfo, demuxer: str) -> list[ResultFile]:
    """The sprite and its WebVTT of the compressed film; nothing where none can be had. Reports how far it is."""
    stream = probe.require_video(info)
    duration = stream.duration or info.duration
    board = plan(duration, stream.width, stream.height)
    if board is None:
        return []
    tiles, sprite, track = (job.scratch / name for name in ("tiles.nut", "sprite.jpg", "storyboard.vtt"))
    try:
        source = job.input(video, demuxer)
        enough_keyframes = await _count_keyframes(job, source, stream) >= board.count
        mapper = await tone_mapper(job, stream)
        command = commands.save_tiles(
            source,
            tiles,
            stream,
            board.width,
            board.height,
            mapper,
            interval=board.interval,
            keyframes_only=enough_keyframes,
        )
        await job.run_ffmpeg(command, _telling(job, board))
        await job.run_ffmpeg(
            commands.save_sprite(
                job.input(tiles, "nut"), sprite, columns=board.columns, rows=board.rows, count=board.count
            )
        )
        picture = probe.require_video(await job.probe(sprite, "image2"))
    except RoomcastError as error:
        if error.code not in NON_FATAL:
            raise
        log.warning("no storyboard: %s", error.message)
        return []
    finally:
        tiles.unlink(missing_ok=True)
    track.write_text(webvtt(board, sprite.name), encoding="utf-8")
    return [
        ResultFile(sprite, "sprite", "image/jpeg", picture.width, picture.height),
        ResultFile(track, "storyboard", "text/vtt", duration=duration),
    ]


async def _count_keyframes(job: Job, video: InputFile, stream: probe.VideoStream) -> int:
    count = 0

    def hear(reading: ProgressBlock) -> None:
        nonlocal count
        count = reading.frame or count

    await job.run_ffmpeg(commands.count_keyframes(video, stream), hear)
    return count


def _telling(job: Job, board: Storyboard) -> Callable[[ProgressBlock], None]:
    return lambda reading: job.reporter.progress(Tick(min(1.0, (reading.frame or 0) / board.count)))


def _timestamp(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
