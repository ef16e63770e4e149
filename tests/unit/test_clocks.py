"""Clocks of a process that is frozen, or whose system clock is changed."""

from __future__ import annotations

import pytest
from roomcast.runtime.clocks import RunningClock, UnixClock


class Time:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_running_clock_follows_a_process_that_reads_it_often() -> None:
    monotonic = Time(500.0)
    clock = RunningClock(0.25, monotonic)
    for _ in range(40):
        monotonic.now += 0.25
        clock()
    assert clock() == 10.0


def test_a_frozen_process_loses_one_step_of_the_running_clock() -> None:
    monotonic = Time(500.0)
    clock = RunningClock(0.25, monotonic)
    monotonic.now += 900.0
    assert clock() == 0.25


@pytest.mark.parametrize(("step", "expected"), [(0.0, 1060.0), (900.0, 1960.0), (-3600.0, 1060.0), (-0.5, 1060.0)])
def test_unix_clock_follows_the_system_clock_forward_and_never_back(step: float, expected: float) -> None:
    system, monotonic = Time(1000.0), Time(5.0)
    clock = UnixClock(system, monotonic)
    system.now += 60.0 + step
    monotonic.now += 60.0
    assert clock() == expected


def test_unix_clock_runs_on_after_the_system_clock_was_set_back() -> None:
    system, monotonic = Time(1000.0), Time(5.0)
    clock = UnixClock(system, monotonic)
    system.now -= 3600.0
    read = []
    for _ in range(3):
        system.now += 1.0
        monotonic.now += 1.0
        read.append(clock())
    assert read == [1001.0, 1002.0, 1003.0]


@pytest.mark.parametrize("step", [0.0, 3600.0, -3600.0])
def test_unix_clock_that_a_store_has_adjusted_follows_no_system_clock(step: float) -> None:
    system, monotonic = Time(1000.0 + step), Time(5.0)
    clock = UnixClock(system, monotonic)
    clock.sync(1000.0)
    system.now += 60.0 + step
    monotonic.now += 60.0
    assert clock() == 1060.0


def test_unix_clock_goes_back_to_the_time_of_a_store() -> None:
    clock = UnixClock(Time(1000.0), Time(5.0))
    assert clock() == 1000.0
    clock.sync(900.0)
    assert clock() == 900.0
