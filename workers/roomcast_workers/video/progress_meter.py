"""How far a compression is, over however many runs of ffmpeg it takes: one bar that never falls."""

from __future__ import annotations

import time
from collections.abc import Callable

from roomcast.uploads.model import Forecast, Tick

from roomcast_workers.ffmpeg.progress import ProgressBlock

_ETA_AFTER_SECONDS = 2.0
_ETA_AFTER_FRACTION = 0.03


class ProgressMeter:
    """Turns ffmpeg's readings into ticks. The ETA is hidden until enough has happened to believe it.

    A stage may take several runs over the film: the present one is its part up to the fraction `ends_at`. `duration` is
    the film's, in seconds. The film itself has the first `share` of the stage.
    """

    def __init__(self, duration: float | None, tell: Callable[[Tick], None], share: float = 1.0) -> None:
        self._duration = duration
        self._tell = tell
        self._share = share
        self._began = time.monotonic()
        self._starts_at = self._fraction = 0.0
        self._ends_at = share
        self._sized = False

    def start_video_run(self, ends_at: float, *, sized: bool = False) -> None:
        """The next run over the film, up to a fraction of its share. `sized`: its output is the result, so that its
        size so far tells what to expect."""
        self.start_run(self._share * ends_at)
        self._sized = sized

    def start_run(self, ends_at: float) -> None:
        self._starts_at = self._fraction
        self._ends_at = max(ends_at, self._fraction)
        self._sized = False

    def finish_run(self) -> None:
        """The present run has come to its end, whatever its readings said."""
        self._fraction = self._ends_at

    def __call__(self, reading: ProgressBlock) -> None:
        done = 0.0
        if self._duration and reading.seconds:
            done = min(1.0, reading.seconds / self._duration)
            self._fraction = max(self._fraction, self._starts_at + done * (self._ends_at - self._starts_at))
        fraction = self._fraction
        elapsed = time.monotonic() - self._began
        eta = forecast = None
        if elapsed >= _ETA_AFTER_SECONDS and fraction >= _ETA_AFTER_FRACTION:
            eta = round(elapsed * (1 - fraction) / fraction, 1)
            if self._sized and reading.size and done >= _ETA_AFTER_FRACTION:
                forecast = Forecast(round(reading.size / done), round(elapsed / fraction, 1))
        self._tell(Tick(fraction, eta=eta, speed=reading.speed, fps=reading.fps, forecast=forecast))
