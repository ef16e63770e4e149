"""The poster: a picture of the film, shown to the room while the film is still being compressed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from roomcast.errors import Code, RoomcastError

from roomcast_workers.ffmpeg import commands
from roomcast_workers.job import NON_FATAL, Job, ResultFile
from roomcast_workers.media_info import probe
from roomcast_workers.video.encoder import tone_mapper

log = logging.getLogger(__name__)

_LONG_SIDE = 1280
_LATEST_SECONDS = 3.0
_WALL_SECONDS = 15.0


async def make_poster(job: Job, video: Path, info: probe.MediaInfo, demuxer: str) -> dict[str, Any] | None:
    """Make, store and announce the poster of a film; its output, or None when the film gives none so easily."""
    made = await _poster(job, video, info, demuxer)
    return await job.publish_poster(made) if made else None


async def _poster(job: Job, video: Path, info: probe.MediaInfo, demuxer: str) -> ResultFile | None:
    """The first frame after a fade-in that shows something; in a dark film the frame that is there, or the first."""
    stream = probe.require_video(info)
    path = job.scratch / "poster.jpg"
    moment = poster_moment(info)
    mapper = await tone_mapper(job, stream)
    shrink = min(1.0, _LONG_SIDE / max(stream.width, stream.height))
    width, height = (max(1, round(side * shrink)) for side in (stream.width, stream.height))
    source = job.input(video, demuxer)
    for start, skip_dark in ((moment, True), (moment, False), (0.0, False)):
        try:
            command = commands.save_poster(
                source, path, stream, width, height, mapper, start=start, skip_dark=skip_dark
            )
            await job.run_ffmpeg(command, timeout_seconds=_WALL_SECONDS)
            if not path.exists():
                continue
            picture = probe.require_video(await job.probe(path, "image2"))
        except RoomcastError as error:
            if error.code not in NON_FATAL:
                raise
            log.warning("no poster at %.1f s: %s", start, error.message)
            if error.code is Code.TIMEOUT:
                break
        else:
            return ResultFile(path, "poster", "image/jpeg", picture.width, picture.height)
    return None


def poster_moment(info: probe.MediaInfo) -> float:
    """Seconds into the film at which its poster is looked for: past most fade-ins, well before the end."""
    stream = probe.require_video(info)
    return min(_LATEST_SECONDS, (stream.duration or info.duration or 0.0) / 4)
