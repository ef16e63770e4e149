"""The poster: one frame of the video, shown while the video is still being compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog
from roomcast.errors import Code, RoomcastError

from roomcast_workers.ffmpeg import commands
from roomcast_workers.job import NON_FATAL, Job, ResultFile
from roomcast_workers.media_info.jpeg import read_jpeg_size
from roomcast_workers.media_info.probe import MediaInfo, require_video
from roomcast_workers.video.encoder import tone_mapper

log = structlog.get_logger(__name__)

_LONG_SIDE = 1280
_LATEST_SECONDS = 3.0
_TIMEOUT_SECONDS = 15.0


async def make_poster(job: Job, video: Path, info: MediaInfo, demuxer: str) -> dict[str, Any] | None:
    """Make, store and publish the poster of a video, and return its output, or None when no frame could be saved."""
    poster = await _save_poster(job, video, info, demuxer)
    return await job.publish_poster(poster) if poster else None


async def _save_poster(job: Job, video: Path, info: MediaInfo, demuxer: str) -> ResultFile | None:
    """Save the first bright frame after a fade-in; in a dark video the frame at that time, or else the first one."""
    stream = require_video(info)
    path = job.scratch / "poster.jpg"
    first_choice = poster_time(info)
    mapper = await tone_mapper(job, stream)
    scale = min(1.0, _LONG_SIDE / max(stream.width, stream.height))
    width, height = (max(1, round(side * scale)) for side in (stream.width, stream.height))
    source = job.input(video, demuxer)
    for start, skip_dark in ((first_choice, True), (first_choice, False), (0.0, False)):
        try:
            command = commands.save_poster(
                source, path, stream, width, height, mapper, start=start, skip_dark=skip_dark
            )
            await job.run_ffmpeg(command, timeout_seconds=_TIMEOUT_SECONDS)
            if not path.exists():
                continue
            saved_size = read_jpeg_size(path)
        except RoomcastError as error:
            if error.code not in NON_FATAL:
                raise
            log.warning("poster_not_saved", start=start, reason=error.message)
            if error.code is Code.TIMEOUT:
                break
        else:
            return ResultFile(path, "poster", "image/jpeg", *saved_size)
    return None


def poster_time(info: MediaInfo) -> float:
    """Return the time, in seconds, from which to search for a poster: after most fade-ins, well before the end."""
    stream = require_video(info)
    return min(_LATEST_SECONDS, (stream.duration or info.duration or 0.0) / 4)
