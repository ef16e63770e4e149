"""Limits on programs that read untrusted media.

`confined` turns a command into one that limits itself before it starts: `workers/confine.py` runs first, sets the
limits, and becomes the command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.confine import EXIT_NOT_STARTED, NOT_STARTED

_CONFINE = Path(__file__).with_name("confine.py")


@dataclass(frozen=True)
class Limits:
    """What one program may use; `None` leaves a limit as this process has it.

    `address_space` and `file_size` are bytes, `cpu_seconds` is CPU time, summed over threads. Over `cpu_seconds` the
    program gets SIGXCPU and, two seconds of CPU later, SIGKILL; over `file_size` it gets SIGXFSZ, or EFBIG if it
    ignores that; over `address_space` its allocations fail. No core file is ever written.
    """

    address_space: int | None
    cpu_seconds: int | None
    file_size: int | None
    open_files: int = 256
    nice: int = 5


def confined(argv: Sequence[str], limits: Limits) -> list[str]:
    """The command that runs `argv` under `limits`; `argv[0]` must be a path.

    The program is killed when this process (precisely: the thread that starts it) dies, on Linux. Start it from this
    process itself: it refuses to run under another parent. `was_started` tells whether it came to run at all.
    """
    wanted = {"parent": os.getpid(), "core": 0, **asdict(limits)}
    words = [f"{name}={value}" for name, value in wanted.items() if value is not None]
    return [sys.executable, "-I", "-S", str(_CONFINE), *words, "--", *argv]


def was_started(returncode: int, stderr: str) -> bool:
    """Whether the program itself ran, rather than `confine.py` failing to start it."""
    return not (returncode == EXIT_NOT_STARTED and stderr.startswith(NOT_STARTED))
