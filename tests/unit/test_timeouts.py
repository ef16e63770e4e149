"""Timeouts: each item expires once, in order, unless it was cancelled."""

from __future__ import annotations

import pytest
from roomcast.transport.timeouts import Timeouts

from tests.support.harness import eventually


@pytest.fixture
def over() -> list[str]:
    return []


@pytest.fixture
def timeouts(over: list[str]) -> Timeouts[str]:
    return Timeouts(0.05, over.append)


async def test_items_expire_in_order_unless_cancelled_or_restarted(timeouts: Timeouts[str], over: list[str]) -> None:
    for name in "abc":
        timeouts.start(name)
    timeouts.start("a")
    timeouts.cancel("b")
    timeouts.cancel("never in")
    assert list(timeouts) == ["c", "a"]
    await eventually(lambda: len(over) == 2)
    assert over == ["c", "a"]
    assert list(timeouts) == []
    timeouts.start("d")
    await eventually(lambda: over[2:] == ["d"])


async def test_item_restarted_on_expiry_expires_again(over: list[str]) -> None:
    def again(name: str) -> None:
        over.append(name)
        if len(over) < 3:
            repeating.start(name)

    repeating = Timeouts[str](0.02, again)
    repeating.start("a")
    await eventually(lambda: over == ["a"] * 3)
    assert list(repeating) == []
