"""The deadlines of a program that is watched: progress postpones the one for a stall, on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from roomcast import errors
from roomcast_workers.sandbox import subprocess_runner
from roomcast_workers.sandbox.subprocess_runner import _Child, _watch


class WatchedProgram:
    """A program that reports progress at these times, in seconds, and exits at `exits_at`. The clock stands still but
    for what is waited."""

    def __init__(self, progress: Iterable[float], exits_at: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now, self._progress, self._exits_at = 0.0, list(progress), exits_at
        self.child: Any = SimpleNamespace(
            done=asyncio.get_running_loop().create_future(),
            error=RuntimeError("It has exited."),
            last_progress=0.0,
        )
        module = SimpleNamespace(
            get_running_loop=lambda: SimpleNamespace(time=lambda: self._now),
            wait=self._wait,
        )
        monkeypatch.setattr(subprocess_runner, "asyncio", module)

    async def _wait(self, _: object, *, timeout: float) -> None:
        assert timeout > 0
        self._now = min(self._now + timeout, self._exits_at)
        for time in [time for time in self._progress if time <= self._now]:
            self.child.last_progress = time
        if self._now == self._exits_at:
            self.child.done.set_result(None)


async def watch(program: WatchedProgram, *, timeout_seconds: float = 1000) -> None:
    await _watch(cast(_Child, program.child), timeout_seconds, 2)


async def test_run_with_progress_outlives_the_stall_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    program = WatchedProgram([number * 1.9 for number in range(10)], 19.0, monkeypatch)
    with pytest.raises(RuntimeError, match="It has exited"):
        await watch(program)


async def test_run_whose_progress_ends_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    program = WatchedProgram([1.0, 2.5, 4.0], 20.0, monkeypatch)
    with pytest.raises(errors.Stalled):
        await watch(program)
    assert not program.child.done.done()


async def test_run_with_progress_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    program = WatchedProgram(range(100), 90.0, monkeypatch)
    with pytest.raises(errors.TimedOut):
        await watch(program, timeout_seconds=30)
