"""Combine the progress of several ffmpeg runs into one fraction that never falls, with an ETA."""

from __future__ import annotations

import time
from collections.abc import Callable

from roomcast.uploads.model import Forecast, Tick

from roomcast_workers.ffmpeg.progress import ProgressBlock

_ETA_AFTER_SECONDS = 2.0
_ETA_AFTER_FRACTION = 0.03


class ProgressMeter:
    """Turns ffmpeg's progress into ticks. There is no ETA until there is enough progress to estimate it.

    A step may take several runs of ffmpeg over the video, which lasts `duration` seconds; each run covers the step up
    to the fraction `ends_at`.
    """

    def __init__(self, duration: float | None, on_tick: Callable[[Tick], None]) -> None:
        self._duration = duration
        self._on_tick = on_tick
        self._began = time.monotonic()
        self._starts_at = self._fraction = 0.0
        self._ends_at = 1.0
        self._predicts_size = False

    def start_run(self, ends_at: float, *, predicts_size: bool = False) -> None:
        """Begin a run that covers the step up to the fraction `ends_at`.

        `predicts_size`: the run writes the result itself, so the size so far predicts the final size.
        """
        self._starts_at = self._fraction
        self._ends_at = max(ends_at, self._fraction)
        self._predicts_size = predicts_size

    def finish_run(self) -> None:
        """Count the current run as complete, whatever progress it reported."""
        self._fraction = self._ends_at

    def __call__(self, block: ProgressBlock) -> None:
        done = 0.0
        if self._duration and block.seconds:
            done = min(1.0, block.seconds / self._duration)
            self._fraction = max(self._fraction, self._starts_at + done * (self._ends_at - self._starts_at))
        fraction = self._fraction
        elapsed = time.monotonic() - self._began
        eta = forecast = None
        if elapsed >= _ETA_AFTER_SECONDS and fraction >= _ETA_AFTER_FRACTION:
            eta = round(elapsed * (1 - fraction) / fraction, 1)
            if self._predicts_size and block.size and done >= _ETA_AFTER_FRACTION:
                forecast = Forecast(round(block.size / done), round(elapsed / fraction, 1))
        self._on_tick(Tick(fraction, eta=eta, speed=block.speed, fps=block.fps, forecast=forecast))
