"""Combine the progress of several ffmpeg runs, or of the tasks of a film, into one fraction that never falls, with a
steady ETA and a forecast."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from roomcast.segments.plan import SegmentProgress
from roomcast.uploads.model import Forecast, Tick

from roomcast_workers.ffmpeg.progress import ProgressBlock

_MIN_FRACTION = 0.05
_MIN_SECONDS = 2.0
"""Before that much of the step, of its time and of its output, an estimate would be a guess."""

_SETTLED_FRACTION = 0.5
"""From here on, the forecast is one number."""

_ETA_DAMPING_SECONDS = 6.0
_RATE_SECONDS = 20.0
"""The time after which an earlier speed counts for 37 per cent."""

_TIME_SPREAD = 0.5
"""At the beginning of a step, the rest may take `1 + spread` times as long as expected, or as short."""

_BUFFERED_BYTES = 256 * 1024
"""ffmpeg reports a file's size in steps of its buffer."""

_SCENE_SECONDS = 30.0
_ASSUMED_SCENES = 3
"""Before scenes are known, their sizes are taken to vary by as much as their mean, with the weight of three of them."""
_CONFIDENCE, _DRIFT = 2.5, 0.05
_WIDEST_RANGE = 4.0
"""A range that is wider says nothing."""


class ProgressMeter:
    """Turns ffmpeg's progress into ticks. There is no ETA until there is enough progress to estimate it.

    A step may take several runs of ffmpeg over the video, which lasts `duration` seconds; each run covers the step up
    to the fraction `ends_at`. The first one starts at the fraction `starts_at`. `clock` returns seconds and never goes
    back.
    """

    def __init__(
        self,
        duration: float | None,
        on_tick: Callable[[Tick], None],
        *,
        starts_at: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._duration = duration
        self._on_tick = on_tick
        self._clock = clock
        self._began = clock()
        self._starts_at = self._fraction = starts_at
        self._ends_at = 1.0
        self._predicts_size = False
        self._eta = SteadyEta()
        self._sizes = SizeEstimator()
        self._expected: Forecast | None = None

    def start_run(self, ends_at: float, *, predicts_size: bool = False) -> None:
        """Begin a run that covers the step up to the fraction `ends_at`.

        `predicts_size`: the run writes the result itself, so the size so far predicts the final size.
        """
        self._starts_at = self._fraction
        self._ends_at = max(ends_at, self._fraction)
        self._predicts_size = predicts_size
        self._sizes = SizeEstimator()

    def expect(self, forecast: Forecast) -> None:
        """Set the forecast that holds until the work itself shows a better one."""
        self._expected = forecast

    def finish_run(self) -> None:
        """Count the current run as complete, whatever progress it reported."""
        self._fraction = self._ends_at

    def __call__(self, block: ProgressBlock) -> None:
        done = 0.0
        if self._duration and block.seconds:
            done = min(1.0, block.seconds / self._duration)
            self._fraction = max(self._fraction, self._starts_at + done * (self._ends_at - self._starts_at))
        elapsed = self._clock() - self._began
        eta = self._eta.update(elapsed, self._fraction)
        forecast = None
        if self._predicts_size and self._duration and block.seconds and block.size:
            forecast = self._forecast(done, block.seconds, block.size, elapsed, eta)
        rounded = None if eta is None else round(eta, 1)
        self._on_tick(Tick(self._fraction, eta=rounded, speed=block.speed, fps=block.fps, forecast=forecast))

    def _forecast(self, done: float, seconds: float, size: int, elapsed: float, eta: float | None) -> Forecast | None:
        self._sizes.update(seconds, size)
        forecast = None
        if eta is not None and self._duration and done >= _MIN_FRACTION and seconds >= _MIN_SECONDS:
            sizes = self._sizes.estimate(seconds, size, self._duration)
            forecast = forecast_of(sizes, done, elapsed, eta)
        if forecast is not None:
            self._expected = None
        elif self._expected is not None and size > (self._expected.bytes_low or self._expected.bytes):
            forecast = self._expected = self._expected.at_least(size)
        return forecast


class FilmMeter:
    """Turns the progress of a film's tasks into ticks: the work that is done and running, in all renditions.

    The fraction never falls, also when a worker is lost with what it had not completed. Speed and frames per second are
    those of all workers together, and the forecast is that of the best rendition's segments so far. The film lasts
    `seconds` and has `fps`, if that is known.
    """

    def __init__(
        self,
        seconds: float,
        fps: float | None,
        on_tick: Callable[[Tick], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._fps = fps
        self._on_tick = on_tick
        self._clock = clock
        self._began = clock()
        self._fraction = 0.0
        self._eta = SteadyEta()
        self._sizes = SizeEstimator()
        self._written = 0.0, 0

    def record_size(self, seconds: float, size: int) -> None:
        """Record that the first `seconds` of the film have `size` bytes in the result."""
        self._written = seconds, size
        self._sizes.update(seconds, size)

    def update(self, progress: SegmentProgress) -> None:
        """Report the progress of the tasks."""
        done = (progress.done_weight + progress.running_weight) / max(1, progress.weight)
        self._fraction = max(self._fraction, min(1.0, done))
        elapsed = self._clock() - self._began
        eta = self._eta.update(elapsed, self._fraction)
        speed = None if eta is None else round(self._eta.rate * self._seconds, 2)
        fps = None if speed is None or self._fps is None else round(speed * self._fps, 1)
        rounded = None if eta is None else round(eta, 1)
        self._on_tick(
            Tick(
                self._fraction,
                eta=rounded,
                speed=speed,
                fps=fps,
                forecast=self._forecast(elapsed, eta),
            )
        )

    def _forecast(self, elapsed: float, eta: float | None) -> Forecast | None:
        seconds, size = self._written
        if eta is None or self._fraction < _MIN_FRACTION or seconds < _MIN_SECONDS:
            return None
        return forecast_of(self._sizes.estimate(seconds, size, self._seconds), self._fraction, elapsed, eta)


class SteadyEta:
    """Estimates the remaining seconds of a step so that they fall steadily while its speed varies."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._elapsed = self._fraction = 0.0
        self._time_weight = self._work_weight = 0.0
        self._eta: float | None = None

    @property
    def rate(self) -> float:
        """The recent speed, as a fraction of the step per second."""
        return self._work_weight / self._time_weight if self._time_weight else 0.0

    def update(self, elapsed: float, fraction: float) -> float | None:
        """Return the seconds that are left after `elapsed` seconds, at a fraction of 0–1; None before it is known."""
        if self._began is None:  # what came before, such as samples, does not show the speed
            self._began, self._elapsed, self._fraction = elapsed, elapsed, fraction
        passed, work = max(0.0, elapsed - self._elapsed), max(0.0, fraction - self._fraction)
        self._elapsed, self._fraction = max(elapsed, self._elapsed), max(fraction, self._fraction)
        # Sums of time and of work, in which what is earlier weighs less: their quotient is the recent speed.
        fading = math.exp(-passed / _RATE_SECONDS)
        self._time_weight = self._time_weight * fading + passed
        self._work_weight = self._work_weight * fading + work
        if self._fraction < _MIN_FRACTION or self._elapsed - self._began < _MIN_SECONDS or self._work_weight <= 0:
            return None
        estimate = (1 - self._fraction) * self._time_weight / self._work_weight
        if self._eta is None:
            self._eta = estimate
        else:
            expected = max(0.0, self._eta - passed)
            self._eta = expected + (estimate - expected) * (1 - math.exp(-passed / _ETA_DAMPING_SECONDS))
        if self._fraction >= 1:
            self._eta = 0.0
        return self._eta


class SizeEstimator:
    """Estimates the size of a result from what has been written, as a range that holds in nine of ten films.

    A film is a row of scenes of different difficulty. The sizes of the scenes that have been written say how much those
    that follow may differ: the range is the narrower, the more scenes there are on both sides. Measured on films of
    15 s to 40 min that were mixed of scenes with extreme sizes.
    """

    def __init__(self) -> None:
        self._scene_began, self._scene_offset = 0.0, 0
        self._rates: list[float] = []

    def update(self, seconds: float, size: int) -> None:
        """Record that `size` bytes have been written for `seconds` of the film."""
        length = seconds - self._scene_began
        if length >= _SCENE_SECONDS and size > self._scene_offset:
            self._rates.append((size - self._scene_offset) / length)
            self._scene_began, self._scene_offset = seconds, size

    def estimate(self, seconds: float, size: int, duration: float) -> tuple[int, int, int] | None:
        """Return the lowest, the expected and the highest size of the whole film; None if that would be a guess."""
        if size < _BUFFERED_BYTES or seconds <= 0:
            return None  # the header, or what happens to fill the first buffers
        rest = max(0.0, duration - seconds)
        rate = (size + _BUFFERED_BYTES / 2) / seconds
        scenes, scenes_left = max(1.0, seconds / _SCENE_SECONDS), max(1.0, rest / _SCENE_SECONDS)
        deviation = sum((each / rate - 1) ** 2 for each in self._rates)
        variation = math.sqrt((_ASSUMED_SCENES + deviation) / (_ASSUMED_SCENES + len(self._rates)))
        factor = math.exp(_CONFIDENCE * variation * math.sqrt(1 / scenes + 1 / scenes_left) + _DRIFT)
        low, high = size + rate * rest / factor, size + _BUFFERED_BYTES + rate * rest * factor
        return math.floor(low), round(size + rate * rest), math.ceil(high)


def forecast_of(sizes: tuple[int, int, int] | None, done: float, elapsed: float, eta: float) -> Forecast | None:
    """Return the forecast of a compression of which the fraction `done` is done after `elapsed` seconds.

    Until half of it is done it has ranges, and there is none while the sizes are too uncertain.
    """
    if sizes is None:
        return None
    low, middle, high = sizes
    seconds = round(elapsed + eta, 1)
    if done >= _SETTLED_FRACTION:
        return Forecast(middle, seconds)
    if high > low * _WIDEST_RANGE:
        return None
    factor = 1 + _TIME_SPREAD * (1 - done / _SETTLED_FRACTION)
    return Forecast(
        middle,
        seconds,
        bytes_low=low,
        bytes_high=high,
        seconds_low=round(elapsed + eta / factor, 1),
        seconds_high=round(elapsed + eta * factor, 1),
    )
