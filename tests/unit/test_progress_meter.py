"""The ETA and the forecast of a compression."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from roomcast.segments.plan import SegmentProgress
from roomcast.uploads.model import Forecast, Tick
from roomcast_workers.ffmpeg.progress import ProgressBlock
from roomcast_workers.video.progress_meter import FilmMeter, ProgressMeter, SteadyEta
from roomcast_workers.video.rate_control import sample_forecast

BUFFER = 256 * 1024


class Film:
    """Writes a film of `duration` seconds at given speeds and rates, as ffmpeg reports it, and collects the ticks."""

    def __init__(self, duration: float) -> None:
        self.duration, self.now, self.written, self.position = duration, 0.0, 0.0, 0.0
        self.ticks: list[Tick] = []
        self.meter = ProgressMeter(duration, self.ticks.append, clock=lambda: self.now)
        self.meter.start_run(1.0, predicts_size=True)

    def write(self, seconds: float, *, rate: float = 1e6) -> Tick:
        self.position = min(self.duration, self.position + seconds)
        self.written += seconds * rate
        self.now += seconds
        size = int(self.written // BUFFER * BUFFER)
        self.meter(ProgressBlock(self.position, None, None, 1.0, size, ended=False))
        return self.ticks[-1]


def test_nothing_is_forecast_before_five_per_cent_two_seconds_and_a_written_buffer() -> None:
    film = Film(100)
    assert [film.write(1).forecast for _ in range(4)] == [None] * 4
    assert film.ticks[-1].eta is None
    assert film.write(1).eta == pytest.approx(95, abs=1)
    short = Film(10)
    assert short.write(1.5).forecast is None
    tiny = Film(1000)
    assert all(tiny.write(10, rate=10).forecast is None for _ in range(60))


def test_forecast_is_a_range_until_half_of_the_work_and_then_one_number() -> None:
    film = Film(1000)
    for tick in [film.write(5) for _ in range(99)]:
        if forecast := tick.forecast:
            assert forecast.bytes_low is not None
            assert forecast.bytes_high is not None
            assert forecast.bytes_low < forecast.bytes < forecast.bytes_high <= 4 * forecast.bytes_low
            assert forecast.seconds_low is not None
            assert forecast.seconds_high is not None
            assert forecast.seconds_low <= forecast.seconds <= forecast.seconds_high
    assert sum(tick.forecast is not None for tick in film.ticks) >= 60
    settled = film.write(10).forecast
    assert settled is not None
    assert (settled.bytes_low, settled.seconds_high) == (None, None)
    assert settled.bytes == pytest.approx(1e9, rel=0.01)
    assert settled.seconds == pytest.approx(1000, rel=0.01)


def films(count: int) -> Iterator[tuple[float, list[tuple[float, float]]]]:
    """Yield films of 3 to 40 minutes, of scenes of 1 to 40 s whose rates differ by up to 30 times."""
    generator = random.Random(20281129)
    for _ in range(count):
        duration, level = generator.choice([180.0, 400.0, 900.0, 2400.0]), 10 ** generator.uniform(4.5, 6)
        scenes: list[tuple[float, float]] = []
        while sum(length for length, _ in scenes) < duration:
            scenes.append((generator.uniform(1, 40), level * 10 ** generator.uniform(0, 1.5)))
        yield sum(2 * round(length / 2) for length, _ in scenes), scenes


def test_final_size_lies_in_the_range_nine_times_out_of_ten_from_the_first_one_on() -> None:
    within = shown = first_within = films_shown = 0
    for duration, scenes in films(40):
        film, sizes = Film(duration), []
        for length, rate in scenes:
            sizes += [film.write(2, rate=rate).forecast for _ in range(round(length / 2))]
        ranges = [(size.bytes_low, size.bytes_high) for size in sizes if size and size.bytes_low and size.bytes_high]
        hits = [low <= film.written <= high for low, high in ranges]
        within, shown = within + sum(hits), shown + len(hits)
        first_within, films_shown = first_within + sum(hits[:1]), films_shown + bool(hits)
    assert films_shown >= 30
    assert within / shown >= 0.9
    assert first_within / films_shown >= 0.9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 20), st.floats(0, 5e6)), min_size=5, max_size=60))
def test_forecast_is_never_below_what_is_written(steps: list[tuple[float, float]]) -> None:
    film = Film(sum(seconds for seconds, _ in steps))
    film.meter.expect(sample_forecast(100_000, 3.0))
    for seconds, rate in steps:
        written = int((film.written + seconds * rate) // BUFFER * BUFFER)
        if forecast := film.write(seconds, rate=rate).forecast:
            assert written <= (forecast.bytes_low or forecast.bytes) <= forecast.bytes <= (forecast.bytes_high or 1e18)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.5, 2.0), min_size=100, max_size=200))
def test_eta_falls_with_the_clock_while_the_speed_varies_by_half_or_twice(speeds: list[float]) -> None:
    eta, elapsed, fraction, before = SteadyEta(), 0.0, 0.0, None
    for speed in speeds:
        elapsed, fraction = elapsed + 0.25, fraction + 0.25 * speed / 100
        now = eta.update(elapsed, min(fraction, 1.0))
        if now is not None and before is not None:
            assert now >= 0
            assert abs(before - 0.25 - now) <= 0.05 * before + 0.5, "a jump"
        before = now


def test_eta_follows_a_speed_that_changes_and_ends_at_zero() -> None:
    eta, elapsed, fraction = SteadyEta(), 0.0, 0.0
    assert eta.update(elapsed, fraction) is None
    latest: float | None = None
    while fraction < 0.5:
        elapsed, fraction = elapsed + 1, fraction + 0.01
        latest = eta.update(elapsed, fraction)
    assert latest == pytest.approx(50, abs=0.5)
    for _ in range(100):
        elapsed, fraction = elapsed + 1, fraction + 0.0025
        latest = eta.update(elapsed, fraction)
    assert latest == pytest.approx((1 - fraction) / 0.0025, rel=0.1)
    assert eta.update(elapsed + 1, 1.0) == 0.0


def test_time_before_the_first_progress_does_not_count_as_slow_work() -> None:
    eta = SteadyEta()
    eta.update(100.0, 0.2)
    for second in range(1, 11):
        latest = eta.update(100.0 + second, 0.2 + second * 0.01)
    assert latest == pytest.approx(70, abs=1)


def test_sample_forecast_has_a_range_and_grows_with_what_is_written() -> None:
    forecast = sample_forecast(1_000_000, 60.0)
    assert (forecast.bytes_low, forecast.bytes_high) == (500_000, 2_000_000)
    grown = forecast.at_least(3_000_000)
    assert (grown.bytes_low, grown.bytes, grown.bytes_high) == (3_000_000,) * 3
    assert Forecast(5, 1.0).at_least(7) == Forecast(7, 1.0)


def test_forecast_in_a_message_has_ranges_only_while_there_are_any() -> None:
    assert Forecast(5, 1.0).to_json() == {"bytes": 5, "seconds": 1.0}
    ranges = {"bytesLow": 4, "bytesHigh": 9, "secondsLow": 2.0, "secondsHigh": 8.0}
    assert Forecast(5, 2.0, 4, 9, 1.0, 4.0).over_share(0.5).to_json() == {"bytes": 5, "seconds": 4.0, **ranges}


class Tasks:
    """The tasks of a film of 1,000 s at 25 fps, each of 10 s, as workers do them, and the ticks that follow."""

    def __init__(self, *, done: int = 0) -> None:
        self.now, self.done = 0.0, done
        self.ticks: list[Tick] = []
        self.meter = FilmMeter(1000.0, 25.0, self.ticks.append, clock=lambda: self.now)

    def report(self, *, running: float = 0.0, after: float = 1.0) -> Tick:
        self.now += after
        progress = SegmentProgress("p", self.done, 100, self.done, 1, 0, 10_000, self.done * 100, running * 100)
        self.meter.update(progress)
        return self.ticks[-1]

    def work(self, tasks: int, *, seconds: float) -> Tick:
        """`tasks` are done one after the other, each in `seconds`."""
        for _ in range(tasks):
            self.done += 1
            self.meter.record_size(self.done * 10.0, self.done * 1_000_000)
            self.report(after=seconds)
        return self.ticks[-1]


def test_film_is_as_far_as_its_tasks_are_done_and_running() -> None:
    tasks = Tasks(done=10)
    assert tasks.report(running=5.0).fraction == pytest.approx(0.15)
    tasks.done = 100
    assert tasks.report().fraction == 1.0


def test_film_does_not_fall_back_when_a_worker_is_lost_with_its_task() -> None:
    tasks = Tasks(done=10)
    assert tasks.report(running=0.9).fraction == tasks.report(running=0.1).fraction
    tasks.done = 11
    assert tasks.report().fraction == pytest.approx(0.11)


def test_eta_speed_and_frames_are_those_of_all_workers_together() -> None:
    tasks = Tasks(done=20)
    tick = tasks.work(20, seconds=2.0)
    assert tick.eta == pytest.approx(120, rel=0.2)
    assert tick.speed == pytest.approx(5, rel=0.1)
    assert tick.fps == pytest.approx(125, rel=0.1)
    faster = tasks.work(30, seconds=1.0)
    assert faster.speed == pytest.approx(10, rel=0.3)


def test_size_of_a_film_is_forecast_from_its_first_segments() -> None:
    tasks = Tasks()
    assert tasks.work(4, seconds=1.0).forecast is None
    early = tasks.work(30, seconds=1.0).forecast
    assert early is not None
    assert early.bytes_low is not None
    assert early.bytes == pytest.approx(100_000_000, rel=0.05)
    settled = tasks.work(40, seconds=1.0).forecast
    assert settled is not None
    assert settled.bytes_low is None
    assert settled.bytes == pytest.approx(100_000_000, rel=0.05)
    assert settled.seconds == pytest.approx(100, rel=0.1)
