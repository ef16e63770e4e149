"""Two clocks that a frozen process or a changed system clock does not upset."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]


class UnixClock:
    """The time in Unix seconds, which never goes back: when the system clock is set back, it runs on steadily."""

    def __init__(self, system: Clock = time.time, monotonic: Clock = time.monotonic) -> None:
        self._system = system
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at = monotonic()
        self._latest = system()

    def __call__(self) -> float:
        with self._lock:
            now = self._monotonic()
            self._latest = max(self._system(), self._latest + now - self._read_at)
            self._read_at = now
            return self._latest


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
"""The time of this process, for records and for what is listed by its age."""
