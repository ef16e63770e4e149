"""The steps of a film, from its probing to its results."""

from __future__ import annotations

import time
from collections.abc import Callable

from server.upload.errors import TranscodeError, UnreadableMedia
from server.upload.events import Tick
from server.upload.lifecycle import Stage
from workers import probe, video
from workers.job import Job, Made, Results
from workers.poster import poster_at_once
from workers.progress import Reading

_ETA_AFTER_SECONDS = 2.0
_ETA_AFTER_FRACTION = 0.03


async def compress_film(job: Job) -> Results:
    """Everything that is made of a film. Enters the stages from compressing to thumbnails."""
    template = job.template
    before = await job.look(job.path, job.source.format)
    original = probe.require_video(before)
    poster = await poster_at_once(job, before)
    settings = video.VideoSettings(
        long_side=template.video_long_side,
        crf=template.crf,
        preset=template.preset,
        audio_bitrate=template.audio_bitrate,
    )
    target = job.scratch / "video.mp4"
    await job.reporter.enter(Stage.COMPRESSING, "Compressing the video")
    on_reading = _Pace(before.duration, job.reporter.progress)
    await job.encode(video.compress_args(job.path, target, before, settings, job.source.format), on_reading)
    try:
        after = await job.look(target, "mov")
    except UnreadableMedia as error:
        raise TranscodeError("The encoder's result cannot be read.") from error
    video.verify(before, after)
    stream = probe.require_video(after)

    await job.reporter.enter(Stage.THUMBNAILS, "Checking the video")
    return Results(
        [Made(target, "video", "video/mp4", stream.width, stream.height, after.duration)],
        [poster] if poster else [],
        {"width": original.width, "height": original.height, "duration": before.duration},
    )


class _Pace:
    """Turns ffmpeg's readings into ticks. The ETA is hidden until enough has happened to believe it."""

    def __init__(self, duration: float | None, tell: Callable[[Tick], None]) -> None:
        self._duration = duration
        self._tell = tell
        self._began = time.monotonic()
        self._fraction = 0.0

    def __call__(self, reading: Reading) -> None:
        if self._duration and reading.seconds:
            self._fraction = min(1.0, max(self._fraction, reading.seconds / self._duration))
        fraction = self._fraction
        elapsed = time.monotonic() - self._began
        eta = None
        if elapsed >= _ETA_AFTER_SECONDS and fraction >= _ETA_AFTER_FRACTION:
            eta = round(elapsed * (1 - fraction) / fraction, 1)
        self._tell(Tick(fraction, eta=eta, speed=reading.speed, fps=reading.fps))
