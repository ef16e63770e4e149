"""Exponential backoff: its delays, their bounds and their jitter."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roomcast.assemblies.delivery import BACKOFF as WEBHOOK_BACKOFF
from roomcast.runtime.backoff import Backoff


def test_delays_double_up_to_the_cap() -> None:
    growing = Backoff(0.5, cap=3.0)
    assert [growing.delay(failures) for failures in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize(("sample", "delay"), [(0.0, 2.0), (0.5, 4.0), (1.0, 6.0)])
def test_jitter_scales_the_delay_between_its_bounds(sample: float, delay: float) -> None:
    assert Backoff(4.0, jitter=(0.5, 1.5)).delay(1, sample=sample) == delay


@given(failures=st.integers(1, 10_000), sample=st.floats(0, 1))
def test_webhook_delay_is_at_least_five_seconds_and_at_most_an_hour_and_a_quarter(failures: int, sample: float) -> None:
    assert 5 <= WEBHOOK_BACKOFF.delay(failures, sample=sample) <= 4500


def test_random_delays_stay_between_the_bounds_and_differ() -> None:
    delays = {Backoff(1.0, jitter=(0.5, 1.5)).delay(3) for _ in range(100)}
    assert len(delays) > 1
    assert min(delays) >= 2.0
    assert max(delays) <= 6.0


async def test_wait_sleeps_for_the_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await Backoff(0.25, cap=0.75).wait(2)
    await Backoff(0.25, cap=0.75).wait(3)
    assert slept == [0.5, 0.75]
