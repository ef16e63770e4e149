"""Run a module with a clock that can be set: `python -m tests.support.shifted_clock MODULE`.

The file that CLOCK_FILE names contains the seconds by which its wall clock runs ahead of the machine's. The monotonic
clock is the machine's, as it is when an administrator or NTP sets the time.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path

_REREAD_SECONDS = 0.2

_time = time.time
_offset = 0.0
_read_at = float("-inf")


def shifted_time() -> float:
    """Return the time of the shifted clock, which is the machine's where there is no CLOCK_FILE."""
    global _offset, _read_at
    file = os.environ.get("CLOCK_FILE")
    if file is None:
        return _time()
    if time.monotonic() - _read_at > _REREAD_SECONDS:
        _offset, _read_at = float(Path(file).read_text()), time.monotonic()
    return _time() + _offset


def install() -> None:
    """Have everything that is imported from now on use the shifted clock."""
    time.time = shifted_time


if __name__ == "__main__":
    if _time.__name__ != shifted_time.__name__:  # which a process that was forked has installed already
        install()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
