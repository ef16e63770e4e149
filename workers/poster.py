"""The poster: a picture of the film, shown to the room while the film is still being compressed."""

from __future__ import annotations

import logging
from typing import Any

from server.upload.errors import Code, RoomcastError
from workers import probe, video
from workers.job import Job, Made

log = logging.getLogger(__name__)

_LATER = {Code.UNREADABLE_MEDIA, Code.TRANSCODE_ERROR, Code.STALLED, Code.TIMEOUT}


async def poster_at_once(job: Job, film: probe.MediaInfo) -> dict[str, Any] | None:
    """Make, store and announce it; its output, or None when this film gives none so easily."""
    path = job.scratch / "poster.jpg"
    moment = video.poster_moment(film)
    try:
        await job.encode(video.poster_args(job.path, path, moment, job.source.format))
        picture = probe.require_video(await job.look(path, "image2"))
    except RoomcastError as error:
        if error.code not in _LATER:
            raise
        log.warning("no poster at once: %s", error.message)
        return None
    return await job.show_poster(Made(path, "poster", "image/jpeg", picture.width, picture.height))
