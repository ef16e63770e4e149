"""Clocks that a frozen process or a changed system clock does not upset."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]


class UnixClock:
    """The time in Unix seconds, as the store that several processes share knows it.

    Each reply of a store that has a clock adjusts it by `sync`; from then on the system clock is not read any more, so
    a process whose system clock is wrong still writes times that the others understand. Before the first reply, and
    without such a store, it is the system clock, but never goes back: when that is set back, this one runs on steadily.
    """

    def __init__(self, system: Clock = time.time, monotonic: Clock = time.monotonic) -> None:
        self._system = system
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._synced = False
        self._read_at = monotonic()
        self._latest = system()

    def __call__(self) -> float:
        with self._lock:
            now = self._monotonic()
            steady = self._latest + now - self._read_at
            self._latest = steady if self._synced else max(self._system(), steady)
            self._read_at = now
            return self._latest

    def sync(self, time_of_store: float) -> None:
        """Adjust the clock to the time in a reply of the store."""
        with self._lock:
            self._synced = True
            self._read_at = self._monotonic()
            self._latest = time_of_store


class RunningClock:
    """The seconds for which this process has been running.

    Between two readings at most `max_step` seconds pass. So while the process is frozen (a paused virtual machine, a
    suspended laptop, SIGSTOP), or after the system clock was changed, no more time than that passes.
    """

    def __init__(self, max_step: float, monotonic: Clock = time.monotonic) -> None:
        self._max_step = max_step
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at = monotonic()
        self._seconds = 0.0

    def __call__(self) -> float:
        with self._lock:
            now = self._monotonic()
            self._seconds += min(now - self._read_at, self._max_step)
            self._read_at = now
            return self._seconds


unix_time = UnixClock()
"""The time for records, and for what other processes compare with theirs."""
