"""The entry of the `roomcast` command.

`roomcast serve` and `roomcast worker` become their process at once: loading the command line would cost each start more
than a quarter of its CPU time.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

_PROCESSES = {"serve": "roomcast", "worker": "roomcast_workers"}


def main() -> None:
    """Run the command line."""
    if len(sys.argv) == 2 and sys.argv[1] in _PROCESSES:
        exec_module(_PROCESSES[sys.argv[1]])
    from roomcast.cli.commands import app  # noqa: PLC0415  (see the module's docstring)

    app()


def exec_module(module: str) -> NoReturn:
    """Replace this process by `python -m module`, which must not import from the current directory."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    os.execve(sys.executable, [sys.executable, "-m", module], environment)  # noqa: S606
