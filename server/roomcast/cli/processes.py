"""The subcommands that run a process: this process becomes it."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

PROCESSES = {"serve": "roomcast", "worker": "roomcast_workers"}
"""The module that each of these subcommands runs."""


def exec_module(module: str) -> NoReturn:
    """Replace this process by `python -m module`, which must not import from the current directory."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    os.execve(sys.executable, [sys.executable, "-m", module], environment)  # noqa: S606
