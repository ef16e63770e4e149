"""The poster: a picture of the film, shown to the room while the film is still being compressed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from server.upload.errors import Code, RoomcastError
from workers import probe
from workers.chain import ToneMapper, as_text, jpeg_chain
from workers.encoding import tone_mapper
from workers.job import SPARED, Job, Made
from workers.reading import file_url, input_args

log = logging.getLogger(__name__)

_LONG_SIDE = 1280
_LATEST_SECONDS = 3.0
_SEARCHED_SECONDS = 5.0
_BLACK_BELOW = 24
"""The mean luma, 0 to 255, of a frame that shows nothing: of black itself it is 0."""
_WALL_SECONDS = 15.0


async def make_poster(job: Job, film: Path, info: probe.MediaInfo, demuxer: str) -> dict[str, Any] | None:
    """Make, store and announce the poster of a film; its output, or None when the film gives none so easily."""
    made = await _poster(job, film, info, demuxer)
    return await job.show_poster(made) if made else None


async def _poster(job: Job, film: Path, info: probe.MediaInfo, demuxer: str) -> Made | None:
    """The first frame after a fade-in that shows something; in a dark film the frame that is there, or the first."""
    stream = probe.require_video(info)
    path = job.scratch / "poster.jpg"
    moment = poster_moment(info)
    mapper = await tone_mapper(job, stream)
    for at_seconds, lit in ((moment, True), (moment, False), (0.0, False)):
        try:
            args = poster_args(film, path, stream, at_seconds, demuxer, lit=lit, mapper=mapper)
            await job.encode(args, wall_seconds=_WALL_SECONDS)
            if not path.exists():
                continue
            picture = probe.require_video(await job.look(path, "image2"))
        except RoomcastError as error:
            if error.code not in SPARED:
                raise
            log.warning("no poster at %.1f s: %s", at_seconds, error.message)
            if error.code is Code.TIMEOUT:
                break
        else:
            return Made(path, "poster", "image/jpeg", picture.width, picture.height)
    return None


def poster_moment(info: probe.MediaInfo) -> float:
    """Seconds into the film at which its poster is looked for: past most fade-ins, well before the end."""
    stream = probe.require_video(info)
    return min(_LATEST_SECONDS, (stream.duration or info.duration or 0.0) / 4)


def poster_args(
    film: Path,
    target: Path,
    stream: probe.VideoStream,
    at_seconds: float,
    demuxer: str,
    *,
    lit: bool,
    mapper: ToneMapper = "none",
) -> list[str]:
    """Arguments for `run_ffmpeg` that save a frame as a JPEG, upright, with square pixels, its longest side at most
    1280: the frame at `at_seconds`, or if `lit` the first in the five seconds from there that is not black. ffmpeg
    succeeds and writes nothing when there is no such frame."""
    shrink = min(1.0, _LONG_SIDE / max(stream.width, stream.height))
    width, height = (max(1, round(side * shrink)) for side in (stream.width, stream.height))
    filters = [as_text(jpeg_chain(stream, width, height, mapper))]
    if lit:
        seen = f"key=lavfi.signalstats.YAVG:value={_BLACK_BELOW}:function=greater"
        filters += ["signalstats", f"metadata=select:{seen}"]
    return [
        *("-ss", f"{max(0.0, at_seconds):.3f}", "-t", f"{_SEARCHED_SECONDS}"),
        *input_args(film, demuxer),
        *("-map", f"0:{stream.index}", "-vf", ",".join(filters)),
        # `update`: the target is one file, and a % in its path is not a counter.
        *("-frames:v", "1", "-q:v", "3", "-update", "1", "-map_metadata", "-1", "-f", "image2"),
        file_url(target),
    ]
